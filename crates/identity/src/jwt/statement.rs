//! What all statements share that a registered key signs: from one identity, for one hub, valid for a
//! minute, good for one time (RFC 7523).

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    ASSERTION_LIFE, KeyError, LEEWAY, PublicKey, Rejected, Unverified, fields::Fields, new_jti,
    times::Times,
};

/// The claims of a statement made now.
pub(super) fn claims(
    issuer: &str,
    subject: &str,
    audience: &str,
    now: Timestamp,
) -> Result<Value, KeyError> {
    Ok(json!({
        "iss": issuer,
        "sub": subject,
        "aud": audience,
        "iat": now.as_second(),
        "exp": now.as_second().saturating_add(ASSERTION_LIFE.as_secs()),
        "jti": new_jti()?,
    }))
}

/// A verified statement.
pub(super) struct Statement {
    pub(super) claims: Fields,
    pub(super) jti: String,
    /// Until when it could be shown again, the leeway counted.
    pub(super) replayable_until: Timestamp,
}

impl Statement {
    /// Verifies that the holder of the key is `issuer`, and says so to `audience`, now.
    pub(super) fn verify(
        unverified: &Unverified<'_>,
        key: &PublicKey,
        issuer: &str,
        audience: &str,
        now: Timestamp,
    ) -> Result<Self, Rejected> {
        let claims = unverified.verified(key)?;
        addressed(&claims, issuer, audience)?;
        let times = Times::read(&claims, ASSERTION_LIFE, LEEWAY, LEEWAY, now)?;
        let replayable_until = times.expires_at.saturating_add(LEEWAY);
        let replayable_until = replayable_until.map_err(|_| Rejected::Claim("exp"))?;
        let jti = claims.jti()?.to_owned();
        Ok(Self { claims, jti, replayable_until })
    }

    /// The same of a statement that an identity makes about itself.
    pub(super) fn verify_own(
        unverified: &Unverified<'_>,
        key: &PublicKey,
        identity: &str,
        audience: &str,
        now: Timestamp,
    ) -> Result<Self, Rejected> {
        let statement = Self::verify(unverified, key, identity, audience, now)?;
        if statement.claims.text("sub")? != identity {
            return Err(Rejected::Subject);
        }
        Ok(statement)
    }
}

/// Whether a JWT is from somebody, and for one hub: an array is none, even of one.
pub(super) fn addressed(claims: &Fields, issuer: &str, audience: &str) -> Result<(), Rejected> {
    if claims.text("iss")? != issuer {
        return Err(Rejected::Issuer);
    }
    if claims.text("aud")? != audience {
        return Err(Rejected::Audience);
    }
    Ok(())
}
