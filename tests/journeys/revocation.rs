//! A revoked certificate is refused on new, open and resumed connections, on every hub, within
//! seconds; and a partner's bad files stop that partner alone.

use std::{fs, net::SocketAddr, sync::Arc, time::Duration};

use entente_client::{
    Client, Error, Refusal,
    api::{
        audit::{ListSecurityEventsRequest, SecurityEventKind},
        error::ErrorReason,
        event::{WatchRequest, event_service_client::EventServiceClient},
        identity::GetJwksRequest,
        ledger::GetLedgerRequest,
    },
};
use entente_identity::{
    Credentials, Identity, Thumbprint, client_config,
    forge::Forge,
    pem::read_certificates,
    pki::{DomainDirectory, Reason, Which},
};
use entente_testkit::{
    TestHub,
    cast::{self, GROCER, HARBOR, ROVER, earn, enrol},
};
use prost::Message as _;
use rustls::{
    HandshakeKind,
    client::Resumption,
    pki_types::{CertificateDer, ServerName},
};
use tokio::{io::AsyncReadExt as _, net::TcpStream, time::Instant};
use tokio_rustls::TlsConnector;

use crate::{
    streaming::Stream,
    wire::{Wire, hub_roots, operator, partner},
};

/// What is promised.
const WITHIN: Duration = Duration::from_secs(5);

/// A connection of an identity by its files as they are now.
async fn wire(directory: &DomainDirectory, who: &Identity, at: SocketAddr) -> Option<Wire> {
    let (certificate, key) = (directory.certificate(who), directory.key(who));
    let credentials = Credentials::from_pem_files(&certificate, &key).unwrap();
    let config = client_config(&hub_roots(directory), &credentials).unwrap();
    Wire::connect(at, config).await.ok()
}

/// Whether a handler answers.
async fn answers(wire: &Wire) -> bool {
    wire.call(("identity/token", "GetJwks"), &GetJwksRequest {}.encode_to_vec()).await.is_ok()
}

/// Whether a new connection is answered.
async fn admits(directory: &DomainDirectory, who: &Identity, at: SocketAddr) -> bool {
    match wire(directory, who, at).await {
        Some(wire) => answers(&wire).await,
        None => false,
    }
}

/// Waits until a condition holds.
async fn by(end: Instant, what: &str, mut holds: impl AsyncFnMut() -> bool) {
    while !holds().await {
        assert!(Instant::now() < end, "{what}: not within {WITHIN:?}, as is promised");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_certificate_is_refused_on_every_connection_of_every_hub() {
    let hub = TestHub::with_cast().await;
    let other = hub.another().await;
    let directory = hub.trust_domain();
    enrol(&hub.partner(HARBOR).await, "guest").await;
    let hubs = [
        (hub.partner_address(), hub.operator_address()),
        (other.addresses().partners, other.addresses().operators),
    ];
    let mut open = Vec::new();
    for (partners, operators) in hubs {
        open.push((
            partner(HARBOR),
            partners,
            wire(&directory, &partner(HARBOR), partners).await.unwrap(),
        ));
        open.push((operator(), operators, wire(&directory, &operator(), operators).await.unwrap()));
    }
    let bystander = wire(&directory, &partner(ROVER), hubs[0].0).await.unwrap();
    for (who, _, wire) in &open {
        assert!(answers(wire).await, "{who}");
    }
    let before = read_certificates(&directory.certificate(&partner(HARBOR))).unwrap();
    for who in [partner(HARBOR), operator()] {
        directory.revoke(&who, Which::Current, Reason::KeyCompromise, cast::real_now()).unwrap();
    }
    let end = Instant::now() + WITHIN;
    for (who, address, wire) in &open {
        by(end, "open", async || !answers(wire).await).await;
        by(end, "new", async || !admits(&directory, who, *address).await).await;
    }
    assert!(answers(&bystander).await, "an open connection of somebody else");
    assert!(admits(&directory, &partner(ROVER), hubs[1].0).await);
    // Whoever gets another certificate is admitted again.
    directory.renew(&partner(HARBOR), None, None, cast::real_now()).unwrap();
    assert!(admits(&directory, &partner(HARBOR), hubs[1].0).await);
    directory.renew(&operator(), None, None, cast::real_now()).unwrap();
    told(&hub, &partner(HARBOR), &before).await;
    other.drain().await;
    hub.close().await;
}

/// The trail tells that connections of a certificate were cut, by each hub, and that it was revoked.
async fn told(hub: &TestHub, who: &Identity, chain: &[CertificateDer<'_>]) {
    let kinds = [SecurityEventKind::ConnectionCut, SecurityEventKind::CertificateRevoked];
    let request = ListSecurityEventsRequest {
        kinds: kinds.map(Into::into).to_vec(),
        actor: "hub".to_owned(),
        page_size: 1,
        ..ListSecurityEventsRequest::default()
    };
    let operator = hub.operator().await;
    let list = async || {
        let (mut events, mut request) = (Vec::new(), request.clone());
        loop {
            let page = operator.list_security_events(request.clone()).await.unwrap();
            events.extend(page.events.into_iter().filter(|event| event.subject == who.to_string()));
            if page.next_page_token.is_empty() {
                return events;
            }
            request.page_token = page.next_page_token;
        }
    };
    by(Instant::now() + WITHIN, "events", async || list().await.len() == 4).await;
    let events = list().await;
    assert!(events.is_sorted_by_key(|event| -event.number), "the latest first");
    let cut = events.iter().filter(|event| event.kind() == SecurityEventKind::ConnectionCut);
    let thumbprint = Thumbprint::of(&chain[0]).to_string();
    for event in cut.clone() {
        assert_eq!(event.certificate_sha256, thumbprint);
        assert!(event.details_json.contains("Revoked"), "{event:?}");
    }
    assert_eq!(cut.count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_end_with_their_certificate_after_what_they_accepted() {
    let hub = TestHub::with_cast().await;
    let directory = hub.trust_domain();
    enrol(&hub.partner(HARBOR).await, "guest").await;
    let channel = Wire::partner(&hub, HARBOR).await.channel();
    let mut watching = EventServiceClient::new(channel.clone());
    let mut events = watching.watch(WatchRequest::default()).await.unwrap().into_inner();
    let mut stream = Stream::open(channel).await.unwrap();
    for sequence in 1..=3 {
        assert!(stream.send(sequence, earn("guest", 1_000_000, "EUR")).await);
    }
    directory
        .revoke(&partner(HARBOR), Which::Current, Reason::default(), cast::real_now())
        .unwrap();
    let ended = async {
        let mut answered = 0;
        let end = loop {
            match stream.outcomes.message().await {
                Ok(Some(_)) => answered += 1,
                Ok(None) => panic!("a good end"),
                Err(status) => break status,
            }
        };
        let watched = loop {
            match events.message().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("a good end"),
                Err(status) => break status,
            }
        };
        (answered, end, watched)
    };
    let (answered, end, watched) = tokio::time::timeout(WITHIN, ended).await.expect("in time");
    assert_eq!(answered, 3, "what was accepted is answered");
    for status in [end, watched] {
        assert_eq!(
            Refusal::from_status(&status).reason,
            ErrorReason::Unauthenticated,
            "{status:?}"
        );
    }
    hub.close().await;
}

/// A client that keeps tickets, and would resume.
async fn resuming(hub: &TestHub, config: &Arc<rustls::ClientConfig>) -> Option<HandshakeKind> {
    let stream = TcpStream::connect(hub.partner_address()).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = TlsConnector::from(Arc::clone(config)).connect(name, stream).await.ok()?;
    // What the hub says first, its settings, or that it refuses; tickets would come before.
    let mut settings = [0; 9];
    stream.read_exact(&mut settings).await.ok()?;
    let (_, session) = stream.get_ref();
    assert_eq!(session.tls13_tickets_received(), 0);
    session.handshake_kind()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_would_resume_a_session_shakes_hands_again_and_is_refused() {
    let hub = TestHub::with_cast().await;
    let directory = hub.trust_domain();
    let (certificate, key) =
        (directory.certificate(&partner(HARBOR)), directory.key(&partner(HARBOR)));
    let credentials = Credentials::from_pem_files(&certificate, &key).unwrap();
    let mut config = client_config(&hub_roots(&directory), &credentials).unwrap();
    config.resumption = Resumption::in_memory_sessions(8);
    let config = Arc::new(config);
    for _ in 0..3 {
        assert_eq!(resuming(&hub, &config).await, Some(HandshakeKind::Full));
    }
    directory
        .revoke(&partner(HARBOR), Which::Current, Reason::default(), cast::real_now())
        .unwrap();
    by(Instant::now() + WITHIN, "resumed", async || resuming(&hub, &config).await.is_none()).await;
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partners_bad_files_stop_that_partner_alone() {
    let hub = TestHub::with_cast().await;
    let directory = hub.trust_domain();
    let [harbor, rover, grocer] = [HARBOR, ROVER, GROCER].map(partner);
    let address = hub.partner_address();
    let mut open = Vec::new();
    for who in [&harbor, &rover, &grocer] {
        open.push(wire(&directory, who, address).await.unwrap());
    }
    // Garbage, and another's CA: those in force stay.
    fs::write(directory.ca_certificate(&rover), "garbage").unwrap();
    fs::copy(directory.ca_certificate(&harbor), directory.ca_certificate(&grocer)).unwrap();
    // What is good is loaded beside them.
    directory.revoke(&harbor, Which::Current, Reason::default(), cast::real_now()).unwrap();
    hub.reload().await;
    assert!(!answers(&open[0]).await && !admits(&directory, &harbor, address).await);
    for (who, wire) in [(&rover, &open[1]), (&grocer, &open[2])] {
        assert!(answers(wire).await && admits(&directory, who, address).await, "{who}");
    }
    let rival = Forge {
        directory: &directory,
        victim: harbor.clone(),
        rival: ROVER.parse().unwrap(),
        now: cast::real_now(),
    };
    let good = client_config(&hub_roots(&directory), &rival.good().unwrap()).unwrap();
    let renewed = Wire::connect(address, good).await.unwrap();
    assert!(answers(&renewed).await, "another certificate of Harbor's own CA");

    // A root that is dropped cuts what it signed, though nothing was revoked.
    directory.change_authority(&harbor, cast::real_now()).unwrap();
    hub.reload().await;
    assert!(answers(&renewed).await, "the CA before is good still");
    directory.retire_authority(&harbor, cast::real_now()).unwrap();
    hub.reload().await;
    assert!(!answers(&renewed).await, "its CA is pinned no more");

    // A hub that starts on bad files leaves their owners out, and serves the others.
    directory.renew(&harbor, None, None, cast::real_now()).unwrap();
    let late = hub.another().await;
    assert!(admits(&directory, &harbor, late.addresses().partners).await);
    assert!(!admits(&directory, &rover, late.addresses().partners).await);
    assert!(admits(&directory, &operator(), late.addresses().operators).await);
    late.drain().await;
    hub.close().await;
}

/// Until the hub refuses it for good, or for as long as is promised.
async fn refusal(client: &Client) -> Error {
    let end = Instant::now() + WITHIN;
    loop {
        match client.get_ledger(GetLedgerRequest {}).await {
            Ok(_) => assert!(Instant::now() < end, "still answered"),
            Err(error) => return error,
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_told_that_it_is_not_known_any_more() {
    let hub = TestHub::with_cast().await;
    let directory = hub.trust_domain();
    let client = hub.partner(GROCER).await;
    client.get_ledger(GetLedgerRequest {}).await.unwrap();
    directory
        .revoke(&partner(GROCER), Which::Current, Reason::default(), cast::real_now())
        .unwrap();
    let error = refusal(&client).await;
    assert_eq!(error.refusal().unwrap().reason, ErrorReason::Unauthenticated, "{error}");
    hub.close().await;
}
