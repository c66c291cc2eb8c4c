//! Secrets and signatures, by the Standard Webhooks scheme: HMAC-SHA256 over id, time and body.
//!
//! A secret is derived from a key of the hub, which is a file outside the database, and from the
//! webhook's id, which is in it: neither alone is any use, and nothing secret is stored.

use std::{fmt, path::Path};

use aws_lc_rs::hmac::{self, HMAC_SHA256, Key};
use base64::{Engine, engine::general_purpose::STANDARD};
use uuid::Uuid;

use crate::key_file::{self, KEY_BYTES, KeyError};

const KEY_FILE: &str = "webhook.key";

/// Sets the secrets apart from anything else that the key may ever be used for.
const PURPOSE: &[u8] = b"entente webhook secret 1";

/// Where all secrets come from.
pub struct WebhookKey(Key);

/// What the messages of one webhook are signed with. It prints as nothing.
pub struct Secret {
    key: Key,
    bytes: [u8; 32],
}

impl WebhookKey {
    /// Opens the key in a folder; at the first start, makes both.
    pub fn open(folder: &Path) -> Result<Self, KeyError> {
        Ok(Self::new(&key_file::open(folder, KEY_FILE)?))
    }

    /// With a key that is given.
    #[must_use]
    pub fn new(key: &[u8; KEY_BYTES]) -> Self {
        Self(Key::new(HMAC_SHA256, key))
    }

    /// The secret of a webhook.
    #[must_use]
    pub fn secret(&self, webhook_id: Uuid) -> Secret {
        let derived = hmac::sign(&self.0, &[PURPOSE, webhook_id.as_bytes()].concat());
        let mut bytes = [0; 32];
        bytes.copy_from_slice(derived.as_ref());
        Secret { key: Key::new(HMAC_SHA256, &bytes), bytes }
    }
}

impl Secret {
    /// The secret as its partner is told it.
    #[must_use]
    pub fn reveal(&self) -> String {
        format!("whsec_{}", STANDARD.encode(self.bytes))
    }

    /// The `webhook-signature` of a message.
    #[must_use]
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(format!("{id}.{timestamp}.").as_bytes());
        context.update(body);
        format!("v1,{}", STANDARD.encode(context.sign()))
    }
}

impl fmt::Debug for WebhookKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookKey(..)")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification, <https://www.standardwebhooks.com>.
    #[test]
    fn a_signature_is_that_of_the_specification() {
        let decoded = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("base64");
        let secret = Secret { key: Key::new(HMAC_SHA256, &decoded), bytes: [0; 32] };
        let signed =
            secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn each_webhook_of_each_hub_has_a_secret_of_its_own() {
        let (one, two) = (WebhookKey::new(&[7; 32]), WebhookKey::new(&[8; 32]));
        let (first, second) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let secret = one.secret(first).reveal();
        assert_eq!(secret, one.secret(first).reveal());
        assert_ne!(secret, one.secret(second).reveal());
        assert_ne!(secret, two.secret(first).reveal());
        assert!(secret.starts_with("whsec_"));
        assert!(!format!("{:?}{one:?}", one.secret(first)).contains(&secret[6..]));
    }
}
