//! The access token: what the hub gives for an assertion, bound to the certificate in use (RFC 9068
//! for its form, RFC 8705 for the binding).

use jiff::{SignedDuration, Timestamp};

use super::{
    KeyError, LEEWAY, PublicKey, Rejected, SigningKey, TOKEN_LIFE, Unverified, compact, new_jti,
    statement::addressed, times::Times,
};
use crate::certificate::Thumbprint;

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessToken {
    /// The SPIFFE id of its holder.
    pub subject: String,
    /// The holder's certificate.
    pub thumbprint: Thumbprint,
    /// What it is good for, space-separated.
    pub scope: String,
    /// The holder's key, by whose assertion it was got: revoked with that.
    pub key: String,
    /// The security epoch in which it was issued: whoever has read an earlier one reads again.
    pub epoch: i64,
    /// Its own id, by which it is revoked.
    pub jti: String,
    /// Since when.
    pub issued_at: Timestamp,
    /// Until when, exclusive.
    pub expires_at: Timestamp,
}

impl AccessToken {
    /// The `typ` of its header.
    pub const TYP: &str = "at+jwt";

    /// A token for so long from now on, in whole seconds; its id is new.
    pub fn new(
        subject: String,
        thumbprint: Thumbprint,
        scope: String,
        (key, epoch): (String, i64),
        now: Timestamp,
        life: SignedDuration,
    ) -> Result<Self, KeyError> {
        let second = |at: Timestamp| Timestamp::from_second(at.as_second()).unwrap_or(at);
        let issued_at = second(now);
        let expires_at = issued_at.saturating_add(life.min(TOKEN_LIFE));
        let expires_at = second(expires_at.unwrap_or(issued_at));
        let jti = new_jti()?;
        Ok(Self { subject, thumbprint, scope, key, epoch, jti, issued_at, expires_at })
    }

    /// Signs it as `issuer`, which is also its sole audience.
    pub fn sign(&self, key: &SigningKey, issuer: &str) -> String {
        let claims = serde_json::json!({
            "iss": issuer,
            "sub": self.subject,
            "client_id": self.subject,
            "aud": issuer,
            "iat": self.issued_at.as_second(),
            "nbf": self.issued_at.as_second(),
            "exp": self.expires_at.as_second(),
            "jti": self.jti,
            "scope": self.scope,
            "cnf": { "x5t#S256": self.thumbprint.base64url() },
            "entente_key": self.key,
            "entente_epoch": self.epoch,
        });
        compact::sign(key, Self::TYP, &claims)
    }

    /// Reads the header, to learn by which of the hub's keys it claims to be signed.
    pub fn read(token: &str) -> Result<Unverified<'_>, Rejected> {
        Unverified::read(token, Self::TYP)
    }

    /// Verifies that `issuer` gave it, and that it is valid now. Whose it is, and on which
    /// connection, is for the caller to compare.
    pub fn verify(
        unverified: &Unverified<'_>,
        key: &PublicKey,
        issuer: &str,
        now: Timestamp,
    ) -> Result<Self, Rejected> {
        let claims = unverified.verified(key)?;
        addressed(&claims, issuer, issuer)?;
        let subject = claims.text("sub")?.to_owned();
        if claims.text("client_id")? != subject {
            return Err(Rejected::Subject);
        }
        let Times { issued_at, expires_at } =
            Times::read(&claims, TOKEN_LIFE, LEEWAY, SignedDuration::ZERO, now)?;
        let text = |name| claims.text(name).map(str::to_owned);
        let (scope, assertion_key) = (text("scope")?, text("entente_key")?);
        let epoch = claims.integer("entente_epoch")?;
        let jti = claims.jti()?.to_owned();
        let bound = claims.object("cnf", &["x5t#S256"])?;
        let thumbprint = Thumbprint::from_base64url(bound.text("x5t#S256")?);
        let thumbprint = thumbprint.ok_or(Rejected::Claim("cnf"))?;
        let key = assertion_key;
        Ok(Self { subject, thumbprint, scope, key, epoch, jti, issued_at, expires_at })
    }
}
