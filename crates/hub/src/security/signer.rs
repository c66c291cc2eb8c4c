//! The key by which this hub signs tokens: made from a seed in the keys folder, another for each
//! period. Its public half is in the database before it signs, and stays until no token can live.

use std::{
    fmt, fs, io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use entente_identity::jwt::{KeyError as JwtKeyError, SigningKey, TOKEN_LIFE};
use entente_store::{
    StoreError,
    security::{SecurityEventKind, SigningKeyRow, publish_signing_key},
};
use jiff::{SignedDuration, Timestamp};
use sqlx::{Connection as _, PgPool};

use super::trail::{self, Actor};
use crate::key_file::{self, KeyError};

/// How long before its period a key is published.
const AHEAD: SignedDuration = SignedDuration::from_mins(10);

/// How far clocks of hubs may be apart.
const SLACK: SignedDuration = SignedDuration::from_mins(5);

/// Signs tokens.
pub struct Signer {
    folder: PathBuf,
    period: SignedDuration,
    /// The keys that are published, by the number of their period.
    keys: Mutex<Vec<(i64, Arc<SigningKey>)>>,
}

/// Why a hub has no key to sign by.
#[derive(Debug, thiserror::Error)]
pub enum SignerError {
    /// The file of its seed.
    #[error(transparent)]
    File(#[from] KeyError),
    /// The seed of a key that was revoked cannot be removed.
    #[error("the seed of a revoked signing key cannot be removed: {0}")]
    Remove(#[from] io::Error),
    /// The key itself; never expected.
    #[error(transparent)]
    Key(#[from] JwtKeyError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Signer {
    /// Signs by keys whose seeds lie in a folder, each for so many days.
    #[must_use]
    pub fn new(folder: PathBuf, days: u16) -> Self {
        let period = SignedDuration::from_hours(24 * i64::from(days.max(1)));
        Self { folder, period, keys: Mutex::new(Vec::new()) }
    }

    /// The key to sign by now, once it is published.
    #[must_use]
    pub fn key(&self, now: Timestamp) -> Option<Arc<SigningKey>> {
        let period = self.period_of(now);
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let found = keys.iter().find(|(of, _)| *of == period);
        found.map(|(_, key)| Arc::clone(key))
    }

    /// Publishes the key of this period, and soon before its end that of the next. Again is as once,
    /// and brings a new key where one was revoked.
    pub async fn publish(&self, pool: &PgPool, now: Timestamp) -> Result<(), SignerError> {
        let current = self.period_of(now);
        let next = self.period_of(now.saturating_add(AHEAD).unwrap_or(now));
        let mut published = vec![(current, self.published(pool, current).await?)];
        if next != current {
            published.push((next, self.published(pool, next).await?));
        }
        *self.keys.lock().unwrap_or_else(PoisonError::into_inner) = published;
        // The seed of a period that is over signs nothing any more.
        let _ = fs::remove_file(self.folder.join(file(current.saturating_sub(1))));
        Ok(())
    }

    async fn published(&self, pool: &PgPool, period: i64) -> Result<Arc<SigningKey>, SignerError> {
        loop {
            let seed = key_file::open(&self.folder, &file(period))?;
            let key = SigningKey::from_seed(&seed)?;
            let row = SigningKeyRow {
                kid: key.public_key().kid().to_owned(),
                jwk: key.public_key().jwk(),
                not_after: self.ends(period),
            };
            if publish(pool.clone(), row).await?.is_some() {
                return Ok(Arc::new(key));
            }
            tracing::warn!("the hub's signing key was revoked; it makes another");
            match fs::remove_file(self.folder.join(file(period))) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
                Ok(()) | Err(_) => {}
            }
        }
    }

    fn period_of(&self, at: Timestamp) -> i64 {
        at.as_second().div_euclid(self.period.as_secs())
    }

    /// When the last token that a period's key signs has ended.
    fn ends(&self, period: i64) -> Timestamp {
        let end = period.saturating_add(1).saturating_mul(self.period.as_secs());
        let last = end.saturating_add((TOKEN_LIFE + SLACK).as_secs());
        Timestamp::from_second(last).unwrap_or(Timestamp::MAX)
    }
}

fn file(period: i64) -> String {
    format!("token-signing-{period}.key")
}

/// In a task of its own, which owns the transaction.
async fn publish(pool: PgPool, row: SigningKeyRow) -> Result<Option<bool>, StoreError> {
    let task = tokio::spawn(async move {
        let mut connection = pool.acquire().await?;
        let mut tx = connection.begin().await?;
        let published = publish_signing_key(&mut tx, &row).await?;
        if published == Some(true) {
            let details = serde_json::json!({ "not_after": row.not_after.to_string() });
            let (kind, by) =
                (SecurityEventKind::SigningKeyPublished, Actor::without_certificate("hub"));
            trail::record(&mut *tx, kind, &by, &row.kid, &details).await?;
        }
        tx.commit().await?;
        Ok(published)
    });
    task.await.map_err(|_| StoreError::Ledger("a task failed".to_owned()))?
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("folder", &self.folder).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_outlives_its_period_by_the_last_token() {
        let signer = Signer::new(PathBuf::from("keys"), 1);
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        let day = signer.period_of(at("2026-03-02T00:00:00Z"));
        assert_eq!(signer.period_of(at("2026-03-02T23:59:59Z")), day);
        assert_eq!(signer.period_of(at("2026-03-03T00:00:00Z")), day + 1);
        assert_eq!(signer.ends(day), at("2026-03-03T00:20:00Z"));
        assert!(signer.key(at("2026-03-02T12:00:00Z")).is_none(), "nothing is published yet");
    }
}
