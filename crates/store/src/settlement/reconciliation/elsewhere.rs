//! What a partner's operations of other windows say of lines that found none in their own: by request
//! id, by the receipt that an earn credited, and by the receipt of an earn that was refused.

use entente_ledger::{PartnerId, Points, RequestId, WindowId};
use sqlx::PgExecutor;
use uuid::Uuid;

use super::HubRow;
use crate::{StoreError, codes};

/// What a few lines name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// Their request ids.
    pub request_ids: Vec<Uuid>,
    /// Their receipts.
    pub receipts: Vec<String>,
}

struct Row {
    request_id: Uuid,
    kind: i16,
    refused: bool,
    window_id: i32,
    points: i64,
    posted_at: jiff_sqlx::Timestamp,
    activity_at: Option<jiff_sqlx::Timestamp>,
    receipt_reference: String,
    answer: Option<Vec<u8>>,
}

/// The operations of other windows that are named, in a fixed order; no money and no member, since
/// they count nothing. A receipt that was refused often is answered a few times.
pub async fn elsewhere(
    executor: impl PgExecutor<'_>,
    (partner, window): (PartnerId, WindowId),
    asked: &Asked,
) -> Result<Vec<HubRow>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"WITH named AS (
               SELECT q.request_id FROM UNNEST($3::uuid[]) a (id)
               JOIN requests q ON q.partner_id = $1 AND q.request_id = a.id
               UNION
               SELECT q.request_id FROM UNNEST($4::text[]) a (receipt)
               JOIN requests q ON q.partner_id = $1 AND q.receipt = a.receipt
               UNION
               SELECT o.request_id FROM UNNEST($4::text[]) a (receipt)
               CROSS JOIN LATERAL (
                   SELECT f.request_id FROM operations f
                   WHERE f.partner_id = $1 AND f.receipt_reference = a.receipt AND f.refused
                     AND f.receipt_reference <> ''
                   ORDER BY f.request_id LIMIT 4
               ) o
           )
           SELECT o.request_id AS "request_id!", o.kind AS "kind!", o.refused AS "refused!",
                  o.window_id AS "window_id!", o.points AS "points!",
                  o.posted_at AS "posted_at!: jiff_sqlx::Timestamp",
                  o.activity_at AS "activity_at: jiff_sqlx::Timestamp",
                  o.receipt_reference AS "receipt_reference!",
                  CASE WHEN o.refused OR o.kind IN (6, 9) THEN q.answer END AS answer
           FROM named
           JOIN requests q ON q.partner_id = $1 AND q.request_id = named.request_id
           JOIN LATERAL (
               SELECT * FROM operations p WHERE p.cell = q.cell AND p.seq = q.seq LIMIT 1
           ) o ON true
           WHERE o.window_id <> $2
             AND (o.kind IN (1, 2, 4, 6, 9, 10, 11) OR (o.refused AND o.kind = 3))
           ORDER BY o.posted_at, o.cell, o.seq"#,
        partner.0,
        window.0,
        &asked.request_ids,
        &asked.receipts
    );
    let rows = rows.fetch_all(executor).await?;
    rows.into_iter().map(HubRow::try_from).collect()
}

impl TryFrom<Row> for HubRow {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            request_id: RequestId(row.request_id),
            kind: codes::operation_kind(row.kind)?,
            refused: row.refused,
            window: WindowId(row.window_id),
            points: Points(row.points),
            money: None,
            posted_at: row.posted_at.to_jiff(),
            activity_at: row.activity_at.map(jiff_sqlx::Timestamp::to_jiff),
            receipt: row.receipt_reference,
            member: None,
            answer: row.answer,
        })
    }
}
