//! Link codes: made at one brand, redeemed at another, confirmed at the first. A code that is over
//! has no row, so that nothing tells used from unknown.

use entente_ledger::{Cell, MemberId, PartnerId, RequestId};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::PgExecutor;
use uuid::Uuid;

use crate::{
    StoreError,
    codes::inconsistent,
    personal::{Lookup, SealedConsent, SealedReference},
};

/// What names a code to the brand that made it: itself, and the id of its request.
pub type CodeKey = (PartnerId, RequestId);

/// A code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkCode {
    /// The brand that made it, and by which request.
    pub key: CodeKey,
    /// HMAC of target and code.
    pub hash: [u8; 32],
    /// The brand where it is typed.
    pub target: PartnerId,
    /// The member that gets a reference there.
    pub member: MemberId,
    /// The member's cell.
    pub cell: Cell,
    /// The link at the issuing brand that it was made for.
    pub issuer_token: Uuid,
    /// Whether a wallet of the redeeming reference may be merged.
    pub allow_merge: bool,
    /// When it ends.
    pub expires_at: Timestamp,
    /// How far it is.
    pub state: CodeState,
}

/// How far a code is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CodeState {
    /// Nobody typed it yet.
    Open,
    /// It was typed, and waits to be confirmed.
    Pending(Redeemed),
    /// It made this link, which can be taken back until it ends.
    Confirmed(Uuid),
}

/// Who redeemed a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redeemed {
    /// The number to match.
    pub number: i16,
    /// The target brand's reference.
    pub reference: SealedReference,
    /// What the member agreed to there.
    pub consent: SealedConsent,
    /// The wallet that the reference has, if it has one: confirming merges it.
    pub merges: Option<Merging>,
}

/// A wallet that confirming a code merges into that of the code's member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Merging {
    /// The target brand's link of the reference.
    pub token: Uuid,
    /// The request that redeemed the code: by it the target brand takes the merge back.
    pub redeemed_by: RequestId,
}

/// Adds an open code in place of the one that the member had at the brand, unless that is confirmed.
/// `false` when another code hashes alike.
pub async fn insert(
    connection: &mut sqlx::PgConnection,
    code: &LinkCode,
) -> Result<bool, StoreError> {
    let ended = sqlx::query!(
        "DELETE FROM link_codes WHERE member_id = $2 AND issuer = $1 AND state <> 3",
        code.key.0.0,
        code.member.0
    );
    ended.execute(&mut *connection).await?;
    let inserted = sqlx::query!(
        "INSERT INTO link_codes (issuer, request_id, hash, target, member_id, cell, issuer_token,
                                 allow_merge, state, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1, $9)
         ON CONFLICT DO NOTHING",
        code.key.0.0,
        code.key.1.0,
        code.hash.as_slice(),
        code.target.0,
        code.member.0,
        code.cell.0,
        code.issuer_token,
        code.allow_merge,
        code.expires_at.to_sqlx() as _
    );
    Ok(inserted.execute(connection).await?.rows_affected() == 1)
}

/// The code of a hash, locked: of two who redeem it, the second finds it redeemed.
pub async fn find(
    executor: impl PgExecutor<'_>,
    hash: &[u8; 32],
) -> Result<Option<LinkCode>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT issuer, request_id, hash, target, member_id, cell, issuer_token, allow_merge,
                  state, expires_at AS "expires_at: jiff_sqlx::Timestamp", number,
                  lookup, sealed, consent_mark, consent, sealed_for, target_token, merges_token,
                  redeemed_by
           FROM link_codes WHERE hash = $1 FOR UPDATE"#,
        hash.as_slice()
    );
    row.fetch_optional(executor).await?.map(Row::code).transpose()
}

/// A code by its name, locked.
pub async fn lock(
    executor: impl PgExecutor<'_>,
    (issuer, request_id): CodeKey,
) -> Result<Option<LinkCode>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT issuer, request_id, hash, target, member_id, cell, issuer_token, allow_merge,
                  state, expires_at AS "expires_at: jiff_sqlx::Timestamp", number,
                  lookup, sealed, consent_mark, consent, sealed_for, target_token, merges_token,
                  redeemed_by
           FROM link_codes WHERE issuer = $1 AND request_id = $2 FOR UPDATE"#,
        issuer.0,
        request_id.0
    );
    row.fetch_optional(executor).await?.map(Row::code).transpose()
}

/// Makes an open code a pending one.
pub async fn redeem(
    executor: impl PgExecutor<'_>,
    (issuer, request_id): CodeKey,
    redeemed: &Redeemed,
    expires_at: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE link_codes
         SET state = 2, number = $3, lookup = $4, sealed = $5, consent_mark = $6, consent = $7,
             expires_at = $8, merges_token = $9, redeemed_by = $10, sealed_for = $11
         WHERE issuer = $1 AND request_id = $2",
        issuer.0,
        request_id.0,
        redeemed.number,
        redeemed.reference.lookup.0.as_slice(),
        redeemed.reference.sealed,
        redeemed.consent.mark.as_slice(),
        redeemed.consent.sealed,
        expires_at.to_sqlx() as _,
        redeemed.merges.map(|merging| merging.token),
        redeemed.merges.map(|merging| merging.redeemed_by.0),
        redeemed.reference.sealed_for.0
    )
    .execute(executor)
    .await?;
    Ok(())
}

/// Makes a pending code a confirmed one: who redeemed it is no longer in it.
pub async fn confirm(
    executor: impl PgExecutor<'_>,
    (issuer, request_id): CodeKey,
    target_token: Uuid,
    takes_back_until: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE link_codes
         SET state = 3, target_token = $3, expires_at = $4, number = NULL, lookup = NULL,
             sealed = NULL, consent_mark = NULL, consent = NULL, sealed_for = NULL
         WHERE issuer = $1 AND request_id = $2",
        issuer.0,
        request_id.0,
        target_token,
        takes_back_until.to_sqlx() as _
    )
    .execute(executor)
    .await?;
    Ok(())
}

/// Ends a code.
pub async fn end(
    executor: impl PgExecutor<'_>,
    (issuer, request_id): CodeKey,
) -> Result<(), StoreError> {
    let ended = sqlx::query!(
        "DELETE FROM link_codes WHERE issuer = $1 AND request_id = $2",
        issuer.0,
        request_id.0
    );
    ended.execute(executor).await?;
    Ok(())
}

/// Forgets some of the codes that have ended, passing over those that somebody works on.
pub async fn forget_expired(
    executor: impl PgExecutor<'_>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let forgotten = sqlx::query!(
        "DELETE FROM link_codes WHERE (issuer, request_id) IN (
             SELECT issuer, request_id FROM link_codes WHERE expires_at <= $1
             ORDER BY expires_at LIMIT 100 FOR UPDATE SKIP LOCKED)",
        now.to_sqlx() as _
    );
    forgotten.execute(executor).await?;
    Ok(())
}

struct Row {
    issuer: i32,
    request_id: Uuid,
    hash: Vec<u8>,
    target: i32,
    member_id: Uuid,
    cell: i16,
    issuer_token: Uuid,
    allow_merge: bool,
    state: i16,
    expires_at: jiff_sqlx::Timestamp,
    number: Option<i16>,
    lookup: Option<Vec<u8>>,
    sealed: Option<Vec<u8>>,
    consent_mark: Option<Vec<u8>>,
    consent: Option<Vec<u8>>,
    sealed_for: Option<Uuid>,
    target_token: Option<Uuid>,
    merges_token: Option<Uuid>,
    redeemed_by: Option<Uuid>,
}

impl Row {
    fn code(self) -> Result<LinkCode, StoreError> {
        let hash = digest(self.hash.clone())?;
        let (key, target) = ((PartnerId(self.issuer), RequestId(self.request_id)), self.target);
        let (member, cell, issuer_token) = (self.member_id, self.cell, self.issuer_token);
        let (allow_merge, expires_at) = (self.allow_merge, self.expires_at.to_jiff());
        Ok(LinkCode {
            key,
            hash,
            target: PartnerId(target),
            member: MemberId(member),
            cell: Cell(cell),
            issuer_token,
            allow_merge,
            expires_at,
            state: self.state()?,
        })
    }

    fn state(self) -> Result<CodeState, StoreError> {
        let wrong = || inconsistent("link_codes", "state", self.state);
        let merging = |(token, id)| Merging { token, redeemed_by: RequestId(id) };
        match (self.state, self.target_token) {
            (1, None) => Ok(CodeState::Open),
            (3, Some(token)) => Ok(CodeState::Confirmed(token)),
            (2, None) => Ok(CodeState::Pending(Redeemed {
                number: self.number.ok_or_else(wrong)?,
                reference: SealedReference {
                    lookup: Lookup(digest(self.lookup.ok_or_else(wrong)?)?),
                    sealed: self.sealed.ok_or_else(wrong)?,
                    sealed_for: MemberId(self.sealed_for.ok_or_else(wrong)?),
                },
                consent: SealedConsent {
                    mark: digest(self.consent_mark.ok_or_else(wrong)?)?,
                    sealed: self.consent.ok_or_else(wrong)?,
                    sealed_for: MemberId(self.sealed_for.ok_or_else(wrong)?),
                },
                merges: self.merges_token.zip(self.redeemed_by).map(merging),
            })),
            _ => Err(wrong()),
        }
    }
}

fn digest(bytes: Vec<u8>) -> Result<[u8; 32], StoreError> {
    bytes.try_into().map_err(|_| inconsistent("link_codes", "hash", "not 32 bytes"))
}
