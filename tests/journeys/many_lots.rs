//! A member of more open lots than a batch loads at first: they are taken in the same order, and sums and
//! refusals are as if all had been loaded.

use entente_client::{Client, api::error::ErrorReason};
use entente_testkit::{
    TestHub,
    cast::{self, HARBOR, agreement_in, burn, earn, enrol},
};

use sqlx::PgPool;

use crate::{
    merging::{merge, two_wallets},
    steps::{
        at, authorize, capture, cents, expiries, has, reason, refund_points, refund_spend, void,
    },
};

/// A guest who earned so many times a point in March, and as often in April; the request of the last earn.
async fn with_lots(hub: &TestHub, in_each: usize) -> (Client, String) {
    let operator = hub.operator().await;
    let funding = entente_client::api::partner::Funding::AtIssue;
    cast::onboard(&operator, HARBOR, agreement_in("EUR", funding)).await;
    let harbor = hub.partner(HARBOR).await;
    enrol(&harbor, "guest").await;
    let mut last = String::new();
    for month in ["2026-03-10T09:00:00Z", "2026-04-10T09:00:00Z"] {
        hub.advance_to(at(month)).await;
        for _ in 0..in_each {
            let request = earn("guest", cents(100), "EUR");
            last.clone_from(&request.request_id);
            harbor.earn(request).await.unwrap();
        }
    }
    (harbor, last)
}

async fn months(harbor: &Client) -> Vec<i64> {
    expiries(harbor, "guest").await.into_iter().map(|(_, _, points)| points).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn points_leave_in_burn_order_however_many_lots_they_are_in() {
    let hub = TestHub::start().await;
    let (harbor, last) = with_lots(&hub, 100).await;
    assert_eq!(has(&harbor, "guest").await, (200, 0, 0));

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
    let (harbor, _) = with_lots(&hub, 100).await;
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

/// The sums of all open lots as Harbor is told them: month by month, its own before those of others.
async fn in_lots(owner: &PgPool) -> Vec<i64> {
    let sums = sqlx::query_scalar(
        "SELECT sum(remaining)::bigint FROM lots JOIN partners ON partner_id = issuer WHERE open
         GROUP BY date_trunc('month', expires_at), code <> $1
         ORDER BY date_trunc('month', expires_at), code <> $1",
    );
    sums.bind(HARBOR).fetch_all(owner).await.unwrap()
}

/// The guest's months, while nobody can read a lot.
async fn months_without_lots(harbor: &Client, owner: &PgPool) -> Vec<i64> {
    let mut locked = owner.begin().await.unwrap();
    sqlx::query("LOCK TABLE lots IN ACCESS EXCLUSIVE MODE").execute(&mut *locked).await.unwrap();
    let months = months(harbor).await;
    locked.rollback().await.unwrap();
    months
}

#[tokio::test(flavor = "multi_thread")]
async fn balances_of_many_lots_are_added_up_once_and_moved_on_by_each_batch() {
    let hub = TestHub::start().await;
    let (harbor, last) = with_lots(&hub, 140).await;
    let owner = hub.database().owner_pool().await;
    assert_eq!(months(&harbor).await, [140, 140]);

    let burned = harbor.burn(burn("guest", 10)).await.unwrap().operation.unwrap();
    assert_eq!(months_without_lots(&harbor, &owner).await, [130, 140]);
    harbor.earn(earn("guest", cents(700), "EUR")).await.unwrap();
    assert_eq!(months_without_lots(&harbor, &owner).await, [130, 147]);
    harbor.reverse(refund_points(&burned.request_id, 4)).await.unwrap();
    assert_eq!(months_without_lots(&harbor, &owner).await, [134, 147]);
    harbor.reverse(refund_spend(&last, cents(100), "EUR")).await.unwrap();
    assert_eq!(months_without_lots(&harbor, &owner).await, [134, 146]);
    // What is held has not left yet.
    let held = harbor.authorize(authorize("guest", 20)).await.unwrap().operation.unwrap();
    assert_eq!(months_without_lots(&harbor, &owner).await, [134, 146]);
    harbor.capture(capture(&held.request_id, Some(15))).await.unwrap();
    assert_eq!(months_without_lots(&harbor, &owner).await, [119, 146]);
    // A month that is used up is told no more.
    harbor.burn(burn("guest", 125)).await.unwrap();
    assert_eq!(months_without_lots(&harbor, &owner).await, [140]);
    assert_eq!(in_lots(&owner).await, [140]);
    owner.close().await;
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn balances_of_many_lots_are_right_whichever_hub_changed_them() {
    let hub = TestHub::start().await;
    let (here, _) = with_lots(&hub, 140).await;
    let owner = hub.database().owner_pool().await;
    let other = hub.another().await;
    let there = hub.partner_at(HARBOR, other.addresses().partners).await;
    for round in 0..4 {
        let (one, two) = if round % 2 == 0 { (&here, &there) } else { (&there, &here) };
        // The balances are the same again each time, and the months are not.
        for earned_after in [false, true] {
            assert_eq!(months(one).await, in_lots(&owner).await);
            two.burn(burn("guest", 3)).await.unwrap();
            two.earn(earn("guest", cents(300), "EUR")).await.unwrap();
            if earned_after {
                one.earn(earn("guest", cents(200), "EUR")).await.unwrap();
            }
            assert_eq!(months(one).await, in_lots(&owner).await);
        }
    }
    assert_eq!(in_lots(&owner).await, [116, 172]);
    // What is due is gone, though no batch has posted it yet.
    hub.advance_to(at("2027-04-01T00:00:00Z")).await;
    assert_eq!((months(&here).await, months(&there).await), (vec![172], vec![172]));
    owner.close().await;
    other.drain().await;
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn balances_of_many_lots_are_right_after_a_merge_and_after_what_ends_by_itself() {
    let (hub, harbor, rover) = two_wallets().await;
    let owner = hub.database().owner_pool().await;
    for _ in 0..280 {
        harbor.earn(earn("guest", cents(100), "EUR")).await.unwrap();
    }
    assert_eq!(months(&harbor).await, [380]);
    merge(&harbor, &rover, ("guest", "rider")).await;
    assert_eq!(months(&harbor).await, in_lots(&owner).await);
    assert_eq!(in_lots(&owner).await, [380, 50], "Rover's points came");

    // So long are points of others held back.
    hub.advance_to(at("2026-03-03T09:00:00Z")).await;
    rover.burn(burn("rider", 7)).await.unwrap();
    assert_eq!(months_without_lots(&harbor, &owner).await, in_lots(&owner).await);
    let held = harbor.authorize(authorize("guest", 20)).await.unwrap().operation.unwrap();
    hub.advance_to(at("2026-05-01T09:00:00Z")).await;
    let refused = harbor.capture(capture(&held.request_id, None)).await.unwrap_err();
    assert_eq!(reason(&refused), ErrorReason::HoldExpired);
    assert_eq!(months(&harbor).await, in_lots(&owner).await);
    harbor.earn(earn("guest", cents(200), "EUR")).await.unwrap();
    assert_eq!(months_without_lots(&harbor, &owner).await, in_lots(&owner).await);
    hub.advance_to(at("2027-04-01T00:00:00Z")).await;
    assert_eq!(months(&harbor).await, [2], "the others are due, whether that is posted or not");
    owner.close().await;
    hub.close().await;
}
