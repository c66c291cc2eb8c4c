//! What a caller's certificate says, read more strictly than path building reads it.
//!
//! webpki skips alternative names that it cannot read, and knows nothing of key usage. Here every
//! name is counted and read; a certificate with anything doubtful in it names nobody.

use std::collections::HashSet;
use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use rustls_pki_types::{CertificateDer, DnsName};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::oid_registry::{
    OID_X509_EXT_BASIC_CONSTRAINTS, OID_X509_EXT_EXTENDED_KEY_USAGE, OID_X509_EXT_KEY_USAGE,
    OID_X509_EXT_SUBJECT_ALT_NAME,
};
use x509_parser::x509::X509Version;

use crate::spiffe::{Identity, SpiffeError, TrustDomain};

/// The SHA-256 of a certificate's DER: what a token is bound to (RFC 8705, `x5t#S256`) and what a
/// revocation names.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Thumbprint([u8; 32]);

/// A caller's end-entity certificate, read. Reading proves nothing about who signed it: that is
/// the verifier's part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// Whom the certificate names.
    pub identity: Identity,
    /// The SHA-256 of the whole certificate.
    pub thumbprint: Thumbprint,
    /// The last second in which it is valid; a connection should not outlive it.
    pub not_after: Timestamp,
}

/// Why a certificate names nobody.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Not DER of one X.509 version 3 certificate, or an extension occurs twice or is unreadable.
    #[error("the certificate is malformed")]
    Malformed,
    /// An alternative name that cannot be read, or of a kind that a caller has no use for.
    #[error("the certificate has an alternative name that is malformed or of an unexpected kind")]
    Name,
    /// No URI name, or more than one.
    #[error("the certificate has {0} URI names; exactly one is needed")]
    UriNames(usize),
    /// The one URI name is no SPIFFE id of ours.
    #[error(transparent)]
    Spiffe(#[from] SpiffeError),
    /// A CA's certificate, or one whose key may sign certificates or revocation lists.
    #[error("the certificate is a CA's")]
    Authority,
    /// No key usage, or one without digitalSignature.
    #[error("the key usage does not allow digital signatures")]
    KeyUsage,
    /// An extended key usage without clientAuth.
    #[error("the extended key usage does not allow client authentication")]
    ExtendedKeyUsage,
}

impl Thumbprint {
    /// The thumbprint of a certificate.
    pub fn of(certificate: &CertificateDer<'_>) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, certificate).as_ref());
        Self(bytes)
    }

    /// A thumbprint as stored.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A thumbprint as `cnf.x5t#S256` has it.
    pub fn from_base64url(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        bytes.try_into().ok().map(Self)
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Base64url without padding, 43 characters: the form of `cnf.x5t#S256`.
    pub fn base64url(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }
}

/// Hexadecimal, 64 lowercase characters: the form that `openssl x509 -fingerprint -sha256` prints,
/// without its colons.
impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Thumbprint({self})")
    }
}

impl ClientCertificate {
    /// Reads the certificate that a client presents.
    pub fn read(
        der: &CertificateDer<'_>,
        trust_domain: &TrustDomain,
    ) -> Result<Self, CertificateError> {
        let certificate = parse(der)?;
        check_usages(&certificate)?;
        let identity = Identity::parse(one_uri(&certificate)?, trust_domain)?;
        let not_after = Timestamp::from_second(certificate.validity().not_after.timestamp())
            .map_err(|_| CertificateError::Malformed)?;
        Ok(Self { identity, thumbprint: Thumbprint::of(der), not_after })
    }
}

/// The SPIFFE id and the trust domain that a client's own certificate names: for whoever uses the
/// certificate, and knows it to be good.
pub fn own_identity(der: &CertificateDer<'_>) -> Result<(Identity, TrustDomain), CertificateError> {
    let certificate = parse(der)?;
    let uri = one_uri(&certificate)?;
    let rest = uri.strip_prefix("spiffe://").ok_or(SpiffeError::Scheme)?;
    let (domain, _) = rest.split_once('/').ok_or(SpiffeError::Path)?;
    let domain: TrustDomain = domain.parse()?;
    Ok((Identity::parse(uri, &domain)?, domain))
}

/// Parses one version 3 certificate, all of it, with no extension twice, none unreadable, and none
/// with bytes behind its value (which x509-parser would drop).
pub(crate) fn parse<'a>(
    der: &'a CertificateDer<'_>,
) -> Result<X509Certificate<'a>, CertificateError> {
    let (rest, certificate) =
        x509_parser::parse_x509_certificate(der).map_err(|_| CertificateError::Malformed)?;
    let mut seen = HashSet::new();
    let sound = rest.is_empty()
        && certificate.version() == X509Version::V3
        && certificate.extensions().iter().all(|extension| {
            let parsed =
                !matches!(extension.parsed_extension(), ParsedExtension::ParseError { .. });
            parsed && is_one_element(extension.value) && seen.insert(&extension.oid)
        });
    if sound { Ok(certificate) } else { Err(CertificateError::Malformed) }
}

fn is_one_element(der: &[u8]) -> bool {
    let header = x509_parser::der_parser::der::der_read_element_header(der);
    header.is_ok_and(|(content, header)| {
        header.length().definite().is_ok_and(|length| length == content.len())
    })
}

/// The parsed form of an extension, if it is there.
pub(crate) fn extension<'a, 'b>(
    certificate: &'b X509Certificate<'a>,
    oid: &x509_parser::der_parser::oid::Oid<'_>,
) -> Option<&'b ParsedExtension<'a>> {
    let found = certificate.extensions().iter().find(|extension| &extension.oid == oid);
    found.map(x509_parser::extensions::X509Extension::parsed_extension)
}

/// The one URI among the alternative names, all of which are readable.
pub(crate) fn one_uri<'a>(
    certificate: &'a X509Certificate<'_>,
) -> Result<&'a str, CertificateError> {
    let names = match extension(certificate, &OID_X509_EXT_SUBJECT_ALT_NAME) {
        Some(ParsedExtension::SubjectAlternativeName(names)) => names.general_names.as_slice(),
        Some(_) => return Err(CertificateError::Malformed),
        None => &[],
    };
    let mut uris = Vec::new();
    for name in names {
        match name {
            GeneralName::URI(uri) => uris.push(*uri),
            GeneralName::DNSName(dns) if DnsName::try_from_str(dns).is_ok() => {}
            GeneralName::IPAddress(octets) if matches!(octets.len(), 4 | 16) => {}
            _ => return Err(CertificateError::Name),
        }
    }
    match uris.as_slice() {
        [uri] => Ok(uri),
        others => Err(CertificateError::UriNames(others.len())),
    }
}

fn check_usages(certificate: &X509Certificate<'_>) -> Result<(), CertificateError> {
    match extension(certificate, &OID_X509_EXT_BASIC_CONSTRAINTS) {
        None => {}
        Some(ParsedExtension::BasicConstraints(constraints)) if !constraints.ca => {}
        Some(ParsedExtension::BasicConstraints(_)) => return Err(CertificateError::Authority),
        Some(_) => return Err(CertificateError::Malformed),
    }
    match extension(certificate, &OID_X509_EXT_KEY_USAGE) {
        Some(ParsedExtension::KeyUsage(usage)) => {
            if usage.key_cert_sign() || usage.crl_sign() {
                return Err(CertificateError::Authority);
            }
            if !usage.digital_signature() {
                return Err(CertificateError::KeyUsage);
            }
        }
        Some(_) => return Err(CertificateError::Malformed),
        None => return Err(CertificateError::KeyUsage),
    }
    match extension(certificate, &OID_X509_EXT_EXTENDED_KEY_USAGE) {
        None => Ok(()),
        Some(ParsedExtension::ExtendedKeyUsage(usage)) if usage.client_auth => Ok(()),
        Some(ParsedExtension::ExtendedKeyUsage(_)) => Err(CertificateError::ExtendedKeyUsage),
        Some(_) => Err(CertificateError::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thumbprint_prints_as_other_tools_print_it() {
        let thumbprint = Thumbprint::of(&CertificateDer::from(b"abc".to_vec()));
        assert_eq!(
            thumbprint.to_string(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(thumbprint.base64url(), "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0");
        assert_eq!(Thumbprint::from_bytes(*thumbprint.as_bytes()), thumbprint);
    }

    #[test]
    fn bytes_that_are_no_certificate_name_nobody() {
        let trust_domain = "entente.example".parse().expect("a good trust domain");
        for bytes in [&b""[..], b"\x30\x00", b"not a certificate"] {
            let der = CertificateDer::from(bytes.to_vec());
            let read = ClientCertificate::read(&der, &trust_domain);
            assert_eq!(read, Err(CertificateError::Malformed));
        }
    }
}
