//! One batch, in one transaction: lock the heads, read, decide elsewhere, write, commit. Every step
//! is one statement over all commands of the batch, so that the number of round trips does not
//! depend on how many there are.
//!
//! Lock order: heads, then exposures, then floats, then what is counted of partners, then receipts and request ids, each ascending. Member rows need no locks
//! of their own: whoever changes one holds its cell's head.

mod exposures;
mod floats;
mod gifts;
mod heads;
mod holds;
mod lots;
mod members;
mod merges;
mod read;
pub(crate) mod rows;
mod velocity;
mod version;
mod write;
mod write_members;
mod write_operations;

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering},
};

use entente_ledger::{PartnerId, RequestId};
use sqlx::{PgConnection, PgPool, Postgres, Transaction};

pub(crate) use exposures::exposure;
pub use floats::FloatNeeds;
pub use heads::{Head, Heads};
pub use members::{LoadedMembers, MemberNeeds, YearKey};
pub use read::{ExpiringLots, Snapshot};
pub use velocity::{CountedKey, PartnersCounted};
pub use version::{Version, Xid};
pub use write::Written;

use crate::{Earlier, ResolvedLink, StoreError, personal::Lookup, requests};

/// A batch's transaction. Dropped without [`Batch::commit`], it is rolled back.
#[derive(Debug)]
pub struct Batch {
    tx: Transaction<'static, Postgres>,
    round_trips: AtomicU64,
    /// Of the wallets that it wrote.
    version: Option<Version>,
}

impl Batch {
    /// Begins a transaction on a connection of the pool.
    pub async fn begin(pool: &PgPool) -> Result<Self, StoreError> {
        Ok(Self { tx: pool.begin().await?, round_trips: AtomicU64::new(1), version: None })
    }

    /// How many times the batch has waited for the database so far.
    #[must_use]
    pub fn round_trips(&self) -> u64 {
        self.round_trips.load(Ordering::Relaxed)
    }

    /// The outcomes of request ids that already have one, and what credited receipts.
    pub async fn earlier(
        &mut self,
        keys: &[(PartnerId, RequestId)],
        receipts: &[(PartnerId, String)],
    ) -> Result<Earlier, StoreError> {
        requests::earlier(self.connection(), keys, receipts).await
    }

    /// The members behind references, read again under the heads.
    pub async fn links(
        &mut self,
        keys: &[(PartnerId, Lookup)],
    ) -> Result<HashMap<(PartnerId, Lookup), ResolvedLink>, StoreError> {
        if keys.is_empty() {
            return Ok(HashMap::new());
        }
        requests::resolve_links(self.connection(), keys).await
    }

    /// The version of the wallets that were written, once they are.
    #[must_use]
    pub const fn version(&self) -> Option<Version> {
        self.version
    }

    /// Makes everything written durable.
    pub async fn commit(self) -> Result<(), StoreError> {
        Ok(self.tx.commit().await?)
    }

    /// Gives up what was written.
    pub(crate) async fn rollback(self) -> Result<(), StoreError> {
        Ok(self.tx.rollback().await?)
    }

    /// The connection, for one statement.
    pub fn connection(&mut self) -> &mut PgConnection {
        self.round_trips.fetch_add(1, Ordering::Relaxed);
        &mut self.tx
    }
}
