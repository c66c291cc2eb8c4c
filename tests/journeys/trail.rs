//! What the trail tells of: who did it, by which certificate, to whom; and a certificate that is denied,
//! whose open connections are cut.

use std::{sync::Arc, time::Duration};

use entente_client::{
    Client, MemberSigner,
    api::{
        audit::{ListSecurityEventsRequest, SecurityEvent, SecurityEventKind as Kind},
        error::ErrorReason as R,
        identity::GetJwksRequest,
        partner::{ResumePartnerRequest, SuspendPartnerRequest},
    },
    new_request_id,
};
use entente_identity::{Identity, Thumbprint, pem::read_certificates};
use entente_store::security::{Denied, deny};
use entente_testkit::{
    OPERATOR, TestHub,
    cast::{self, HARBOR, ROVER, real_now},
    signer, signer_by,
};
use jiff::ToSpan;
use prost::Message as _;
use rustls::pki_types::ServerName;
use tokio::{
    io::AsyncReadExt as _,
    net::TcpStream,
    time::{Instant, timeout},
};
use tokio_rustls::TlsConnector;

use crate::{
    steps::reason,
    wire::{Wire, config, operator, partner},
};

/// What is promised of a denial.
const WITHIN: Duration = Duration::from_secs(5);

fn thumbprint(hub: &TestHub, who: &Identity) -> Thumbprint {
    let chain = read_certificates(&hub.trust_domain().certificate(who)).unwrap();
    Thumbprint::of(&chain[0])
}

async fn events(hub: &TestHub, kind: Kind, actor: &str) -> Vec<SecurityEvent> {
    let request = ListSecurityEventsRequest {
        kinds: vec![kind.into()],
        actor: actor.to_owned(),
        ..ListSecurityEventsRequest::default()
    };
    hub.operator().await.list_security_events(request).await.unwrap().events
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspension_and_its_end_name_the_operator_and_its_certificate() {
    let hub = TestHub::with_cast().await;
    let client = hub.operator().await;
    let partner = || HARBOR.to_owned();
    for _ in 0..2 {
        let suspend = SuspendPartnerRequest { request_id: new_request_id(), partner: partner() };
        client.suspend_partner(suspend).await.unwrap();
    }
    let resume = ResumePartnerRequest { request_id: new_request_id(), partner: partner() };
    client.resume_partner(resume.clone()).await.unwrap();
    assert!(client.resume_partner(resume).await.unwrap().replayed);
    for kind in [Kind::PartnerSuspended, Kind::PartnerResumed] {
        let told = events(&hub, kind, &format!("operator/{OPERATOR}")).await;
        assert_eq!(told.len(), 1, "what changes nothing is not told: {told:?}");
        assert_eq!(told[0].subject, "partner/harbor-hotels");
        assert_eq!(told[0].certificate_sha256, thumbprint(&hub, &operator()).to_string());
    }
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_hub_tells_of_the_key_that_it_signs_by() {
    let hub = TestHub::start().await;
    let told = events(&hub, Kind::SigningKeyPublished, "hub").await;
    assert!(!told.is_empty());
    for event in told {
        assert_eq!(event.subject.len(), 43, "a thumbprint: {event:?}");
        assert!(event.details_json.contains("not_after"), "{event:?}");
        assert_eq!(event.certificate_sha256, "");
    }
    hub.close().await;
}

async fn refused_link(client: &Client, signer: &MemberSigner) {
    let refused = client.link_member(cast::link(signer, "guest")).await.expect_err("no assertion");
    assert_eq!(reason(&refused), R::AssertionRefused);
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_member_assertions_are_told_once_a_second_for_each_caller() {
    let hub = TestHub::with_cast().await;
    let (harbor, rover) = (hub.partner(HARBOR).await, hub.partner(ROVER).await);
    for _ in 0..5 {
        refused_link(&harbor, &signer_by(HARBOR, ROVER)).await;
    }
    // One that was good, and that another request brings again.
    let good = cast::link(&signer(ROVER), "rider");
    rover.link_member(good.clone()).await.unwrap();
    let mut again = good;
    again.request_id = new_request_id();
    let refused = rover.link_member(again).await.expect_err("it is used up");
    assert_eq!(reason(&refused), R::AssertionRefused);
    for (code, why) in [(HARBOR, "key"), (ROVER, "jti")] {
        let told = events(&hub, Kind::AssertionRefused, &format!("partner/{code}")).await;
        assert!((1..5).contains(&told.len()), "not each of five: {told:?}");
        let event = told.last().expect("one at least");
        assert_eq!(event.subject, format!("partner/{code}"));
        assert_eq!(event.certificate_sha256, thumbprint(&hub, &partner(code)).to_string());
        assert!(event.details_json.contains(why), "{event:?}");
        assert!(!event.details_json.contains("guest") && !event.details_json.contains("rider"));
    }
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_certificate_has_no_open_connection() {
    let hub = TestHub::with_cast().await;
    let open = Wire::partner(&hub, HARBOR).await;
    let bystander = Wire::partner(&hub, ROVER).await;
    assert!(answers(&open).await && answers(&bystander).await);
    let socket = TcpStream::connect(hub.partner_address()).await.unwrap();
    let tls = TlsConnector::from(Arc::new(config(&hub, &partner(HARBOR))));
    let name = ServerName::try_from("localhost").unwrap();
    let mut silent = tls.connect(name, socket).await.unwrap();
    let denied = Denied::Certificate(*thumbprint(&hub, &partner(HARBOR)).as_bytes());
    let pool = hub.database().owner_pool().await;
    let mut connection = pool.acquire().await.unwrap();
    let until = real_now() + 1.hour();
    deny(&mut connection, &denied, until).await.unwrap();
    let end = Instant::now() + WITHIN;
    while answers(&open).await {
        assert!(Instant::now() < end, "not within {WITHIN:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Its sockets go, also one on which nothing is said; nobody else's does.
    let mut rest = Vec::new();
    let _ = timeout(WITHIN, silent.read_to_end(&mut rest)).await.expect("the connection is cut");
    assert!(answers(&bystander).await);
    drop(connection);
    pool.close().await;
    hub.close().await;
}

async fn answers(wire: &Wire) -> bool {
    wire.call(("identity/token", "GetJwks"), &GetJwksRequest {}.encode_to_vec()).await.is_ok()
}
