//! A member of more open lots than a batch loads at first: they are taken in the same order, and sums and
//! refusals are as if all had been loaded.

use entente_client::{Client, api::error::ErrorReason};
use entente_testkit::{
    TestHub,
    cast::{self, HARBOR, agreement_in, burn, earn, enrol},
};

use crate::steps::{
    at, authorize, capture, cents, expiries, has, reason, refund_points, refund_spend, void,
};

/// In each of two months.
const EARNS: usize = 100;

/// A guest who earned a hundred times a point in March, and as often in April; the request of the
/// last earn.
async fn with_many_lots(hub: &TestHub) -> (Client, String) {
    let operator = hub.operator().await;
    let funding = entente_client::api::partner::Funding::AtIssue;
    cast::onboard(&operator, HARBOR, agreement_in("EUR", funding)).await;
    let harbor = hub.partner(HARBOR).await;
    enrol(&harbor, "guest").await;
    let mut last = String::new();
    for month in ["2026-03-10T09:00:00Z", "2026-04-10T09:00:00Z"] {
        hub.advance_to(at(month)).await;
        for _ in 0..EARNS {
            let request = earn("guest", cents(100), "EUR");
            last.clone_from(&request.request_id);
            harbor.earn(request).await.unwrap();
        }
    }
    assert_eq!(has(&harbor, "guest").await, (200, 0, 0));
    (harbor, last)
}

async fn months(harbor: &Client) -> Vec<i64> {
    expiries(harbor, "guest").await.into_iter().map(|(_, _, points)| points).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn points_leave_in_burn_order_however_many_lots_they_are_in() {
    let hub = TestHub::start().await;
    let (harbor, last) = with_many_lots(&hub).await;

    // Out of the first lots; then through more than are loaded at first, into the next month.
    harbor.burn(burn("guest", 10)).await.unwrap();
    assert_eq!(months(&harbor).await, [90, 100]);
    let burned = harbor.burn(burn("guest", 110)).await.unwrap().operation.unwrap();
    assert_eq!(months(&harbor).await, [80]);
    assert_eq!(has(&harbor, "guest").await, (80, 0, 0));

    // The lots of what is undone are loaded, wherever they are in that order.
    harbor.reverse(refund_points(&burned.request_id, 70)).await.unwrap();
    assert_eq!(has(&harbor, "guest").await, (150, 0, 0));
    let left: i64 = months(&harbor).await.iter().sum();
    assert_eq!(left, 150);
    harbor.reverse(refund_spend(&last, cents(100), "EUR")).await.unwrap();
    assert_eq!(has(&harbor, "guest").await, (149, 0, 0));

    let held = harbor.authorize(authorize("guest", 90)).await.unwrap().operation.unwrap();
    let other = harbor.authorize(authorize("guest", 20)).await.unwrap().operation.unwrap();
    assert_eq!(has(&harbor, "guest").await, (39, 110, 0));
    harbor.capture(capture(&held.request_id, Some(80))).await.unwrap();
    harbor.void(void(&other.request_id)).await.unwrap();
    assert_eq!(has(&harbor, "guest").await, (69, 0, 0));
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_few_points_in_many_lots_are_told_as_they_are() {
    let hub = TestHub::start().await;
    let (harbor, _) = with_many_lots(&hub).await;
    let refused = harbor.burn(burn("guest", 201)).await.unwrap_err();
    assert_eq!(reason(&refused), ErrorReason::PointsInsufficient);
    assert_eq!(
        refused.refusal().unwrap().metadata.get("available").map(String::as_str),
        Some("200")
    );
    harbor.burn(burn("guest", 200)).await.unwrap();
    assert_eq!(has(&harbor, "guest").await, (0, 0, 0));
    hub.close().await;
}
