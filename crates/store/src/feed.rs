//! What a partner's events are read from: the heads, which say how far each cell is, and the
//! partner's operations and notices, by time.
//!
//! What was committed up to a head's number is there for good, and what comes later in the cell has
//! a greater number and no earlier time. So a reader that knows a number for each cell, and a time
//! before which it has read everything, misses nothing: [`operations`] and [`notices`] read what is
//! beyond those and up to the heads, by an index that begins with the time.

use entente_ledger::{Cell, PartnerId, RequestId, Seq};
use entente_loyalty::OperationKind;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::PgExecutor;
use uuid::Uuid;

use crate::{NoticeKind, StoreError, codes};

/// How far a cell is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedHead {
    /// The number of its last operation.
    pub seq: Seq,
    /// The time of its last batch: whatever comes is not before it.
    pub last_time: Timestamp,
}

/// How far all cells are, by cell, and the ledger's clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedHeads {
    /// One for each cell, in order: cells are numbered from 0.
    pub cells: Vec<FeedHead>,
    /// The ledger's clock.
    pub now: Timestamp,
}

/// What is to be read, of each cell in order.
#[derive(Debug, Clone, Copy)]
pub struct Range<'a> {
    /// Nothing of the range is before this time.
    pub from: Timestamp,
    /// Numbers beyond these,
    pub after: &'a [i64],
    /// and up to these.
    pub up_to: &'a [i64],
}

/// A place in a partner's events: by time, then by cell and number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FeedPlace {
    /// When it was posted,
    pub posted_at: Timestamp,
    /// in which cell,
    pub cell: Cell,
    /// and its number there.
    pub seq: Seq,
}

/// An operation of a partner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FedOperation {
    /// Where it is.
    pub place: FeedPlace,
    /// Its request.
    pub request_id: RequestId,
    /// What it did, or was asked to do.
    pub kind: OperationKind,
    /// What names the member to the partner.
    pub link_token: Option<Uuid>,
    /// What was answered; `None` for a second leg, which its first tells of.
    pub answer: Option<FedAnswer>,
}

/// What an operation's caller was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FedAnswer {
    /// Whether it is a refusal's status.
    pub refused: bool,
    /// The answer, encoded.
    pub answer: Vec<u8>,
}

/// A notice to a partner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FedNotice {
    /// Where its operation is.
    pub place: FeedPlace,
    /// Tells the notices of one operation apart.
    pub ordinal: i16,
    /// What it tells of.
    pub kind: NoticeKind,
    /// The message of that kind; `None` for a kind that was not asked for.
    pub body: Option<Vec<u8>>,
    /// What names the operation's member to the partner, where the notice is about the member.
    pub link_token: Option<Uuid>,
}

/// How far all cells are.
pub async fn heads(executor: impl PgExecutor<'_>) -> Result<FeedHeads, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT cell, seq, last_time AS "last_time: jiff_sqlx::Timestamp",
                  COALESCE((SELECT now FROM clock), clock_timestamp())
                      AS "now!: jiff_sqlx::Timestamp"
           FROM cells ORDER BY cell"#
    );
    let rows = rows.fetch_all(executor).await?;
    let first = rows.first().ok_or_else(|| StoreError::inconsistent("cells", "cell", 0))?;
    let now = first.now.to_jiff();
    let mut cells = Vec::with_capacity(rows.len());
    for (row, cell) in rows.iter().zip(0..) {
        if row.cell != cell {
            return Err(StoreError::inconsistent("cells", "cell", row.cell));
        }
        cells.push(FeedHead { seq: Seq(row.seq), last_time: row.last_time.to_jiff() });
    }
    Ok(FeedHeads { cells, now })
}

/// A partner's operations of a range, by time: the first `limit`.
pub async fn operations(
    executor: impl PgExecutor<'_>,
    partner: PartnerId,
    range: Range<'_>,
    limit: u16,
) -> Result<Vec<FedOperation>, StoreError> {
    // The arrays count from 1, the cells from 0. The page is cut before it is joined, so that it is
    // read in the index's order whatever the planner thinks of the joins.
    let rows = sqlx::query!(
        r#"WITH page AS MATERIALIZED (
               SELECT posted_at, cell, seq, request_id, kind, member_id
               FROM operations
               WHERE partner_id = $1 AND posted_at >= $2
                 AND seq > ($3::bigint[])[cell + 1] AND seq <= ($4::bigint[])[cell + 1]
               ORDER BY posted_at, cell, seq LIMIT $5
           )
           SELECT p.posted_at AS "posted_at: jiff_sqlx::Timestamp", p.cell, p.seq, p.request_id,
                  p.kind, l.link_token AS "link_token?", r.refused AS "refused?",
                  r.answer AS "answer?"
           FROM page p
           LEFT JOIN requests r ON r.partner_id = $1 AND r.request_id = p.request_id
                AND r.cell = p.cell AND r.seq = p.seq
           LEFT JOIN LATERAL (
               SELECT n.link_token FROM links n
               WHERE n.member_id = p.member_id AND n.partner_id = $1
                 AND GREATEST(n.linked_at, n.moved_at) <= p.posted_at
               UNION ALL
               SELECT f.link_token FROM former_links f
               WHERE f.member_id = p.member_id AND f.partner_id = $1
                 AND f.linked_at <= p.posted_at AND p.posted_at < f.unlinked_at
               UNION ALL
               SELECT m.link_token FROM links m
               WHERE m.came_from = p.member_id AND m.partner_id = $1
                 AND m.linked_at <= p.posted_at
               LIMIT 1
           ) l ON true
           ORDER BY p.posted_at, p.cell, p.seq"#,
        partner.0,
        range.from.to_sqlx() as _,
        range.after,
        range.up_to,
        i64::from(limit)
    );
    let rows = rows.fetch_all(executor).await?.into_iter().map(|row| {
        let answer = row.refused.zip(row.answer);
        Ok(FedOperation {
            place: place((row.posted_at, row.cell, row.seq)),
            request_id: RequestId(row.request_id),
            kind: codes::operation_kind(row.kind)?,
            link_token: row.link_token,
            answer: answer.map(|(refused, answer)| FedAnswer { refused, answer }),
        })
    });
    rows.collect()
}

/// A partner's notices of a range, by time: the first `limit`, and those that share the last one's
/// operation. Those of other kinds have no body; they count, so that no rare kind makes one read
/// look through all there is.
pub async fn notices(
    executor: impl PgExecutor<'_>,
    partner: PartnerId,
    kinds: &[NoticeKind],
    range: Range<'_>,
    limit: u16,
) -> Result<Vec<FedNotice>, StoreError> {
    let kinds: Vec<i16> = kinds.iter().map(|kind| kind.code()).collect();
    // The token names the operation's member: only notices about the member may show it.
    let about_a_member =
        [NoticeKind::HoldExpired, NoticeKind::PointsExpiring, NoticeKind::BurnedElsewhere];
    let rows = sqlx::query!(
        r#"WITH page AS MATERIALIZED (
               SELECT posted_at, cell, seq, ordinal, kind,
                      CASE WHEN kind = ANY ($6) THEN body END AS body
               FROM notices
               WHERE partner_id = $1 AND posted_at >= $2
                 AND seq > ($3::bigint[])[cell + 1] AND seq <= ($4::bigint[])[cell + 1]
               ORDER BY posted_at, cell, seq FETCH FIRST $5 ROWS WITH TIES
           )
           SELECT p.posted_at AS "posted_at: jiff_sqlx::Timestamp", p.cell, p.seq, p.ordinal,
                  p.kind, p.body AS "body?", l.link_token AS "link_token?"
           FROM page p
           LEFT JOIN operations o ON p.kind = ANY ($7) AND p.body IS NOT NULL
                AND o.cell = p.cell AND o.seq = p.seq AND o.posted_at = p.posted_at
           LEFT JOIN LATERAL (
               SELECT n.link_token FROM links n
               WHERE n.member_id = o.member_id AND n.partner_id = $1
                 AND GREATEST(n.linked_at, n.moved_at) <= o.posted_at
               UNION ALL
               SELECT f.link_token FROM former_links f
               WHERE f.member_id = o.member_id AND f.partner_id = $1
                 AND f.linked_at <= o.posted_at AND o.posted_at < f.unlinked_at
               UNION ALL
               SELECT m.link_token FROM links m
               WHERE m.came_from = o.member_id AND m.partner_id = $1
                 AND m.linked_at <= o.posted_at
               LIMIT 1
           ) l ON true
           ORDER BY p.posted_at, p.cell, p.seq, p.ordinal"#,
        partner.0,
        range.from.to_sqlx() as _,
        range.after,
        range.up_to,
        i64::from(limit),
        &kinds,
        &about_a_member.map(NoticeKind::code)
    );
    let rows = rows.fetch_all(executor).await?.into_iter().map(|row| {
        Ok(FedNotice {
            place: place((row.posted_at, row.cell, row.seq)),
            ordinal: row.ordinal,
            kind: NoticeKind::of_code(row.kind)?,
            body: row.body,
            link_token: row.link_token,
        })
    });
    rows.collect()
}

/// How many operations of a partner are in a range; at most `most` are counted.
pub async fn count(
    executor: impl PgExecutor<'_>,
    partner: PartnerId,
    range: Range<'_>,
    most: i64,
) -> Result<i64, StoreError> {
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM (
               SELECT FROM operations
               WHERE partner_id = $1 AND posted_at >= $2
                 AND seq > ($3::bigint[])[cell + 1] AND seq <= ($4::bigint[])[cell + 1]
               LIMIT $5
           ) AS counted"#,
        partner.0,
        range.from.to_sqlx() as _,
        range.after,
        range.up_to,
        most
    );
    Ok(count.fetch_one(executor).await?)
}

fn place((posted_at, cell, seq): (jiff_sqlx::Timestamp, i16, i64)) -> FeedPlace {
    FeedPlace { posted_at: posted_at.to_jiff(), cell: Cell(cell), seq: Seq(seq) }
}
