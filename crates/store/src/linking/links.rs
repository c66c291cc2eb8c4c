//! One partner's links: found, removed, and what is remembered of them.

use entente_ledger::{Cell, MemberId, PartnerId};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use crate::{
    StoreError,
    personal::{Lookup, SealedConsent},
};

/// A link as its partner may know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoundLink {
    /// The member.
    pub member: MemberId,
    /// Its cell.
    pub cell: Cell,
    /// What names the member to the partner.
    pub link_token: Uuid,
    /// Since when.
    pub linked_at: Timestamp,
    /// Until when burning is held back; it may have passed.
    pub burns_others_from: Option<Timestamp>,
    /// The member that it was of before a merge brought it here.
    pub came_from: Option<MemberId>,
}

/// What a consent was given for. The codes are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i16)]
pub enum ConsentKind {
    /// A link by its own brand alone.
    Linked = 1,
    /// A code that was redeemed at its brand.
    Redeemed = 2,
    /// A code that was confirmed at its brand.
    Confirmed = 3,
}

impl ConsentKind {
    const fn code(self) -> i16 {
        match self {
            Self::Linked => 1,
            Self::Redeemed => 2,
            Self::Confirmed => 3,
        }
    }
}

/// The link behind a partner's reference.
pub async fn find_link(
    executor: impl PgExecutor<'_>,
    partner: PartnerId,
    reference: &Lookup,
) -> Result<Option<FoundLink>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT cell, member_id, link_token, linked_at AS "linked_at: jiff_sqlx::Timestamp",
                  burns_others_from AS "burns_others_from: jiff_sqlx::Timestamp", came_from
           FROM links WHERE partner_id = $1 AND lookup = $2"#,
        partner.0,
        reference.0.as_slice()
    );
    Ok(row.fetch_optional(executor).await?.map(Row::found))
}

/// The link that a member has at a partner by this token.
pub async fn link_by_token(
    executor: impl PgExecutor<'_>,
    partner: PartnerId,
    member: MemberId,
    link_token: Uuid,
) -> Result<Option<FoundLink>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT cell, member_id, link_token, linked_at AS "linked_at: jiff_sqlx::Timestamp",
                  burns_others_from AS "burns_others_from: jiff_sqlx::Timestamp", came_from
           FROM links WHERE partner_id = $1 AND member_id = $2 AND link_token = $3"#,
        partner.0,
        member.0,
        link_token
    );
    Ok(row.fetch_optional(executor).await?.map(Row::found))
}

/// Locks the head of a cell: no batch that has read the cell's links is still to commit, and none
/// reads them until this transaction ends.
pub async fn lock_head(executor: impl PgExecutor<'_>, cell: Cell) -> Result<(), StoreError> {
    sqlx::query!("SELECT cell FROM cells WHERE cell = $1 FOR UPDATE", cell.0)
        .fetch_optional(executor)
        .await?;
    Ok(())
}

/// Removes a link; its token and its time are remembered, its reference is not. `false` when it is gone already. The head of its cell must be locked.
pub async fn remove(
    connection: &mut PgConnection,
    partner: PartnerId,
    link: &FoundLink,
    unlinked_at: Timestamp,
) -> Result<bool, StoreError> {
    let removed = sqlx::query_scalar!(
        r#"DELETE FROM links WHERE partner_id = $1 AND member_id = $2 AND link_token = $3
           RETURNING GREATEST(linked_at, moved_at) AS "since!: jiff_sqlx::Timestamp""#,
        partner.0,
        link.member.0,
        link.link_token
    );
    let Some(since) = removed.fetch_optional(&mut *connection).await? else { return Ok(false) };
    sqlx::query!(
        "INSERT INTO former_links (partner_id, member_id, link_token, linked_at, unlinked_at)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT DO NOTHING",
        partner.0,
        link.member.0,
        link.link_token,
        since as _,
        unlinked_at.max(since.to_jiff()).to_sqlx() as _
    )
    .execute(connection)
    .await?;
    Ok(true)
}

/// Holds burning back between a member and a partner, whatever becomes of their link: at least until
/// then.
pub async fn hold_back(
    executor: impl PgExecutor<'_>,
    partner: PartnerId,
    member: MemberId,
    until: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO hold_backs (partner_id, member_id, until) VALUES ($1, $2, $3)
         ON CONFLICT (member_id, partner_id)
         DO UPDATE SET until = GREATEST(hold_backs.until, excluded.until)",
        partner.0,
        member.0,
        until.to_sqlx() as _
    )
    .execute(executor)
    .await?;
    Ok(())
}

/// The same between a member and every partner that it is linked at.
pub async fn hold_back_everywhere(
    connection: &mut PgConnection,
    member: MemberId,
    until: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO hold_backs (partner_id, member_id, until)
         SELECT partner_id, member_id, $2 FROM links WHERE member_id = $1
         ON CONFLICT (member_id, partner_id)
         DO UPDATE SET until = GREATEST(hold_backs.until, excluded.until)",
        member.0,
        until.to_sqlx() as _
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "UPDATE links SET burns_others_from = GREATEST(burns_others_from, $2) WHERE member_id = $1",
        member.0,
        until.to_sqlx() as _
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Keeps a consent, unless one to the same wording, for the same, is kept of the link.
pub async fn record_consent(
    executor: impl PgExecutor<'_>,
    (partner, member, link_token): (PartnerId, MemberId, Uuid),
    kind: ConsentKind,
    consent: &SealedConsent,
    recorded_at: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO consents (partner_id, member_id, link_token, kind, recorded_at, mark, sealed,
                               sealed_for)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING",
        partner.0,
        member.0,
        link_token,
        kind.code(),
        recorded_at.to_sqlx() as _,
        consent.mark.as_slice(),
        consent.sealed,
        consent.sealed_for.0
    )
    .execute(executor)
    .await?;
    Ok(())
}

struct Row {
    cell: i16,
    member_id: Uuid,
    link_token: Uuid,
    linked_at: jiff_sqlx::Timestamp,
    burns_others_from: Option<jiff_sqlx::Timestamp>,
    came_from: Option<Uuid>,
}

impl Row {
    fn found(self) -> FoundLink {
        FoundLink {
            member: MemberId(self.member_id),
            cell: Cell(self.cell),
            link_token: self.link_token,
            linked_at: self.linked_at.to_jiff(),
            burns_others_from: self.burns_others_from.map(jiff_sqlx::Timestamp::to_jiff),
            came_from: self.came_from.map(MemberId),
        }
    }
}
