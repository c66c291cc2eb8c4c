//! The public halves of the keys by which hubs sign tokens. Each hub has its own, or shares its keys
//! folder; all of them verify by all.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::{PgConnection, PgExecutor};

use super::raise_epoch;
use crate::StoreError;

/// A hub's public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningKeyRow {
    /// Its name: the thumbprint.
    pub kid: String,
    /// The key, its required members alone.
    pub jwk: String,
    /// No token by it lives longer.
    pub not_after: Timestamp,
}

/// Publishes a hub's key. `true` when it is new; `false` when it was there already, and is not
/// revoked; [`None`] when it is revoked.
pub async fn publish_signing_key(
    connection: &mut PgConnection,
    key: &SigningKeyRow,
) -> Result<Option<bool>, StoreError> {
    let known = sqlx::query_scalar!(
        r#"SELECT revoked_at IS NULL AS "good!" FROM signing_keys WHERE kid = $1"#,
        key.kid
    );
    if let Some(good) = known.fetch_optional(&mut *connection).await? {
        return Ok(good.then_some(false));
    }
    raise_epoch(connection).await?;
    let inserted = sqlx::query!(
        "INSERT INTO signing_keys (kid, jwk, published_at, not_after)
         VALUES ($1, $2, clock_timestamp(), $3) ON CONFLICT DO NOTHING",
        key.kid,
        key.jwk,
        key.not_after.to_sqlx() as _
    );
    Ok(Some(inserted.execute(connection).await?.rows_affected() == 1))
}

/// Revokes a hub's key: every token by it is worth nothing at once. `false` when there is none.
pub async fn revoke_signing_key(
    connection: &mut PgConnection,
    kid: &str,
) -> Result<bool, StoreError> {
    raise_epoch(connection).await?;
    let revoked = sqlx::query!(
        "UPDATE signing_keys SET revoked_at = COALESCE(revoked_at, clock_timestamp())
         WHERE kid = $1",
        kid
    );
    Ok(revoked.execute(connection).await?.rows_affected() == 1)
}

/// Forgets keys whose last token has ended. An hour late, since clocks differ.
pub async fn prune_signing_keys(executor: impl PgExecutor<'_>) -> Result<u64, StoreError> {
    let pruned = sqlx::query!(
        "DELETE FROM signing_keys WHERE not_after < clock_timestamp() - interval '1 hour'"
    );
    Ok(pruned.execute(executor).await?.rows_affected())
}
