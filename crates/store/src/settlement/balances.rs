//! What is unpaid between a partner and the coalition when a window closes, written down by the close, so
//! that a statement is the same for ever, whatever is paid later.

use entente_ledger::{Micros, PartnerId, WindowId};
use sqlx::{PgConnection, PgExecutor};

use super::statement::StatementNet;
use crate::{StoreError, codes};

/// Writes what is unpaid of all windows, this one counted. The caller holds all heads, so that nobody pays
/// meanwhile.
pub(super) async fn write(
    connection: &mut PgConnection,
    window: WindowId,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO balances (window_id, partner_id, currency, micros)
         SELECT $1, s.partner_id, s.currency, sum(s.micros)
         FROM (
             SELECT payer AS partner_id, currency, micros - paid_micros AS micros
             FROM obligations WHERE NOT paid
             UNION ALL
             SELECT payee, currency, paid_micros - micros FROM obligations WHERE NOT paid
         ) s
         WHERE s.partner_id > 0
         GROUP BY s.partner_id, s.currency HAVING sum(s.micros) <> 0",
        window.0
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// What was unpaid between a partner and the coalition when a window closed, by currency.
pub(super) async fn read(
    executor: impl PgExecutor<'_>,
    (partner, window): (PartnerId, WindowId),
) -> Result<Vec<StatementNet>, StoreError> {
    let rows = sqlx::query!(
        "SELECT currency, micros FROM balances WHERE partner_id = $1 AND window_id = $2
         ORDER BY currency",
        partner.0,
        window.0
    );
    let rows = rows.fetch_all(executor).await?.into_iter();
    let balance = rows.map(|row| {
        let currency = codes::currency(&row.currency, "balances", "currency")?;
        Ok(StatementNet { currency, net: Micros(row.micros) })
    });
    balance.collect()
}
