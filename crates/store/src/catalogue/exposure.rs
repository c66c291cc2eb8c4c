//! The exposure of a partner from the moment at which some version of its terms caps it. From then
//! on every batch, close and payment keeps it.

use entente_ledger::{AmountKind, Currency, PartnerId, WindowId};
use sqlx::PgExecutor;

use crate::{StoreError, codes};

/// Begins to keep what a partner owes in a currency: the net of the open window, what it has not
/// paid of its obligations, and what open holds reserve, as `entente_loyalty::reservation` counts
/// it. One that is kept already stays as it is. Runs under all heads.
pub async fn track_exposure(
    executor: impl PgExecutor<'_>,
    partner: PartnerId,
    currency: Currency,
    window: WindowId,
) -> Result<(), StoreError> {
    let settled_otherwise = [AmountKind::Rounding, AmountKind::Payment];
    sqlx::query!(
        "INSERT INTO exposures (partner_id, currency, owed_micros)
         SELECT $1, $2, (
             SELECT COALESCE(SUM(CASE WHEN payer = $1 THEN micros ELSE -micros END), 0)
             FROM positions
             WHERE window_id = $3 AND currency = $2 AND payer <> payee AND kind <> ALL ($4)
               AND (payer = $1 OR payee = $1)
         ) + (
             SELECT COALESCE(SUM(greatest(least(u.rest, (
                        SELECT SUM(CASE WHEN n.payer = $1 THEN n.micros ELSE -n.micros END)
                        FROM obligations n
                        WHERE n.window_id = u.window_id AND n.currency = $2
                          AND $1 IN (n.payer, n.payee))), 0)), 0)
             FROM (SELECT window_id, SUM(micros - paid_micros) AS rest FROM obligations
                   WHERE payer = $1 AND currency = $2 AND NOT paid GROUP BY window_id) AS u
         ) + (
             SELECT COALESCE(SUM(
                 CASE WHEN h.partner_id = $1 THEN 0
                      ELSE g.points::numeric * t.reimbursement_micros END
                 + div(g.points::numeric * t.reimbursement_micros * t.hub_fee_basis_points + 9999,
                       10000)), 0)
             FROM holds h
             JOIN hold_legs g USING (cell, member_id, authorized_by)
             JOIN terms t ON t.partner_id = h.partner_id AND t.version = h.terms_version
             WHERE h.open AND g.issuer = $1 AND g.funding = $5 AND t.currency = $2
         )
         ON CONFLICT (partner_id, currency) DO NOTHING",
        partner.0,
        currency.code(),
        window.0,
        &settled_otherwise.map(codes::amount_kind_code),
        codes::funding_code(entente_ledger::Funding::AtRedemption)
    )
    .execute(executor)
    .await?;
    Ok(())
}
