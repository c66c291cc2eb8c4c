//! A member's assertion: a partner says that it has authenticated a member of its own just now, and
//! that the member consents to being linked. The partner's registered key signs it.

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;

use super::{
    KeyError, LEEWAY, PublicKey, Rejected, SigningKey, Unverified, compact,
    statement::{self, Statement},
};

/// The longest member reference and wording version, in characters.
const MAX_TEXT_CHARS: usize = 64;

/// A verified assertion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberAssertion {
    /// The partner's own reference of the member, as signed.
    pub reference: String,
    /// To what the member has consented.
    pub consent: Consent,
    /// The link code that this assertion is for, if it redeems one: SHA-256 in base64url.
    pub link_code_hash: Option<String>,
    /// Its own id: good for one time.
    pub jti: String,
    /// Until when it could be shown again, the leeway counted.
    pub replayable_until: Timestamp,
}

/// A member's consent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent {
    /// Which wording the member has read.
    pub wording_version: String,
    /// When it was given, to the second.
    pub at: Timestamp,
}

impl MemberAssertion {
    /// The `typ` of its header.
    pub const TYP: &str = "member-link+jwt";

    /// Signs an assertion of a partner (its SPIFFE id) about one of its members.
    pub fn sign(
        key: &SigningKey,
        partner: &str,
        reference: &str,
        consent: &Consent,
        link_code: Option<&str>,
        audience: &str,
        now: Timestamp,
    ) -> Result<String, KeyError> {
        let mut claims = statement::claims(partner, reference, audience, now)?;
        claims["consent"] = serde_json::json!({
            "wording_version": consent.wording_version,
            "at": consent.at.as_second(),
        });
        if let Some(code) = link_code {
            claims["link_code_hash"] = Self::link_code_hash(code).into();
        }
        Ok(compact::sign(key, Self::TYP, &claims))
    }

    /// How an assertion names the link code that it redeems: in capitals, without separators.
    pub fn link_code_hash(code: &str) -> String {
        super::base64url(digest(&SHA256, Self::link_code(code).as_bytes()))
    }

    /// A link code as it was meant, whatever its case, spaces and hyphens.
    pub fn link_code(typed: &str) -> String {
        let told = typed.chars().filter(|c| !c.is_whitespace() && *c != '-');
        told.map(|c| c.to_ascii_uppercase()).collect()
    }

    /// Reads the header, to learn by which key it claims to be signed.
    pub fn read(token: &str) -> Result<Unverified<'_>, Rejected> {
        Unverified::read(token, Self::TYP)
    }

    /// Verifies that `partner` says so to `audience`, now.
    pub fn verify(
        unverified: &Unverified<'_>,
        key: &PublicKey,
        partner: &str,
        audience: &str,
        now: Timestamp,
    ) -> Result<Self, Rejected> {
        let Statement { claims, jti, replayable_until } =
            Statement::verify(unverified, key, partner, audience, now)?;
        let reference = short(claims.text("sub")?, "sub")?;
        let link_code_hash = claims.optional_text("link_code_hash")?.map(str::to_owned);
        let consent = claims.object("consent", &["wording_version", "at"])?;
        let wording_version = short(consent.text("wording_version")?, "consent")?;
        let at = Timestamp::from_second(consent.integer("at")?);
        let at = at.map_err(|_| Rejected::Claim("consent"))?;
        if now.duration_until(at) > LEEWAY {
            return Err(Rejected::Claim("consent"));
        }
        let consent = Consent { wording_version, at };
        Ok(Self { reference, consent, link_code_hash, jti, replayable_until })
    }
}

fn short(text: &str, name: &'static str) -> Result<String, Rejected> {
    if (1..=MAX_TEXT_CHARS).contains(&text.chars().count()) && !text.chars().any(char::is_control) {
        return Ok(text.to_owned());
    }
    Err(Rejected::Claim(name))
}
