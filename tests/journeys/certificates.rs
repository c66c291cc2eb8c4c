//! Certificates that are good but for one flaw: none of them reaches the ledger.

use std::net::SocketAddr;

use entente_client::api::{identity::GetJwksRequest, partner::GetPartnerRequest};
use entente_identity::{
    Credentials, Identity,
    forge::{Flaw, Forge, client_without_certificate, stolen, unchecked_client},
};
use entente_testkit::{
    TestHub,
    cast::{self, HARBOR, ROVER, earn, enrol},
};
use prost::Message;
use rustls::ClientConfig;

use crate::wire::{Wire, hub_roots, operator, partner};

/// Whether a handler answers whoever connects like this.
async fn is_answered(address: SocketAddr, config: ClientConfig) -> bool {
    let Ok(wire) = Wire::connect(address, config).await else { return false };
    wire.call(("identity/token", "GetJwks"), &GetJwksRequest {}.encode_to_vec()).await.is_ok()
}

/// Each identity, and where it belongs.
fn identities(hub: &TestHub) -> [(Identity, SocketAddr); 2] {
    [(partner(HARBOR), hub.partner_address()), (operator(), hub.operator_address())]
}

#[tokio::test(flavor = "multi_thread")]
async fn no_flawed_certificate_is_answered() {
    let hub = TestHub::with_cast().await;
    let harbor = hub.partner(HARBOR).await;
    enrol(&harbor, "guest").await;
    let directory = hub.trust_domain();
    let roots = hub_roots(&directory);
    for (victim, address) in identities(&hub) {
        let rival = ROVER.parse().expect("a good name");
        let now = cast::real_now();
        let forge = Forge { directory: &directory, victim: victim.clone(), rival, now };
        for flaw in Flaw::ALL {
            let flawed = forge.credentials(flaw).expect("a flawed certificate");
            let config = unchecked_client(&roots, &flawed).expect("a client");
            assert!(!is_answered(address, config).await, "{flaw:?} of {victim}");
        }
        let good = forge.good().expect("a certificate");
        let thief = stolen(&good.chain()[0], &forge.credentials(Flaw::RivalAuthority).unwrap());
        let config = unchecked_client(&roots, &thief).expect("a client");
        assert!(!is_answered(address, config).await, "stolen from {victim}");
        let config = client_without_certificate(&roots);
        assert!(!is_answered(address, config).await, "no certificate, instead of {victim}");
        let config = unchecked_client(&roots, &good).expect("a client");
        assert!(is_answered(address, config).await, "the good certificate of {victim}");
    }
    harbor.earn(earn("guest", 1_000_000, "EUR")).await.expect("the hub still serves");
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_good_at_its_own_listener_alone() {
    let hub = TestHub::with_cast().await;
    let directory = hub.trust_domain();
    let roots = hub_roots(&directory);
    let [(first, here), (second, there)] = identities(&hub);
    for (identity, right, wrong) in [(first, here, there), (second, there, here)] {
        let (certificate, key) = (directory.certificate(&identity), directory.key(&identity));
        let credentials = Credentials::from_pem_files(&certificate, &key).unwrap();
        let config = || unchecked_client(&roots, &credentials).expect("a client");
        assert!(!is_answered(wrong, config()).await, "{identity} at the other listener");
        assert!(is_answered(right, config()).await, "{identity} at its own");
    }
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_the_certificate_says_who_calls() {
    let hub = TestHub::with_cast().await;
    let harbor = Wire::partner(&hub, HARBOR).await;
    let path = crate::wire::path(("partner", "GetPartner"));
    let mut request = tonic::Request::new(GetPartnerRequest::default().encode_to_vec());
    for (name, value) in [
        ("x-forwarded-client-cert", "URI=spiffe://entente.test/partner/rover-rides"),
        ("x-spiffe-id", "spiffe://entente.test/operator/amelia"),
        ("authorization", "Bearer rover-rides"),
        ("x-partner", ROVER),
    ] {
        request.metadata_mut().insert(name, value.parse().unwrap());
    }
    let answer = harbor.send(&path, request).await.unwrap();
    let answer = entente_client::api::partner::GetPartnerResponse::decode(answer.as_slice());
    assert_eq!(answer.unwrap().partner.unwrap().code, HARBOR);
    hub.close().await;
}
