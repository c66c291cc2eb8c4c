//! The names by which callers are known: SPIFFE ids of one trust domain, and nothing else.
//!
//! Stricter than the SPIFFE-ID standard: only the three shapes that Entente mints are ids here, in
//! one spelling each, so that two different strings never name the same caller.

use std::fmt;
use std::str::FromStr;

/// The longest SPIFFE id, in bytes (SPIFFE-ID, section 2.3).
pub const MAX_ID_BYTES: usize = 2048;

/// The longest trust domain, in bytes (SPIFFE-ID, section 2.3).
pub const MAX_TRUST_DOMAIN_BYTES: usize = 255;

/// The longest partner code or operator name, in bytes.
pub const MAX_NAME_BYTES: usize = 31;

/// The trust domain of one hub, such as `entente.example`: lowercase letters, digits, `.`, `-`
/// and `_`, beginning and ending with a letter or a digit.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TrustDomain(String);

/// A partner's code or an operator's name, such as `harbor-hotels`: 2 to 31 of lowercase letters,
/// digits and `-`, beginning with a letter.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(String);

/// Who holds a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Identity {
    /// A brand in the coalition, by its code: `spiffe://<trust domain>/partner/<code>`.
    Partner(Name),
    /// A person or program of the hub's staff: `spiffe://<trust domain>/operator/<name>`.
    Operator(Name),
    /// The hub itself, only ever as a server: `spiffe://<trust domain>/hub`.
    Hub,
}

/// The kinds of [`Identity`], for what a listener accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// [`Identity::Partner`].
    Partner,
    /// [`Identity::Operator`].
    Operator,
    /// [`Identity::Hub`].
    Hub,
}

/// Why a string is not a name of ours. The offending text is not repeated: it came from outside.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpiffeError {
    /// Longer than [`MAX_ID_BYTES`].
    #[error("a SPIFFE id has at most {MAX_ID_BYTES} bytes")]
    TooLong,
    /// Not `spiffe://...`.
    #[error("a SPIFFE id begins with spiffe://")]
    Scheme,
    /// The trust domain is empty, too long, or has other characters (a port, user, upper case).
    #[error("a trust domain has 1 to 255 of a-z, 0-9, '.', '-', '_', alphanumeric at both ends")]
    TrustDomain,
    /// A well-formed id of somebody else.
    #[error("the id belongs to another trust domain than {0}")]
    OtherTrustDomain(TrustDomain),
    /// None of the three shapes.
    #[error("the path is none of /partner/<code>, /operator/<name>, /hub")]
    Path,
    /// A bad partner code or operator name.
    #[error("a name has 2 to 31 of a-z, 0-9, '-', and begins with a letter")]
    Name,
}

impl TrustDomain {
    /// The trust domain as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Name {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Identity {
    /// Reads a SPIFFE id of `trust_domain`.
    pub fn parse(uri: &str, trust_domain: &TrustDomain) -> Result<Self, SpiffeError> {
        if uri.len() > MAX_ID_BYTES {
            return Err(SpiffeError::TooLong);
        }
        let rest = uri.strip_prefix("spiffe://").ok_or(SpiffeError::Scheme)?;
        let (domain, path) = rest.split_once('/').ok_or(SpiffeError::Path)?;
        if &TrustDomain::from_str(domain)? != trust_domain {
            return Err(SpiffeError::OtherTrustDomain(trust_domain.clone()));
        }
        match path.split_once('/') {
            Some(("partner", code)) => Ok(Self::Partner(code.parse()?)),
            Some(("operator", name)) => Ok(Self::Operator(name.parse()?)),
            None if path == "hub" => Ok(Self::Hub),
            Some(_) | None => Err(SpiffeError::Path),
        }
    }

    /// The SPIFFE id in `trust_domain`.
    pub fn uri(&self, trust_domain: &TrustDomain) -> String {
        format!("spiffe://{trust_domain}/{self}")
    }

    /// Which kind of caller this is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Partner(_) => Kind::Partner,
            Self::Operator(_) => Kind::Operator,
            Self::Hub => Kind::Hub,
        }
    }
}

impl FromStr for TrustDomain {
    type Err = SpiffeError;

    fn from_str(text: &str) -> Result<Self, SpiffeError> {
        let alphanumeric = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let bytes = text.as_bytes();
        let ends = [bytes.first(), bytes.last()];
        let good = bytes.len() <= MAX_TRUST_DOMAIN_BYTES
            && ends.iter().all(|end| end.is_some_and(alphanumeric))
            && bytes.iter().all(|b| alphanumeric(b) || b".-_".contains(b));
        if good { Ok(Self(text.to_owned())) } else { Err(SpiffeError::TrustDomain) }
    }
}

impl FromStr for Name {
    type Err = SpiffeError;

    fn from_str(text: &str) -> Result<Self, SpiffeError> {
        let allowed = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-';
        let bytes = text.as_bytes();
        let good = (2..=MAX_NAME_BYTES).contains(&bytes.len())
            && bytes.first().is_some_and(u8::is_ascii_lowercase)
            && bytes.iter().all(allowed);
        if good { Ok(Self(text.to_owned())) } else { Err(SpiffeError::Name) }
    }
}

impl fmt::Display for TrustDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The path of the SPIFFE id: `partner/<code>`, `operator/<name>` or `hub`.
impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Partner(code) => write!(f, "partner/{code}"),
            Self::Operator(name) => write!(f, "operator/{name}"),
            Self::Hub => f.write_str("hub"),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Partner => "partner",
            Self::Operator => "operator",
            Self::Hub => "hub",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours() -> TrustDomain {
        "entente.example".parse().expect("a good trust domain")
    }

    fn name(text: &str) -> Name {
        text.parse().expect("a good name")
    }

    #[test]
    fn each_identity_is_read_back_from_its_own_uri() {
        for identity in [
            Identity::Partner(name("harbor-hotels")),
            Identity::Operator(name("amelia")),
            Identity::Hub,
        ] {
            let uri = identity.uri(&ours());
            assert_eq!(Identity::parse(&uri, &ours()), Ok(identity), "{uri}");
        }
    }

    #[test]
    fn every_other_spelling_is_refused() {
        let other = SpiffeError::OtherTrustDomain(ours());
        let cases: &[(&str, SpiffeError)] = &[
            ("", SpiffeError::Scheme),
            ("https://entente.example/partner/harbor", SpiffeError::Scheme),
            ("SPIFFE://entente.example/partner/harbor", SpiffeError::Scheme),
            ("spiffe:entente.example/partner/harbor", SpiffeError::Scheme),
            ("spiffe://entente.example", SpiffeError::Path),
            ("spiffe://entente.example/", SpiffeError::Path),
            ("spiffe:///partner/harbor", SpiffeError::TrustDomain),
            ("spiffe://Entente.example/partner/harbor", SpiffeError::TrustDomain),
            ("spiffe://entente.example:443/partner/harbor", SpiffeError::TrustDomain),
            ("spiffe://me@entente.example/partner/harbor", SpiffeError::TrustDomain),
            ("spiffe://entente%2eexample/partner/harbor", SpiffeError::TrustDomain),
            ("spiffe://.entente.example/partner/harbor", SpiffeError::TrustDomain),
            ("spiffe://entente.example./partner/harbor", SpiffeError::TrustDomain),
            ("spiffe://rival.example/partner/harbor", other.clone()),
            ("spiffe://entente.example.rival/partner/harbor", other),
            ("spiffe://entente.example/partner", SpiffeError::Path),
            ("spiffe://entente.example/partner/", SpiffeError::Name),
            ("spiffe://entente.example//partner/harbor", SpiffeError::Path),
            ("spiffe://entente.example/partner//harbor", SpiffeError::Name),
            ("spiffe://entente.example/partner/harbor/", SpiffeError::Name),
            ("spiffe://entente.example/partner/harbor/x", SpiffeError::Name),
            ("spiffe://entente.example/partner/../harbor", SpiffeError::Name),
            ("spiffe://entente.example/./partner/harbor", SpiffeError::Path),
            ("spiffe://entente.example/partner/Harbor", SpiffeError::Name),
            ("spiffe://entente.example/Partner/harbor", SpiffeError::Path),
            ("spiffe://entente.example/partner/har%62or", SpiffeError::Name),
            ("spiffe://entente.example/partner/harbor?x=1", SpiffeError::Name),
            ("spiffe://entente.example/partner/harbor#x", SpiffeError::Name),
            ("spiffe://entente.example/partner/harbor\0", SpiffeError::Name),
            ("spiffe://entente.example/partner/harbör", SpiffeError::Name),
            ("spiffe://entente.example/partner/ harbor", SpiffeError::Name),
            ("spiffe://entente.example/partner/1harbor", SpiffeError::Name),
            ("spiffe://entente.example/partner/h", SpiffeError::Name),
            ("spiffe://entente.example/member/harbor", SpiffeError::Path),
            ("spiffe://entente.example/hub/", SpiffeError::Path),
            ("spiffe://entente.example/hub?x", SpiffeError::Path),
        ];
        for (uri, error) in cases {
            assert_eq!(Identity::parse(uri, &ours()), Err(error.clone()), "{uri}");
        }
    }

    #[test]
    fn lengths_are_bounded() {
        assert!(Name::from_str(&"a".repeat(31)).is_ok());
        assert_eq!(Name::from_str(&"a".repeat(32)), Err(SpiffeError::Name));
        assert!(TrustDomain::from_str(&"a".repeat(255)).is_ok());
        assert_eq!(TrustDomain::from_str(&"a".repeat(256)), Err(SpiffeError::TrustDomain));
        let long = format!("spiffe://entente.example/partner/{}", "a".repeat(2048));
        assert_eq!(Identity::parse(&long, &ours()), Err(SpiffeError::TooLong));
    }
}
