//! Disputes, as rows: what partners object to within the objection period, and what operators answer.

use std::collections::BTreeMap;

use entente_ledger::{AmountKind, Currency, PartnerId, RequestId, WindowId};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::statement::DayTotal;
use crate::{StoreError, codes, erasing};

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
    /// And to which totals of a day.
    pub totals: Vec<DayTotal>,
    /// What is wrong, by its number in the contract.
    pub code: i16,
    /// The partner's own words.
    pub evidence: Said,
    /// When.
    pub at: Timestamp,
    /// Who made it.
    pub actor: String,
    /// What operators answered.
    pub answered: Option<Answered>,
}

/// What somebody wrote about a line, which is about a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// As it was written, before words were sealed.
    Plain(String),
    /// Sealed; `None` when a member was erased.
    Sealed(Option<Vec<u8>>),
}

impl Said {
    fn read(plain: String, sealed: Option<Vec<u8>>) -> Self {
        if plain.is_empty() { Self::Sealed(sealed) } else { Self::Plain(plain) }
    }

    fn columns(&self) -> (&str, Option<&[u8]>) {
        match self {
            Self::Plain(plain) => (plain, None),
            Self::Sealed(sealed) => ("", sealed.as_deref()),
        }
    }
}

/// What operators answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// Why.
    pub answer: Said,
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

/// Writes a dispute that nobody has answered yet. Words about a member who is erased are not kept.
pub async fn insert_dispute(
    connection: &mut PgConnection,
    dispute: &Dispute,
) -> Result<(), StoreError> {
    let (evidence, sealed) = dispute.evidence.columns();
    sqlx::query!(
        "INSERT INTO disputes (dispute_id, window_id, partner_id, code, evidence, at, actor, sealed)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        dispute.id.0,
        dispute.window.0,
        dispute.partner.0,
        dispute.code,
        evidence,
        dispute.at.to_sqlx() as _,
        dispute.actor,
        sealed
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
    .execute(&mut *connection)
    .await?;
    insert_totals(&mut *connection, dispute).await?;
    erasing::nobody_meanwhile(&mut *connection).await?;
    let erased = sqlx::query_scalar!(
        r#"SELECT DISTINCT e.member_id FROM dispute_lines l
           JOIN requests r ON r.partner_id = $2 AND r.request_id = l.request_id
           JOIN erasures e ON e.member_id = r.member_id
           WHERE l.dispute_id = $1"#,
        dispute.id.0,
        dispute.partner.0
    );
    let erased = erased.fetch_all(&mut *connection).await?;
    if erased.is_empty() { Ok(()) } else { forget(connection, &erased).await }
}

async fn insert_totals(connection: &mut PgConnection, dispute: &Dispute) -> Result<(), StoreError> {
    let totals = &dispute.totals;
    let days: Vec<jiff_sqlx::Date> = totals.iter().map(|total| total.day.to_sqlx()).collect();
    sqlx::query!(
        "INSERT INTO dispute_totals (dispute_id, ordinal, counterparty, day, kind, currency)
         SELECT $1, n.ordinal::smallint, n.counterparty, n.day, n.kind, n.currency
         FROM UNNEST($2::integer[], $3::date[], $4::smallint[], $5::text[]) WITH ORDINALITY
             AS n (counterparty, day, kind, currency, ordinal)",
        dispute.id.0,
        &totals.iter().map(|total| total.counterparty.0).collect::<Vec<_>>(),
        &days as _,
        &totals.iter().map(|total| codes::amount_kind_code(total.kind)).collect::<Vec<_>>(),
        &totals.iter().map(|total| total.currency.to_string()).collect::<Vec<_>>()
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Removes the words of disputes about members. The requests say whose lines they are, also those of
/// operations that are archived.
pub(crate) async fn forget(
    connection: &mut PgConnection,
    members: &[Uuid],
) -> Result<(), StoreError> {
    let forgotten = sqlx::query!(
        "UPDATE disputes d SET evidence = '', sealed = NULL, sealed_answer = NULL,
             answer = CASE WHEN d.answer IS NOT NULL THEN '' END
         WHERE num_nonnulls(nullif(d.evidence, ''), nullif(d.answer, ''), d.sealed, d.sealed_answer) > 0
           AND EXISTS (
             SELECT FROM dispute_lines l
             JOIN requests r ON r.partner_id = d.partner_id AND r.request_id = l.request_id
             WHERE l.dispute_id = d.dispute_id AND r.member_id = ANY ($1))",
        members
    );
    forgotten.execute(connection).await?;
    Ok(())
}

/// Notes what operators answered; whose words are gone has none in its answer either.
pub async fn answer_dispute(
    connection: &mut PgConnection,
    dispute: RequestId,
    answered: &Answered,
) -> Result<(), StoreError> {
    let (answer, sealed) = answered.answer.columns();
    sqlx::query!(
        "UPDATE disputes SET answered_at = $2, answered_by = $3, answer = $4, accepted = $5,
             adjustment = $6,
             sealed_answer = CASE WHEN evidence <> '' OR sealed IS NOT NULL THEN $7::bytea END
         WHERE dispute_id = $1 AND answered_at IS NULL",
        dispute.0,
        answered.at.to_sqlx() as _,
        answered.by,
        answer,
        answered.adjustment.is_some(),
        answered.adjustment.map(|id| id.0),
        sealed
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
    let one = Which { partner: None, dispute: Some(id), limit: 1 };
    Ok(read(connection, WindowId(window), one).await?.pop())
}

/// Whether a dispute of a partner about a window has no answer yet.
pub async fn any_unanswered(
    executor: impl PgExecutor<'_>,
    window: WindowId,
    partner: PartnerId,
) -> Result<bool, StoreError> {
    let any = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM disputes WHERE window_id = $1 AND partner_id = $2
                                                 AND answered_at IS NULL) AS "any!""#,
        window.0,
        partner.0
    );
    Ok(any.fetch_one(executor).await?)
}

/// The disputes about a window, of one partner or of all, the earliest first.
pub async fn disputes(
    connection: &mut PgConnection,
    window: WindowId,
    partner: Option<PartnerId>,
    limit: i64,
) -> Result<Vec<Dispute>, StoreError> {
    read(connection, window, Which { partner, dispute: None, limit }).await
}

/// Which disputes about a window.
struct Which {
    partner: Option<PartnerId>,
    dispute: Option<RequestId>,
    limit: i64,
}

async fn read(
    connection: &mut PgConnection,
    window: WindowId,
    which: Which,
) -> Result<Vec<Dispute>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT dispute_id, partner_id, code, evidence, at AS "at: jiff_sqlx::Timestamp", actor,
                  answered_at AS "answered_at: jiff_sqlx::Timestamp", answered_by, answer,
                  adjustment, sealed, sealed_answer
           FROM disputes WHERE window_id = $1 AND ($2::integer IS NULL OR partner_id = $2)
             AND ($4::uuid IS NULL OR dispute_id = $4)
           ORDER BY at, dispute_id LIMIT $3"#,
        window.0,
        which.partner.map(|partner| partner.0),
        which.limit,
        which.dispute.map(|id| id.0)
    );
    let rows = rows.fetch_all(&mut *connection).await?;
    let ids: Vec<Uuid> = rows.iter().map(|row| row.dispute_id).collect();
    let mut lines = lines_of(&mut *connection, &ids).await?;
    let mut totals = totals_of(connection, &ids).await?;
    let dispute = rows.into_iter().map(|row| {
        let said = row.answered_at.zip(row.answered_by).zip(row.answer);
        let adjustment = row.adjustment.map(RequestId);
        let sealed = row.sealed_answer;
        let answered = said.map(|((at, by), answer)| {
            let answer = Said::read(answer, sealed);
            Answered { at: at.to_jiff(), by, answer, adjustment }
        });
        Dispute {
            id: RequestId(row.dispute_id),
            window,
            partner: PartnerId(row.partner_id),
            lines: lines.remove(&row.dispute_id).unwrap_or_default(),
            totals: totals.remove(&row.dispute_id).unwrap_or_default(),
            code: row.code,
            evidence: Said::read(row.evidence, row.sealed),
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

async fn totals_of(
    connection: &mut PgConnection,
    disputes: &[Uuid],
) -> Result<BTreeMap<Uuid, Vec<DayTotal>>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT dispute_id, counterparty, day AS "day: jiff_sqlx::Date", kind, currency
           FROM dispute_totals WHERE dispute_id = ANY ($1) ORDER BY dispute_id, ordinal"#,
        disputes
    );
    let mut totals = BTreeMap::<Uuid, Vec<DayTotal>>::new();
    for row in rows.fetch_all(connection).await? {
        let total = DayTotal {
            counterparty: PartnerId(row.counterparty),
            day: row.day.to_jiff(),
            kind: codes::amount_kind(row.kind)?,
            currency: codes::currency(&row.currency, "dispute_totals", "currency")?,
        };
        totals.entry(row.dispute_id).or_default().push(total);
    }
    Ok(totals)
}
