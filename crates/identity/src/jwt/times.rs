//! When a JWT is valid: `iat`, `nbf` and `exp`, in whole seconds.

use jiff::{SignedDuration, Timestamp};

use super::{Rejected, fields::Fields};

/// The times of a JWT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) issued_at: Timestamp,
    pub(super) expires_at: Timestamp,
}

impl Times {
    /// Reads the times, and checks that a JWT that may live for `life` is valid now. The clock that
    /// made it may be ahead by `ahead` and behind by `behind`.
    pub(super) fn read(
        claims: &Fields,
        life: SignedDuration,
        ahead: SignedDuration,
        behind: SignedDuration,
        now: Timestamp,
    ) -> Result<Self, Rejected> {
        let time = |name, second| Timestamp::from_second(second).map_err(|_| Rejected::Claim(name));
        let issued_at = time("iat", claims.integer("iat")?)?;
        let expires_at = time("exp", claims.integer("exp")?)?;
        let not_before = match claims.optional_integer("nbf")? {
            Some(second) => time("nbf", second)?,
            None => issued_at,
        };
        if issued_at.duration_until(expires_at) > life || expires_at <= issued_at {
            return Err(Rejected::Lifetime);
        }
        if now.duration_until(issued_at.max(not_before)) > ahead {
            return Err(Rejected::NotYetValid);
        }
        if expires_at.duration_until(now) >= behind {
            return Err(Rejected::Expired);
        }
        Ok(Self { issued_at, expires_at })
    }
}
