//! Checks the token of each call: one look into a cache, and the few comparisons that have to be made
//! every time. A token that is new is verified once.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use aws_lc_rs::digest::{SHA256, digest};
use entente_api::error::ErrorReason;
use entente_identity::{
    TrustDomain,
    jwt::{AccessToken, Rejected, Unverified},
};
use entente_store::{StoreError, security};
use http::{HeaderMap, header::AUTHORIZATION};
use jiff::SignedDuration;
use quick_cache::sync::Cache;
use sqlx::PgPool;
use tokio::{
    sync::{Mutex, watch},
    time::Instant,
};

use super::{InForce, Session, time_of_day};
use crate::{
    caller::Caller,
    clocks,
    edge::ConnectInfo,
    error::{Refused, chain},
};

/// How many verified tokens are remembered.
const SESSIONS: usize = 16_384;

/// How far apart readings are that a token by an unknown key asks for: anybody can make one up.
const PAUSE: Duration = Duration::from_millis(200);

/// How long an answer about the time is waited for where something else is to be done anyway.
const TOLD_WITHIN: Duration = Duration::from_secs(1);

/// The names by which identities and tokens are told from those of other hubs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domain {
    /// Of every SPIFFE id.
    pub trust_domain: TrustDomain,
    /// Who issues tokens, and for whom assertions and tokens are.
    pub issuer: String,
}

/// Checks calls. Clones share what is in force.
#[derive(Clone)]
pub struct Guard(Arc<Inner>);

struct Inner {
    pool: PgPool,
    domain: Domain,
    in_force: watch::Sender<Arc<InForce>>,
    started: Instant,
    /// When what is in force was last known to be so: milliseconds from the start on.
    known_at: AtomicU64,
    /// By how much the database's clock was ahead at the last look, in seconds, if that is too much.
    apart: AtomicI64,
    sessions: Cache<[u8; 32], Arc<Session>>,
    /// When a reading was last begun because somebody asked; one reads at a time.
    reading: Mutex<Option<Instant>>,
}

impl Domain {
    /// The SPIFFE id of a caller.
    #[must_use]
    pub fn uri(&self, caller: &Caller) -> String {
        format!("spiffe://{}/{caller}", self.trust_domain)
    }
}

impl Guard {
    /// How long a hub goes on without having learned of revocations.
    pub const UNREAD: Duration = Duration::from_secs(5);

    /// Reads what is in force.
    pub async fn load(pool: PgPool, domain: Domain) -> Result<Self, StoreError> {
        let in_force = InForce::of(security::load_snapshot(&pool).await?)?;
        Ok(Self(Arc::new(Inner {
            pool,
            domain,
            in_force: watch::Sender::new(Arc::new(in_force)),
            started: Instant::now(),
            known_at: AtomicU64::new(0),
            apart: AtomicI64::new(0),
            sessions: Cache::new(SESSIONS),
            reading: Mutex::new(None),
        })))
    }

    /// The names of this hub.
    #[must_use]
    pub fn domain(&self) -> &Domain {
        &self.0.domain
    }

    /// What is in force, unless it is not known any more, or by two clocks that disagree.
    pub fn in_force(&self) -> Result<Arc<InForce>, Refused> {
        self.agrees()?;
        let known_at = Duration::from_millis(self.0.known_at.load(Ordering::Relaxed));
        if self.0.started.elapsed().saturating_sub(known_at) > Self::UNREAD {
            return Err(Refused::overloaded());
        }
        Ok(Arc::clone(&self.0.in_force.borrow()))
    }

    /// Whether the clocks agreed at the last look.
    pub(crate) fn agrees(&self) -> Result<(), Refused> {
        match self.0.apart.load(Ordering::Relaxed) {
            0 => Ok(()),
            apart => Err(Refused::clocks_apart(SignedDuration::from_secs(apart))),
        }
    }

    /// Asks the database for its time, and whether the clocks agree; as at the last look, if it does not
    /// answer.
    pub(crate) async fn knows_the_time(&self) -> bool {
        let _ = tokio::time::timeout(TOLD_WITHIN, self.look()).await;
        self.agrees().is_ok()
    }

    /// What tells of changes.
    pub(crate) fn follow(&self) -> watch::Receiver<Arc<InForce>> {
        self.0.in_force.subscribe()
    }

    /// The session of a call, by the token that it carries on its connection.
    pub(crate) async fn session(
        &self,
        connection: &ConnectInfo,
        headers: &HeaderMap,
    ) -> Result<Arc<Session>, Refused> {
        let token = bearer(headers).ok_or_else(Refused::token)?;
        self.session_of(connection, token).await
    }

    /// The session of a token on a connection.
    pub(crate) async fn session_of(
        &self,
        connection: &ConnectInfo,
        token: &str,
    ) -> Result<Arc<Session>, Refused> {
        let mut key = [0; 32];
        key.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        let session = match self.0.sessions.get(&key) {
            Some(session) => session,
            None => self.open(connection, token, key).await?,
        };
        session.check(&connection.thumbprint, self.in_force()?.as_ref())?;
        Ok(session)
    }

    /// A token of a caller's that is still to end, whichever certificate it is bound to; `None` when
    /// it has ended.
    pub(crate) async fn token_of(
        &self,
        caller: &Caller,
        token: &str,
    ) -> Result<Option<AccessToken>, Refused> {
        let unverified = AccessToken::read(token).map_err(|_| Refused::token())?;
        match self.verified(&unverified).await {
            Ok(token) if token.subject == self.0.domain.uri(caller) => Ok(Some(token)),
            Err(refused) if refused.reason() == ErrorReason::TokenExpired => Ok(None),
            Ok(_) => Err(Refused::token()),
            Err(refused) => Err(refused),
        }
    }

    /// Verifies a token, and remembers it.
    async fn open(
        &self,
        connection: &ConnectInfo,
        token: &str,
        key: [u8; 32],
    ) -> Result<Arc<Session>, Refused> {
        let now = time_of_day();
        let unverified = AccessToken::read(token).map_err(|_| Refused::token())?;
        let token = self.verified(&unverified).await?;
        let ours = token.thumbprint == connection.thumbprint
            && token.subject == self.0.domain.uri(&connection.caller);
        if !ours {
            return Err(Refused::token());
        }
        // A hub issued it that knew more than this one: of its key, say, or of a role.
        let epoch = token.epoch;
        self.once(|in_force| in_force.epoch >= epoch, None).await?;
        let session = Arc::new(Session::new(&connection.caller, token, unverified.kid(), now));
        session.check(&connection.thumbprint, self.in_force()?.as_ref())?;
        self.0.sessions.insert(key, Arc::clone(&session));
        Ok(session)
    }

    /// What a token says, once its signature verifies by a key of a hub.
    async fn verified(&self, unverified: &Unverified<'_>) -> Result<AccessToken, Refused> {
        let kid = unverified.kid();
        let now = time_of_day();
        let knows = |in_force: &InForce| in_force.signing_key(kid, now).is_some();
        let in_force = self.once(knows, Some(PAUSE)).await?;
        let signed_by = in_force.signing_key(kid, now).ok_or_else(Refused::token)?;
        let domain = &self.0.domain;
        let verified = AccessToken::verify(unverified, signed_by, &domain.issuer, now);
        verified.map_err(|rejected| match rejected {
            Rejected::Expired => Refused::token_expired(),
            _ => Refused::token(),
        })
    }

    /// What is in force, read again if it is not enough; with a pause, not again at once.
    async fn once(
        &self,
        enough: impl Fn(&InForce) -> bool,
        pause: Option<Duration>,
    ) -> Result<Arc<InForce>, Refused> {
        let known = self.in_force()?;
        if enough(&known) {
            return Ok(known);
        }
        let mut last = self.0.reading.lock().await;
        let known = self.in_force()?;
        let early = pause.is_some_and(|pause| last.is_some_and(|last| last.elapsed() < pause));
        if early || enough(&known) {
            return Ok(known);
        }
        *last = Some(Instant::now());
        self.read().await.map_err(|error| {
            tracing::warn!(error = chain(&error), "what is in force could not be read");
            Refused::overloaded()
        })?;
        self.in_force()
    }

    /// Learns of a change that this hub has just made.
    pub async fn learn(&self) {
        if let Err(error) = self.read().await {
            // It is done; the next round learns of it.
            tracing::warn!(error = chain(&error), "what is in force could not be read");
        }
    }

    /// Looks whether the epoch has risen, and reads what is in force then; and what time it is there.
    pub(super) async fn look(&self) -> Result<(), StoreError> {
        let asked = self.0.started.elapsed();
        let (epoch, database) = security::look(&self.0.pool).await?;
        let apart = match clocks::agree(database) {
            Err(StoreError::ClocksApart { apart }) => apart.as_secs(),
            other => other.map(|()| 0)?,
        };
        if self.0.apart.swap(apart, Ordering::Relaxed) != apart {
            tracing::warn!(apart, "the database's clock is ahead by so many seconds");
        }
        if epoch != self.0.in_force.borrow().epoch {
            return self.read().await;
        }
        self.known(asked);
        Ok(())
    }

    async fn read(&self) -> Result<(), StoreError> {
        let asked = self.0.started.elapsed();
        let in_force = Arc::new(InForce::of(security::load_snapshot(&self.0.pool).await?)?);
        self.0.in_force.send_if_modified(|known| {
            let newer = known.epoch < in_force.epoch;
            if newer {
                *known = Arc::clone(&in_force);
            }
            newer
        });
        self.known(asked);
        Ok(())
    }

    fn known(&self, asked: Duration) {
        let asked = u64::try_from(asked.as_millis()).unwrap_or(u64::MAX);
        self.0.known_at.fetch_max(asked, Ordering::Relaxed);
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Guard(..)")
    }
}

/// The one bearer token of a request.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_carries_one_bearer_token_or_none() {
        for (values, expected) in [
            (&["Bearer abc"][..], Some("abc")),
            (&["bearer abc"], Some("abc")),
            (&[], None),
            (&["abc"], None),
            (&["Basic abc"], None),
            (&["Bearer abc", "Bearer abc"], None),
            (&["DPoP abc"], None),
        ] {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, value.parse().expect("a header value"));
            }
            assert_eq!(bearer(&headers), expected, "{values:?}");
        }
    }
}
