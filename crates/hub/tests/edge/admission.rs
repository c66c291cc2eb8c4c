//! Certificates that never reach a handler, and calls that the table forbids.

use std::time::Duration;

use entente_api::{
    ledger::{
        AdvanceClockRequest, GetLedgerRequest, GetLedgerResponse,
        ledger_service_client::LedgerServiceClient,
    },
    points::EarnRequest,
};
use entente_hub::config::Limits;
use entente_identity::forge::{Flaw, client_without_certificate, stolen, unchecked_client};
use tokio_stream::StreamExt;
use tonic::{Code, Request, Status, client::Grpc, codegen::http::uri::PathAndQuery};
use tonic_prost::ProstCodec;
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

use crate::stage::{Stage, amelia, connect, harbor, partner, reason, rover};

/// Calls GetLedger with whatever a client shows; the caller as the handler saw it.
async fn call(address: std::net::SocketAddr, config: rustls::ClientConfig) -> Result<String, ()> {
    let channel = connect(address, config).await.map_err(drop)?;
    let answer = LedgerServiceClient::new(channel).get_ledger(GetLedgerRequest {}).await;
    answer.map(|answer| answer.into_inner().version).map_err(drop)
}

#[tokio::test]
async fn a_caller_is_whom_its_certificate_names() {
    let stage = Stage::new();
    let hub = stage.hub(Limits::default()).await;
    let addresses = hub.addresses();
    for (address, identity) in [
        (addresses.partners, harbor()),
        (addresses.partners, rover()),
        (addresses.operators, amelia()),
    ] {
        let config = stage.client(&stage.credentials(&identity));
        assert_eq!(call(address, config).await, Ok(identity.to_string()));
    }
}

#[tokio::test]
async fn no_flawed_certificate_reaches_a_handler() {
    let stage = Stage::new();
    let hub = stage.hub(Limits::default()).await;
    let addresses = hub.addresses();
    for (address, victim) in [(addresses.partners, harbor()), (addresses.operators, amelia())] {
        let forge = stage.forge(victim.clone());
        for flaw in Flaw::ALL {
            let flawed = forge.credentials(flaw).expect("a flawed certificate");
            let config = unchecked_client(&stage.hub_roots(), &flawed).expect("a client");
            assert_eq!(call(address, config).await, Err(()), "{flaw:?} of {victim}");
        }
        let none = client_without_certificate(&stage.hub_roots());
        assert_eq!(call(address, none).await, Err(()), "no certificate for {victim}");
    }
    assert_eq!(stage.calls(), 0);
}

#[tokio::test]
async fn a_good_certificate_is_good_at_its_own_listener_alone() {
    let stage = Stage::new();
    let hub = stage.hub(Limits::default()).await;
    let addresses = hub.addresses();
    for (address, identity) in [(addresses.operators, harbor()), (addresses.partners, amelia())] {
        let config = stage.client(&stage.credentials(&identity));
        assert_eq!(call(address, config).await, Err(()), "{identity}");
    }
    assert_eq!(stage.calls(), 0);
}

#[tokio::test]
async fn the_table_forbids_before_a_handler_is_reached() {
    let stage = Stage::new();
    let hub = stage.hub(Limits::default()).await;
    let channel = stage.channel(hub.addresses().partners, &harbor()).await;
    let mut ledger = LedgerServiceClient::new(channel.clone());
    let advance = ledger.advance_clock(AdvanceClockRequest::default()).await;
    let mut refusals = vec![advance.expect_err("an operator's RPC")];
    for path in [
        "/entente.ledger.v1.LedgerService/DropLedger",
        "/entente.nothing.v1.NothingService/Nothing",
        "/entente.ledger.v1.LedgerService/GetLedger/",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    ] {
        let mut client = Grpc::new(channel.clone());
        client.ready().await.expect("a connection");
        let codec = ProstCodec::<EarnRequest, GetLedgerResponse>::default();
        let request = Request::new(EarnRequest::default());
        let answer = client.unary(request, PathAndQuery::from_static(path), codec).await;
        refusals.push(answer.expect_err(path));
    }
    for refused in refusals {
        assert_eq!(refused.code(), Code::PermissionDenied, "{refused:?}");
        assert_eq!(reason(&refused), "NOT_ALLOWED");
    }
    assert_eq!(stage.calls(), 0);
}

#[tokio::test]
async fn operators_can_ask_what_the_hub_serves() {
    let stage = Stage::new();
    let hub = stage.hub(Limits::default()).await;
    let channel = stage.channel(hub.addresses().operators, &amelia()).await;
    let ask = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut client = ServerReflectionClient::new(channel);
    let answers = client.server_reflection_info(tokio_stream::once(ask)).await.expect("answers");
    let answer = answers.into_inner().next().await.expect("an answer").expect("a good one");
    let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else {
        panic!("no list of services")
    };
    assert!(list.service.iter().any(|s| s.name == "entente.ledger.v1.LedgerService"));
}

#[tokio::test]
async fn a_handler_that_panics_harms_its_own_call_alone_and_tells_nothing() {
    let stage = Stage::new();
    let hub = stage.hub(Limits::default()).await;
    let mut ledger = stage.ledger(hub.addresses().operators, &amelia()).await;
    let answer = ledger.advance_clock(AdvanceClockRequest::default()).await;
    let fault: Status = answer.expect_err("a panic");
    assert_eq!((fault.code(), reason(&fault).as_str()), (Code::Internal, "INTERNAL"));
    assert!(!format!("{fault:?}").contains("10.0.0.7"));
    assert!(ledger.get_ledger(GetLedgerRequest {}).await.is_ok());
}

#[tokio::test]
async fn a_partner_whose_ca_is_added_later_is_admitted_without_a_restart() {
    let stage = Stage::new();
    let hub = stage.hub(Limits::default()).await;
    let grocer = partner("green-grocer");
    stage.admit(&grocer);
    let config = stage.client(&stage.credentials(&grocer));
    let admitted = async {
        while call(hub.addresses().partners, config.clone()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), admitted).await.expect("admitted in time");
}

#[tokio::test]
async fn a_certificate_without_its_key_is_worth_nothing() {
    let stage = Stage::new();
    let hub = stage.hub(Limits::default()).await;
    let victims = stage.credentials(&harbor());
    let thief = stolen(&victims.chain()[0], &stage.credentials(&rover()));
    let config = unchecked_client(&stage.hub_roots(), &thief);
    assert_eq!(call(hub.addresses().partners, config.expect("a client")).await, Err(()));
    assert_eq!(stage.calls(), 0);
}
