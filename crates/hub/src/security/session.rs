//! A verified token on its connection: what a call may do by it, and when that ends.

use std::sync::{
    Arc,
    atomic::{AtomicI64, AtomicU32, Ordering},
};

use entente_identity::{Thumbprint, jwt::AccessToken};
use tokio::time::{Instant, sleep_until};

use super::{Guard, InForce};
use crate::{
    authorization::{OperatorRole, Scopes},
    caller::Caller,
    error::Refused,
};

/// A token that was verified once. What can change is checked again whenever the epoch rises; what
/// cannot, which is its end and its certificate, at every call.
#[derive(Debug)]
pub struct Session {
    caller: Caller,
    /// `partner/CODE` or `operator/NAME`.
    owner: String,
    thumbprint: Thumbprint,
    /// By which of the hub's keys it is signed.
    signed_by: String,
    /// By which of the owner's keys it was got.
    key: String,
    jti: String,
    expires_at: jiff::Timestamp,
    ends: Instant,
    granted: Scopes,
    /// The epoch in which it was checked last, and what it was good for then.
    checked: AtomicI64,
    scopes: AtomicU32,
}

/// When a session ends, for streams, which would outlive it.
#[derive(Debug, Clone)]
pub struct SessionEnd {
    session: Arc<Session>,
    guard: Guard,
}

impl Session {
    /// A token of a caller, verified at `now`.
    pub(super) fn new(
        caller: &Caller,
        token: AccessToken,
        signed_by: &str,
        now: jiff::Timestamp,
    ) -> Self {
        let left = now.duration_until(token.expires_at);
        let left = std::time::Duration::try_from(left).unwrap_or_default();
        Self {
            caller: caller.clone(),
            owner: caller.to_string(),
            thumbprint: token.thumbprint,
            signed_by: signed_by.to_owned(),
            key: token.key,
            jti: token.jti,
            expires_at: token.expires_at,
            ends: Instant::now() + left,
            granted: Scopes::of_claim(&token.scope),
            checked: AtomicI64::new(i64::MIN),
            scopes: AtomicU32::new(0),
        }
    }

    /// Whether the token is good on this connection, by what is in force.
    pub(super) fn check(&self, thumbprint: &Thumbprint, in_force: &InForce) -> Result<(), Refused> {
        if self.thumbprint != *thumbprint {
            return Err(Refused::token());
        }
        if self.ends <= Instant::now() {
            return Err(Refused::token_expired());
        }
        // A call that is checked by an older view than another has checked by is checked again.
        if self.checked.load(Ordering::Acquire) == in_force.epoch {
            return Ok(());
        }
        self.check_again(in_force)
    }

    fn check_again(&self, in_force: &InForce) -> Result<(), Refused> {
        let good = !in_force.denies_token(&self.jti)
            && !in_force.denies_certificate(&self.thumbprint)
            && in_force.is_key_of(&self.key, &self.owner)
            && in_force.signing_key(&self.signed_by, super::time_of_day()).is_some();
        if !good {
            return Err(Refused::token());
        }
        let allowed = match &self.caller {
            Caller::Partner(_) => Scopes::of_partners(),
            Caller::Operator(name) => in_force.scopes(name.as_str()),
        };
        self.scopes.store(self.granted.and(allowed).bits(), Ordering::Release);
        self.checked.store(in_force.epoch, Ordering::Release);
        Ok(())
    }

    /// What it is good for now.
    #[must_use]
    pub fn scopes(&self) -> Scopes {
        Scopes::of_bits(self.scopes.load(Ordering::Acquire))
    }

    /// Whose it is.
    #[must_use]
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// Its own id.
    #[must_use]
    pub fn jti(&self) -> &str {
        &self.jti
    }

    /// Until when, by the time of day.
    #[must_use]
    pub const fn expires_at(&self) -> jiff::Timestamp {
        self.expires_at
    }

    /// The certificate that it is bound to.
    #[must_use]
    pub const fn thumbprint(&self) -> &Thumbprint {
        &self.thumbprint
    }
}

impl SessionEnd {
    pub(crate) const fn new(session: Arc<Session>, guard: Guard) -> Self {
        Self { session, guard }
    }

    /// The roles of an operator, by what is in force.
    pub(crate) fn roles_of(&self, operator: &str) -> Result<Vec<OperatorRole>, Refused> {
        Ok(self.guard.in_force()?.roles(operator).to_vec())
    }

    /// Waits until the token ends or is revoked, or the hub has not learned of revocations for too
    /// long, and says which.
    pub async fn reached(self) -> Refused {
        let mut changes = self.guard.follow();
        loop {
            changes.borrow_and_update();
            let checked = self
                .guard
                .in_force()
                .and_then(|in_force| self.session.check(&self.session.thumbprint, &in_force));
            if let Err(refused) = checked {
                return refused;
            }
            tokio::select! {
                () = sleep_until(self.session.ends) => {}
                // The guard keeps the sender.
                _ = changes.changed() => {}
                () = tokio::time::sleep(Guard::UNREAD) => {}
            }
        }
    }
}
