//! What a caller may cost: time, size, connections.

use std::{
    net::SocketAddr,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use entente_api::{
    ledger::{GetLedgerRequest, GetLedgerResponse},
    points::EarnRequest,
    types::Money,
};
use entente_hub::{Hub, config::Limits};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tonic::{
    Code, Request, Status, client::Grpc, codegen::http::uri::PathAndQuery, transport::Channel,
};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_prost::ProstCodec;
use tonic_types::StatusExt;

use crate::stage::{Stage, amelia, handshake, harbor, reason, rover, slow};

#[tokio::test]
async fn a_call_past_its_deadline_has_an_unknown_outcome_and_says_so() {
    let stage = Stage::new();
    let hub = stage.hub(Limits { default_deadline_ms: 300, ..Limits::default() }).await;
    let mut ledger = stage.ledger(hub.addresses().partners, &harbor()).await;
    let late = ledger.get_ledger(slow(10_000)).await.expect_err("past its deadline");
    assert_eq!(late.code(), Code::DeadlineExceeded, "{late:?}");
    assert_eq!(reason(&late), "DEADLINE_PASSED");
    assert!(late.get_error_details().retry_info().is_some());
    assert_eq!(stage.seen.completed.load(Ordering::SeqCst), 0);
}

/// tonic's own timers, on both sides, answer CANCELLED: a client without one shows which comes
/// first in the hub.
#[tokio::test]
async fn the_hubs_deadline_comes_before_the_frameworks() {
    let stage = Stage::new();
    let hub = stage.hub(Limits::default()).await;
    let config = stage.client(&stage.credentials(&harbor()));
    let stream = handshake(hub.addresses().partners, config).await.expect("a connection");
    let shaken = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
    let (client, connection) = shaken.expect("HTTP/2");
    tokio::spawn(connection);
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..100 {
        let mut client = client.clone();
        let request =
            http::Request::post("https://localhost/entente.ledger.v1.LedgerService/GetLedger")
                .header("content-type", "application/grpc")
                .header("te", "trailers")
                .header("grpc-timeout", format!("{}m", 50 + n))
                .header("x-sleep-ms", "10000")
                .body(axum::body::Body::from(vec![0; 5]))
                .expect("a request");
        calls.spawn(async move { client.send_request(request).await });
    }
    while let Some(answer) = calls.join_next().await {
        let answer = answer.expect("no panic").expect("an answer");
        let late = Status::from_header_map(answer.headers()).expect("an error");
        assert_eq!(late.code(), Code::DeadlineExceeded, "{late:?}");
        assert_eq!(reason(&late), "DEADLINE_PASSED");
    }
}

#[tokio::test]
async fn no_caller_can_ask_for_more_time_than_is_allowed() {
    let stage = Stage::new();
    let limits = Limits { default_deadline_ms: 200, max_deadline_ms: 400, ..Limits::default() };
    let hub = stage.hub(limits).await;
    let mut ledger = stage.ledger(hub.addresses().partners, &harbor()).await;
    let mut request = slow(10_000);
    request.set_timeout(Duration::from_hours(1));
    let started = Instant::now();
    let late = ledger.get_ledger(request).await.expect_err("past its deadline");
    assert_eq!(late.code(), Code::DeadlineExceeded);
    assert!(started.elapsed() < Duration::from_secs(5));
}

/// Sends a message that is not the one GetLedger expects.
async fn send(channel: Channel, message: EarnRequest, path: &'static str) -> Status {
    let mut client = Grpc::new(channel);
    client.ready().await.expect("a connection");
    let codec = ProstCodec::<EarnRequest, GetLedgerResponse>::default();
    let path = PathAndQuery::from_static(path);
    client.unary(Request::new(message), path, codec).await.expect_err("a bad message")
}

#[tokio::test]
async fn a_message_that_is_too_long_or_unreadable_is_malformed() {
    let stage = Stage::new();
    let hub = stage.hub(Limits::default()).await;
    let channel = stage.channel(hub.addresses().operators, &amelia()).await;
    let get = "/entente.ledger.v1.LedgerService/GetLedger";
    for length in [1_100_000, 5_000_000] {
        let long = EarnRequest { category: "x".repeat(length), ..EarnRequest::default() };
        let refused = send(channel.clone(), long, get).await;
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");
        assert_eq!(reason(&refused), "MALFORMED");
    }
    // Where AdvanceClock has a message, this has text that is none.
    let unreadable = EarnRequest { request_id: "\u{7f}?".to_owned(), ..EarnRequest::default() };
    let advance = "/entente.ledger.v1.LedgerService/AdvanceClock";
    let refused = send(channel.clone(), unreadable, advance).await;
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");
    assert_eq!(reason(&refused), "MALFORMED");
    assert_eq!(stage.calls(), 0);

    let spend = Some(Money { currency: "EUR".to_owned(), micros: 1 });
    let fits = EarnRequest { category: "x".repeat(1_000_000), spend, ..EarnRequest::default() };
    let mut client = Grpc::new(channel);
    client.ready().await.expect("a connection");
    let codec = ProstCodec::<EarnRequest, GetLedgerResponse>::default();
    let answer = client.unary(Request::new(fits), PathAndQuery::from_static(get), codec).await;
    assert!(answer.is_ok(), "unknown fields are ignored: {answer:?}");
}

#[tokio::test]
async fn headers_are_bounded() {
    let stage = Stage::new();
    let hub = stage.hub(Limits::default()).await;
    let mut ledger = stage.ledger(hub.addresses().partners, &harbor()).await;
    let mut request = Request::new(GetLedgerRequest {});
    let long = "x".repeat(20_000).parse().expect("a header value");
    request.metadata_mut().insert("x-long", long);
    assert!(ledger.get_ledger(request).await.is_err());
    assert_eq!(stage.calls(), 0);
    assert!(ledger.get_ledger(GetLedgerRequest {}).await.is_ok());
}

#[tokio::test]
async fn a_silent_connection_is_given_up_and_its_place_taken() {
    let stage = Stage::new();
    let limits = Limits { connections: 1, handshake_timeout_ms: 300, ..Limits::default() };
    let hub = stage.hub(limits).await;
    let mut silent = TcpStream::connect(hub.addresses().partners).await.expect("a connection");
    let mut ledger = stage.ledger(hub.addresses().partners, &harbor()).await;
    assert!(ledger.get_ledger(GetLedgerRequest {}).await.is_ok());
    let ended = tokio::time::timeout(Duration::from_secs(5), silent.read(&mut [0; 1])).await;
    assert!(matches!(ended, Ok(Ok(0) | Err(_))), "the hub hung up: {ended:?}");
}

#[tokio::test]
async fn connections_beyond_the_cap_wait_until_one_ends() {
    let stage = Stage::new();
    let hub = stage.hub(Limits { connections: 2, ..Limits::default() }).await;
    let address = hub.addresses().partners;
    let config = || stage.client(&stage.credentials(&harbor()));
    let first = handshake(address, config()).await.expect("a place");
    let _second = handshake(address, config()).await.expect("a place");
    let third = tokio::spawn(handshake(address, config()));
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!third.is_finished(), "there was no place for it");
    drop(first);
    let third = tokio::time::timeout(Duration::from_secs(10), third).await.expect("in time");
    third.expect("no panic").expect("a place");
}

#[tokio::test]
async fn one_caller_cannot_keep_the_others_out() {
    let stage = Stage::new();
    let limits = Limits { connections: 8, connections_per_caller: 2, ..Limits::default() };
    let hub = stage.hub(limits).await;
    let address = hub.addresses().partners;
    let mut kept = Vec::new();
    for _ in 0..2 {
        let mut ledger = stage.ledger(address, &harbor()).await;
        assert!(ledger.get_ledger(GetLedgerRequest {}).await.is_ok());
        kept.push(ledger);
    }
    let config = stage.client(&stage.credentials(&harbor()));
    let mut beyond = handshake(address, config).await.expect("the handshake ends before the count");
    let ended = tokio::time::timeout(Duration::from_secs(5), beyond.read(&mut [0; 1])).await;
    assert!(matches!(ended, Ok(Ok(0) | Err(_))), "the hub hung up: {ended:?}");
    let mut rovers = stage.ledger(address, &rover()).await;
    assert!(rovers.get_ledger(GetLedgerRequest {}).await.is_ok());
}

/// What a path of the plain listener answers.
async fn plain(hub: &Hub, path: &str) -> String {
    let address: SocketAddr = hub.addresses().plain;
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    let request = format!("GET {path} HTTP/1.1\r\nhost: hub\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    answer
}

#[tokio::test]
async fn readiness_and_health_follow_the_database() {
    let stage = Stage::new();
    let hub = stage.hub(Limits::default()).await;
    assert!(plain(&hub, "/live").await.starts_with("HTTP/1.1 200"));
    assert!(plain(&hub, "/ready").await.starts_with("HTTP/1.1 200"));
    let channel = stage.channel(hub.addresses().partners, &harbor()).await;
    let mut health = HealthClient::new(channel);
    let service = "entente.ledger.v1.LedgerService".to_owned();
    for (ready, status) in [(true, ServingStatus::Serving), (false, ServingStatus::NotServing)] {
        stage.ready.store(ready, Ordering::SeqCst);
        let told = async {
            loop {
                let request = HealthCheckRequest { service: service.clone() };
                let answer = health.check(request).await;
                if answer.is_ok_and(|answer| answer.into_inner().status() == status) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), told).await.expect("health follows");
    }
    assert!(plain(&hub, "/ready").await.starts_with("HTTP/1.1 503"));
    assert!(plain(&hub, "/live").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn calls_are_counted_by_method_and_code() {
    let stage = Stage::new();
    let hub = stage.hub(Limits::default()).await;
    let mut ledger = stage.ledger(hub.addresses().partners, &harbor()).await;
    assert!(ledger.get_ledger(GetLedgerRequest {}).await.is_ok());
    let metrics = plain(&hub, "/metrics").await;
    let line = "entente_calls_total{method=\"/entente.ledger.v1.LedgerService/GetLedger\",\
                code=\"OK\"}";
    assert!(metrics.contains(line), "{metrics}");
    assert!(metrics.contains("entente_call_seconds_bucket"), "{metrics}");
    let of_calls = metrics.lines().filter(|line| !line.starts_with("entente_certificate"));
    assert_eq!(of_calls.filter(|line| line.contains("harbor")).count(), 0, "no partner is named");
    let ends = "entente_certificate_days_left{owner=\"partner/harbor-hotels\",kind=\"ca\"}";
    assert!(metrics.contains(ends), "{metrics}");
}
