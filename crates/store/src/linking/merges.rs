//! Merges by their names: the two brands that asked for one, each by a request of its own, can find it
//! again to take it back. One that was taken back has no row.

use entente_ledger::{Cell, MemberId, PartnerId, RequestId};
use sqlx::PgExecutor;
use uuid::Uuid;

use super::codes::CodeKey;
use crate::StoreError;

/// A merge that a code made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Merge {
    /// The code, and with it the brand that confirmed.
    pub key: CodeKey,
    /// The brand that redeemed it,
    pub target: PartnerId,
    /// by this request.
    pub redeemed_by: RequestId,
    /// The link of the brand that confirmed.
    pub issuer_token: Uuid,
    /// The link of the other one, which the merge moved.
    pub target_token: Uuid,
    /// Who was absorbed, in its cell.
    pub absorbed: (Cell, MemberId),
    /// Into whom.
    pub kept: (Cell, MemberId),
}

/// How a brand names a merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MergeBy {
    /// It made the code: by the id of that request.
    Code(RequestId),
    /// It redeemed the code: by the id of that request.
    Redemption(RequestId),
}

/// Keeps a merge.
pub async fn record_merge(executor: impl PgExecutor<'_>, merge: &Merge) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO merges (issuer, link_code_id, target, redeemed_by, issuer_token, target_token,
                             cell, member_id, into_cell, into_member_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        merge.key.0.0,
        merge.key.1.0,
        merge.target.0,
        merge.redeemed_by.0,
        merge.issuer_token,
        merge.target_token,
        merge.absorbed.0.0,
        merge.absorbed.1.0,
        merge.kept.0.0,
        merge.kept.1.0
    )
    .execute(executor)
    .await?;
    Ok(())
}

/// The merge that a brand names.
pub async fn find_merge(
    executor: impl PgExecutor<'_>,
    partner: PartnerId,
    by: MergeBy,
) -> Result<Option<Merge>, StoreError> {
    let (code, redemption) = match by {
        MergeBy::Code(id) => (Some(id.0), None),
        MergeBy::Redemption(id) => (None, Some(id.0)),
    };
    let row = sqlx::query!(
        "SELECT issuer, link_code_id, target, redeemed_by, issuer_token, target_token, cell,
                member_id, into_cell, into_member_id
         FROM merges
         WHERE (issuer = $1 AND link_code_id = $2) OR (target = $1 AND redeemed_by = $3)",
        partner.0,
        code,
        redemption
    );
    let row = row.fetch_optional(executor).await?;
    Ok(row.map(|row| Merge {
        key: (PartnerId(row.issuer), RequestId(row.link_code_id)),
        target: PartnerId(row.target),
        redeemed_by: RequestId(row.redeemed_by),
        issuer_token: row.issuer_token,
        target_token: row.target_token,
        absorbed: (Cell(row.cell), MemberId(row.member_id)),
        kept: (Cell(row.into_cell), MemberId(row.into_member_id)),
    }))
}

/// Forgets a merge that was taken back.
pub async fn end_merge(
    executor: impl PgExecutor<'_>,
    (issuer, code): CodeKey,
) -> Result<(), StoreError> {
    let ended = sqlx::query!(
        "DELETE FROM merges WHERE issuer = $1 AND link_code_id = $2",
        issuer.0,
        code.0
    );
    ended.execute(executor).await?;
    Ok(())
}
