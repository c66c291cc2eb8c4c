//! A client's assertion: "I am this identity", signed by a key that is registered for it, for one
//! hub and once (RFC 7523, and its revision for the sole audience and the type).

use jiff::Timestamp;

use super::{
    ASSERTION_LIFE, KeyError, LEEWAY, PublicKey, Rejected, SigningKey, Unverified, compact,
    fields::Fields, new_jti, times::Times,
};

/// A verified assertion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientAssertion {
    /// Its own id: good for one time.
    pub jti: String,
    /// Until when it could be shown again, the leeway counted: until then its id has to be known.
    pub replayable_until: Timestamp,
}

impl ClientAssertion {
    /// The `typ` of its header.
    pub const TYP: &str = "client-authentication+jwt";

    /// Signs an assertion of `identity` (a SPIFFE id) for a hub, valid for a minute.
    pub fn sign(
        key: &SigningKey,
        identity: &str,
        audience: &str,
        now: Timestamp,
    ) -> Result<String, KeyError> {
        let claims = serde_json::json!({
            "iss": identity,
            "sub": identity,
            "aud": audience,
            "iat": now.as_second(),
            "exp": now.as_second().saturating_add(ASSERTION_LIFE.as_secs()),
            "jti": new_jti()?,
        });
        Ok(compact::sign(key, Self::TYP, &claims))
    }

    /// Reads the header, to learn by which key it claims to be signed.
    pub fn read(token: &str) -> Result<Unverified<'_>, Rejected> {
        Unverified::read(token, Self::TYP)
    }

    /// Verifies that the holder of the key is `identity`, and says so to `audience`, now.
    pub fn verify(
        unverified: &Unverified<'_>,
        key: &PublicKey,
        identity: &str,
        audience: &str,
        now: Timestamp,
    ) -> Result<Self, Rejected> {
        let claims = unverified.verified(key)?;
        addressed(&claims, identity, audience)?;
        if claims.text("sub")? != identity {
            return Err(Rejected::Subject);
        }
        let times = Times::read(&claims, ASSERTION_LIFE, LEEWAY, LEEWAY, now)?;
        let replayable_until = times.expires_at.saturating_add(LEEWAY);
        let replayable_until = replayable_until.map_err(|_| Rejected::Claim("exp"))?;
        Ok(Self { jti: claims.jti()?.to_owned(), replayable_until })
    }
}

/// Whether a statement is from somebody, and for one hub: an array is none, even of one.
pub(super) fn addressed(claims: &Fields, issuer: &str, audience: &str) -> Result<(), Rejected> {
    if claims.text("iss")? != issuer {
        return Err(Rejected::Issuer);
    }
    if claims.text("aud")? != audience {
        return Err(Rejected::Audience);
    }
    Ok(())
}
