//! Signed statements: one strict door for every JWT that the hub reads, and what passes through it.
//!
//! RFC 8725 says how JWTs go wrong. `jsonwebtoken` makes them and verifies their signatures; what it
//! lets pass is checked here: the key decides the algorithm, a header has exactly `typ`, `alg` and
//! `kid`, no member occurs twice, each claim has one type, and times are the caller's to give.

mod access;
mod client;
mod compact;
mod fields;
mod key;
mod member;
mod rotation;
mod signing;
mod statement;
#[cfg(test)]
mod tests;
mod times;

use jiff::SignedDuration;

pub use access::AccessToken;
pub use client::ClientAssertion;
pub use compact::Unverified;
pub use key::{KeyError, PublicKey};
pub use member::{Consent, MemberAssertion};
pub use rotation::KeyRotation;
pub use signing::SigningKey;

/// The longest JWT that is looked at, in bytes.
pub const MAX_TOKEN_BYTES: usize = 4_096;

/// How far clocks may be apart, where a partner's clock set a time.
pub const LEEWAY: SignedDuration = SignedDuration::from_secs(10);

/// How long an assertion lives at most.
pub const ASSERTION_LIFE: SignedDuration = SignedDuration::from_secs(60);

/// How long an access token lives at most.
pub const TOKEN_LIFE: SignedDuration = SignedDuration::from_mins(15);

/// Why a JWT is not accepted: for tests and for the hub's log. Callers are told one thing for all of
/// these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Rejected {
    /// Longer than [`MAX_TOKEN_BYTES`].
    #[error("it is too long")]
    TooLong,
    /// Not three parts of base64url, or a part is no JSON object, or a member occurs twice.
    #[error("it is malformed")]
    Malformed,
    /// The header has other members than `typ`, `alg` and `kid`, or one of another type.
    #[error("its header is not exactly typ, alg and kid")]
    Header,
    /// It is a JWT for something else.
    #[error("its typ is another")]
    Type,
    /// Nobody registered the key, or it is somebody else's, or revoked.
    #[error("its key is unknown")]
    UnknownKey,
    /// The key is for another algorithm than the header names.
    #[error("its alg is not that of its key")]
    Algorithm,
    /// The signature is not by the key.
    #[error("its signature does not verify")]
    Signature,
    /// A claim is missing, of the wrong type, or of the wrong form.
    #[error("its claim {0} is missing or of the wrong form")]
    Claim(&'static str),
    /// It is from somebody else.
    #[error("its iss is another")]
    Issuer,
    /// It is about somebody else.
    #[error("its sub is another")]
    Subject,
    /// It is for another hub.
    #[error("its aud is another")]
    Audience,
    /// Its time is over.
    #[error("it has expired")]
    Expired,
    /// Its time has not come.
    #[error("it is not valid yet")]
    NotYetValid,
    /// It would live too long.
    #[error("it lives too long")]
    Lifetime,
}

/// A new `jti`: 128 random bits.
fn new_jti() -> Result<String, KeyError> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| KeyError::Randomness)?;
    Ok(base64url(bytes))
}

fn base64url(bytes: impl AsRef<[u8]>) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

fn from_base64url(text: &str) -> Option<Vec<u8>> {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).ok()
}
