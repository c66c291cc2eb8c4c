//! E9: what is spent does not expire, and what is held expires at its release.

use entente_client::api::{
    error::ErrorReason,
    partner::{Agreement, Funding},
};
use entente_testkit::{
    TestHub,
    cast::{self, GROCER, HARBOR, ROVER, agreement_in, burn, earn},
};

use crate::steps::{
    at, authorize, capture, cents, everywhere, expiries, has, portions, reason, refund_points,
    void, with_the_member_of_e3,
};

#[tokio::test(flavor = "multi_thread")]
async fn spending_takes_what_expires_first() {
    let hub = TestHub::start().await;
    let operator = hub.operator().await;
    let lasting =
        |lot_life_days| Agreement { lot_life_days, ..agreement_in("EUR", Funding::AtRedemption) };
    for (partner, days) in [(HARBOR, 30), (ROVER, 365), (GROCER, 181)] {
        cast::onboard(&operator, partner, lasting(days)).await;
    }
    everywhere(&hub, "guest").await;
    let (harbor, grocer) = (hub.partner(HARBOR).await, hub.partner(GROCER).await);
    grocer.earn(earn("guest", cents(10_000), "EUR")).await.unwrap();
    harbor.earn(earn("guest", cents(10_000), "EUR")).await.unwrap();
    hub.advance_to(at("2026-03-20T08:00:00Z")).await;
    let burned = grocer.burn(burn("guest", 80)).await.unwrap().operation.unwrap();
    assert_eq!(portions(&burned), [("coalition", 80)], "Harbor's, though Grocer's are older");
    hub.advance_to(at("2026-04-01T07:59:59Z")).await;
    assert_eq!(has(&harbor, "guest").await, (120, 0, 0));
    hub.advance_to(at("2026-04-01T08:00:00Z")).await;
    assert_eq!(has(&harbor, "guest").await, (100, 0, 0), "20 expired, not 100");
    let too_many = grocer.burn(burn("guest", 101)).await.unwrap_err();
    assert_eq!(reason(&too_many), ErrorReason::PointsInsufficient);
    assert_eq!(too_many.refusal().unwrap().metadata["available"], "100");
    let august = ("2026-08".to_owned(), GROCER.to_owned(), 100);
    assert_eq!(expiries(&grocer, "guest").await, [august]);
    grocer.burn(burn("guest", 100)).await.unwrap();
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lot_that_falls_due_while_held_can_be_captured_and_else_expires_at_the_release() {
    // The captured part of 6,500 held points, 5,000 of them due; none is a void. What is left then.
    for (captured, left) in [(None, 5_000), (Some(1), 5_000), (Some(6_500), 3_500)] {
        let hub = with_the_member_of_e3().await;
        hub.advance_to(at("2026-03-30T08:00:00Z")).await;
        let rover = hub.partner(ROVER).await;
        let held = rover.authorize(authorize("rider", 6_500)).await.unwrap().operation.unwrap();
        hub.advance_to(at("2026-04-01T08:00:00Z")).await;
        assert_eq!(has(&rover, "rider").await, (3_500, 6_500, 0), "a hold keeps its points usable");
        match captured {
            None => drop(rover.void(void(&held.request_id)).await.unwrap()),
            points => drop(rover.capture(capture(&held.request_id, points)).await.unwrap()),
        }
        assert_eq!(has(&rover, "rider").await, (left, 0, 0), "{captured:?}");
        hub.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lot_that_falls_due_while_held_expires_with_its_hold() {
    let hub = with_the_member_of_e3().await;
    hub.advance_to(at("2026-03-30T08:00:00Z")).await;
    let rover = hub.partner(ROVER).await;
    rover.authorize(authorize("rider", 6_500)).await.unwrap();
    hub.advance_to(at("2026-04-02T08:00:00Z")).await;
    assert_eq!(has(&rover, "rider").await, (5_000, 0, 0));
    rover.burn(burn("rider", 5_000)).await.unwrap();
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_into_an_expired_lot_gives_no_points_back() {
    let hub = with_the_member_of_e3().await;
    let rover = hub.partner(ROVER).await;
    let burned = rover.burn(burn("rider", 6_000)).await.unwrap().operation.unwrap();
    hub.advance_to(at("2026-04-01T08:00:00Z")).await;
    // Last consumed first: Rover's 1,000 are back, then 500 of Harbor's, which have expired.
    let refund = rover.reverse(refund_points(&burned.request_id, 1_500)).await.unwrap();
    let refund = refund.operation.unwrap();
    assert_eq!(portions(&refund), [(ROVER, 1_000), ("coalition", 500)]);
    assert_eq!(has(&rover, "rider").await, (5_000, 0, 0));
    hub.close().await;
}
