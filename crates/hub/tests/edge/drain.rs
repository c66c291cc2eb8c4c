//! How it ends: what has begun may end, nothing new begins, and nothing delays it for ever.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use entente_hub::{Hub, config::Limits, hub::StartError};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::stage::{Stage, handshake, harbor, slow};

#[tokio::test]
async fn a_drain_lets_calls_end_and_nothing_begin() {
    let stage = Stage::new();
    let hub = stage.hub(Limits::default()).await;
    let address = hub.addresses().partners;
    let mut ledger = stage.ledger(address, &harbor()).await;
    let call = tokio::spawn(async move { ledger.get_ledger(slow(1_500)).await });
    while stage.calls() == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let draining = tokio::spawn(hub.drain());
    tokio::time::sleep(Duration::from_millis(300)).await;
    let refused = match TcpStream::connect(address).await {
        Err(_) => true,
        Ok(_) => handshake(address, stage.client(&stage.credentials(&harbor()))).await.is_err(),
    };
    assert!(refused, "a draining hub accepts nobody");
    assert!(!stage.finished.load(Ordering::SeqCst), "the services end after the calls");
    call.await.expect("no panic").expect("the call that had begun is answered");
    tokio::time::timeout(Duration::from_secs(5), draining).await.expect("it ends").expect("well");
    assert!(stage.finished.load(Ordering::SeqCst));
}

#[tokio::test]
async fn neither_a_silent_peer_nor_a_watcher_delays_a_drain() {
    let stage = Stage::new();
    let hub = stage.hub(Limits::default()).await;
    let address = hub.addresses().partners;
    let _silent = handshake(address, stage.client(&stage.credentials(&harbor()))).await;
    let mut health = HealthClient::new(stage.channel(address, &harbor()).await);
    let watched = health.watch(HealthCheckRequest::default()).await.expect("a stream");
    let started = Instant::now();
    hub.drain().await;
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    drop(watched);
}

#[tokio::test]
async fn a_peer_that_is_still_sending_can_read_why_the_hub_ends() {
    let stage = Stage::new();
    let hub = stage.hub(Limits::default()).await;
    let config = stage.client(&stage.credentials(&harbor()));
    let mut peer = handshake(hub.addresses().partners, config).await.expect("admitted");
    peer.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.expect("open");
    peer.write_all(&frame(SETTINGS, 0, &[])).await.expect("open");
    read_until(&mut peer, (SETTINGS, ACK)).await;
    let draining = tokio::spawn(hub.drain());
    // The hub says goodbye by a ping between two GOAWAY, and is done with the connection then.
    let payload = read_until(&mut peer, (PING, 0)).await;
    peer.write_all(&frame(PING, ACK, &payload)).await.expect("open");
    for ping in 0..5 {
        let sent = peer.write_all(&frame(PING, 0, &[ping; 8])).await;
        sent.unwrap_or_else(|error| panic!("ping {ping} is answered by a reset: {error}"));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    read_until(&mut peer, (GOAWAY, 0)).await;
    drop(peer);
    tokio::time::timeout(Duration::from_secs(5), draining).await.expect("it ends").expect("well");
}

const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const ACK: u8 = 1;

/// A frame of a whole connection (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).expect("a short one");
    [&[0, 0, length, kind, flags, 0, 0, 0, 0], payload].concat()
}

/// Reads frames until one of this kind and flags, and answers its payload.
async fn read_until(peer: &mut (impl AsyncRead + Unpin), wanted: (u8, u8)) -> Vec<u8> {
    loop {
        let mut head = [0; 9];
        peer.read_exact(&mut head).await.expect("a frame");
        let mut payload = vec![0; usize::from(u16::from_be_bytes([head[1], head[2]]))];
        peer.read_exact(&mut payload).await.expect("a payload");
        if (head[3], head[4]) == wanted {
            return payload;
        }
    }
}

#[tokio::test]
async fn a_call_that_does_not_end_is_cut_when_the_time_is_up() {
    let stage = Stage::new();
    let hub = stage.hub(Limits { drain_timeout_ms: 500, ..Limits::default() }).await;
    let mut ledger = stage.ledger(hub.addresses().partners, &harbor()).await;
    let call = tokio::spawn(async move {
        let mut request = slow(25_000);
        request.set_timeout(Duration::from_secs(30));
        ledger.get_ledger(request).await
    });
    while stage.calls() == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let started = Instant::now();
    hub.drain().await;
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    let cut = tokio::time::timeout(Duration::from_secs(5), call).await.expect("cut");
    assert!(cut.expect("no panic").is_err());
}

#[tokio::test]
async fn a_hub_that_cannot_serve_does_not_start() {
    let stage = Stage::new();
    let start = async |config| Hub::start(&config, stage.services()).await.map(drop);

    let mut elsewhere = stage.config(Limits::default());
    elsewhere.trust_domain = Some("elsewhere.example".to_owned());
    assert!(matches!(start(elsewhere).await, Err(StartError::TrustDomain { .. })));

    let mut nowhere = stage.config(Limits::default());
    nowhere.certificates = "/nonexistent".into();
    let error = start(nowhere).await.expect_err("no certificates").to_string();
    assert!(error.contains("entente pki"), "{error}");

    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let mut busy = stage.config(Limits::default());
    busy.partner_listen = taken.local_addr().expect("bound");
    assert!(matches!(start(busy).await, Err(StartError::Listen { .. })));

    let mut open = stage.config(Limits::default());
    open.plain_listen = "0.0.0.0:0".parse().expect("an address");
    assert!(matches!(start(open).await, Err(StartError::Config(_))));
}
