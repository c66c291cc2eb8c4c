//! The sender against real endpoints on loopback: good ones, and every kind of bad one.

use std::sync::atomic::{AtomicUsize, Ordering};

use entente_testkit::{Receiver, Reply};
use tokio::net::TcpListener;
use uuid::Uuid;

use super::*;
use crate::webhooks::WebhookKey;

/// Settings by which loopback is allowed, with little patience.
fn settings(receiver: &Receiver) -> WebhookSettings {
    WebhookSettings {
        allowed_hosts: ["localhost:*", "127.0.0.1:*", "nobody.invalid"].map(str::to_owned).into(),
        allowed_networks: ["127.0.0.0/8", "::1/128"].map(str::to_owned).into(),
        extra_roots: Some(receiver.authority()),
        connect_timeout_ms: 1_000,
        timeout_ms: 1_200,
        ..WebhookSettings::default()
    }
}

fn sender(settings: &WebhookSettings) -> Sender {
    Sender::new(settings).expect("the roots are good")
}

fn message(id: &str) -> Message {
    Message { id: id.to_owned(), body: Bytes::from_static(b"{\"points\":\"7\"}") }
}

async fn send(sender: &Sender, lane: &mut Lane, url: &str, id: &str) -> Result<(), Failure> {
    let secret = WebhookKey::new(&[7; 32]).secret(Uuid::from_u128(1));
    let endpoint = Endpoint::parse(url).expect("a URL");
    let signed = Signed { message: &message(id), timestamp: 1_772_438_400, secret: &secret };
    sender.send(lane, &endpoint, &signed).await
}

async fn once(settings: &WebhookSettings, url: &str) -> Result<(), DeliveryFailure> {
    let sent = send(&sender(settings), &mut Lane::default(), url, "e").await;
    sent.map_err(|failure| failure.kind)
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_signed_and_share_a_connection_while_it_is_good() {
    let receiver = Receiver::start().await;
    let (sender, mut lane) = (sender(&settings(&receiver)), Lane::default());
    let url = receiver.url("/hook?a=b");
    let calls = AtomicUsize::new(0);
    // The third finds the connection closed under it, and is sent over another.
    receiver.reply(move |_| match calls.fetch_add(1, Ordering::Relaxed) {
        0 => Reply::Status(204),
        1 => Reply::Status(200),
        2 => Reply::Hangup,
        _ => Reply::Status(202),
    });
    for id in ["one", "two", "three"] {
        send(&sender, &mut lane, &url, id).await.expect("it is accepted");
    }
    let received = receiver.received();
    let ids: Vec<_> = received.iter().map(|received| received.id.as_str()).collect();
    assert_eq!(ids, ["one", "two", "three", "three"]);
    let secret = WebhookKey::new(&[7; 32]).secret(Uuid::from_u128(1));
    let first = &received[0];
    assert_eq!(first.signature, secret.sign("one", 1_772_438_400, b"{\"points\":\"7\"}"));
    assert_eq!((first.path.as_str(), first.timestamp), ("/hook?a=b", 1_772_438_400));
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_an_endpoint_answers_but_2xx_is_a_failure_within_the_time() {
    let receiver = Receiver::start().await;
    let settings = settings(&receiver);
    let elsewhere = receiver.url("/elsewhere");
    for (reply, expected) in [
        (Reply::Status(500), Err((DeliveryFailure::Status, Some(500)))),
        (Reply::Status(404), Err((DeliveryFailure::Status, Some(404)))),
        (Reply::Redirect(elsewhere), Err((DeliveryFailure::Redirect, Some(302)))),
        (Reply::Status(304), Err((DeliveryFailure::Redirect, Some(304)))),
        (Reply::Silence, Err((DeliveryFailure::Timeout, None))),
        (Reply::Drip, Err((DeliveryFailure::Timeout, None))),
        (Reply::Hangup, Err((DeliveryFailure::Broken, None))),
        (Reply::Flood, Ok(())),
    ] {
        let said = reply.clone();
        receiver.reply(move |_| said.clone());
        let mut lane = Lane::default();
        let sent = send(&sender(&settings), &mut lane, &receiver.url("/hook"), "e").await;
        let sent = sent.map_err(|failure| (failure.kind, failure.status));
        assert_eq!(sent, expected, "{reply:?}");
    }
    assert!(receiver.received().iter().all(|received| received.path == "/hook"), "it was followed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_not_public_is_never_connected_to() {
    let receiver = Receiver::start().await;
    let settings = WebhookSettings { allowed_networks: Vec::new(), ..settings(&receiver) };
    let by_address = format!("https://{}/hook", receiver.address());
    for url in [receiver.url("/hook"), by_address] {
        assert_eq!(once(&settings, &url).await, Err(DeliveryFailure::AddressNotAllowed), "{url}");
    }
    assert_eq!(receiver.received(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_made_to_the_right_host_or_not_at_all() {
    let receiver = Receiver::start().await;
    let good = settings(&receiver);
    let url = receiver.url("/hook");
    let unlisted = WebhookSettings { allowed_hosts: vec!["localhost".to_owned()], ..good.clone() };
    assert_eq!(once(&unlisted, &url).await, Err(DeliveryFailure::EndpointNotAllowed));
    let unknown = once(&good, "https://nobody.invalid/").await;
    assert_eq!(unknown, Err(DeliveryFailure::HostUnresolved));
    let untrusted = WebhookSettings { extra_roots: None, ..good.clone() };
    assert_eq!(once(&untrusted, &url).await, Err(DeliveryFailure::Tls));

    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let silent = format!("https://{}/", listener.local_addr().expect("it is bound"));
    assert_eq!(once(&good, &silent).await, Err(DeliveryFailure::Timeout));
    drop(listener);
    assert_eq!(once(&good, &silent).await, Err(DeliveryFailure::Unreachable));
    assert_eq!(receiver.received(), []);
    assert_eq!(once(&good, &url).await, Ok(()));
}

#[test]
fn roots_that_cannot_be_read_are_an_error_at_the_start() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("roots.pem");
    let settings =
        WebhookSettings { extra_roots: Some(path.clone()), ..WebhookSettings::default() };
    assert!(Sender::new(&settings).is_err(), "there is no such file");
    std::fs::write(&path, "no certificate").expect("a write");
    let error = Sender::new(&settings).expect_err("there is none in it").to_string();
    assert!(error.contains("roots.pem"), "{error}");
}
