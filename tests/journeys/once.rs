//! Invariant 3, once: whatever is sent again, and however many at a time.

use entente_client::{api::error::ErrorReason, new_request_id};
use entente_testkit::{
    TestHub,
    cast::{self, HARBOR, balances, burn, earn, enrol},
};

use crate::linking::unlinking;

#[tokio::test(flavor = "multi_thread")]
async fn the_same_earn_sent_twice_pays_once() {
    let hub = TestHub::with_cast().await;
    let harbor = hub.partner(HARBOR).await;
    enrol(&harbor, "guest").await;
    let request = earn("guest", 120_000_000, "EUR");
    let first = harbor.earn(request.clone()).await.unwrap();
    let again = harbor.earn(request).await.unwrap();
    assert!(!first.replayed && again.replayed);
    assert_eq!(first.operation, again.operation);
    assert_eq!(first.balances, again.balances);
    assert_eq!(balances(&harbor, "guest").await.available, 120);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_request_sent_twenty_times_at_once_on_four_connections_has_one_effect() {
    let hub = TestHub::with_cast().await;
    let mut connections = Vec::new();
    for _ in 0..4 {
        connections.push(hub.partner(HARBOR).await);
    }
    enrol(&connections[0], "guest").await;
    let request = earn("guest", 50_000_000, "EUR");
    let calls = (0..20).map(|n| {
        let (client, request) = (connections[n % 4].clone(), request.clone());
        tokio::spawn(async move { client.earn(request).await.unwrap().replayed })
    });
    let mut replays = 0;
    for call in calls.collect::<Vec<_>>() {
        replays += usize::from(call.await.unwrap());
    }
    assert_eq!(replays, 19);
    assert_eq!(balances(&connections[0], "guest").await.available, 50);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_is_answered_to_many_at_once_though_its_member_is_unknown_now() {
    let hub = TestHub::with_cast().await;
    let harbor = hub.partner(HARBOR).await;
    enrol(&harbor, "guest").await;
    let request = earn("guest", 50_000_000, "EUR");
    let first = harbor.earn(request.clone()).await.unwrap();
    harbor.unlink(unlinking("guest")).await.unwrap();
    let calls = (0..40).map(|_| {
        let (client, request) = (harbor.clone(), request.clone());
        tokio::spawn(async move { client.earn(request).await })
    });
    for call in calls.collect::<Vec<_>>() {
        let again = call.await.unwrap().expect("the first answer");
        assert!(again.replayed && again.operation == first.operation);
    }
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_parallel_burns_never_overdraw_a_wallet() {
    let hub = TestHub::with_cast().await;
    let harbor = hub.partner(HARBOR).await;
    enrol(&harbor, "guest").await;
    harbor.earn(earn("guest", 1_234_000_000, "EUR")).await.unwrap();
    let calls = (0..50).map(|_| {
        let client = harbor.clone();
        tokio::spawn(async move { client.burn(burn("guest", 100)).await })
    });
    let mut burned = 0;
    for call in calls.collect::<Vec<_>>() {
        match call.await.unwrap() {
            Ok(_) => burned += 1,
            Err(error) => {
                let refusal = error.refusal().expect("a refusal");
                assert_eq!(refusal.reason, ErrorReason::PointsInsufficient);
                assert_eq!(refusal.metadata["available"], "34");
            }
        }
    }
    assert_eq!(burned, 12);
    assert_eq!(balances(&harbor, "guest").await.available, 34);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_id_used_for_other_content_names_the_first_field_that_differs() {
    let hub = TestHub::with_cast().await;
    let harbor = hub.partner(HARBOR).await;
    enrol(&harbor, "guest").await;
    enrol(&harbor, "other-guest").await;
    let first = earn("guest", 10_000_000, "EUR");
    harbor.earn(first.clone()).await.unwrap();
    let at = Some(cast::wire_time(entente_testkit::morning()));
    let changed = [
        ("member_reference", {
            let mut r = first.clone();
            r.member_reference = "other-guest".into();
            r
        }),
        ("spend", {
            let mut r = first.clone();
            r.spend = Some(cast::money(10_000_001, "EUR"));
            r
        }),
        ("spend", {
            let mut r = first.clone();
            r.spend = Some(cast::money(10_000_000, "USD"));
            r
        }),
        ("category", {
            let mut r = first.clone();
            r.category = "spa".into();
            r
        }),
        ("activity_at", {
            let mut r = first.clone();
            r.activity_at = at;
            r
        }),
        ("receipt_reference", {
            let mut r = first.clone();
            r.receipt_reference = "R-1".into();
            r
        }),
        ("spend", {
            let mut r = first.clone();
            r.spend = Some(cast::money(1, "EUR"));
            r.category = "spa".into();
            r
        }),
    ];
    for (field, request) in changed {
        let error = harbor.earn(request).await.unwrap_err();
        let refusal = error.refusal().expect("a refusal");
        assert_eq!(refusal.reason, ErrorReason::RequestIdReused, "{field}");
        assert_eq!(refusal.metadata["field"], field);
    }
    let mut burn = burn("guest", 1);
    burn.request_id = first.request_id.clone();
    let error = harbor.burn(burn).await.unwrap_err();
    assert_eq!(error.refusal().expect("a refusal").metadata["field"], "method");
    assert_eq!(balances(&harbor, "guest").await.available, 10);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_final_refusal_stays_the_outcome_of_its_id() {
    let hub = TestHub::with_cast().await;
    let harbor = hub.partner(HARBOR).await;
    enrol(&harbor, "guest").await;
    let request = burn("guest", 5);
    let first = harbor.burn(request.clone()).await.unwrap_err();
    harbor.earn(earn("guest", 10_000_000, "EUR")).await.unwrap();
    let again = harbor.burn(request).await.unwrap_err();
    assert_eq!(first.refusal(), again.refusal());
    assert_eq!(again.refusal().expect("a refusal").metadata["available"], "0");
    let fresh = entente_client::api::points::BurnRequest {
        request_id: new_request_id(),
        ..burn("guest", 5)
    };
    harbor.burn(fresh).await.unwrap();
    hub.close().await;
}
