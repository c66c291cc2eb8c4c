//! Private keys that sign JWTs: made here, or read from a PEM file; never shown.

use std::{fmt, path::Path};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use rustls_pki_types::PrivateKeyDer;

use super::key::{KeyError, Kind, PublicKey};
use crate::pem::{FileError, read_key};

/// A key that signs.
pub struct SigningKey {
    private: Private,
    public: PublicKey,
}

enum Private {
    Ed25519(Ed25519KeyPair),
    P256(EcdsaKeyPair),
}

impl SigningKey {
    /// A new Ed25519 key.
    pub fn generate() -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::generate().map_err(|_| KeyError::Randomness)?;
        Self::of(Private::Ed25519(pair))
    }

    /// The Ed25519 key of a seed.
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| KeyError::Private)?;
        Self::of(Private::Ed25519(pair))
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
            return Self::of(Private::Ed25519(pair));
        }
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der);
        Self::of(Private::P256(pair.map_err(|_| KeyError::Private)?))
    }

    fn of(private: Private) -> Result<Self, KeyError> {
        let public = match &private {
            Private::Ed25519(pair) => {
                PublicKey::new(Kind::Ed25519, pair.public_key().as_ref().to_vec())
            }
            Private::P256(pair) => PublicKey::new(Kind::P256, pair.public_key().as_ref().to_vec()),
        }?;
        Ok(Self { private, public })
    }

    /// The key's public half.
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// The key as a PKCS#8 PEM file, for its owner's disk alone.
    pub(crate) fn to_pem(&self) -> Result<String, KeyError> {
        let der = match &self.private {
            Private::Ed25519(pair) => pair.to_pkcs8v1(),
            Private::P256(pair) => pair.to_pkcs8v1(),
        };
        let text = STANDARD.encode(der.map_err(|_| KeyError::Private)?);
        let mut pem = String::from("-----BEGIN PRIVATE KEY-----\n");
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let (line, after) = rest.split_at(rest.len().min(64));
            pem.push_str(line);
            pem.push('\n');
            rest = after;
        }
        pem.push_str("-----END PRIVATE KEY-----\n");
        Ok(pem)
    }

    /// The signature of a message, in the form that a JWS has.
    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        match &self.private {
            Private::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
            Private::P256(pair) => {
                let signature = pair.sign(&SystemRandom::new(), message);
                // aws-lc signs with any key that it has accepted; an empty signature never verifies.
                signature.map(|signature| signature.as_ref().to_vec()).unwrap_or_default()
            }
        }
    }
}

/// The public half alone.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("public", &self.public).finish_non_exhaustive()
    }
}
