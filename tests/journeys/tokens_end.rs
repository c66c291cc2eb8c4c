//! How tokens end: by their time, by being revoked, with the key by which they were got, with an
//! operator's roles; on every hub, and in the middle of streams.

use std::time::Duration;

use entente_client::{
    Client, Refusal,
    api::{
        error::ErrorReason,
        event::{WatchRequest, WatchResponse, event_service_client::EventServiceClient},
        identity::{
            ListKeysRequest, ListOperatorsRequest, RevokeKeyRequest, RevokeTokenRequest,
            RotateKeyRequest,
        },
        ledger::{GetLedgerRequest, ledger_service_client::LedgerServiceClient},
    },
    new_request_id,
};
use entente_hub::config::TokenSettings;
use entente_identity::{
    Identity,
    jwt::{ClientAssertion, KeyRotation, SigningKey},
};
use entente_store::security;
use entente_testkit::{
    OPERATOR, SECOND_OPERATOR, TestHub,
    cast::{self, HARBOR, real_now},
};
use tokio::time::{Instant, sleep, timeout};
use tonic::{Status, Streaming};

use crate::{
    credentials::{ISSUER, bare, bearing, second_operator, token},
    wire::{Wire, partner},
};

/// Within which every hub has learned of a revocation, and a little for a busy machine.
const LEARNED: Duration = Duration::from_secs(10);

async fn reason_of(wire: &Wire, token: &str) -> Option<ErrorReason> {
    let mut service = LedgerServiceClient::new(wire.channel());
    let request = bearing(Some(token), &[]).map(|_| GetLedgerRequest {});
    let answer = service.get_ledger(request).await;
    answer.err().map(|status| Refusal::from_status(&status).reason)
}

/// Waits until calls by a token are refused for a reason.
async fn until_refused(wire: &Wire, token: &str, reason: ErrorReason) {
    let begun = Instant::now();
    loop {
        let found = reason_of(wire, token).await;
        if found == Some(reason) {
            return;
        }
        assert!(begun.elapsed() < LEARNED, "{found:?} still, and not {reason:?}");
        sleep(Duration::from_millis(50)).await;
    }
}

async fn watch(wire: &Wire, token: &str) -> Streaming<WatchResponse> {
    let mut service = EventServiceClient::new(wire.channel());
    let request = bearing(Some(token), &[]).map(|_| WatchRequest::default());
    service.watch(request).await.expect("a stream").into_inner()
}

/// How a stream ends.
async fn end(mut stream: Streaming<WatchResponse>) -> Status {
    let ended = async {
        loop {
            match stream.message().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("a stream that ends without a word"),
                Err(status) => return status,
            }
        }
    };
    timeout(LEARNED, ended).await.expect("the stream ends")
}

fn reason(status: &Status) -> ErrorReason {
    Refusal::from_status(status).reason
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_with_its_token_and_a_client_goes_on_with_another() {
    let hub = TestHub::issuing(TokenSettings { life_s: 2, ..TokenSettings::default() }).await;
    let harbor = partner(HARBOR);
    let wire = Wire::without_token(&hub, &harbor).await;
    let short = token(&hub, &harbor, &[]).await;
    let stream = watch(&wire, &short).await;
    assert_eq!(reason(&end(stream).await), ErrorReason::TokenExpired);
    until_refused(&wire, &short, ErrorReason::TokenExpired).await;

    // The client's own stream and calls outlive several tokens.
    let client = hub.partner(HARBOR).await;
    cast::enrol(&client, "guest").await;
    let mut watched = client.watch(WatchRequest::default()).await.unwrap();
    let begun = Instant::now();
    let mut earned = 0;
    while begun.elapsed() < Duration::from_secs(5) {
        client.earn(cast::earn("guest", 10_000_000, "EUR")).await.expect("an earn");
        earned += 1;
        sleep(Duration::from_millis(100)).await;
    }
    let mut seen = 0;
    while seen < earned {
        let next = timeout(LEARNED, watched.next()).await.expect("it goes on").unwrap();
        seen += i32::from(matches!(next, entente_client::Watched::Event(_)));
    }
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_is_refused_at_once_here_and_soon_on_every_hub() {
    let hub = TestHub::with_cast().await;
    let second = hub.another().await;
    let harbor = partner(HARBOR);
    let wire = Wire::without_token(&hub, &harbor).await;
    let there = hub.client(&harbor, second.addresses().partners).await;
    let there = Wire::over(there.channel().without_tokens());
    let (ended, kept) = (token(&hub, &harbor, &[]).await, token(&hub, &harbor, &[]).await);
    for wire in [&wire, &there] {
        assert_eq!(reason_of(wire, &ended).await, None, "one hub's token is good on all");
    }
    let streams = [watch(&wire, &ended).await, watch(&there, &ended).await];
    let client = hub.partner(HARBOR).await;
    for _ in 0..2 {
        let request = RevokeTokenRequest { access_token: ended.clone() };
        client.revoke_token(request).await.expect("it is revoked");
    }
    assert_eq!(reason_of(&wire, &ended).await, Some(ErrorReason::TokenRefused));
    until_refused(&there, &ended, ErrorReason::TokenRefused).await;
    for stream in streams {
        assert_eq!(reason(&end(stream).await), ErrorReason::TokenRefused);
    }
    for wire in [&wire, &there] {
        assert_eq!(reason_of(wire, &kept).await, None, "the other one is not touched");
    }
    // Another's token is nobody's to revoke.
    let rovers = token(&hub, &partner(cast::ROVER), &[]).await;
    let refused = client.revoke_token(RevokeTokenRequest { access_token: rovers }).await;
    let refused = refused.expect_err("not the caller's");
    assert_eq!(refused.refusal().map(|it| it.reason), Some(ErrorReason::TokenRefused));
    second.drain().await;
    hub.close().await;
}

pub(crate) fn rotation(
    hub: &TestHub,
    identity: &Identity,
    by: &SigningKey,
    new: &SigningKey,
) -> RotateKeyRequest {
    let uri = identity.uri(hub.trust_domain().trust_domain());
    RotateKeyRequest {
        request_id: new_request_id(),
        jwk: new.public_key().jwk(),
        proof: KeyRotation::sign(by, new.public_key(), &uri, ISSUER, real_now()).unwrap(),
        possession: ClientAssertion::sign(new, &uri, ISSUER, real_now()).unwrap(),
    }
}

async fn refusal_of(client: &Client, request: RotateKeyRequest) -> ErrorReason {
    let refused = client.rotate_key(request).await.expect_err("a key that is not to be added");
    refused.refusal().expect("a refusal").reason
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_rotated_by_proof_of_another_and_revoked_with_its_tokens() {
    let hub = TestHub::with_cast().await;
    let harbor = partner(HARBOR);
    let client = hub.partner(HARBOR).await;
    let path = hub.trust_domain().assertion_key(&harbor);
    let first = SigningKey::from_pem_file(&path).unwrap();
    let key = || SigningKey::generate().unwrap();
    let (second, stranger) = (key(), key());

    // By a key that is not registered; for another key than the proof names; without the key at hand.
    let unknown = rotation(&hub, &harbor, &stranger, &second);
    assert_eq!(refusal_of(&client, unknown).await, ErrorReason::AssertionRefused);
    let other = RotateKeyRequest {
        jwk: stranger.public_key().jwk(),
        ..rotation(&hub, &harbor, &first, &second)
    };
    assert_eq!(refusal_of(&client, other).await, ErrorReason::AssertionRefused);
    let absent = RotateKeyRequest {
        possession: rotation(&hub, &harbor, &first, &stranger).possession,
        ..rotation(&hub, &harbor, &first, &second)
    };
    assert_eq!(refusal_of(&client, absent).await, ErrorReason::AssertionRefused);
    let another = rotation(&hub, &partner(cast::ROVER), &first, &second);
    assert_eq!(refusal_of(&client, another).await, ErrorReason::AssertionRefused);

    let request = rotation(&hub, &harbor, &first, &second);
    let added = client.rotate_key(request.clone()).await.unwrap();
    assert_eq!(added.key.unwrap().owner, "partner/harbor-hotels");
    assert!(client.rotate_key(request).await.unwrap().replayed);
    let again = rotation(&hub, &harbor, &first, &second);
    assert_eq!(refusal_of(&client, again).await, ErrorReason::KeyTaken);
    for _ in 0..2 {
        client.rotate_key(rotation(&hub, &harbor, &second, &key())).await.unwrap();
    }
    let fifth = rotation(&hub, &harbor, &second, &key());
    assert_eq!(refusal_of(&client, fifth).await, ErrorReason::TooManyKeys);
    assert_eq!(client.list_keys(ListKeysRequest::default()).await.unwrap().keys.len(), 4);

    // The first key goes, and with it every token that was got by it, also the client's own.
    let got = token(&hub, &harbor, &[]).await;
    let wire = Wire::without_token(&hub, &harbor).await;
    let stream = watch(&wire, &got).await;
    let revoke = |kid: &str, owner: &str| RevokeKeyRequest {
        request_id: new_request_id(),
        owner: owner.to_owned(),
        kid: kid.to_owned(),
    };
    let kid = first.public_key().kid();
    let rover = hub.partner(cast::ROVER).await;
    for (owner, expected) in [
        ("", ErrorReason::KeyUnknown),
        ("partner/harbor-hotels", ErrorReason::NotAllowed),
        ("harbor-hotels", ErrorReason::Malformed),
    ] {
        let refused = rover.revoke_key(revoke(kid, owner)).await.expect_err("another's key");
        assert_eq!(refused.refusal().map(|it| it.reason), Some(expected), "{owner}");
    }
    hub.operator().await.revoke_key(revoke(kid, "partner/harbor-hotels")).await.unwrap();
    assert_eq!(reason_of(&wire, &got).await, Some(ErrorReason::TokenRefused));
    assert_eq!(reason(&end(stream).await), ErrorReason::TokenRefused);
    let refused = client.list_keys(ListKeysRequest::default()).await.expect_err("no key is left");
    assert_eq!(refused.refusal().map(|it| it.reason), Some(ErrorReason::AssertionRefused));
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_is_what_its_roles_say_and_no_more_from_the_moment_they_go() {
    let hub = TestHub::with_cast().await;
    let listed = hub.operator().await.list_operators(ListOperatorsRequest {}).await.unwrap();
    let names: Vec<_> = listed.operators.iter().map(|operator| operator.name.as_str()).collect();
    assert_eq!(names, [OPERATOR, SECOND_OPERATOR]);
    let basil = second_operator();
    let wire = Wire::without_token(&hub, &basil).await;
    let all = token(&hub, &basil, &[]).await;
    assert_eq!(reason_of(&wire, &all).await, None);
    let owner = hub.database().owner_pool().await;
    let mut connection = owner.acquire().await.unwrap();
    security::raise_epoch(&mut connection).await.unwrap();
    security::set_roles(&mut connection, SECOND_OPERATOR, &[]).await.unwrap();
    drop(connection);
    owner.close().await;
    until_refused(&wire, &all, ErrorReason::ScopeMissing).await;
    let none = bare(&hub, &basil).await;
    let assertion = crate::credentials::assertions(&hub, &basil).sign().unwrap();
    let issued = crate::credentials::issue(&none, assertion, &[]).await.unwrap();
    assert!(issued.scopes.is_empty(), "a certificate and a key alone give nothing");
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_whose_key_is_revoked_makes_another_and_clients_go_on() {
    let hub = TestHub::with_cast().await;
    let harbor = partner(HARBOR);
    let client = hub.partner(HARBOR).await;
    client.get_ledger(GetLedgerRequest {}).await.expect("a token of the first key");
    let wire = Wire::without_token(&hub, &harbor).await;
    let first = token(&hub, &harbor, &[]).await;
    let owner = hub.database().owner_pool().await;
    let mut connection = owner.acquire().await.unwrap();
    let kid = crate::credentials::hub_key(&hub).public_key().kid().to_owned();
    assert!(security::revoke_signing_key(&mut connection, &kid).await.unwrap());
    drop(connection);
    owner.close().await;
    until_refused(&wire, &first, ErrorReason::TokenRefused).await;
    let begun = Instant::now();
    while let Err(error) = client.get_ledger(GetLedgerRequest {}).await {
        assert!(begun.elapsed() < LEARNED, "{error}");
        sleep(Duration::from_millis(50)).await;
    }
    hub.close().await;
}
