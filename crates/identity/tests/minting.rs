//! A trust domain in a folder: what is made, what is refused, and what it says.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use entente_identity::pem::{read_certificates, read_key};
use entente_identity::pki::{DomainDirectory, Overwrite, PkiError};
use entente_identity::roots::RootsError;
use entente_identity::{
    ClientCertificate, Credentials, Identity, IdentityRoots, Name, client_config,
};
use jiff::{SignedDuration, Timestamp};
use rcgen::{CertificateParams, KeyPair, PublicKeyData as _, SanType};

fn morning() -> Timestamp {
    "2026-03-02T08:00:00Z".parse().expect("a good time")
}

fn code() -> Name {
    "harbor-hotels".parse().expect("a good code")
}

fn harbor() -> Identity {
    Identity::Partner(code())
}

fn amelia() -> Identity {
    Identity::Operator("amelia".parse().expect("a good name"))
}

fn domain(folder: &Path) -> DomainDirectory {
    let trust_domain = "entente.example".parse().expect("a good trust domain");
    let hosts = ["localhost"];
    let directory =
        DomainDirectory::init(folder, trust_domain, &hosts, morning(), Overwrite::Refuse);
    let directory = directory.expect("a trust domain");
    directory.make_partner_ca(&code(), morning(), Overwrite::Refuse).expect("a CA");
    directory
}

#[test]
fn keys_are_private_and_nothing_is_replaced_unasked() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let made = domain(folder.path());
    let opened = DomainDirectory::open(folder.path()).expect("it opens");
    assert_eq!(opened.trust_domain(), made.trust_domain());
    made.issue(&harbor(), None, morning(), Overwrite::Refuse).expect("a leaf");
    for key in [made.key(&Identity::Hub), made.ca_key(&amelia()), made.key(&harbor())] {
        let bits = fs::metadata(&key).expect("there").permissions().mode();
        assert_eq!(bits & 0o777, 0o600, "{}", key.display());
    }
    let before = fs::read(made.key(&harbor())).expect("read");
    let again = made.issue(&harbor(), None, morning(), Overwrite::Refuse);
    assert!(again.expect_err("there").to_string().contains("it exists already"));
    assert!(made.make_partner_ca(&code(), morning(), Overwrite::Refuse).is_err());
    let trust_domain = made.trust_domain().clone();
    let hosts = ["localhost"];
    let again =
        DomainDirectory::init(folder.path(), trust_domain, &hosts, morning(), Overwrite::Refuse);
    assert!(again.is_err());
    assert_eq!(fs::read(made.key(&harbor())).expect("read"), before);
    made.issue(&harbor(), None, morning(), Overwrite::Replace).expect("replaced");
    assert_ne!(fs::read(made.key(&harbor())).expect("read"), before);
}

#[test]
fn a_signing_request_gives_its_key_and_none_of_its_names() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let made = domain(folder.path());
    let key = KeyPair::generate().expect("a key");
    let mut asked = CertificateParams::default();
    let operators = amelia().uri(made.trust_domain());
    asked.subject_alt_names = vec![SanType::URI(operators.try_into().expect("ASCII"))];
    let request = asked.serialize_request(&key).expect("a request").pem().expect("PEM");

    let path = made
        .sign_request(&harbor(), &request, Some(30), morning(), Overwrite::Refuse)
        .expect("a certificate");
    let chain = read_certificates(&path).expect("a certificate");
    let read = ClientCertificate::read(&chain[0], made.trust_domain()).expect("a good one");
    assert_eq!(read.identity, harbor());
    assert_eq!(read.not_after, morning() + SignedDuration::from_hours(30 * 24));
    let spki = key.subject_public_key_info();
    assert!(chain[0].windows(spki.len()).any(|window| window == spki), "another key");
}

#[test]
fn a_bad_signing_request_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let made = domain(folder.path());
    let key = KeyPair::generate().expect("a key");
    let request = CertificateParams::default().serialize_request(&key).expect("a request");
    let mut spoiled = request.der().to_vec();
    let last = spoiled.len() - 1;
    spoiled[last] ^= 1;
    let spoiled = pem(&spoiled);
    let p521 = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P521_SHA512).expect("a key");
    let p521 = CertificateParams::default().serialize_request(&p521).expect("a request");
    let p521 = p521.pem().expect("PEM");
    let cut = "-----BEGIN CERTIFICATE REQUEST-----\nAAAA";
    for text in ["", cut, spoiled.as_str(), &pem(b"0"), &p521] {
        let signed = made.sign_request(&harbor(), text, None, morning(), Overwrite::Refuse);
        assert!(matches!(signed, Err(PkiError::Request(_))), "{signed:?}");
    }
    assert!(!made.certificate(&harbor()).exists());

    made.issue(&harbor(), None, morning(), Overwrite::Refuse).expect("a leaf");
    let good = request.pem().expect("PEM");
    let signed = made.sign_request(&harbor(), &good, None, morning(), Overwrite::Replace);
    assert!(signed.expect_err("a key is there").to_string().contains("a key was made here"));
}

fn pem(der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN CERTIFICATE REQUEST-----\n{text}\n-----END CERTIFICATE REQUEST-----\n")
}

#[test]
fn the_list_counts_the_days_that_are_left() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let made = domain(folder.path());
    made.issue(&harbor(), Some(1), morning(), Overwrite::Refuse).expect("a leaf");
    made.issue(&amelia(), None, morning(), Overwrite::Refuse).expect("a leaf");
    let later = morning() + SignedDuration::from_hours(36);
    let listed: Vec<_> = made.list(later).expect("a list");
    let listed: Vec<_> =
        listed.iter().map(|entry| (entry.subject.as_str(), entry.days_left)).collect();
    let expected = [
        ("hub CA", 3648),
        ("hub", 88),
        ("operators CA", 3648),
        ("operator/amelia", 88),
        ("partner/harbor-hotels CA", 3648),
        ("partner/harbor-hotels", -1),
    ];
    assert_eq!(listed, expected);
}

#[test]
fn no_certificate_outlives_its_authority() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let made = domain(folder.path());
    let late = morning() + SignedDuration::from_hours(24 * (3650 - 10));
    for days in [Some(0), Some(11), None] {
        let issued = made.issue(&harbor(), days, late, Overwrite::Refuse);
        assert!(matches!(issued, Err(PkiError::Validity { left: 10 })), "{issued:?}");
    }
    made.issue(&harbor(), Some(10), late, Overwrite::Refuse).expect("it just fits");
}

#[test]
fn the_hub_changes_its_hosts_under_the_same_root() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let made = domain(folder.path());
    let root = fs::read(made.ca_certificate(&Identity::Hub)).expect("read");
    let hosts = ["hub.example", "10.0.0.7"];
    made.issue_hub(&hosts, Some(30), morning(), Overwrite::Replace).expect("a leaf");
    assert_eq!(fs::read(made.ca_certificate(&Identity::Hub)).expect("read"), root);
    let listed = made.list(morning()).expect("a list");
    assert_eq!((listed[1].subject.as_str(), listed[1].days_left), ("hub", 30));
    assert_eq!(listed.len(), 4, "hub, its CA, operators' CA and a partner's");
}

#[test]
fn the_hub_needs_a_host_and_the_host_a_name() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("certs");
    let init = |hosts: &[&str]| {
        let trust_domain = "entente.example".parse().expect("a good trust domain");
        DomainDirectory::init(&path, trust_domain, hosts, morning(), Overwrite::Refuse)
    };
    assert!(matches!(init(&[]), Err(PkiError::NoHostName)));
    assert!(matches!(init(&["not a host"]), Err(PkiError::HostName(_))));
    assert!(!path.exists(), "nothing is made");
    assert!(DomainDirectory::open(&path).expect_err("none").to_string().contains("pki init"));
}

#[test]
fn two_identities_never_share_a_root() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let made = domain(folder.path());
    let mut roots = IdentityRoots::new(made.trust_domain().clone());
    let pinned = made.roots(&harbor()).expect("roots");
    roots.pin_partner(code(), pinned.clone()).expect("pinned");
    let rover: Name = "rover-rides".parse().expect("a good code");
    let shared = roots.pin_partner(rover.clone(), pinned.clone());
    assert!(matches!(shared, Err(RootsError::Shared { .. })));
    assert!(matches!(roots.pin_operators(pinned.clone()), Err(RootsError::Shared { .. })));
    assert!(matches!(roots.pin_partner(code(), pinned), Err(RootsError::Twice { .. })));

    made.issue(&harbor(), None, morning(), Overwrite::Refuse).expect("a leaf");
    let certificates = read_certificates(&made.certificate(&harbor())).expect("a leaf");
    let leaf = entente_identity::Roots { certificates, crls: Vec::new() };
    let refused = roots.pin_partner(rover, leaf);
    assert!(matches!(refused, Err(RootsError::NotAnAuthority { .. })));
}

#[test]
fn errors_name_the_file_and_show_no_key() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let made = domain(folder.path());
    made.issue(&harbor(), None, morning(), Overwrite::Refuse).expect("a leaf");
    made.issue(&amelia(), None, morning(), Overwrite::Refuse).expect("a leaf");

    let path = folder.path().join("spoiled.key");
    let secret = "bm90IGEga2V5IGJ1dCBzZWNyZXQ!!";
    fs::write(&path, format!("-----BEGIN PRIVATE KEY-----\n{secret}\n")).expect("written");
    let error = read_key(&path).expect_err("spoiled").to_string();
    assert!(error.contains("spoiled.key") && !error.contains(secret), "{error}");

    let (certificate, key) = (made.certificate(&harbor()), made.key(&amelia()));
    let mixed = Credentials::from_pem_files(&certificate, &key).expect("each is good");
    let roots = read_certificates(&made.ca_certificate(&Identity::Hub)).expect("a root");
    let error = client_config(&roots, &mixed).expect_err("they do not match").to_string();
    assert!(error.contains("client.pem") && error.contains("amelia.key"), "{error}");

    let missing = folder.path().join("missing.pem");
    let error = read_certificates(&missing).expect_err("missing").to_string();
    assert!(error.contains("missing.pem"), "{error}");
    let key_as_certificate = read_certificates(&key).expect_err("a key").to_string();
    assert!(key_as_certificate.contains("it holds no certificate"), "{key_as_certificate}");
}
