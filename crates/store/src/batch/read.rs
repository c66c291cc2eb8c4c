//! Members as of now, without locks: for balances and quotes, which have no effect.

use std::collections::BTreeMap;

use entente_ledger::{Cell, MemberId};
use sqlx::PgConnection;

use super::{
    holds, lots,
    members::{self, Keys, LoadedMembers, MemberNeeds},
};
use crate::StoreError;

/// Everything open of members, in one snapshot when `connection` is in one.
pub async fn read_members(
    connection: &mut PgConnection,
    needs: &BTreeMap<(Cell, MemberId), MemberNeeds>,
) -> Result<LoadedMembers, StoreError> {
    let mut loaded = members::wallets(connection, needs).await?;
    let keys: Keys = needs.keys().map(|(cell, member)| (cell.0, member.0)).unzip();
    lots::load(connection, &mut loaded, &keys, needs).await?;
    holds::load(connection, &mut loaded, &keys, needs).await?;
    members::debts(connection, &mut loaded, &keys).await?;
    lots::earned_in_years(connection, &mut loaded, needs).await?;
    Ok(loaded)
}
