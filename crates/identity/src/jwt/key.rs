//! Public keys: two kinds, each with its one algorithm, named by their thumbprint.

use std::fmt;

use aws_lc_rs::{
    digest::{SHA256, digest},
    signature::{ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey},
};
use jsonwebtoken::{Algorithm, DecodingKey};

use super::{base64url, fields::Fields, from_base64url};

/// The longest JWK that is read, in bytes.
const MAX_JWK_BYTES: usize = 1_024;

/// A key that signatures are verified by.
#[derive(Clone)]
pub struct PublicKey {
    kind: Kind,
    /// As the algorithm has it: 32 bytes, or an uncompressed point of 65.
    bytes: Vec<u8>,
    decoding: DecodingKey,
    kid: String,
}

/// Why a key cannot be used. It never shows what a key file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not a JWK of Ed25519 or P-256 with its public members alone.
    #[error("the key is no JWK of Ed25519 (OKP) or P-256 (EC) with its public members alone")]
    Jwk,
    /// Not an unencrypted PKCS#8 PEM key of Ed25519 or P-256.
    #[error("the key is no unencrypted PEM key (BEGIN PRIVATE KEY) of Ed25519 or P-256")]
    Private,
    /// The system gives no random bytes.
    #[error("no randomness is to be had")]
    Randomness,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Ed25519,
    P256,
}

impl PublicKey {
    /// Reads a JWK (RFC 7517) that has its required members, and may have `alg`, `use`, `kid`; never
    /// a private one.
    pub fn from_jwk(jwk: &str) -> Result<Self, KeyError> {
        if jwk.len() > MAX_JWK_BYTES {
            return Err(KeyError::Jwk);
        }
        let fields = Fields::read(jwk.as_bytes()).map_err(|_| KeyError::Jwk)?;
        let text = |name| fields.optional_text(name).map_err(|_| KeyError::Jwk);
        if text("d")?.is_some() {
            return Err(KeyError::Jwk);
        }
        let coordinate = |name| {
            let bytes = text(name)?.and_then(from_base64url).ok_or(KeyError::Jwk)?;
            if bytes.len() == 32 { Ok(bytes) } else { Err(KeyError::Jwk) }
        };
        let key = match (text("kty")?, text("crv")?) {
            (Some("OKP"), Some("Ed25519")) => Self::new(Kind::Ed25519, coordinate("x")?)?,
            (Some("EC"), Some("P-256")) => {
                let point = [vec![4], coordinate("x")?, coordinate("y")?].concat();
                Self::new(Kind::P256, point)?
            }
            _ => return Err(KeyError::Jwk),
        };
        let agrees = |name, own: &str| Ok::<_, KeyError>(text(name)?.is_none_or(|it| it == own));
        if agrees("alg", key.algorithm())? && agrees("kid", &key.kid)? && agrees("use", "sig")? {
            return Ok(key);
        }
        Err(KeyError::Jwk)
    }

    /// An Ed25519 key, by its 32 bytes.
    pub fn from_ed25519(bytes: &[u8]) -> Result<Self, KeyError> {
        Self::new(Kind::Ed25519, bytes.to_vec())
    }

    pub(super) fn new(kind: Kind, bytes: Vec<u8>) -> Result<Self, KeyError> {
        let on_its_curve = match (kind, bytes.len()) {
            (Kind::Ed25519, 32) => ParsedPublicKey::new(&ED25519, &bytes),
            (Kind::P256, 65) => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &bytes),
            _ => return Err(KeyError::Jwk),
        };
        on_its_curve.map_err(|_| KeyError::Jwk)?;
        let kid = base64url(digest(&SHA256, required(kind, &bytes).as_bytes()));
        let decoding = match kind {
            Kind::Ed25519 => DecodingKey::from_ed_der(&bytes),
            Kind::P256 => DecodingKey::from_ec_der(&bytes),
        };
        Ok(Self { kind, bytes, decoding, kid })
    }

    /// Its name: the SHA-256 of its required members (RFC 7638), in base64url; 43 characters.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The one algorithm that it is for: `EdDSA` or `ES256`.
    pub fn algorithm(&self) -> &'static str {
        match self.kind {
            Kind::Ed25519 => "EdDSA",
            Kind::P256 => "ES256",
        }
    }

    /// The key as a JWK with its required members alone, in one spelling.
    pub fn jwk(&self) -> String {
        required(self.kind, &self.bytes)
    }

    /// The key as `jsonwebtoken` has it.
    pub(super) fn decoding(&self) -> &DecodingKey {
        &self.decoding
    }

    /// Its one algorithm, as `jsonwebtoken` names it.
    pub(super) fn jws_algorithm(&self) -> Algorithm {
        match self.kind {
            Kind::Ed25519 => Algorithm::EdDSA,
            Kind::P256 => Algorithm::ES256,
        }
    }
}

/// The required members in lexicographic order, which is what the thumbprint is of.
fn required(kind: Kind, bytes: &[u8]) -> String {
    match kind {
        Kind::Ed25519 => {
            format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, base64url(bytes))
        }
        Kind::P256 => {
            let (x, y) = bytes.get(1..).unwrap_or_default().split_at(bytes.len() / 2);
            let (x, y) = (base64url(x), base64url(y));
            format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#)
        }
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.kid == other.kid
    }
}

impl Eq for PublicKey {}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({} {})", self.algorithm(), self.kid)
    }
}
