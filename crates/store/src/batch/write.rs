//! Writing a batch: requests first, since another batch may have taken an id.

use std::collections::{BTreeMap, BTreeSet};

use entente_ledger::{Cell, Currency, PartnerId, Seq};
use entente_loyalty::{Decision, Exposure, Floats, MeterKey};

use super::{Batch, Heads, LoadedMembers, PartnersCounted};
use crate::{Notice, RequestRow, StoreError, notices};

/// Everything that a batch decided.
#[derive(Debug)]
pub struct Written<'a> {
    /// The heads as they were locked.
    pub heads: &'a Heads,
    /// The number of the last operation of each cell.
    pub last: &'a BTreeMap<Cell, Seq>,
    /// The outcomes.
    pub requests: &'a [RequestRow],
    /// The operations and their transfers.
    pub decisions: &'a [Decision],
    /// What partners are told beside their own operations.
    pub notices: &'a [Notice],
    /// The members, with what changed of them.
    pub members: &'a LoadedMembers,
    /// The exposures.
    pub exposures: &'a BTreeMap<(PartnerId, Currency), Exposure>,
    /// Those that changed.
    pub changed_exposures: &'a BTreeSet<(PartnerId, Currency)>,
    /// The floats, with what changed of them.
    pub floats: &'a Floats,
    /// What was counted of partners as a whole.
    pub counted: &'a PartnersCounted,
    /// The meters that changed.
    pub changed_counted: &'a BTreeSet<MeterKey>,
}

impl Batch {
    /// Writes everything; nothing is durable before [`Batch::commit`].
    pub async fn write(&mut self, written: &Written<'_>) -> Result<(), StoreError> {
        crate::requests::insert(self.connection(), written.requests).await?;
        self.write_operations(written.decisions, (written.heads, written.last)).await?;
        self.write_notices(written.notices).await?;
        self.write_members(written.members, written.heads).await?;
        self.write_exposures(written.exposures, written.changed_exposures).await?;
        self.write_floats(written.floats, written.decisions).await?;
        self.write_partners_counted(written.counted, written.changed_counted).await
    }

    async fn write_notices(&mut self, rows: &[Notice]) -> Result<(), StoreError> {
        // Most batches have none, and spare the round trip.
        if rows.is_empty() { Ok(()) } else { notices::insert(self.connection(), rows).await }
    }
}
