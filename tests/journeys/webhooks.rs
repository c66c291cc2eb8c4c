//! Webhooks end to end: a partner's endpoint on loopback, over TLS of its own authority, is told of
//! every operation; endpoints that misbehave harm nobody else, and lose nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use aws_lc_rs::hmac;
use entente_client::{
    Client,
    api::{
        error::ErrorReason,
        event::{
            DeleteWebhookRequest, Delivery, DeliveryFailure, DeliveryState, EventKind,
            ListDeliveriesRequest, ListWebhooksRequest, RegisterWebhookRequest,
            RegisterWebhookResponse, ReplayDeliveryRequest, Webhook,
        },
    },
    new_request_id,
};
use entente_hub::config::WebhookSettings;
use entente_testkit::{
    Received, Receiver, Reply, TestHub,
    cast::{HARBOR, ROVER, burn, earn, enrol},
    morning,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::steps::reason;

/// Loopback is allowed but for one address, and nobody is waited for long.
fn settings(receiver: &Receiver) -> WebhookSettings {
    WebhookSettings {
        allowed_hosts: ["localhost:*", "127.0.0.2:*"].map(str::to_owned).into(),
        allowed_networks: ["127.0.0.1/32", "::1/128"].map(str::to_owned).into(),
        extra_roots: Some(receiver.authority()),
        every_ms: 50,
        connect_timeout_ms: 2_000,
        timeout_ms: 3_000,
        per_partner: 8,
        ..WebhookSettings::default()
    }
}

fn registration(url: &str) -> RegisterWebhookRequest {
    let kinds = vec![EventKind::Operation.into(), EventKind::Refusal.into()];
    RegisterWebhookRequest { request_id: new_request_id(), url: url.to_owned(), kinds }
}

async fn register(partner: &Client, url: &str) -> RegisterWebhookResponse {
    partner.register_webhook(registration(url)).await.unwrap()
}

async fn webhooks(partner: &Client) -> Vec<Webhook> {
    partner.list_webhooks(ListWebhooksRequest {}).await.unwrap().webhooks
}

fn listing(webhook_id: &str) -> ListDeliveriesRequest {
    ListDeliveriesRequest { webhook_id: webhook_id.to_owned(), ..Default::default() }
}

/// Asks for a webhook's deliveries until they are as they should be.
async fn deliveries(
    partner: &Client,
    webhook_id: &str,
    good: impl Fn(&[Delivery]) -> bool,
) -> Vec<Delivery> {
    for _ in 0..600 {
        let listed = partner.list_deliveries(listing(webhook_id)).await.unwrap().deliveries;
        if good(&listed) {
            return listed;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the deliveries of {webhook_id} did not become what they should be")
}

fn one_failed(deliveries: &[Delivery], failure: DeliveryFailure) -> bool {
    matches!(deliveries, [one] if one.last_failure() == failure)
}

fn after(duration: SignedDuration) -> Timestamp {
    morning().checked_add(duration).unwrap()
}

/// Whether a message is signed by a secret: the rules of `docs/webhooks.md`, written again.
fn is_signed(secret: &str, received: &Received) -> bool {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    let mut signed = format!("{}.{}.", received.id, received.timestamp).into_bytes();
    signed.extend_from_slice(&received.body);
    let tag = STANDARD.decode(received.signature.strip_prefix("v1,").unwrap()).unwrap();
    hmac::verify(&key, &signed, &tag).is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_sees_every_operation_once_by_its_id_though_two_hubs_deliver() {
    const MEMBERS: usize = 6;
    let receiver = Receiver::start().await;
    let hub = TestHub::telling(settings(&receiver)).await;
    let other = hub.another().await;
    let harbor = hub.partner(HARBOR).await;
    enrol(&harbor, "before").await;
    harbor.earn(earn("before", 10_000_000, "EUR")).await.unwrap();
    let secret = register(&harbor, &receiver.url("/hook")).await.secret;

    let mut sent = BTreeSet::new();
    for n in 0..MEMBERS {
        let member = format!("member-{n}");
        enrol(&harbor, &member).await;
        let earns = (0..10).map(|_| earn(&member, 10_000_000, "EUR")).collect::<Vec<_>>();
        sent.extend(earns.iter().map(|earn| earn.request_id.clone()));
        for earn in earns {
            harbor.earn(earn).await.unwrap();
        }
        let too_much = burn(&member, 1_000_000);
        sent.insert(too_much.request_id.clone());
        let refused = harbor.burn(too_much).await.unwrap_err();
        assert_eq!(reason(&refused), ErrorReason::PointsInsufficient);
    }
    let expected = sent.len();
    let distinct = |received: &[Received]| {
        received.iter().map(|received| received.id.clone()).collect::<BTreeSet<_>>().len()
    };
    let received = receiver.until(|received| distinct(received) >= expected).await;

    let mut told = BTreeMap::new();
    let mut cells = BTreeMap::new();
    for message in &received {
        assert!(is_signed(&secret, message));
        let event: Value = serde_json::from_slice(&message.body).unwrap();
        assert_eq!(event["id"], message.id);
        let what = if event["kind"] == "EVENT_KIND_REFUSAL" { "refusal" } else { "operation" };
        let request_id = event[what]["request_id"].as_str().unwrap().to_owned();
        assert!(told.insert(message.id.clone(), request_id).is_none(), "each once");
        let cell = event["order_key"]["cell"].as_i64().unwrap();
        let member = event[what]["member_token"].as_str().unwrap().to_owned();
        assert_eq!(*cells.entry(member).or_insert(cell), cell, "a member has one cell");
    }
    assert_eq!(told.into_values().collect::<BTreeSet<_>>(), sent);
    let webhook = webhooks(&harbor).await.remove(0);
    deliveries(&harbor, &webhook.webhook_id, <[_]>::is_empty).await;
    other.drain().await;
    hub.close().await;
}

/// The sample of the rules for receivers, in Python, says which messages are good.
#[tokio::test(flavor = "multi_thread")]
async fn the_documented_check_of_signatures_works() {
    let receiver = Receiver::start().await;
    let hub = TestHub::telling(settings(&receiver)).await;
    let harbor = hub.partner(HARBOR).await;
    let secret = register(&harbor, &receiver.url("/hook")).await.secret;
    enrol(&harbor, "guest").await;
    harbor.earn(earn("guest", 10_000_000, "EUR")).await.unwrap();
    let received = receiver.until(|received| !received.is_empty()).await.remove(0);
    hub.close().await;

    let rules = include_str!("../../docs/webhooks.md");
    let (_, sample) = rules.split_once("```python\n").unwrap();
    let (sample, _) = sample.split_once("```").unwrap();
    let check = format!(
        r#"{sample}
import json, sys
given = json.load(sys.stdin)
secret, headers, body, now = given["secret"], given["headers"], given["body"].encode(), given["now"]
good = lambda **change: verify(**{{**dict(secret=secret, headers=headers, body=body, now=now), **change}})
other = "whsec_" + base64.b64encode(bytes(32)).decode()
late = {{**headers, "webhook-timestamp": str(now + 1)}}
two = {{**headers, "webhook-signature": "v1,AAAA " + headers["webhook-signature"]}}
wrong = {{**headers, "webhook-signature": headers["webhook-signature"].replace("v1,", "v2,")}}
print(good(), good(headers=two), good(body=body + b" "), good(secret=other), good(headers=late),
      good(headers=wrong), good(now=now + 301), good(now=now - 301))
"#
    );
    let headers = serde_json::json!({
        "webhook-id": received.id,
        "webhook-timestamp": received.timestamp.to_string(),
        "webhook-signature": received.signature,
    });
    let given = serde_json::json!({
        "secret": secret,
        "headers": headers,
        "body": String::from_utf8(received.body).unwrap(),
        "now": received.timestamp,
    });
    let Some(said) = crate::python::run(&check, &given.to_string()).await else { return };
    assert_eq!(said, "True True False False False False False False");
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_that_misbehave_hold_up_nobody_and_get_everything_once_they_recover() {
    let receiver = Receiver::start().await;
    let hub = TestHub::telling(settings(&receiver)).await;
    let harbor = hub.partner(HARBOR).await;
    enrol(&harbor, "guest").await;
    let itself = receiver.url("/loop");
    receiver.reply(move |received| match received.path.as_str() {
        "/silent" => Reply::Silence,
        "/dripping" => Reply::Drip,
        "/loop" => Reply::Redirect(itself.clone()),
        "/broken" => Reply::Hangup,
        "/failing" => Reply::Status(503),
        _ => Reply::Status(204),
    });
    let mut bad = Vec::new();
    for (path, failure) in [
        ("/silent", DeliveryFailure::Timeout),
        ("/dripping", DeliveryFailure::Timeout),
        ("/loop", DeliveryFailure::Redirect),
        ("/broken", DeliveryFailure::Broken),
        ("/failing", DeliveryFailure::Status),
    ] {
        bad.push((register(&harbor, &receiver.url(path)).await.webhook_id, failure));
    }
    let port = receiver.address().port();
    let private = register(&harbor, &format!("https://127.0.0.2:{port}/private")).await.webhook_id;
    register(&harbor, &receiver.url("/good")).await;

    harbor.earn(earn("guest", 10_000_000, "EUR")).await.unwrap();
    receiver.until(|all| all.iter().any(|received| received.path == "/good")).await;
    for (webhook_id, failure) in &bad {
        let listed = deliveries(&harbor, webhook_id, |found| one_failed(found, *failure)).await;
        assert_eq!(listed[0].state(), DeliveryState::Pending);
        assert_eq!(listed[0].attempt_count, 1, "the clock stands still, so it is not due again");
    }
    let refused = DeliveryFailure::AddressNotAllowed;
    deliveries(&harbor, &private, |found| one_failed(found, refused)).await;

    receiver.reply(|_| Reply::Status(200));
    hub.advance_to(after(SignedDuration::from_secs(10))).await;
    for (webhook_id, _) in &bad {
        deliveries(&harbor, webhook_id, <[_]>::is_empty).await;
    }
    deliveries(&harbor, &private, |found| found[0].attempt_count == 2).await;
    assert!(receiver.received().iter().all(|received| received.path != "/private"));
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_for_three_days_is_dead_and_is_delivered_when_it_is_replayed() {
    let receiver = Receiver::start().await;
    let mut hub = TestHub::telling(settings(&receiver)).await;
    let harbor = hub.partner(HARBOR).await;
    enrol(&harbor, "guest").await;
    receiver.reply(|_| Reply::Status(500));
    let registered = register(&harbor, &receiver.url("/hook")).await;
    let webhook_id = registered.webhook_id;
    for _ in 0..3 {
        harbor.earn(earn("guest", 10_000_000, "EUR")).await.unwrap();
    }
    let tried = |times: i32| {
        move |found: &[Delivery]| found.len() == 3 && found.iter().all(|d| d.attempt_count == times)
    };
    deliveries(&harbor, &webhook_id, tried(1)).await;
    // The hub is replaced meanwhile: what is pending is in the database.
    hub.restart().await;
    let harbor = hub.partner(HARBOR).await;
    hub.advance_to(after(SignedDuration::from_hours(71))).await;
    let listed = deliveries(&harbor, &webhook_id, tried(2)).await;
    for received in receiver.received() {
        let sent: Value = serde_json::from_slice(&received.body).unwrap();
        let delivery = listed.iter().find(|delivery| delivery.event_id == received.id).unwrap();
        let key = delivery.order_key.unwrap();
        assert_eq!(sent["order_key"]["cell"], key.cell);
        assert_eq!(sent["order_key"]["number"], key.number.to_string());
    }
    assert!(listed.iter().all(|delivery| delivery.state() == DeliveryState::Pending));
    hub.advance_to(after(SignedDuration::from_hours(73))).await;
    let dead = deliveries(&harbor, &webhook_id, tried(3)).await;
    for delivery in &dead {
        assert_eq!((delivery.state(), delivery.last_status), (DeliveryState::Dead, 500));
    }
    let webhook = webhooks(&harbor).await.remove(0);
    assert_eq!((webhook.pending_count, webhook.dead_count), (0, 3));

    receiver.reply(|_| Reply::Status(204));
    let before = receiver.received().len();
    let replay = |event_id: &str| ReplayDeliveryRequest {
        request_id: new_request_id(),
        webhook_id: webhook_id.clone(),
        event_id: event_id.to_owned(),
    };
    let one = replay(&dead[0].event_id);
    assert_eq!(harbor.replay_delivery(one.clone()).await.unwrap().delivery_count, 1);
    assert!(harbor.replay_delivery(one).await.unwrap().replayed);
    deliveries(&harbor, &webhook_id, |found| found.len() == 2).await;
    assert_eq!(harbor.replay_delivery(replay("")).await.unwrap().delivery_count, 2);
    deliveries(&harbor, &webhook_id, <[_]>::is_empty).await;
    let again = &receiver.received()[before..];
    assert_eq!(again.len(), 3);
    assert!(again.iter().all(|received| is_signed(&registered.secret, received)));
    let gone = harbor.replay_delivery(replay(&dead[0].event_id)).await.unwrap_err();
    assert_eq!(reason(&gone), ErrorReason::DeliveryUnknown);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_pending_deliveries_hold_back_the_reader_and_nothing_is_lost() {
    let receiver = Receiver::start().await;
    let few = WebhookSettings { max_pending: 1, ..settings(&receiver) };
    let hub = TestHub::telling(few).await;
    let harbor = hub.partner(HARBOR).await;
    enrol(&harbor, "guest").await;
    receiver.reply(|_| Reply::Status(500));
    let webhook_id = register(&harbor, &receiver.url("/hook")).await.webhook_id;
    harbor.earn(earn("guest", 10_000_000, "EUR")).await.unwrap();
    deliveries(&harbor, &webhook_id, |found| one_failed(found, DeliveryFailure::Status)).await;
    for _ in 0..5 {
        harbor.earn(earn("guest", 10_000_000, "EUR")).await.unwrap();
    }
    hub.advance_to(after(SignedDuration::from_secs(10))).await;
    let listed = deliveries(&harbor, &webhook_id, |found| found[0].attempt_count == 2).await;
    assert_eq!(listed.len(), 1, "the others are not read yet");
    receiver.reply(|_| Reply::Status(204));
    hub.advance_to(after(SignedDuration::from_mins(1))).await;
    let ids = |all: &[Received]| all.iter().map(|one| one.id.clone()).collect::<BTreeSet<_>>();
    receiver.until(|all| ids(all).len() == 6).await;
    deliveries(&harbor, &webhook_id, <[_]>::is_empty).await;
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_is_registered_within_bounds_and_its_secret_is_stored_nowhere() {
    let receiver = Receiver::start().await;
    let hub = TestHub::telling(settings(&receiver)).await;
    let harbor = hub.partner(HARBOR).await;
    for (url, expected) in [
        ("https://hooks.example.com/", ErrorReason::EndpointNotAllowed),
        ("http://localhost/", ErrorReason::EndpointNotAllowed),
        ("https://me@localhost/", ErrorReason::EndpointNotAllowed),
        ("https://127.0.0.1/", ErrorReason::EndpointNotAllowed),
        ("https://localhost/#fragment", ErrorReason::Malformed),
        ("https://2130706433/", ErrorReason::Malformed),
        ("localhost", ErrorReason::Malformed),
    ] {
        let refused = harbor.register_webhook(registration(url)).await.unwrap_err();
        assert_eq!(reason(&refused), expected, "{url}");
    }
    let request = registration(&receiver.url("/hook"));
    let first = harbor.register_webhook(request.clone()).await.unwrap();
    let again = harbor.register_webhook(request).await.unwrap();
    assert_eq!((&again.secret, again.replayed), (&first.secret, true));
    assert_eq!(again.webhook_id, first.webhook_id);
    for _ in 1..8 {
        let other = register(&harbor, &receiver.url("/hook")).await;
        assert_ne!(other.secret, first.secret);
    }
    let refused = harbor.register_webhook(registration(&receiver.url("/hook"))).await.unwrap_err();
    assert_eq!(reason(&refused), ErrorReason::TooManyWebhooks);
    assert_eq!(refused.refusal().unwrap().metadata["limit"], "8");

    let pool = hub.database().owner_pool().await;
    let secret = first.secret.strip_prefix("whsec_").unwrap();
    let stored: (i64,) = sqlx::query_as(
        "SELECT count(*) FROM requests WHERE position(convert_to($1, 'UTF8') IN answer) > 0",
    )
    .bind(secret)
    .fetch_one(&pool)
    .await
    .unwrap();
    pool.close().await;
    assert_eq!(stored.0, 0, "the secret is in the database");
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_knows_nothing_of_anothers_webhooks() {
    let receiver = Receiver::start().await;
    let hub = TestHub::telling(settings(&receiver)).await;
    let (harbor, rover) = (hub.partner(HARBOR).await, hub.partner(ROVER).await);
    let webhook_id = register(&harbor, &receiver.url("/hook")).await.webhook_id;
    assert_eq!(webhooks(&rover).await, []);
    let (request_id, event_id) = (new_request_id(), String::new());
    let delete = |request_id: &str| DeleteWebhookRequest {
        request_id: request_id.to_owned(),
        webhook_id: webhook_id.clone(),
    };
    let replay = ReplayDeliveryRequest { request_id, webhook_id: webhook_id.clone(), event_id };
    for refused in [
        rover.list_deliveries(listing(&webhook_id)).await.map(drop),
        rover.delete_webhook(delete(&new_request_id())).await.map(drop),
        rover.replay_delivery(replay).await.map(drop),
    ] {
        assert_eq!(reason(&refused.unwrap_err()), ErrorReason::WebhookUnknown);
    }
    // What Rover does is not told to Harbor.
    enrol(&rover, "rider").await;
    rover.earn(earn("rider", 10_000_000, "USD")).await.unwrap();
    enrol(&harbor, "guest").await;
    harbor.earn(earn("guest", 10_000_000, "EUR")).await.unwrap();
    let received = receiver.until(|received| !received.is_empty()).await;
    let event: Value = serde_json::from_slice(&received[0].body).unwrap();
    assert_eq!(event["operation"]["partner"], HARBOR);

    let id = new_request_id();
    assert!(!harbor.delete_webhook(delete(&id)).await.unwrap().replayed);
    assert!(harbor.delete_webhook(delete(&id)).await.unwrap().replayed);
    let gone = harbor.delete_webhook(delete(&new_request_id())).await.unwrap_err();
    assert_eq!(reason(&gone), ErrorReason::WebhookUnknown);
    assert_eq!(webhooks(&harbor).await, []);
    hub.close().await;
}
