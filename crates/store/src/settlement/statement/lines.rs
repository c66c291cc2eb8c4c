//! Lines: the partner's own operations, page by page.

use entente_ledger::{Micros, PartnerId, RequestId, TermsVersion, WindowId};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::PgPool;

use super::{Line, Movement};
use crate::StoreError;

/// The last operation of the page before.
#[derive(Debug, Clone, Copy)]
pub(super) struct After {
    posted_at: Timestamp,
    cell: i16,
    seq: i64,
}

impl After {
    /// Before the first operation of a window.
    pub(super) const fn nothing(opened_at: Timestamp) -> Self {
        Self { posted_at: opened_at, cell: -1, seq: 0 }
    }
}

/// A row of a page: an operation, and one of its movements if it has any.
struct Row {
    cell: i16,
    seq: i64,
    posted_at: jiff_sqlx::Timestamp,
    request_id: uuid::Uuid,
    activity_at: Option<jiff_sqlx::Timestamp>,
    terms_version: Option<i32>,
    receipt_reference: String,
    prior_period: bool,
    link_token: Option<uuid::Uuid>,
    kind: Option<i16>,
    side: Option<i32>,
    counterparty: Option<i32>,
    currency: Option<String>,
    points: Option<i64>,
    micros: Option<i64>,
    price: Option<i64>,
}

/// The lines of the next operations, and where the page after them begins, if there may be one.
pub(super) async fn page(
    pool: &PgPool,
    (partner, window): (PartnerId, WindowId),
    (opened_at, closed_at): (Timestamp, Timestamp),
    (after, page_size): (After, u16),
) -> Result<(Vec<Line>, Option<After>), StoreError> {
    let rows = rows(pool, (partner, window), (opened_at, closed_at), (after, page_size)).await?;
    let last = rows.last().map(Row::place);
    let lines = rows.into_iter().filter_map(|row| line(row).transpose());
    Ok((lines.collect::<Result<_, _>>()?, last))
}

async fn rows(
    pool: &PgPool,
    (partner, window): (PartnerId, WindowId),
    (opened_at, closed_at): (Timestamp, Timestamp),
    (after, page_size): (After, u16),
) -> Result<Vec<Row>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"WITH page AS (
               SELECT cell, seq, posted_at, request_id, member_id, activity_at, terms_version,
                      receipt_reference, prior_period
               FROM operations
               WHERE partner_id = $1 AND window_id = $2 AND NOT refused
                 AND posted_at BETWEEN $3 AND $4 AND (posted_at, cell, seq) > ($5, $6, $7)
               ORDER BY posted_at, cell, seq LIMIT $8
           )
           SELECT page.cell, page.seq, page.posted_at AS "posted_at: jiff_sqlx::Timestamp",
                  page.request_id, page.activity_at AS "activity_at: jiff_sqlx::Timestamp",
                  page.terms_version, page.receipt_reference, page.prior_period,
                  l.link_token AS "link_token?", m.kind AS "kind?", m.side AS "side?",
                  m.counterparty AS "counterparty?", m.currency AS "currency?",
                  m.points AS "points?", m.micros AS "micros?", m.price AS "price?"
           FROM page
           LEFT JOIN LATERAL (
               SELECT n.link_token FROM links n
               WHERE n.member_id = page.member_id AND n.partner_id = $1
                 AND GREATEST(n.linked_at, n.moved_at) <= page.posted_at
               UNION ALL
               SELECT f.link_token FROM former_links f
               WHERE f.member_id = page.member_id AND f.partner_id = $1
                 AND f.linked_at <= page.posted_at AND page.posted_at < f.unlinked_at
               UNION ALL
               SELECT c.link_token FROM links c
               WHERE c.came_from = page.member_id AND c.partner_id = $1
                 AND c.linked_at <= page.posted_at
               LIMIT 1
           ) l ON true
           LEFT JOIN LATERAL (
               SELECT t.kind, s.side, s.counterparty, t.currency,
                      sum(CASE WHEN t.in_points THEN t.amount ELSE 0 END)::bigint AS points,
                      sum(CASE WHEN NOT t.in_points THEN t.amount
                               WHEN t.payer = $1 AND t.payee = $1 THEN t.amount * t.price_micros
                               ELSE 0 END)::bigint AS micros,
                      CASE WHEN min(s.price) = max(s.price) THEN nullif(min(s.price), 0) END AS price
               FROM transfers t
               CROSS JOIN LATERAL (
                   SELECT CASE WHEN t.payer = t.payee THEN 3 WHEN t.payer = $1 THEN 1
                               WHEN t.payee = $1 THEN 2 ELSE 3 END AS side,
                          CASE WHEN t.payer = $1 THEN t.payee WHEN t.payee = $1 THEN t.payer
                               ELSE $1 END AS counterparty,
                          CASE WHEN t.in_points THEN t.price_micros END AS price
               ) s
               WHERE t.cell = page.cell AND t.seq = page.seq AND t.posted_at = page.posted_at
                 AND (t.payer = $1 OR t.payee = $1 OR t.issuer = $1 OR t.credit_kind = 5)
                 AND (t.kind <> 12 OR t.payer = $1) AND t.kind <> 13
               GROUP BY t.kind, s.side, s.counterparty, t.currency
           ) m ON true
           ORDER BY page.posted_at, page.cell, page.seq, m.kind, m.side, m.counterparty, m.currency"#,
        partner.0,
        window.0,
        opened_at.to_sqlx() as _,
        closed_at.to_sqlx() as _,
        after.posted_at.to_sqlx() as _,
        after.cell,
        after.seq,
        i64::from(page_size)
    );
    Ok(rows.fetch_all(pool).await?)
}

impl Row {
    fn place(&self) -> After {
        After { posted_at: self.posted_at.to_jiff(), cell: self.cell, seq: self.seq }
    }

    /// What the row's operation moved; `None` when nothing.
    fn movement(&mut self) -> Result<Option<Movement>, StoreError> {
        let (Some(kind), Some(side), Some(counterparty), Some(currency)) =
            (self.kind, self.side, self.counterparty, self.currency.take())
        else {
            return Ok(None);
        };
        let (points, micros) = (self.points.unwrap_or_default(), self.micros.unwrap_or_default());
        Movement::try_from((kind, side, counterparty, currency, points, micros)).map(Some)
    }
}

fn line(mut row: Row) -> Result<Option<Line>, StoreError> {
    let Some(movement) = row.movement()? else { return Ok(None) };
    Ok(Some(Line {
        request_id: RequestId(row.request_id),
        posted_at: row.posted_at.to_jiff(),
        activity_at: row.activity_at.map(jiff_sqlx::Timestamp::to_jiff),
        link_token: row.link_token,
        receipt_reference: row.receipt_reference,
        terms_version: row.terms_version.map(TermsVersion),
        prior_period: row.prior_period,
        price: row.price.map(Micros),
        movement,
    }))
}
