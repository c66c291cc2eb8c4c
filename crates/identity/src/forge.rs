//! Certificates that must be refused, for tests: each has one flaw and is otherwise good.
//!
//! Behind the feature `forge`, which only tests enable. [`Forge`] works on a trust domain's own
//! folder, so that what it mints is signed by the very authorities that a hub under test pins.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CustomExtension,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyUsagePurpose, RevokedCertParams, SanType,
    SerialNumber,
};
use rustls::client::Resumption;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};
use x509_parser::time::ASN1Time;

use crate::certificate::parse;
use crate::pki::{Authority, DomainDirectory, LEAF_DAYS, Leaf, PkiError};
use crate::spiffe::{Identity, Name, TrustDomain};
use crate::tls::{Credentials, crypto_provider};

/// What is wrong with a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flaw {
    /// Signed by a CA that nobody pins.
    UnknownAuthority,
    /// Signed by a CA that nobody pins, which calls itself what the right one is called; the right
    /// one's certificate is sent as well.
    NamesakeAuthority,
    /// Signed by another partner's CA.
    RivalAuthority,
    /// Signed by another partner's CA, and the right CA's certificate is sent as well.
    RivalAuthorityWithTheRightOne,
    /// Names the right path in another trust domain.
    OtherTrustDomain,
    /// Names a partner that nobody knows, signed by the victim's CA.
    UnknownPartner,
    /// Names the hub.
    NamesTheHub,
    /// Names the victim in upper case.
    UpperCase,
    /// Has no URI name, but a DNS name.
    NoUriName,
    /// Has no alternative names at all.
    NoNames,
    /// Has the right URI name and another identity's.
    TwoUriNames,
    /// Has the right URI name and one on the web.
    WebUriBeside,
    /// Has the right URI name and a URI name that is no text.
    MalformedUriBeside,
    /// Has the right URI name and a DNS name that is none.
    MalformedDnsBeside,
    /// Has the right URI name and an address of three bytes.
    MalformedAddressBeside,
    /// Has the right URI name and a name of an undefined kind.
    UndefinedNameBeside,
    /// Has the right names, and bytes behind them.
    TrailingBytes,
    /// Was valid until ten days ago.
    Expired,
    /// Is valid from ten days hence.
    NotYetValid,
    /// Is a CA's certificate.
    AuthorityAsLeaf,
    /// May not be used for digital signatures.
    NoDigitalSignature,
    /// Is for servers alone.
    ServerOnly,
}

impl Flaw {
    /// Every flaw.
    pub const ALL: [Self; 22] = [
        Self::UnknownAuthority,
        Self::NamesakeAuthority,
        Self::RivalAuthority,
        Self::RivalAuthorityWithTheRightOne,
        Self::OtherTrustDomain,
        Self::UnknownPartner,
        Self::NamesTheHub,
        Self::UpperCase,
        Self::NoUriName,
        Self::NoNames,
        Self::TwoUriNames,
        Self::WebUriBeside,
        Self::MalformedUriBeside,
        Self::MalformedDnsBeside,
        Self::MalformedAddressBeside,
        Self::UndefinedNameBeside,
        Self::TrailingBytes,
        Self::Expired,
        Self::NotYetValid,
        Self::AuthorityAsLeaf,
        Self::NoDigitalSignature,
        Self::ServerOnly,
    ];
}

/// Mints bad certificates that pretend to be a victim's.
#[derive(Debug)]
pub struct Forge<'a> {
    /// The trust domain under test, with the keys of its authorities.
    pub directory: &'a DomainDirectory,
    /// Whom the certificates pretend to name: a partner or an operator.
    pub victim: Identity,
    /// A partner that has a CA, and is not the victim.
    pub rival: Name,
    /// The time by the clock of the hub under test.
    pub now: Timestamp,
}

impl Forge<'_> {
    /// A certificate of the victim that is good but for one flaw.
    pub fn credentials(&self, flaw: Flaw) -> Result<Credentials, PkiError> {
        match flaw {
            Flaw::UnknownAuthority => self.signed_by(&self.stranger()?),
            Flaw::NamesakeAuthority => self.by_namesake(),
            Flaw::RivalAuthority => self.signed_by(&self.rival()?),
            Flaw::RivalAuthorityWithTheRightOne => {
                let mut credentials = self.signed_by(&self.rival()?)?;
                credentials.append(self.victims()?.certificate().clone());
                Ok(credentials)
            }
            _ => {
                let authority = self.victims()?;
                let mut params = authority.leaf_params(&self.leaf(), self.now)?;
                self.spoil(flaw, &mut params)?;
                Ok(authority.mint_params(&params)?.credentials())
            }
        }
    }

    /// A good certificate of the victim.
    pub fn good(&self) -> Result<Credentials, PkiError> {
        self.signed_by(&self.victims()?)
    }

    /// The victim's CA's revocation list of some certificates, valid for a number of days from
    /// `now`; if negative, until so many days ago.
    pub fn revoke(
        &self,
        certificates: &[CertificateDer<'_>],
        days: i64,
    ) -> Result<CertificateRevocationListDer<'static>, PkiError> {
        let this_update = date(self.now - days_long(30))?;
        let revoked = certificates.iter().map(|certificate| {
            let malformed = |_| PkiError::Minting("no certificate".to_owned());
            let serial = parse(certificate).map_err(malformed)?.raw_serial().to_vec();
            Ok(RevokedCertParams {
                serial_number: SerialNumber::from_slice(&serial),
                revocation_time: this_update.to_datetime(),
                reason_code: None,
                invalidity_date: None,
            })
        });
        let params = CertificateRevocationListParams {
            this_update: this_update.to_datetime(),
            next_update: date(self.now + days_long(days))?.to_datetime(),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect::<Result<_, PkiError>>()?,
            key_identifier_method: KeyIdMethod::Sha256,
        };
        Ok(params.signed_by(self.victims()?.issuer())?.into())
    }

    fn spoil(&self, flaw: Flaw, params: &mut CertificateParams) -> Result<(), PkiError> {
        let rivals = Identity::Partner(self.rival.clone());
        let ours = self.directory.trust_domain();
        match flaw {
            Flaw::UnknownAuthority
            | Flaw::NamesakeAuthority
            | Flaw::RivalAuthority
            | Flaw::RivalAuthorityWithTheRightOne => {}
            Flaw::OtherTrustDomain => {
                let other: TrustDomain = "elsewhere.example".parse()?;
                params.subject_alt_names = vec![uri(&self.victim.uri(&other))?];
            }
            Flaw::UnknownPartner => {
                let nobody = Identity::Partner("nobody-at-all".parse()?);
                params.subject_alt_names = vec![uri(&nobody.uri(ours))?];
            }
            Flaw::NamesTheHub => params.subject_alt_names = vec![uri(&Identity::Hub.uri(ours))?],
            Flaw::UpperCase => {
                params.subject_alt_names = vec![uri(&self.uri().to_uppercase())?];
            }
            Flaw::NoUriName => {
                params.subject_alt_names = vec![SanType::DnsName("pos.example".try_into()?)];
            }
            Flaw::NoNames => params.subject_alt_names.clear(),
            Flaw::TwoUriNames => params.subject_alt_names.push(uri(&rivals.uri(ours))?),
            Flaw::WebUriBeside => params.subject_alt_names.push(uri("https://pos.example/")?),
            Flaw::MalformedUriBeside => self.names(params, &[(URI, b"spiffe://\xff\xfe")], &[]),
            Flaw::MalformedDnsBeside => self.names(params, &[(DNS, b"not a host!")], &[]),
            Flaw::MalformedAddressBeside => self.names(params, &[(ADDRESS, &[127, 0, 1])], &[]),
            Flaw::UndefinedNameBeside => self.names(params, &[(0x8b, b"what is this")], &[]),
            Flaw::TrailingBytes => self.names(params, &[], &[0x05, 0x00]),
            Flaw::Expired => {
                params.not_before = date(self.now - days_long(100))?.to_datetime();
                params.not_after = date(self.now - days_long(10))?.to_datetime();
            }
            Flaw::NotYetValid => {
                params.not_before = date(self.now + days_long(10))?.to_datetime();
            }
            Flaw::AuthorityAsLeaf => params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0)),
            Flaw::NoDigitalSignature => params.key_usages = vec![KeyUsagePurpose::KeyEncipherment],
            Flaw::ServerOnly => {
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            }
        }
        Ok(())
    }

    /// Replaces the alternative names by the right URI name, others as they are, and a tail.
    fn names(&self, params: &mut CertificateParams, beside: &[(u8, &[u8])], tail: &[u8]) {
        let uri = self.uri();
        let names = [(URI, uri.as_bytes())].into_iter().chain(beside.iter().copied());
        let names: Vec<u8> = names.flat_map(|(tag, content)| element(tag, content)).collect();
        let mut value = element(0x30, &names);
        value.extend_from_slice(tail);
        params.subject_alt_names.clear();
        params.custom_extensions = vec![CustomExtension::from_oid_content(&[2, 5, 29, 17], value)];
    }

    fn by_namesake(&self) -> Result<Credentials, PkiError> {
        let right = self.victims()?;
        let mut credentials = self.signed_by(&Authority::namesake(&right, self.now)?)?;
        credentials.append(right.certificate().clone());
        Ok(credentials)
    }

    fn signed_by(&self, authority: &Authority) -> Result<Credentials, PkiError> {
        Ok(authority.mint(&self.leaf(), self.now)?.credentials())
    }

    fn victims(&self) -> Result<Authority, PkiError> {
        self.directory.authority(&self.victim)
    }

    fn rival(&self) -> Result<Authority, PkiError> {
        self.directory.authority(&Identity::Partner(self.rival.clone()))
    }

    fn stranger(&self) -> Result<Authority, PkiError> {
        Authority::create(&self.victim.to_string(), self.now)
    }

    fn leaf(&self) -> Leaf {
        Leaf {
            identity: self.victim.clone(),
            trust_domain: self.directory.trust_domain().clone(),
            hosts: Vec::new(),
            days: LEAF_DAYS,
        }
    }

    fn uri(&self) -> String {
        self.victim.uri(self.directory.trust_domain())
    }
}

/// A client that presents no certificate.
pub fn client_without_certificate(hub_roots: &[CertificateDer<'static>]) -> ClientConfig {
    let mut config = verifying(hub_roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    config.resumption = Resumption::disabled();
    config
}

/// A client that presents what it is given, which rustls's own clients refuse to do for some flaws.
pub fn unchecked_client(
    hub_roots: &[CertificateDer<'static>],
    credentials: &Credentials,
) -> Result<ClientConfig, rustls::Error> {
    let key = crypto_provider().key_provider.load_private_key(credentials.key().clone_key())?;
    let presented = CertifiedKey::new(credentials.chain().to_vec(), key);
    let mut config =
        verifying(hub_roots).with_client_cert_resolver(Arc::new(SingleCertAndKey::from(presented)));
    config.alpn_protocols = vec![b"h2".to_vec()];
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// Somebody's certificate with somebody else's key; for [`unchecked_client`].
pub fn stolen(certificate: &CertificateDer<'static>, own: &Credentials) -> Credentials {
    Credentials::from_der(vec![certificate.clone()], own.key().clone_key())
}

type Verifying = rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>;

fn verifying(hub_roots: &[CertificateDer<'static>]) -> Verifying {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(hub_roots.iter().cloned());
    ClientConfig::builder_with_provider(crypto_provider())
        .with_protocol_versions(&[&TLS13])
        .expect("the provider offers TLS 1.3")
        .with_root_certificates(store)
}

const DNS: u8 = 0x82;
const URI: u8 = 0x86;
const ADDRESS: u8 = 0x87;

/// One DER element of fewer than 65,536 bytes.
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(content.len()).expect("test names are short").to_be_bytes();
    let mut der = match (high, low) {
        (0, 0..=0x7f) => vec![tag, low],
        (0, _) => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    der.extend_from_slice(content);
    der
}

fn uri(text: &str) -> Result<SanType, PkiError> {
    Ok(SanType::URI(text.try_into()?))
}

fn days_long(days: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * days)
}

fn date(time: Timestamp) -> Result<ASN1Time, PkiError> {
    ASN1Time::from_timestamp(time.as_second()).map_err(|error| PkiError::Minting(error.to_string()))
}
