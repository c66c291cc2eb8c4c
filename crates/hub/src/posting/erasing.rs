//! What an erased member still has expires, as operations of their own, in the transaction of the
//! erasure: the phases of `batch.rs` under the member's head, alone in its batch.

use std::collections::{BTreeMap, HashMap};

use entente_ledger::{Cell, MemberId, Points};
use entente_loyalty::{Catalogue, OperationKind};
use entente_store::{
    StoreError,
    batch::{Batch, Heads, MemberNeeds},
    erasing,
};

use super::batch::{Deciding, lock_exposures, state};

/// Ends the life of all lots of a member and lets what is free in them expire; answers how much that
/// was. The head of its cell is locked.
pub(crate) async fn expire_everything(
    batch: &mut Batch,
    heads: &Heads,
    catalogue: &Catalogue,
    (cell, member): (Cell, MemberId),
) -> Result<Points, StoreError> {
    erasing::end_lots(batch.connection(), (cell, member), heads.now).await?;
    let needs = MemberNeeds { everything_open: true, ..MemberNeeds::default() };
    let needs = BTreeMap::from([((cell, member), needs)]);
    let mut loaded = batch.load(&needs, heads.now).await?;
    if !loaded.members.contains_key(&member) {
        // A journal may name members that this database never had.
        return Ok(Points::ZERO);
    }
    let exposures = lock_exposures(batch, catalogue, &loaded, std::iter::empty()).await?;
    let state = state(catalogue, heads, &mut loaded, exposures);
    let mut deciding = Deciding::new(state, heads, HashMap::new());
    let beyond = |_| StoreError::inconsistent("wallets", "available", member.0);
    deciding.expire_due(cell, member).map_err(beyond)?;
    let mut expired = Points::ZERO;
    for decision in &deciding.decisions {
        if decision.operation.kind == OperationKind::Expire && decision.operation.original.is_none()
        {
            expired = expired.plus(decision.operation.points).map_err(beyond)?;
        }
    }
    deciding.write(batch, loaded).await?;
    Ok(expired)
}
