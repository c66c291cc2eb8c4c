//! Proof that whoever brings a new key has a registered one: the registered key signs the new one's
//! name. That the new key is at hand is shown by an assertion of its own.

use jiff::Timestamp;

use super::{
    KeyError, PublicKey, Rejected, SigningKey, Unverified, compact,
    statement::{self, Statement},
};

/// A verified proof: good for the one key that it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRotation {
    /// The name of the new key.
    pub new_kid: String,
}

impl KeyRotation {
    /// The `typ` of its header.
    pub const TYP: &str = "key-rotation+jwt";

    /// Signs a new key by a registered one, for a hub, valid for a minute.
    pub fn sign(
        registered: &SigningKey,
        new: &PublicKey,
        identity: &str,
        audience: &str,
        now: Timestamp,
    ) -> Result<String, KeyError> {
        let mut claims = statement::claims(identity, identity, audience, now)?;
        claims["new_kid"] = new.kid().into();
        Ok(compact::sign(registered, Self::TYP, &claims))
    }

    /// Reads the header, to learn by which key it claims to be signed.
    pub fn read(token: &str) -> Result<Unverified<'_>, Rejected> {
        Unverified::read(token, Self::TYP)
    }

    /// Verifies that the holder of a registered key is `identity`, and brings a new one, now.
    pub fn verify(
        unverified: &Unverified<'_>,
        registered: &PublicKey,
        identity: &str,
        audience: &str,
        now: Timestamp,
    ) -> Result<Self, Rejected> {
        let statement = Statement::verify_own(unverified, registered, identity, audience, now)?;
        Ok(Self { new_kid: statement.claims.text("new_kid")?.to_owned() })
    }
}
