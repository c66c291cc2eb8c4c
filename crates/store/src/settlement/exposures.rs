//! Exposures: what each partner owes at this moment. Those of partners with a cap are kept as rows,
//! because every burn asks for them; the others are added up when somebody looks.

use std::collections::BTreeMap;

use entente_ledger::{Micros, PartnerId};
use entente_loyalty::{Exposure, ExposureKey};
use entente_settlement::Party;
use sqlx::{PgConnection, PgExecutor};

use crate::{StoreError, batch::exposure, codes};

/// What partners owe; negative where they are owed.
pub type Exposures = BTreeMap<Party, Micros>;

/// The exposures of one partner, or of all.
pub async fn exposures(
    connection: &mut PgConnection,
    partner: Option<PartnerId>,
) -> Result<Exposures, StoreError> {
    let mut exposures = computed(&mut *connection, partner).await?;
    let kept = kept(connection, partner).await?.into_iter();
    exposures
        .extend(kept.map(|((partner, currency), kept)| (Party { partner, currency }, kept.owed)));
    Ok(exposures)
}

/// The exposures that are kept as rows, with what their partners were told of them.
pub async fn kept(
    executor: impl PgExecutor<'_>,
    partner: Option<PartnerId>,
) -> Result<Vec<(ExposureKey, Exposure)>, StoreError> {
    let rows = sqlx::query!(
        "SELECT partner_id, currency, owed_micros, told_percent FROM exposures
         WHERE $1::integer IS NULL OR partner_id = $1 ORDER BY partner_id, currency",
        partner.map(|partner| partner.0)
    );
    let rows = rows.fetch_all(executor).await?.into_iter();
    rows.map(|row| exposure((row.partner_id, &row.currency), (row.owed_micros, row.told_percent)))
        .collect()
}

/// Remembers the greatest thresholds that partners were told of. Runs under all heads.
pub async fn keep_told(
    executor: impl PgExecutor<'_>,
    told: &[(ExposureKey, u8)],
) -> Result<(), StoreError> {
    if told.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "UPDATE exposures SET told_percent = n.told_percent
         FROM UNNEST($1::integer[], $2::text[], $3::smallint[])
             AS n (partner_id, currency, told_percent)
         WHERE exposures.partner_id = n.partner_id AND exposures.currency = n.currency",
        &told.iter().map(|((partner, _), _)| partner.0).collect::<Vec<_>>(),
        &told.iter().map(|((_, currency), _)| currency.to_string()).collect::<Vec<_>>(),
        &told.iter().map(|(_, percent)| i16::from(*percent)).collect::<Vec<_>>()
    )
    .execute(executor)
    .await?;
    Ok(())
}

/// The exposures as added up: the net of the open window, what is unpaid of the net of each closed one,
/// and what capturing every open hold in full would debit the lots' issuers.
pub async fn computed(
    executor: impl PgExecutor<'_>,
    partner: Option<PartnerId>,
) -> Result<Exposures, StoreError> {
    let rows = sqlx::query!(
        r#"WITH flows AS (
               SELECT p.currency, p.payer, p.payee, p.micros FROM cells c
               JOIN positions p
                   ON p.cell = c.cell AND p.window_id IN (c.window_id, c.testing_window_id)
               WHERE p.payer <> p.payee AND p.kind NOT IN (9, 11)
           ), reserved AS (
               SELECT l.issuer, t.currency, t.reimbursement_micros AS price,
                      l.points::numeric * t.reimbursement_micros AS money,
                      t.hub_fee_basis_points AS basis_points, l.issuer = h.partner_id AS own
               FROM holds h
               JOIN hold_legs l USING (cell, member_id, authorized_by)
               JOIN terms t ON t.partner_id = h.partner_id AND t.version = h.terms_version
               WHERE h.open AND l.funding = 2
           ), owed AS (
               SELECT payer AS partner_id, currency, micros::numeric AS micros FROM flows
               UNION ALL
               SELECT payee, currency, -micros::numeric FROM flows
               UNION ALL
               SELECT u.payer, u.currency, greatest(least(u.rest, (
                          SELECT sum(CASE WHEN n.payer = u.payer THEN n.micros ELSE -n.micros END)
                          FROM obligations n
                          WHERE n.window_id = u.window_id AND n.currency = u.currency
                            AND u.payer IN (n.payer, n.payee))), 0)
               FROM (SELECT window_id, payer, currency, sum(micros - paid_micros) AS rest
                     FROM obligations WHERE NOT paid GROUP BY window_id, payer, currency) AS u
               UNION ALL
               SELECT issuer, currency, CASE WHEN own THEN 0 ELSE money END
                      + div(money * basis_points + 9999, 10000)
               FROM reserved
           )
           SELECT partner_id AS "partner_id!", currency AS "currency!",
                  sum(micros)::bigint AS "micros!"
           FROM owed
           WHERE partner_id <> 0 AND ($1::integer IS NULL OR partner_id = $1)
           GROUP BY partner_id, currency"#,
        partner.map(|partner| partner.0)
    );
    let rows = rows.fetch_all(executor).await?;
    let rows = rows.into_iter().map(|row| {
        let currency = codes::currency(&row.currency, "exposures", "currency")?;
        Ok((Party { partner: PartnerId(row.partner_id), currency }, Micros(row.micros)))
    });
    rows.collect()
}
