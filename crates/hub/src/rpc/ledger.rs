//! LedgerService: parse, call, map.

use std::sync::Arc;

use entente_api::ledger::{
    AdvanceClockRequest, AdvanceClockResponse, GetLedgerRequest, GetLedgerResponse,
    ledger_service_server::LedgerService,
};
use entente_store::clock;
use sqlx::PgPool;
use tonic::{Request, Response, Status};

use crate::{
    authorization::Permit,
    caller::Caller,
    catalogue::CatalogueCache,
    control::Controls,
    error::RpcError,
    parse::{self, Violations, wire_timestamp},
};

/// LedgerService over the clock.
#[derive(Debug)]
pub struct Clock {
    /// Where the clock is moved.
    pub controls: Controls,
    /// Where it is read.
    pub pool: PgPool,
    /// Who the partners are.
    pub catalogue: Arc<CatalogueCache>,
}

#[tonic::async_trait]
impl LedgerService for Clock {
    async fn get_ledger(
        &self,
        request: Request<GetLedgerRequest>,
    ) -> Result<Response<GetLedgerResponse>, Status> {
        let permit = Permit::of(&request)?;
        if matches!(permit.caller(), Caller::Partner(_)) {
            self.catalogue.caller(permit).await?;
        }
        let (kind, now) = clock::read(&self.pool).await.map_err(RpcError::from)?;
        Ok(Response::new(GetLedgerResponse {
            simulation: kind.simulation,
            now: Some(wire_timestamp(now)),
            cell_count: kind.cell_count.into(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }))
    }

    async fn advance_clock(
        &self,
        request: Request<AdvanceClockRequest>,
    ) -> Result<Response<AdvanceClockResponse>, Status> {
        Permit::of(&request)?;
        let mut violations = Violations::default();
        let to = violations.required("to", request.get_ref().to.as_ref());
        let to = to.and_then(|to| violations.field("to", parse::clock_time(to)));
        let to = to.ok_or_else(|| RpcError::from(violations.refused()))?;
        let now = self.controls.advance_clock(to).await?;
        Ok(Response::new(AdvanceClockResponse { now: Some(wire_timestamp(now)) }))
    }
}
