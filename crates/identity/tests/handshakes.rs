//! Real TLS handshakes, in memory: who gets in, who does not, and why not.

use std::io;
use std::sync::Arc;

use entente_identity::forge::{Flaw, Forge, client_without_certificate, stolen, unchecked_client};
use entente_identity::pem::read_certificates;
use entente_identity::pki::{DomainDirectory, Overwrite};
use entente_identity::verifier::explain;
use entente_identity::{
    Credentials, EntenteClientVerifier, Identity, IdentityRoots, Kind, client_config, server_config,
};
use jiff::{SignedDuration, Timestamp};
use rustls::time_provider::TimeProvider;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, ClientConnection, Error, ServerConnection,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tempfile::TempDir;

/// A hub with Harbor Hotels, Rover Rides and an operator, on a fixed morning.
struct Hub {
    directory: DomainDirectory,
    _folder: TempDir,
}

#[derive(Debug)]
struct Morning;

impl TimeProvider for Morning {
    fn current_time(&self) -> Option<UnixTime> {
        let second = u64::try_from(morning().as_second()).ok()?;
        Some(UnixTime::since_unix_epoch(std::time::Duration::from_secs(second)))
    }
}

fn morning() -> Timestamp {
    "2026-03-02T08:00:00Z".parse().expect("a good time")
}

fn harbor() -> Identity {
    Identity::Partner("harbor-hotels".parse().expect("a good code"))
}

fn rover() -> Identity {
    Identity::Partner("rover-rides".parse().expect("a good code"))
}

fn amelia() -> Identity {
    Identity::Operator("amelia".parse().expect("a good name"))
}

impl Hub {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let trust_domain = "entente.example".parse().expect("a good trust domain");
        let hosts = ["localhost", "127.0.0.1", "::1"];
        let directory = DomainDirectory::init(
            folder.path(),
            trust_domain,
            &hosts,
            morning() - SignedDuration::from_hours(24),
            Overwrite::Refuse,
        )
        .expect("a trust domain");
        for identity in [harbor(), rover()] {
            let Identity::Partner(code) = &identity else { unreachable!("both are partners") };
            directory.make_partner_ca(code, morning(), Overwrite::Refuse).expect("a CA");
        }
        for identity in [harbor(), rover(), amelia()] {
            directory.issue(&identity, None, morning(), Overwrite::Refuse).expect("a leaf");
        }
        Self { directory, _folder: folder }
    }

    fn roots(&self) -> IdentityRoots {
        self.directory.identity_roots().expect("good roots")
    }

    fn hub_roots(&self) -> Vec<CertificateDer<'static>> {
        read_certificates(&self.directory.ca_certificate(&Identity::Hub)).expect("a root")
    }

    fn of(&self, identity: &Identity) -> Credentials {
        let (certificate, key) =
            (self.directory.certificate(identity), self.directory.key(identity));
        Credentials::from_pem_files(&certificate, &key).expect("a certificate and its key")
    }

    fn forge(&self, victim: &Identity) -> Forge<'_> {
        let rival = "rover-rides".parse().expect("a good code");
        Forge { directory: &self.directory, victim: victim.clone(), rival, now: morning() }
    }

    fn client(&self, credentials: &Credentials) -> ClientConfig {
        client_config(&self.hub_roots(), credentials).expect("a client")
    }

    /// Connects; the identity as the hub sees it, or the hub's and the client's errors.
    fn connect(&self, client: ClientConfig, kinds: &[Kind]) -> Result<Identity, Failure> {
        self.connect_to("localhost", client, self.roots(), kinds)
    }

    fn connect_to(
        &self,
        host: &'static str,
        mut client: ClientConfig,
        roots: IdentityRoots,
        kinds: &[Kind],
    ) -> Result<Identity, Failure> {
        let verifier = EntenteClientVerifier::new(roots, kinds.iter().copied());
        let hub = self.of(&Identity::Hub);
        let mut server = server_config(&hub, Arc::clone(&verifier)).expect("a server");
        server.time_provider = Arc::new(Morning);
        client.time_provider = Arc::new(Morning);
        let name = ServerName::try_from(host).expect("a good host");
        let mut client = ClientConnection::new(Arc::new(client), name).expect("a client");
        let mut server = ServerConnection::new(Arc::new(server)).expect("a server");
        handshake(&mut client, &mut server)?;
        assert_eq!(server.alpn_protocol(), Some(&b"h2"[..]));
        let chain = server.peer_certificates().expect("client certificates are required");
        Ok(verifier.caller(chain).expect("it was verified").identity)
    }
}

/// Carries bytes both ways until nothing more is to be said.
fn handshake(client: &mut ClientConnection, server: &mut ServerConnection) -> Result<(), Failure> {
    while client.wants_write() || server.wants_write() {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).expect("memory is writable");
        }
        let mut unread = wire.as_slice();
        let mut heard = Ok(());
        while !unread.is_empty() && heard.is_ok() {
            server.read_tls(&mut unread).expect("memory is readable");
            heard = server.process_new_packets().map(drop);
        }
        let mut wire = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut wire).expect("memory is writable");
        }
        let mut unread = wire.as_slice();
        let mut answered = Ok(());
        while !unread.is_empty() && answered.is_ok() {
            client.read_tls(&mut unread).expect("memory is readable");
            answered = client.process_new_packets().map(drop);
        }
        match (heard, answered) {
            (Err(error), answered) => return Err(Box::new((error, answered.err()))),
            (Ok(()), Err(error)) => return Err(Box::new((error.clone(), Some(error)))),
            (Ok(()), Ok(())) => {}
        }
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    Ok(())
}

/// The hub's error, and the client's.
type Failure = Box<(Error, Option<Error>)>;

/// The hub's reason as its log has it.
fn reason(error: &Error) -> String {
    explain(&io::Error::new(io::ErrorKind::InvalidData, error.clone()))
}

const BOTH: &[Kind] = &[Kind::Partner, Kind::Operator];

#[test]
fn a_good_certificate_is_known_by_its_own_name() {
    let hub = Hub::new();
    for (identity, kinds) in
        [(harbor(), &[Kind::Partner][..]), (rover(), BOTH), (amelia(), &[Kind::Operator])]
    {
        let client = hub.client(&hub.of(&identity));
        assert_eq!(hub.connect(client, kinds).expect("it connects"), identity);
        let client = hub.client(&hub.forge(&identity).good().expect("minted"));
        assert_eq!(hub.connect(client, kinds).expect("it connects"), identity);
    }
}

#[test]
fn each_listener_accepts_its_own_kind_alone() {
    let hub = Hub::new();
    for (identity, kind) in [(harbor(), Kind::Operator), (amelia(), Kind::Partner)] {
        let refused = hub.connect(hub.client(&hub.of(&identity)), &[kind]);
        let (error, _) = *refused.expect_err("another kind");
        assert_eq!(reason(&error), format!("{identity} may not connect to this listener"));
    }
}

#[test]
fn every_bad_certificate_is_refused_for_its_own_flaw() {
    let hub = Hub::new();
    for victim in [harbor(), amelia()] {
        for flaw in Flaw::ALL {
            let credentials = hub.forge(&victim).credentials(flaw).expect("minted");
            let client = unchecked_client(&hub.hub_roots(), &credentials).expect("a client");
            let refused = hub.connect(client, BOTH);
            let (error, alert) = *refused.expect_err("a flaw");
            let reason = reason(&error);
            let expected = expected_reason(flaw, &victim);
            assert!(reason.contains(&expected), "{flaw:?} of {victim}: {reason}");
            assert!(matches!(alert, Some(Error::AlertReceived(_))), "{flaw:?}: {alert:?}");
        }
    }
}

fn expected_reason(flaw: Flaw, victim: &Identity) -> String {
    match flaw {
        Flaw::UnknownAuthority
        | Flaw::NamesakeAuthority
        | Flaw::RivalAuthority
        | Flaw::RivalAuthorityWithTheRightOne => {
            format!("the certificate of {victim} is not signed by a root pinned for it")
        }
        Flaw::OtherTrustDomain => "another trust domain than entente.example".to_owned(),
        Flaw::UnknownPartner => "no roots are pinned for partner/nobody-at-all".to_owned(),
        Flaw::NamesTheHub => "hub may not connect to this listener".to_owned(),
        Flaw::UpperCase => "begins with spiffe://".to_owned(),
        Flaw::NoUriName | Flaw::NoNames => "has 0 URI names".to_owned(),
        Flaw::TwoUriNames | Flaw::WebUriBeside => "has 2 URI names".to_owned(),
        Flaw::MalformedUriBeside
        | Flaw::MalformedDnsBeside
        | Flaw::MalformedAddressBeside
        | Flaw::UndefinedNameBeside => "malformed or of an unexpected kind".to_owned(),
        Flaw::TrailingBytes => "the certificate is malformed".to_owned(),
        Flaw::Expired => "expired".to_owned(),
        Flaw::NotYetValid => "not valid yet".to_owned(),
        Flaw::AuthorityAsLeaf => "is a CA's".to_owned(),
        Flaw::NoDigitalSignature => "digital signatures".to_owned(),
        Flaw::ServerOnly => "client authentication".to_owned(),
    }
}

#[test]
fn a_caller_cannot_tell_an_unknown_partner_from_a_wrong_root() {
    let hub = Hub::new();
    for flaw in [Flaw::UnknownPartner, Flaw::RivalAuthority, Flaw::TwoUriNames] {
        let credentials = hub.forge(&harbor()).credentials(flaw).expect("minted");
        let (_, alert) = *hub.connect(hub.client(&credentials), BOTH).expect_err("a flaw");
        assert_eq!(alert, Some(Error::AlertReceived(AlertDescription::CertificateUnknown)));
    }
}

#[test]
fn nobody_connects_without_a_certificate_or_without_its_key() {
    let hub = Hub::new();
    let absent = client_without_certificate(&hub.hub_roots());
    let (error, _) = *hub.connect(absent, BOTH).expect_err("no certificate");
    assert_eq!(error, Error::NoCertificatesPresented);

    let victims = hub.of(&harbor()).chain()[0].clone();
    let taken = stolen(&victims, &hub.of(&rover()));
    let thief = unchecked_client(&hub.hub_roots(), &taken).expect("a client");
    let (error, _) = *hub.connect(thief, BOTH).expect_err("a stolen certificate");
    assert_eq!(error, Error::InvalidCertificate(CertificateError::BadSignature));
}

#[test]
fn a_revoked_certificate_is_refused_and_an_expired_list_trusts_nobody() {
    let hub = Hub::new();
    let revoked = hub.of(&harbor());
    let other = hub.forge(&harbor()).good().expect("minted");
    for (days, credentials, refusal) in [
        (7, &revoked, Some(CertificateError::Revoked)),
        (7, &other, None),
        (-1, &other, Some(CertificateError::ExpiredRevocationList)),
    ] {
        let mut pinned = hub.directory.roots(&harbor()).expect("roots");
        let list = hub.forge(&harbor()).revoke(&revoked.chain()[..1], days).expect("a list");
        pinned.crls.push(list);
        let mut roots = IdentityRoots::new(hub.directory.trust_domain().clone());
        let Identity::Partner(code) = harbor() else { unreachable!("a partner") };
        roots.pin_partner(code, pinned).expect("pinned");
        let met = hub.connect_to("localhost", hub.client(credentials), roots, BOTH);
        match (met, refusal) {
            (Ok(identity), None) => assert_eq!(identity, harbor()),
            (Err(failure), Some(refusal)) => {
                let (met, refusal) = (format!("{:?}", failure.0), format!("{refusal:?}"));
                // The expired list's error goes on with its times, which do not matter here.
                assert!(met.contains(&refusal), "{met} for {refusal}");
            }
            (met, refusal) => panic!("{met:?} instead of {refusal:?}"),
        }
    }
}

#[test]
fn a_client_insists_on_the_hub_it_asked_for() {
    let hub = Hub::new();
    let client = || hub.client(&hub.of(&harbor()));
    for host in ["localhost", "127.0.0.1", "::1"] {
        let met = hub.connect_to(host, client(), hub.roots(), BOTH);
        assert_eq!(met.expect("it connects"), harbor(), "{host}");
    }
    assert!(hub.connect_to("hub.rival.example", client(), hub.roots(), BOTH).is_err());

    let elsewhere = Hub::new();
    let client = elsewhere.client(&hub.of(&harbor()));
    let (error, _) = *hub.connect(client, BOTH).expect_err("another hub's root");
    // The two hubs' roots differ in name by their serials.
    assert_eq!(error, Error::InvalidCertificate(CertificateError::UnknownIssuer));
}

#[test]
fn nothing_is_resumed() {
    let hub = Hub::new();
    let verifier = EntenteClientVerifier::new(hub.roots(), BOTH.iter().copied());
    let mut server = server_config(&hub.of(&Identity::Hub), verifier).expect("a server");
    server.time_provider = Arc::new(Morning);
    let server = Arc::new(server);
    let mut client = hub.client(&hub.of(&harbor()));
    client.time_provider = Arc::new(Morning);
    // Even a client that would resume.
    client.resumption = rustls::client::Resumption::in_memory_sessions(8);
    let client = Arc::new(client);
    for _ in 0..2 {
        let name = ServerName::try_from("localhost").expect("a good host");
        let mut near = ClientConnection::new(Arc::clone(&client), name).expect("a client");
        let mut far = ServerConnection::new(Arc::clone(&server)).expect("a server");
        handshake(&mut near, &mut far).expect("it connects");
        assert_eq!(near.tls13_tickets_received(), 0);
        assert_eq!(near.handshake_kind(), Some(rustls::HandshakeKind::Full));
    }
}
