//! A client's assertion: "I am this identity", signed by a key that is registered for it, for one
//! hub and once (RFC 7523, and its revision for the sole audience and the type).

use jiff::Timestamp;

use super::{
    KeyError, PublicKey, Rejected, SigningKey, Unverified, compact,
    statement::{self, Statement},
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
        let claims = statement::claims(identity, identity, audience, now)?;
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
        let Statement { jti, replayable_until, .. } =
            Statement::verify_own(unverified, key, identity, audience, now)?;
        Ok(Self { jti, replayable_until })
    }
}
