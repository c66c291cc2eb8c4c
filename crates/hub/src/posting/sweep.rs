//! Sweeps: members brought to now though nobody calls for them. What a batch does before a command
//! of a member is done here without one, under the same locks and by the same rules, in transactions
//! of a bounded number of members of one cell. A member that was swept meanwhile, by another hub or
//! before a command, has nothing due under its head, and nothing is written of it.

use std::{collections::HashMap, time::Duration};

use entente_ledger::{Cell, MemberId};
use entente_store::{
    Cure, StoreError,
    batch::{Batch, MemberNeeds},
};

use super::batch::{Context, Deciding, lock_exposures, state};
use crate::{clocks, deadline::answered_within};

/// How often a transaction is run again before its members are swept one by one.
const RERUNS: u32 = 5;

/// What came of members that had something due.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Swept {
    /// How many operations were posted.
    pub operations: u64,
    /// How many members could not be brought to now; they are tried again in the next round.
    pub failed: u64,
}

/// Sweeps members. Clones share its connections.
#[derive(Debug, Clone)]
pub struct Sweeps {
    context: Context,
}

impl Sweeps {
    pub(super) const fn new(context: Context) -> Self {
        Self { context }
    }

    /// Brings members of a cell to now. A member that cannot be swept harms no other.
    pub async fn sweep(&self, cell: Cell, members: &[MemberId]) -> Result<Swept, StoreError> {
        let mut reruns = 0;
        loop {
            let swept = answered_within(self.context.within, run(&self.context, cell, members));
            let error = match swept.await {
                Ok(swept) => return Ok(swept),
                Err(error) => error,
            };
            match error.cure() {
                Cure::Rerun if reruns < RERUNS => {
                    reruns += 1;
                    tokio::time::sleep(Duration::from_millis(u64::from(reruns))).await;
                }
                Cure::Rerun | Cure::OneByOne if members.len() > 1 => {
                    return self.one_by_one(cell, members).await;
                }
                Cure::Rerun | Cure::OneByOne => {
                    tracing::error!(%error, "a member could not be swept");
                    return Ok(Swept { failed: 1, ..Swept::default() });
                }
                Cure::GiveUp => return Err(error),
            }
        }
    }

    async fn one_by_one(&self, cell: Cell, members: &[MemberId]) -> Result<Swept, StoreError> {
        let mut sum = Swept::default();
        for member in members {
            let swept = Box::pin(self.sweep(cell, std::slice::from_ref(member))).await?;
            sum.operations += swept.operations;
            sum.failed += swept.failed;
        }
        Ok(sum)
    }
}

/// One transaction: the phases of `batch.rs`, without commands. As there, a database that does not
/// answer is given up.
async fn run(context: &Context, cell: Cell, members: &[MemberId]) -> Result<Swept, StoreError> {
    let mut batch = Batch::begin(&context.pool).await?;
    let heads = batch.lock_heads(&[cell]).await?;
    clocks::agree(heads.database)?;
    let catalogue = context.catalogue.at_least(heads.catalogue_epoch).await?;

    let wanted = members.iter().map(|member| ((cell, *member), MemberNeeds::default())).collect();
    let mut loaded = batch.load(&wanted, heads.now).await?;
    let exposures = lock_exposures(&mut batch, &catalogue, &loaded, std::iter::empty()).await?;

    let present: Vec<MemberId> =
        members.iter().copied().filter(|id| loaded.members.contains_key(id)).collect();
    let stale = loaded.any_is_stale();
    let state = state(&catalogue, &heads, &mut loaded, exposures);
    let mut deciding = Deciding::new(state, &heads, HashMap::new());
    let mut swept = Swept::default();
    for member in present {
        if deciding.expire_due(cell, member).is_err() {
            tracing::error!("what is due of a member is beyond the ledger's range");
            swept.failed += 1;
        }
    }
    swept.operations = u64::try_from(deciding.decisions.len()).unwrap_or(u64::MAX);
    let last = deciding.last.clone();
    if swept.operations > 0 || stale {
        deciding.write(&mut batch, loaded).await?;
    }
    batch.commit().await?;
    context.heads.committed(&last, heads.now);
    Ok(swept)
}
