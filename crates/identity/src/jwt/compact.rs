//! The compact form: `header.payload.signature`, each in base64url without padding.

use jsonwebtoken::{Header, Validation, decode, encode, errors::ErrorKind};

use super::{
    MAX_TOKEN_BYTES, Rejected, fields::Fields, from_base64url, key::PublicKey, signing::SigningKey,
};

/// A JWT whose header is read and whose signature is not. The caller looks its key up among those of
/// whoever claims to have signed it; nothing else can be learned before it verifies.
#[derive(Debug)]
pub struct Unverified<'a> {
    algorithm: String,
    kid: String,
    token: &'a str,
}

impl<'a> Unverified<'a> {
    /// Reads the header of a JWT of a type.
    pub(super) fn read(token: &'a str, typ: &str) -> Result<Self, Rejected> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Rejected::TooLong);
        }
        let parts: Vec<_> = token.split('.').collect();
        let [header, _payload, _signature] = *parts else { return Err(Rejected::Malformed) };
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
        Ok(Self { algorithm, kid, token })
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
        let decoded = decode::<Fields>(self.token, key.decoding(), &signature_alone(key));
        decoded.map(|token| token.claims).map_err(|error| match error.kind() {
            ErrorKind::InvalidSignature => Rejected::Signature,
            _ => Rejected::Malformed,
        })
    }
}

/// What the library checks for us: the signature, by the key's one algorithm. Its checks of claims
/// are optional, by its own clock, and pass values of the wrong type.
fn signature_alone(key: &PublicKey) -> Validation {
    let mut validation = Validation::new(key.jws_algorithm());
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation
}

/// Signs claims as a JWT of a type.
pub(super) fn sign(key: &SigningKey, typ: &str, claims: &serde_json::Value) -> String {
    let public = key.public_key();
    let header = Header {
        typ: Some(typ.to_owned()),
        kid: Some(public.kid().to_owned()),
        ..Header::new(public.jws_algorithm())
    };
    // The key has signed before, or it would not be one; an empty token is never accepted.
    encode(&header, claims, key.encoding()).unwrap_or_default()
}
