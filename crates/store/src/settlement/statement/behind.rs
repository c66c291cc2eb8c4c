//! Behind a total: the single operations of others that a statement tells as one sum for a day. They are read
//! within a dispute alone. Nothing names whose they are: no request id, no receipt and no member.

use entente_ledger::{AmountKind, Cell, Currency, Micros, PartnerId, Seq, TermsVersion, WindowId};
use jiff::civil::Date;
use jiff_sqlx::ToSqlx;
use sqlx::{PgExecutor, PgPool};

use super::{
    Elsewhere, Movement,
    elsewhere::{self, bounds},
};
use crate::{StoreError, archive, codes, member::OperationPlace, settlement::ListedWindow};

/// What names a total of a day in a partner's statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayTotal {
    /// The other party.
    pub counterparty: PartnerId,
    /// The UTC day of posting.
    pub day: Date,
    /// What for.
    pub kind: AmountKind,
    /// The currency.
    pub currency: Currency,
}

/// What one operation of another partner moved, as part of a total.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Behind {
    /// Where it is among the others of the total.
    pub place: BehindPlace,
    /// What priced it: a version of the counterparty's terms, where the operation is the counterparty's.
    pub terms_version: Option<TermsVersion>,
    /// The price of a point, where all of it has one.
    pub price: Option<Micros>,
    /// What it moved.
    pub movement: Movement,
}

/// The place of an operation among those behind a total.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BehindPlace {
    /// That of the operation itself.
    pub operation: OperationPlace,
    /// Which way it moved: 1 pays, 2 receives, 3 neither.
    pub side: i32,
}

/// The totals that the statement of a partner has of a day; none on a day that its window has not.
pub async fn day_totals(
    executor: impl PgExecutor<'_>,
    (window, partner): (&ListedWindow, PartnerId),
    day: Date,
) -> Result<Vec<DayTotal>, StoreError> {
    let last = window.closed_at.map(elsewhere::day);
    if day < elsewhere::day(window.opened_at) || last.is_none_or(|last| day > last) {
        return Ok(Vec::new());
    }
    let found = elsewhere::of_day(executor, partner, window.id, day).await?;
    let named = found.into_iter().map(|Elsewhere { day, movement }| {
        let Movement { kind, counterparty, currency, .. } = movement;
        DayTotal { counterparty, day, kind, currency }
    });
    Ok(named.collect())
}

/// The operations behind a total, in order of posting, after a place, at most `limit`. They add up to it.
pub async fn behind(
    pool: &PgPool,
    (window, partner): (WindowId, PartnerId),
    total: &DayTotal,
    (after, limit): (Option<BehindPlace>, i64),
) -> Result<Vec<Behind>, StoreError> {
    let (start, end) = bounds(total.day)?;
    let from = after.map_or(start, |after| after.operation.posted_at.max(start));
    let place = |after: BehindPlace| (after.operation.cell.0, after.operation.seq.0, after.side);
    let (cell, seq, side) = after.map_or((-1, 0, 0), place);
    // As the statement's totals are made (`elsewhere.rs`), without summing over operations.
    let rows = sqlx::query!(
        r#"SELECT t.posted_at AS "posted_at: jiff_sqlx::Timestamp", t.cell, t.seq, s.side AS "side!",
                  CASE WHEN o.partner_id = $7 THEN o.terms_version END AS terms_version,
                  sum(CASE WHEN t.in_points THEN t.amount ELSE 0 END)::bigint AS "points!",
                  sum(CASE WHEN NOT t.in_points THEN t.amount
                           WHEN t.payer = $1 AND t.payee = $1 THEN t.amount * t.price_micros
                           ELSE 0 END)::bigint AS "micros!",
                  min(t.price_micros) FILTER (WHERE t.in_points) AS least,
                  max(t.price_micros) FILTER (WHERE t.in_points) AS most
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
             AND t.kind = $5 AND t.kind NOT IN (11, 12, 13) AND t.currency = $6
             AND s.counterparty = $7
             AND (t.posted_at, t.cell, t.seq, s.side) > ($3, $8::smallint, $9::bigint, $10::integer)
           GROUP BY t.posted_at, t.cell, t.seq, s.side, o.partner_id, o.terms_version
           ORDER BY t.posted_at, t.cell, t.seq, s.side LIMIT $11"#,
        partner.0,
        window.0,
        from.to_sqlx() as _,
        end.to_sqlx() as _,
        codes::amount_kind_code(total.kind),
        total.currency.code(),
        total.counterparty.0,
        cell,
        seq,
        side,
        limit
    );
    let rows = rows.fetch_all(pool).await?;
    archive::whole_window(pool, window).await?;
    let behind = rows.into_iter().map(|row| {
        let posted_at = row.posted_at.to_jiff();
        let operation = OperationPlace { posted_at, cell: Cell(row.cell), seq: Seq(row.seq) };
        let place = BehindPlace { operation, side: row.side };
        let kind = codes::amount_kind_code(total.kind);
        let (currency, counterparty) = (total.currency, total.counterparty.0);
        let moved = (kind, row.side, counterparty, currency, row.points, row.micros);
        let price = row.least.filter(|price| row.most == Some(*price) && *price != 0);
        Ok(Behind {
            place,
            terms_version: row.terms_version.map(TermsVersion),
            price: price.map(Micros),
            movement: Movement::try_from(moved)?,
        })
    });
    behind.collect()
}
