//! Disputes, as rows: what partners object to within the objection period, and what operators answer.

use std::collections::BTreeMap;

use entente_ledger::{AmountKind, Currency, PartnerId, RequestId, WindowId};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use crate::{StoreError, codes};

/// A line of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DisputedLine {
    /// The operation's id.
    pub request_id: RequestId,
    /// What the amount is for.
    pub kind: AmountKind,
    /// Its currency.
    pub currency: Currency,
}

/// A dispute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dispute {
    /// The request id by which it was made.
    pub id: RequestId,
    /// The closed window.
    pub window: WindowId,
    /// Who objects.
    pub partner: PartnerId,
    /// To what.
    pub lines: Vec<DisputedLine>,
    /// What is wrong, by its number in the contract.
    pub code: i16,
    /// The partner's own words.
    pub evidence: String,
    /// When.
    pub at: Timestamp,
    /// Who made it.
    pub actor: String,
    /// What operators answered.
    pub answered: Option<Answered>,
}

/// What operators answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// Why.
    pub answer: String,
    /// The adjustment that corrects it, where it was accepted.
    pub adjustment: Option<RequestId>,
}

/// Whether an operation of the partner has a line in the window.
pub async fn is_line(
    executor: impl PgExecutor<'_>,
    (window, partner): (WindowId, PartnerId),
    line: &DisputedLine,
) -> Result<bool, StoreError> {
    let found = sqlx::query_scalar!(
        r#"SELECT EXISTS (
               SELECT FROM requests r
               JOIN transfers t ON t.cell = r.cell AND t.seq = r.seq
               WHERE r.partner_id = $1 AND r.request_id = $2 AND NOT r.refused
                 AND t.window_id = $3 AND t.kind = $4 AND t.currency = $5) AS "found!""#,
        partner.0,
        line.request_id.0,
        window.0,
        codes::amount_kind_code(line.kind),
        line.currency.code()
    );
    Ok(found.fetch_one(executor).await?)
}

/// Writes a dispute that nobody has answered yet.
pub async fn insert_dispute(
    connection: &mut PgConnection,
    dispute: &Dispute,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO disputes (dispute_id, window_id, partner_id, code, evidence, at, actor)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        dispute.id.0,
        dispute.window.0,
        dispute.partner.0,
        dispute.code,
        dispute.evidence,
        dispute.at.to_sqlx() as _,
        dispute.actor
    )
    .execute(&mut *connection)
    .await?;
    let lines = &dispute.lines;
    sqlx::query!(
        "INSERT INTO dispute_lines (dispute_id, ordinal, request_id, kind, currency)
         SELECT $1, n.ordinal::smallint, n.request_id, n.kind, n.currency
         FROM UNNEST($2::uuid[], $3::smallint[], $4::text[]) WITH ORDINALITY
             AS n (request_id, kind, currency, ordinal)",
        dispute.id.0,
        &lines.iter().map(|line| line.request_id.0).collect::<Vec<_>>(),
        &lines.iter().map(|line| codes::amount_kind_code(line.kind)).collect::<Vec<_>>(),
        &lines.iter().map(|line| line.currency.to_string()).collect::<Vec<_>>()
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Notes what operators answered.
pub async fn answer_dispute(
    connection: &mut PgConnection,
    dispute: RequestId,
    answered: &Answered,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE disputes SET answered_at = $2, answered_by = $3, answer = $4, accepted = $5,
             adjustment = $6
         WHERE dispute_id = $1 AND answered_at IS NULL",
        dispute.0,
        answered.at.to_sqlx() as _,
        answered.by,
        answered.answer,
        answered.adjustment.is_some(),
        answered.adjustment.map(|id| id.0)
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Whether there is an adjustment by this id that corrects the window.
pub async fn is_adjustment(
    executor: impl PgExecutor<'_>,
    window: WindowId,
    id: RequestId,
) -> Result<bool, StoreError> {
    let found = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM adjustments WHERE request_id = $1 AND corrects_window = $2)
               AS "found!""#,
        id.0,
        window.0
    );
    Ok(found.fetch_one(executor).await?)
}

/// One dispute.
pub async fn dispute(
    connection: &mut PgConnection,
    id: RequestId,
) -> Result<Option<Dispute>, StoreError> {
    let window = sqlx::query_scalar!("SELECT window_id FROM disputes WHERE dispute_id = $1", id.0);
    let Some(window) = window.fetch_optional(&mut *connection).await? else { return Ok(None) };
    let found = disputes(connection, WindowId(window), None, i64::MAX).await?;
    Ok(found.into_iter().find(|dispute| dispute.id == id))
}

/// The disputes about a window, of one partner or of all, the earliest first.
pub async fn disputes(
    connection: &mut PgConnection,
    window: WindowId,
    partner: Option<PartnerId>,
    limit: i64,
) -> Result<Vec<Dispute>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT dispute_id, partner_id, code, evidence, at AS "at: jiff_sqlx::Timestamp", actor,
                  answered_at AS "answered_at: jiff_sqlx::Timestamp", answered_by, answer,
                  adjustment
           FROM disputes WHERE window_id = $1 AND ($2::integer IS NULL OR partner_id = $2)
           ORDER BY at, dispute_id LIMIT $3"#,
        window.0,
        partner.map(|partner| partner.0),
        limit
    );
    let rows = rows.fetch_all(&mut *connection).await?;
    let ids: Vec<Uuid> = rows.iter().map(|row| row.dispute_id).collect();
    let mut lines = lines_of(connection, &ids).await?;
    let dispute = rows.into_iter().map(|row| {
        let said = row.answered_at.zip(row.answered_by).zip(row.answer);
        let adjustment = row.adjustment.map(RequestId);
        let answered =
            said.map(|((at, by), answer)| Answered { at: at.to_jiff(), by, answer, adjustment });
        Dispute {
            id: RequestId(row.dispute_id),
            window,
            partner: PartnerId(row.partner_id),
            lines: lines.remove(&row.dispute_id).unwrap_or_default(),
            code: row.code,
            evidence: row.evidence,
            at: row.at.to_jiff(),
            actor: row.actor,
            answered,
        }
    });
    Ok(dispute.collect())
}

async fn lines_of(
    connection: &mut PgConnection,
    disputes: &[Uuid],
) -> Result<BTreeMap<Uuid, Vec<DisputedLine>>, StoreError> {
    let rows = sqlx::query!(
        "SELECT dispute_id, request_id, kind, currency FROM dispute_lines
         WHERE dispute_id = ANY ($1) ORDER BY dispute_id, ordinal",
        disputes
    );
    let mut lines = BTreeMap::<Uuid, Vec<DisputedLine>>::new();
    for row in rows.fetch_all(connection).await? {
        let line = DisputedLine {
            request_id: RequestId(row.request_id),
            kind: codes::amount_kind(row.kind)?,
            currency: codes::currency(&row.currency, "dispute_lines", "currency")?,
        };
        lines.entry(row.dispute_id).or_default().push(line);
    }
    Ok(lines)
}
