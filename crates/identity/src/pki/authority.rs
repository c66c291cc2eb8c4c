//! One certificate authority: made anew or read back, and what it signs.

use std::fmt;

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData, SanType, SerialNumber,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use x509_parser::time::ASN1Time;

use super::{AUTHORITY_DAYS, PkiError};
use crate::certificate;
use crate::spiffe::{Identity, TrustDomain};
use crate::tls::Credentials;

/// How far before `now` a certificate begins, for callers whose clock is behind.
pub(super) const BACKDATED: SignedDuration = SignedDuration::from_mins(5);

/// A CA's certificate and key.
pub struct Authority {
    certificate: CertificateDer<'static>,
    pem: String,
    issuer: Issuer<'static, KeyPair>,
    not_after: Timestamp,
}

/// What a leaf certificate says.
#[derive(Clone, Debug)]
pub struct Leaf {
    /// Whom it names.
    pub identity: Identity,
    /// In which trust domain.
    pub trust_domain: TrustDomain,
    /// DNS names and addresses, for the hub's own certificate.
    pub hosts: Vec<ServerName<'static>>,
    /// For how many days it is valid; never longer than its authority.
    pub days: u16,
}

/// A certificate with a key that was made for it.
pub struct Minted {
    /// The certificate.
    pub certificate: CertificateDer<'static>,
    /// The certificate as PEM.
    pub certificate_pem: String,
    key: KeyPair,
}

impl Authority {
    /// A new authority for `owner` (such as `hub` or `partner/harbor-hotels`).
    pub fn create(owner: &str, now: Timestamp) -> Result<Self, PkiError> {
        let serial = random_serial()?;
        // The serial tells an owner's successive authorities apart, and no leaf has such a name
        // (OpenSSL takes a certificate whose issuer equals its subject for self-signed).
        let mut tag = serial.to_string().replace(':', "");
        tag.truncate(8);
        let name = subject(&format!("{owner} CA {tag}"));
        Self::named(name, serial, now)
    }

    /// A new authority that bears another one's name, for tests.
    #[cfg(feature = "forge")]
    pub(crate) fn namesake(of: &Self, now: Timestamp) -> Result<Self, PkiError> {
        let parsed = certificate::parse(&of.certificate)
            .map_err(|error| PkiError::Minting(error.to_string()))?;
        let common_name = parsed.subject().iter_common_name().next();
        let name = common_name.and_then(|name| name.as_str().ok()).unwrap_or_default();
        Self::named(subject(name), random_serial()?, now)
    }

    fn named(
        name: DistinguishedName,
        serial: SerialNumber,
        now: Timestamp,
    ) -> Result<Self, PkiError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let not_after = now + SignedDuration::from_hours(24 * i64::from(AUTHORITY_DAYS));
        let mut params = params(now, not_after, serial)?;
        params.distinguished_name = name;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.use_authority_key_identifier_extension = false;
        let certificate = params.self_signed(&key)?;
        let pem = certificate.pem();
        Ok(Self {
            certificate: certificate.into(),
            pem,
            issuer: Issuer::new(params, key),
            not_after,
        })
    }

    /// An authority as it was stored: the one of `certificates` that belongs to the key.
    pub fn among(
        certificates: Vec<CertificateDer<'static>>,
        key_pem: &str,
    ) -> Result<Self, PkiError> {
        let malformed = || PkiError::Minting("the authority is not well-formed".to_owned());
        let key = KeyPair::from_pem(key_pem).map_err(|_| malformed())?;
        for certificate in certificates {
            let parsed = certificate::parse(&certificate).map_err(|_| malformed())?;
            if parsed.public_key().raw == key.subject_public_key_info() {
                let not_after = timestamp(parsed.validity().not_after)?;
                let issuer = Issuer::from_ca_cert_der(&certificate, key)?;
                let pem = certificate_pem(&certificate);
                return Ok(Self { certificate, pem, issuer, not_after });
            }
        }
        Err(PkiError::KeyMismatch)
    }

    /// The authority's own certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The authority's own certificate as PEM.
    pub fn certificate_pem(&self) -> &str {
        &self.pem
    }

    /// The authority's key as PEM, to be stored where nobody else reads it.
    pub fn key_pem(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    /// Makes a key, and a certificate for it.
    pub fn mint(&self, leaf: &Leaf, now: Timestamp) -> Result<Minted, PkiError> {
        self.mint_params(&self.leaf_params(leaf, now)?)
    }

    /// A certificate for a key that its owner keeps, as PEM.
    pub fn sign(
        &self,
        leaf: &Leaf,
        public_key: &impl PublicKeyData,
        now: Timestamp,
    ) -> Result<String, PkiError> {
        Ok(self.leaf_params(leaf, now)?.signed_by(public_key, &self.issuer)?.pem())
    }

    pub(crate) fn mint_params(&self, params: &CertificateParams) -> Result<Minted, PkiError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        let certificate_pem = certificate.pem();
        Ok(Minted { certificate: certificate.into(), certificate_pem, key })
    }

    pub(crate) fn leaf_params(
        &self,
        leaf: &Leaf,
        now: Timestamp,
    ) -> Result<CertificateParams, PkiError> {
        let left = self.not_after.duration_since(now).as_hours().div_euclid(24);
        if leaf.days == 0 || left < i64::from(leaf.days) {
            return Err(PkiError::Validity { left });
        }
        let not_after = now + SignedDuration::from_hours(24 * i64::from(leaf.days));
        let mut params = params(now, not_after, random_serial()?)?;
        params.distinguished_name = subject(&leaf.identity.to_string());
        let uri = leaf.identity.uri(&leaf.trust_domain);
        params.subject_alt_names = vec![SanType::URI(uri.try_into()?)];
        for host in &leaf.hosts {
            params.subject_alt_names.push(alternative_name(host)?);
        }
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![match leaf.identity {
            Identity::Hub => ExtendedKeyUsagePurpose::ServerAuth,
            Identity::Partner(_) | Identity::Operator(_) => ExtendedKeyUsagePurpose::ClientAuth,
        }];
        Ok(params)
    }

    /// The last second in which the authority is valid.
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    pub(crate) fn issuer(&self) -> &Issuer<'static, KeyPair> {
        &self.issuer
    }
}

impl Minted {
    /// The key as PEM, to be stored where nobody else reads it.
    pub fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    /// The certificate and its key, for a TLS configuration.
    pub fn credentials(&self) -> Credentials {
        let key = PrivatePkcs8KeyDer::from(self.key.serialize_der());
        Credentials::from_der(vec![self.certificate.clone()], PrivateKeyDer::from(key))
    }
}

/// Shows no key.
impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("not_after", &self.not_after).finish_non_exhaustive()
    }
}

/// Shows no key.
impl fmt::Debug for Minted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Minted").finish_non_exhaustive()
    }
}

pub(crate) fn timestamp(time: ASN1Time) -> Result<Timestamp, PkiError> {
    Timestamp::from_second(time.timestamp()).map_err(|error| PkiError::Minting(error.to_string()))
}

/// A certificate as PEM.
pub(super) fn certificate_pem(der: &[u8]) -> String {
    const LINE: usize = 64;
    let text = STANDARD.encode(der);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        // Base64 is ASCII, so every place is a boundary.
        let (line, after) = rest.split_at(rest.len().min(LINE));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem
}

/// A time as certificates have it.
pub(super) fn asn1(time: Timestamp) -> Result<ASN1Time, PkiError> {
    ASN1Time::from_timestamp(time.as_second()).map_err(|error| PkiError::Minting(error.to_string()))
}

fn params(
    now: Timestamp,
    not_after: Timestamp,
    serial: SerialNumber,
) -> Result<CertificateParams, PkiError> {
    let mut params = CertificateParams::default();
    params.not_before = asn1(now - BACKDATED)?.to_datetime();
    params.not_after = asn1(not_after)?.to_datetime();
    params.serial_number = Some(serial);
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn subject(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, "Entente");
    name.push(DnType::CommonName, common_name);
    name
}

/// 16 random bytes: positive, never zero, within the 20 bytes of RFC 5280, section 4.1.2.2.
fn random_serial() -> Result<SerialNumber, PkiError> {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).map_err(|_| PkiError::Minting("no randomness".to_owned()))?;
    bytes[0] = bytes[0] & 0x7f | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

fn alternative_name(host: &ServerName<'_>) -> Result<SanType, PkiError> {
    match host {
        ServerName::DnsName(name) => Ok(SanType::DnsName(name.as_ref().try_into()?)),
        ServerName::IpAddress(address) => Ok(SanType::IpAddress((*address).into())),
        other => Err(PkiError::HostName(format!("{other:?}"))),
    }
}
