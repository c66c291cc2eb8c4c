//! Members: enrolment, references, and a partner's own operations.

use entente_ledger::{Cell, MemberId, PartnerId, Seq};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::PgExecutor;
use uuid::Uuid;

use crate::StoreError;

/// A link to be made.
#[derive(Debug, Clone)]
pub struct NewLink<'a> {
    /// The partner.
    pub partner: PartnerId,
    /// Its own reference of the member.
    pub reference: &'a str,
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
    /// The partner's reference.
    pub reference: String,
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
        "INSERT INTO links (partner_id, reference, cell, member_id, link_token, linked_at,
                            burns_others_from)
         SELECT $1, $2, $3, $4, $5, $6,
                GREATEST($7, (SELECT until FROM hold_backs
                              WHERE partner_id = $1 AND member_id = $4 AND until > $6))
         ON CONFLICT DO NOTHING",
        link.partner.0,
        link.reference,
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
    reference: &str,
    member: MemberId,
) -> Result<Vec<TakenLink>, StoreError> {
    let rows = sqlx::query!(
        "SELECT reference, member_id FROM links
         WHERE partner_id = $1 AND (reference = $2 OR member_id = $3)",
        partner.0,
        reference,
        member.0
    );
    let rows = rows.fetch_all(executor).await?.into_iter();
    let link =
        rows.map(|row| TakenLink { reference: row.reference, member: MemberId(row.member_id) });
    Ok(link.collect())
}

/// Gives a new member an empty wallet.
pub async fn insert_wallet(
    executor: impl PgExecutor<'_>,
    member: MemberId,
    cell: Cell,
) -> Result<(), StoreError> {
    sqlx::query!("INSERT INTO wallets (cell, member_id) VALUES ($1, $2)", cell.0, member.0)
        .execute(executor)
        .await?;
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
