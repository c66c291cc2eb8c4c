//! What terms limit in an hour or a day, in and out of rows.

use std::collections::BTreeMap;

use entente_ledger::{PartnerId, TermsVersion};
use entente_loyalty::{Meter, Terms};
use sqlx::PgConnection;

use super::Key;
use crate::{StoreError, codes};

pub(super) async fn load(
    connection: &mut PgConnection,
) -> Result<BTreeMap<Key, BTreeMap<Meter, i64>>, StoreError> {
    let rows = sqlx::query!("SELECT partner_id, version, meter, most FROM terms_limits");
    let mut limits = BTreeMap::<Key, BTreeMap<Meter, i64>>::new();
    for row in rows.fetch_all(connection).await? {
        let key = (PartnerId(row.partner_id), TermsVersion(row.version));
        limits.entry(key).or_default().insert(codes::meter(row.meter)?, row.most);
    }
    Ok(limits)
}

/// Writes a version's limits. What they count of the partner as a whole has a row from now on, which
/// batches lock.
pub(super) async fn insert(connection: &mut PgConnection, terms: &Terms) -> Result<(), StoreError> {
    let limits = &terms.agreement.limits;
    if limits.is_empty() {
        return Ok(());
    }
    let meters: Vec<i16> = limits.keys().copied().map(codes::meter_code).collect();
    sqlx::query!(
        "INSERT INTO terms_limits (partner_id, version, meter, most)
         SELECT $1, $2, * FROM UNNEST($3::smallint[], $4::bigint[])",
        terms.partner.0,
        terms.version.0,
        &meters,
        &limits.values().copied().collect::<Vec<_>>()
    )
    .execute(&mut *connection)
    .await?;
    let wide = limits.keys().copied().filter(|meter| meter.is_partner_wide());
    let wide: Vec<i16> = wide.map(codes::meter_code).collect();
    sqlx::query!(
        "INSERT INTO partner_velocity (partner_id, meter, since, used)
         SELECT $1, meter, 'epoch', 0 FROM UNNEST($2::smallint[]) AS m (meter)
         ON CONFLICT (partner_id, meter) DO NOTHING",
        terms.partner.0,
        &wide
    )
    .execute(connection)
    .await?;
    Ok(())
}
