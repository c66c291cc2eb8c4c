//! Tokens and certificates that are revoked before their time.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::{PgConnection, PgExecutor};

use super::raise_epoch;
use crate::StoreError;

/// What is denied.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Denied {
    /// A token, by its `jti`.
    Token(String),
    /// A certificate, by its SHA-256.
    Certificate([u8; 32]),
}

impl Denied {
    pub(super) fn of(kind: i16, value: &str) -> Result<Self, StoreError> {
        let bad = || StoreError::inconsistent("denied", "value", value);
        match kind {
            1 => Ok(Self::Token(value.to_owned())),
            2 => {
                let mut bytes = [0; 32];
                hex::decode_to_slice(value, &mut bytes).map_err(|_| bad())?;
                Ok(Self::Certificate(bytes))
            }
            other => Err(StoreError::inconsistent("denied", "kind", other)),
        }
    }

    fn row(&self) -> (i16, String) {
        match self {
            Self::Token(jti) => (1, jti.clone()),
            Self::Certificate(thumbprint) => (2, hex::encode(thumbprint)),
        }
    }
}

/// Denies a token or a certificate on every hub, until it would end by itself.
pub async fn deny(
    connection: &mut PgConnection,
    denied: &Denied,
    expires_at: Timestamp,
) -> Result<i64, StoreError> {
    let epoch = raise_epoch(connection).await?;
    let (kind, value) = denied.row();
    sqlx::query!(
        "INSERT INTO denied (kind, value, expires_at) VALUES ($1, $2, $3)
         ON CONFLICT (kind, value) DO UPDATE
         SET expires_at = GREATEST(denied.expires_at, EXCLUDED.expires_at)",
        kind,
        value,
        expires_at.to_sqlx() as _
    )
    .execute(connection)
    .await?;
    Ok(epoch)
}

/// Forgets what has ended by itself. An hour late, since clocks differ.
pub async fn prune_denied(executor: impl PgExecutor<'_>) -> Result<u64, StoreError> {
    let pruned =
        sqlx::query!("DELETE FROM denied WHERE expires_at < clock_timestamp() - interval '1 hour'");
    Ok(pruned.execute(executor).await?.rows_affected())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_read_back() {
        for denied in [Denied::Token("0123456789abcdef".into()), Denied::Certificate([0xa7; 32])] {
            let (kind, value) = denied.row();
            assert_eq!(Denied::of(kind, &value).ok(), Some(denied));
        }
        assert!(Denied::of(2, &"é".repeat(32)).is_err());
        assert!(Denied::of(3, "0123456789abcdef").is_err());
    }
}
