//! Exposures of capped partners: the only rows that several cells share.

use std::collections::{BTreeMap, BTreeSet};

use entente_ledger::{Currency, Micros, PartnerId};
use entente_loyalty::{Exposure, ExposureKey};

use sqlx::PgConnection;

use super::Batch;
use crate::{StoreError, codes};

impl Batch {
    /// Locks the exposures that are kept of these partners, in key order, and reads them.
    pub async fn lock_exposures(
        &mut self,
        partners: &BTreeSet<PartnerId>,
    ) -> Result<BTreeMap<(PartnerId, Currency), Exposure>, StoreError> {
        let partners: Vec<i32> = partners.iter().map(|partner| partner.0).collect();
        let rows = sqlx::query!(
            "SELECT partner_id, currency, owed_micros, told_percent FROM exposures
             WHERE partner_id = ANY($1) ORDER BY partner_id, currency FOR UPDATE",
            &partners
        )
        .fetch_all(self.connection())
        .await?;
        rows.into_iter()
            .map(|row| {
                exposure((row.partner_id, &row.currency), (row.owed_micros, row.told_percent))
            })
            .collect()
    }

    pub(super) async fn write_exposures(
        &mut self,
        exposures: &BTreeMap<(PartnerId, Currency), Exposure>,
        changed: &BTreeSet<(PartnerId, Currency)>,
    ) -> Result<(), StoreError> {
        let (mut partners, mut currencies) = (vec![], vec![]);
        let (mut owed, mut told) = (vec![], vec![]);
        for key in changed {
            let Some(exposure) = exposures.get(key) else { continue };
            partners.push(key.0.0);
            currencies.push(key.1.to_string());
            owed.push(exposure.owed.0);
            told.push(i16::from(exposure.told));
        }
        if partners.is_empty() {
            return Ok(());
        }
        sqlx::query!(
            "UPDATE exposures SET owed_micros = n.owed_micros, told_percent = n.told_percent
             FROM UNNEST($1::integer[], $2::text[], $3::bigint[], $4::smallint[])
                 AS n (partner_id, currency, owed_micros, told_percent)
             WHERE exposures.partner_id = n.partner_id AND exposures.currency = n.currency",
            &partners,
            &currencies,
            &owed,
            &told
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }
}

/// The exposures that are kept of these partners, without locks.
pub(super) async fn read(
    connection: &mut PgConnection,
    partners: &BTreeSet<PartnerId>,
) -> Result<BTreeMap<(PartnerId, Currency), Exposure>, StoreError> {
    let partners: Vec<i32> = partners.iter().map(|partner| partner.0).collect();
    let rows = sqlx::query!(
        "SELECT partner_id, currency, owed_micros, told_percent FROM exposures
         WHERE partner_id = ANY($1)",
        &partners
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| exposure((row.partner_id, &row.currency), (row.owed_micros, row.told_percent)))
        .collect()
}

/// A row of `exposures`.
pub(crate) fn exposure(
    (partner, currency): (i32, &str),
    (owed_micros, told_percent): (i64, i16),
) -> Result<(ExposureKey, Exposure), StoreError> {
    let currency = codes::currency(currency, "exposures", "currency")?;
    let told = u8::try_from(told_percent);
    let told =
        told.map_err(|_| StoreError::inconsistent("exposures", "told_percent", told_percent))?;
    Ok(((PartnerId(partner), currency), Exposure { owed: Micros(owed_micros), told }))
}
