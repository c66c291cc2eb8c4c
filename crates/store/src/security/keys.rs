//! The keys by which partners and operators sign assertions.

use jiff::Timestamp;
use sqlx::{PgConnection, PgExecutor};

use crate::StoreError;

/// A registered key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisteredKey {
    /// Its name: the thumbprint.
    pub kid: String,
    /// Whose it is: `partner/CODE` or `operator/NAME`.
    pub owner: String,
    /// The key, its required members alone.
    pub jwk: String,
    /// Since when.
    pub registered_at: Timestamp,
    /// Since when it is not one any more.
    pub revoked_at: Option<Timestamp>,
}

/// Registers a key; `false` when it is, or was, somebody's already. The epoch has been raised.
pub async fn insert_key(
    connection: &mut PgConnection,
    owner: &str,
    kid: &str,
    jwk: &str,
) -> Result<bool, StoreError> {
    let inserted = sqlx::query!(
        "INSERT INTO keys (kid, owner, jwk, registered_at) VALUES ($1, $2, $3, clock_timestamp())
         ON CONFLICT DO NOTHING",
        kid,
        owner,
        jwk
    );
    Ok(inserted.execute(connection).await?.rows_affected() == 1)
}

/// The key of an owner by its name, unless it is revoked.
pub async fn find_key(
    executor: impl PgExecutor<'_>,
    owner: &str,
    kid: &str,
) -> Result<Option<String>, StoreError> {
    let jwk = sqlx::query_scalar!(
        "SELECT jwk FROM keys WHERE kid = $1 AND owner = $2 AND revoked_at IS NULL",
        kid,
        owner
    );
    Ok(jwk.fetch_optional(executor).await?)
}

/// How many keys an owner has that are not revoked.
pub async fn live_keys(executor: impl PgExecutor<'_>, owner: &str) -> Result<i64, StoreError> {
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM keys WHERE owner = $1 AND revoked_at IS NULL"#,
        owner
    );
    Ok(count.fetch_one(executor).await?)
}

/// Revokes a key, for ever; `false` when the owner has none by this name. Again is as once. The epoch
/// has been raised. A clock that stepped back keeps no key in force.
pub async fn revoke_key(
    connection: &mut PgConnection,
    owner: &str,
    kid: &str,
) -> Result<bool, StoreError> {
    let revoked = sqlx::query!(
        "UPDATE keys SET revoked_at = COALESCE(revoked_at, GREATEST(registered_at, clock_timestamp()))
         WHERE kid = $1 AND owner = $2",
        kid,
        owner
    );
    Ok(revoked.execute(connection).await?.rows_affected() == 1)
}

/// The keys of an owner, also revoked ones, the oldest first, up to 100.
pub async fn keys_of(
    executor: impl PgExecutor<'_>,
    owner: &str,
) -> Result<Vec<RegisteredKey>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT kid, owner, jwk, registered_at AS "registered_at: jiff_sqlx::Timestamp",
                  revoked_at AS "revoked_at: jiff_sqlx::Timestamp"
           FROM keys WHERE owner = $1 ORDER BY registered_at DESC, kid LIMIT 100"#,
        owner
    );
    let rows = rows.fetch_all(executor).await?.into_iter().rev().map(|row| RegisteredKey {
        kid: row.kid,
        owner: row.owner,
        jwk: row.jwk,
        registered_at: row.registered_at.to_jiff(),
        revoked_at: row.revoked_at.map(jiff_sqlx::Timestamp::to_jiff),
    });
    Ok(rows.collect())
}
