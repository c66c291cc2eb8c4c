//! The compact form: `header.payload.signature`, each in base64url without padding.

use super::{
    MAX_TOKEN_BYTES, Rejected, base64url, fields::Fields, from_base64url, key::PublicKey,
    signing::SigningKey,
};

/// A JWT whose header is read and whose signature is not. The caller looks its key up among those of
/// whoever claims to have signed it; nothing else can be learned before it verifies.
#[derive(Debug)]
pub struct Unverified<'a> {
    algorithm: String,
    kid: String,
    signed: &'a str,
    payload: &'a str,
    signature: Vec<u8>,
}

impl<'a> Unverified<'a> {
    /// Reads the header of a JWT of a type.
    pub(super) fn read(token: &'a str, typ: &str) -> Result<Self, Rejected> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Rejected::TooLong);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(Rejected::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(Rejected::Malformed)?;
        if payload.contains('.') {
            return Err(Rejected::Malformed);
        }
        let header = from_base64url(header).ok_or(Rejected::Malformed)?;
        let header = Fields::read(&header)?;
        // So there is no crit, and no key or address of a key, that anybody could fall for.
        if !header.are_exactly(&["typ", "alg", "kid"]) {
            return Err(Rejected::Header);
        }
        let text = |name| header.text(name).map_err(|_| Rejected::Header);
        if text("typ")? != typ {
            return Err(Rejected::Type);
        }
        let (algorithm, kid) = (text("alg")?.to_owned(), text("kid")?.to_owned());
        let signature = from_base64url(signature).ok_or(Rejected::Malformed)?;
        Ok(Self { algorithm, kid, signed, payload, signature })
    }

    /// By which key it claims to be signed.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The claims, once the signature verifies by the key.
    pub(super) fn verified(&self, key: &PublicKey) -> Result<Fields, Rejected> {
        if self.kid != key.kid() {
            return Err(Rejected::UnknownKey);
        }
        if self.algorithm != key.algorithm() {
            return Err(Rejected::Algorithm);
        }
        if !key.verifies(self.signed.as_bytes(), &self.signature) {
            return Err(Rejected::Signature);
        }
        Fields::read(&from_base64url(self.payload).ok_or(Rejected::Malformed)?)
    }
}

/// Signs claims as a JWT of a type.
pub(super) fn sign(key: &SigningKey, typ: &str, claims: &serde_json::Value) -> String {
    let public = key.public_key();
    let header = serde_json::json!({ "typ": typ, "alg": public.algorithm(), "kid": public.kid() });
    sign_raw(key, &header.to_string(), &claims.to_string())
}

/// Signs any header and claims, also such as must be refused.
pub(super) fn sign_raw(key: &SigningKey, header: &str, claims: &str) -> String {
    let signed = format!("{}.{}", base64url(header), base64url(claims));
    let signature = base64url(key.sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}
