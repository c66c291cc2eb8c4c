//! Private keys that sign JWTs: made here, or read from a PEM file; never shown.

use std::{fmt, path::Path};

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jsonwebtoken::EncodingKey;
use rustls_pki_types::PrivateKeyDer;

use super::key::{KeyError, Kind, PublicKey};
use crate::pem::{FileError, read_key};

/// A key that signs.
pub struct SigningKey {
    encoding: EncodingKey,
    public: PublicKey,
}

impl SigningKey {
    /// A new Ed25519 key.
    pub fn generate() -> Result<Self, KeyError> {
        Self::of_ed25519(&Ed25519KeyPair::generate().map_err(|_| KeyError::Randomness)?)
    }

    /// The Ed25519 key of a seed.
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, KeyError> {
        Self::of_ed25519(&Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| KeyError::Private)?)
    }

    /// Reads a PEM file with a PKCS#8 key of Ed25519 or P-256.
    pub fn from_pem_file(path: &Path) -> Result<Self, FileError> {
        let cure = "give the key that `entente pki issue` made, or one of `openssl genpkey`";
        let key = read_key(path)?;
        Self::from_der(&key).map_err(|error| FileError::new(path, error, cure))
    }

    /// The key of a PKCS#8 document.
    pub fn from_der(key: &PrivateKeyDer<'_>) -> Result<Self, KeyError> {
        let PrivateKeyDer::Pkcs8(key) = key else { return Err(KeyError::Private) };
        let der = key.secret_pkcs8_der();
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
            return Self::of_ed25519(&pair);
        }
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der);
        let pair = pair.map_err(|_| KeyError::Private)?;
        let public = PublicKey::new(Kind::P256, pair.public_key().as_ref().to_vec())?;
        Ok(Self { encoding: EncodingKey::from_ec_der(der), public })
    }

    fn of_ed25519(pair: &Ed25519KeyPair) -> Result<Self, KeyError> {
        let public = PublicKey::from_ed25519(pair.public_key().as_ref())?;
        let der = pair.to_pkcs8v1().map_err(|_| KeyError::Private)?;
        Ok(Self { encoding: EncodingKey::from_ed_der(der.as_ref()), public })
    }

    /// The key's public half.
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// The key as a PKCS#8 PEM file, for its owner's disk alone.
    pub(crate) fn to_pem(&self) -> String {
        let text = STANDARD.encode(self.encoding.as_bytes());
        let mut pem = String::from("-----BEGIN PRIVATE KEY-----\n");
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let (line, after) = rest.split_at(rest.len().min(64));
            pem.push_str(line);
            pem.push('\n');
            rest = after;
        }
        pem.push_str("-----END PRIVATE KEY-----\n");
        pem
    }

    /// The key as `jsonwebtoken` has it.
    pub(super) fn encoding(&self) -> &EncodingKey {
        &self.encoding
    }
}

/// The public half alone.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("public", &self.public).finish_non_exhaustive()
    }
}
