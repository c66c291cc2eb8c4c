//! The clock of a simulation, moved forward under all heads, so that no batch runs meanwhile.

use std::sync::Arc;

use entente_api::error::ErrorReason;
use entente_store::control::Control;
use jiff::Timestamp;

use super::{Controls, Ended, begin};
use crate::error::{Refused, RpcError};

impl Controls {
    /// Moves the clock of a simulation to a time that is not before it, and answers the clock.
    pub async fn advance_clock(&self, to: Timestamp) -> Result<Timestamp, RpcError> {
        let (pool, cache) = (self.pool.clone(), Arc::clone(&self.catalogue));
        self.run(move || {
            let (pool, cache) = (pool.clone(), Arc::clone(&cache));
            async move {
                let mut control = begin(&pool, &cache).await?;
                if let Err(refused) = allowed(&control, to) {
                    control.rollback().await?;
                    return Err(Ended::from(refused));
                }
                control.advance_clock(to).await?;
                control.commit().await?;
                Ok(to)
            }
        })
        .await
    }
}

fn allowed(control: &Control, to: Timestamp) -> Result<(), Refused> {
    if !control.ledger().simulation {
        let message = "only a simulation ledger's clock can be moved";
        return Err(Refused::new(ErrorReason::NotASimulation, message));
    }
    if to < control.now() {
        let message = "the clock moves forward only";
        return Err(Refused::new(ErrorReason::ClockBackwards, message));
    }
    Ok(())
}
