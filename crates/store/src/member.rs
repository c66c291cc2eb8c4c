//! Members: enrolment, references, and a partner's own operations.

use entente_ledger::{Cell, MemberId, PartnerId, Seq};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::PgExecutor;
use uuid::Uuid;

use crate::{
    StoreError,
    personal::{Lookup, SealedReference},
};

/// A link to be made.
#[derive(Debug, Clone)]
pub struct NewLink<'a> {
    /// The partner.
    pub partner: PartnerId,
    /// Its own reference of the member.
    pub reference: &'a SealedReference,
    /// The member.
    pub member: MemberId,
    /// The member's cell.
    pub cell: Cell,
    /// What names the member to the partner.
    pub link_token: Uuid,
    /// When.
    pub linked_at: Timestamp,
    /// From when points of other issuers can be spent there, unless an earlier link of the two says
    /// later; `None` for at once.
    pub burns_others_from: Option<Timestamp>,
}

/// A link that stands in the way of a new one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenLink {
    /// Whether it is by the same reference.
    pub same_reference: bool,
    /// The member.
    pub member: MemberId,
}

/// A place in a partner's operations, which are listed from the newest to the oldest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperationPlace {
    /// When it was posted,
    pub posted_at: Timestamp,
    /// in which cell,
    pub cell: Cell,
    /// and its number there.
    pub seq: Seq,
}

/// An accepted operation of a partner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedOperation {
    /// Its place in the list.
    pub place: OperationPlace,
    /// The answer that its caller was given.
    pub answer: Vec<u8>,
}

/// Makes a link; `false` when the reference is taken, or the member has another at the partner. What
/// was held back through an earlier link of the two stays held back.
pub async fn insert_link(
    executor: impl PgExecutor<'_>,
    link: &NewLink<'_>,
) -> Result<bool, StoreError> {
    let inserted = sqlx::query!(
        "INSERT INTO links (partner_id, lookup, sealed, sealed_for, cell, member_id, link_token,
                            linked_at, burns_others_from)
         SELECT $1, $2, $3, $4, $5, $6, $7, $8,
                GREATEST($9, (SELECT until FROM hold_backs
                              WHERE partner_id = $1 AND member_id = $6 AND until > $8))
         ON CONFLICT DO NOTHING",
        link.partner.0,
        link.reference.lookup.0.as_slice(),
        link.reference.sealed,
        link.reference.sealed_for.0,
        link.cell.0,
        link.member.0,
        link.link_token,
        link.linked_at.to_sqlx() as _,
        link.burns_others_from.map(ToSqlx::to_sqlx) as _
    )
    .execute(executor)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// The links of a partner that have this reference or this member, at most two.
pub async fn taken_links(
    executor: impl PgExecutor<'_>,
    partner: PartnerId,
    reference: &Lookup,
    member: MemberId,
) -> Result<Vec<TakenLink>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT lookup = $2 AS "same_reference!", member_id FROM links
           WHERE partner_id = $1 AND (lookup = $2 OR member_id = $3)"#,
        partner.0,
        reference.0.as_slice(),
        member.0
    );
    let rows = rows.fetch_all(executor).await?.into_iter();
    let link = rows.map(|row| TakenLink {
        same_reference: row.same_reference,
        member: MemberId(row.member_id),
    });
    Ok(link.collect())
}

/// Gives a new member an empty wallet, and a key of its own, which is wrapped.
pub async fn insert_wallet(
    executor: impl PgExecutor<'_>,
    member: MemberId,
    cell: Cell,
    wrapped_key: &[u8],
) -> Result<(), StoreError> {
    let inserted = sqlx::query!(
        "WITH key AS (INSERT INTO member_keys (cell, member_id, wrapped) VALUES ($1, $2, $3))
         INSERT INTO wallets (cell, member_id) VALUES ($1, $2)",
        cell.0,
        member.0,
        wrapped_key
    );
    inserted.execute(executor).await?;
    Ok(())
}

/// A partner's accepted operations after a place in the list, newest first. A transfer is listed
/// once, in the place of the giver's leg.
pub async fn operations_of_partner(
    executor: impl PgExecutor<'_>,
    partner: PartnerId,
    after: Option<OperationPlace>,
    limit: u16,
) -> Result<Vec<ListedOperation>, StoreError> {
    let after = after.unwrap_or(NEWEST);
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT o.posted_at AS "posted_at: jiff_sqlx::Timestamp", o.cell, o.seq, r.answer
           FROM operations o JOIN requests r USING (partner_id, request_id, cell, seq)
           WHERE o.partner_id = $1 AND NOT o.refused AND (o.posted_at, o.cell, o.seq) < ($2, $3, $4)
           ORDER BY o.posted_at DESC, o.cell DESC, o.seq DESC LIMIT $5"#,
        partner.0,
        after.posted_at.to_sqlx() as _,
        after.cell.0,
        after.seq.0,
        i64::from(limit)
    );
    Ok(rows.fetch_all(executor).await?.into_iter().map(Row::listed).collect())
}

/// The same for one member, since it was linked: what was done under an earlier link says nothing to
/// this one. Its operations are in one cell, so their numbers order them. A transfer is listed for
/// both members, as the operation of the one who gave.
pub async fn operations_of_member(
    executor: impl PgExecutor<'_>,
    partner: PartnerId,
    (cell, member, linked_at): (Cell, MemberId, Timestamp),
    after: Option<OperationPlace>,
    limit: u16,
) -> Result<Vec<ListedOperation>, StoreError> {
    let after = after.unwrap_or(NEWEST);
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT o.posted_at AS "posted_at: jiff_sqlx::Timestamp", o.cell, o.seq, r.answer
           FROM operations o JOIN requests r USING (partner_id, request_id)
           WHERE o.cell = $1 AND o.member_id = $2 AND o.partner_id = $3 AND NOT o.refused
             AND o.seq < $4 AND o.posted_at >= $6
           ORDER BY o.seq DESC LIMIT $5"#,
        cell.0,
        member.0,
        partner.0,
        after.seq.0,
        i64::from(limit),
        linked_at.to_sqlx() as _
    );
    Ok(rows.fetch_all(executor).await?.into_iter().map(Row::listed).collect())
}

/// A member that a link was of, from the first to the present one, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkedTo {
    /// The member.
    pub member: MemberId,
    /// Its cell.
    pub cell: Cell,
    /// Since when the link was of it.
    pub since: Timestamp,
}

/// Whom a link was of that merges brought to its present member: the first is `came_from`, since
/// `linked_at`; each other one since the merge that brought it there.
pub async fn linked_to(
    executor: impl PgExecutor<'_>,
    came_from: MemberId,
    (cell, member): (Cell, MemberId),
    linked_at: Timestamp,
) -> Result<Vec<LinkedTo>, StoreError> {
    let rows = sqlx::query!(
        r#"WITH RECURSIVE absorbed AS (
               SELECT cell, member_id, into_cell, into_member_id, merged_at FROM forwards
               WHERE into_cell = $1 AND into_member_id = $2
               UNION
               SELECT f.cell, f.member_id, f.into_cell, f.into_member_id, f.merged_at
               FROM absorbed a
               JOIN forwards f ON f.into_cell = a.cell AND f.into_member_id = a.member_id
           )
           SELECT cell AS "cell!", member_id AS "member_id!", into_cell AS "into_cell!",
                  into_member_id AS "into_member_id!",
                  merged_at AS "merged_at!: jiff_sqlx::Timestamp"
           FROM absorbed"#,
        cell.0,
        member.0
    );
    let rows = rows.fetch_all(executor).await?;
    let next = |of: MemberId| rows.iter().find(|row| row.member_id == of.0);
    let first = next(came_from);
    let mut chain: Vec<LinkedTo> = first
        .map(|row| LinkedTo { member: came_from, cell: Cell(row.cell), since: linked_at })
        .into_iter()
        .collect();
    let mut last = first;
    while let Some(row) = last {
        let (into, merged_at) = (MemberId(row.into_member_id), row.merged_at.to_jiff());
        let since = merged_at.max(linked_at);
        chain.push(LinkedTo { member: into, cell: Cell(row.into_cell), since });
        last = next(into);
    }
    Ok(chain)
}

/// A partner's accepted operations of the members that a link was of, newest first: each is listed
/// once, though what undoes an operation of a merged member has a second leg where its points are.
pub async fn operations_of_merged(
    executor: impl PgExecutor<'_>,
    partner: PartnerId,
    members: &[LinkedTo],
    after: Option<OperationPlace>,
    limit: u16,
) -> Result<Vec<ListedOperation>, StoreError> {
    let after = after.unwrap_or(NEWEST);
    let cells: Vec<i16> = members.iter().map(|linked| linked.cell.0).collect();
    let ids: Vec<Uuid> = members.iter().map(|linked| linked.member.0).collect();
    let since: Vec<_> = members.iter().map(|linked| linked.since.to_sqlx()).collect();
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT l.posted_at AS "posted_at!: jiff_sqlx::Timestamp", l.cell AS "cell!",
                  l.seq AS "seq!", l.answer AS "answer!"
           FROM UNNEST($1::smallint[], $2::uuid[], $3::timestamptz[]) AS k (cell, member_id, since)
           CROSS JOIN LATERAL (
               SELECT o.posted_at, o.cell, o.seq, r.answer
               FROM operations o JOIN requests r USING (partner_id, request_id)
               WHERE o.cell = k.cell AND o.member_id = k.member_id AND o.partner_id = $4
                 AND NOT o.refused AND o.posted_at >= k.since
                 AND (o.posted_at, o.cell, o.seq) < ($5, $6, $7)
                 AND ((r.cell, r.seq) = (o.cell, o.seq) OR r.member_id <> ALL ($2))
               ORDER BY o.seq DESC LIMIT $8
           ) l
           ORDER BY l.posted_at DESC, l.cell DESC, l.seq DESC LIMIT $8"#,
        &cells,
        &ids,
        &since as _,
        partner.0,
        after.posted_at.to_sqlx() as _,
        after.cell.0,
        after.seq.0,
        i64::from(limit)
    );
    Ok(rows.fetch_all(executor).await?.into_iter().map(Row::listed).collect())
}

/// Before every operation in a list.
const NEWEST: OperationPlace =
    OperationPlace { posted_at: Timestamp::MAX, cell: Cell(i16::MAX), seq: Seq(i64::MAX) };

struct Row {
    posted_at: jiff_sqlx::Timestamp,
    cell: i16,
    seq: i64,
    answer: Vec<u8>,
}

impl Row {
    fn listed(self) -> ListedOperation {
        let (cell, seq) = (Cell(self.cell), Seq(self.seq));
        let place = OperationPlace { posted_at: self.posted_at.to_jiff(), cell, seq };
        ListedOperation { place, answer: self.answer }
    }
}
