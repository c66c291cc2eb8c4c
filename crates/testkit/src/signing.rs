//! What partners of the cast assert of their members, by keys that are always the same.

use std::{
    fs::OpenOptions, io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path, sync::Arc,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use entente_client::{MemberSigner, SigningKey};
use entente_identity::Identity;

/// The trust domain of every test.
pub const TRUST_DOMAIN: &str = "entente.test";

/// Signs as a partner, by the key that is registered for it when it is of the cast.
///
/// # Panics
/// When the system gives no key.
pub fn signer(code: &str) -> MemberSigner {
    signer_by(code, code)
}

/// The same by the key of somebody else.
///
/// # Panics
/// When the system gives no key.
pub fn signer_by(code: &str, key_of: &str) -> MemberSigner {
    let partner = format!("spiffe://{TRUST_DOMAIN}/partner/{code}");
    MemberSigner::new(Arc::new(key(key_of)), partner, format!("https://{TRUST_DOMAIN}"))
}

fn key(code: &str) -> SigningKey {
    SigningKey::from_seed(&seed(code)).expect("any seed makes a key")
}

fn seed(code: &str) -> [u8; 32] {
    let mut seed = [0; 32];
    seed.iter_mut().zip(code.bytes()).for_each(|(seed, byte)| *seed = byte);
    seed
}

/// Writes the key that [`signer`] has where a partner's key for assertions lies.
pub(crate) fn write_key(path: &Path, partner: &Identity) {
    let Identity::Partner(code) = partner else { panic!("{partner} is no partner") };
    // PKCS#8 of an Ed25519 seed (RFC 8410).
    let mut der = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20".to_vec();
    der.extend(seed(code.as_str()));
    let pem = STANDARD.encode(der);
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{pem}\n-----END PRIVATE KEY-----\n");
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(pem.as_bytes())).expect("a key is written");
}
