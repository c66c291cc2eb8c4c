//! Elsewhere: what operations of others moved for a partner on one UTC day, for who asks about that day
//! alone. A statement adds the same up as it reads its lines (`moved.rs`).

use entente_ledger::{PartnerId, WindowId};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use jiff_sqlx::ToSqlx;
use sqlx::PgExecutor;

use super::{Elsewhere, Movement};
use crate::{StoreError, codes};

/// The UTC day of an instant.
pub(super) fn day(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

/// What was moved on one day. Payments are left out, since they settle windows that are closed, and
/// so are gifts of others' members and merges: the points are still the members'.
pub(super) async fn of_day(
    executor: impl PgExecutor<'_>,
    partner: PartnerId,
    window: WindowId,
    day: Date,
) -> Result<Vec<Elsewhere>, StoreError> {
    let (start, end) = bounds(day)?;
    let rows = sqlx::query!(
        r#"SELECT t.kind, s.side AS "side!", s.counterparty AS "counterparty!", t.currency,
                  sum(CASE WHEN t.in_points THEN t.amount ELSE 0 END)::bigint AS "points!",
                  sum(CASE WHEN NOT t.in_points THEN t.amount
                           WHEN t.payer = $1 AND t.payee = $1 THEN t.amount * t.price_micros
                           ELSE 0 END)::bigint AS "micros!"
           FROM transfers t
           JOIN operations o ON o.cell = t.cell AND o.seq = t.seq AND o.posted_at = t.posted_at
           CROSS JOIN LATERAL (
               SELECT CASE WHEN t.payer = t.payee THEN 3 WHEN t.payer = $1 THEN 1
                           WHEN t.payee = $1 THEN 2 ELSE 3 END AS side,
                      CASE WHEN t.payer = $1 THEN t.payee WHEN t.payee = $1 THEN t.payer
                           ELSE o.partner_id END AS counterparty
           ) s
           WHERE t.window_id = $2 AND t.posted_at >= $3 AND t.posted_at < $4
             AND (t.payer = $1 OR t.payee = $1 OR t.issuer = $1) AND o.partner_id <> $1
             AND t.kind NOT IN (11, 12, 13)
           GROUP BY s.counterparty, t.kind, s.side, t.currency
           ORDER BY s.counterparty, t.kind, s.side, t.currency"#,
        partner.0,
        window.0,
        start.to_sqlx() as _,
        end.to_sqlx() as _
    )
    .fetch_all(executor)
    .await?;
    rows.into_iter()
        .map(|row| {
            let currency = codes::currency(&row.currency, "transfers", "currency")?;
            let movement = (row.kind, row.side, row.counterparty, currency, row.points, row.micros);
            Ok(Elsewhere { day, movement: Movement::try_from(movement)? })
        })
        .collect()
}

/// When a day begins and ends.
pub(super) fn bounds(day: Date) -> Result<(Timestamp, Timestamp), StoreError> {
    let start = |day: Date| day.to_zoned(TimeZone::UTC).map(|start| start.timestamp());
    let bounds = day.tomorrow().and_then(|next| Ok((start(day)?, start(next)?)));
    bounds.map_err(|_| StoreError::inconsistent("windows", "closed_at", day))
}
