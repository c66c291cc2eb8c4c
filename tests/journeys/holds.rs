//! E3: points of three issuers, held, captured, refunded, voided, or free again by themselves.

use entente_client::{
    Client,
    api::{error::ErrorReason, types::Operation},
};
use entente_testkit::{
    TestHub,
    cast::{self, GROCER, ROVER},
};

use crate::steps::{
    at, authorize, capture, expiries, has, portions, reason, refund_points, reverse, void,
    with_the_member_of_e3,
};

/// Rover, with 6,500 points of its rider held.
async fn holding(hub: &TestHub) -> (Client, Operation) {
    let rover = hub.partner(ROVER).await;
    let held = rover.authorize(authorize("rider", 6_500)).await.unwrap().operation.unwrap();
    assert_eq!(portions(&held), [("coalition", 5_000), (ROVER, 1_500)]);
    assert_eq!(has(&rover, "rider").await, (3_500, 6_500, 0));
    (rover, held)
}

/// The rider's points as Rover sees them, by month of expiry.
async fn assert_months(rover: &Client, march: i64, may: i64, july: i64) {
    let months =
        [("2026-03", "coalition", march), ("2026-05", ROVER, may), ("2026-07", "coalition", july)];
    let there = months.into_iter().filter(|(_, _, points)| *points > 0);
    let expected: Vec<_> = there
        .map(|(month, issuer, points)| (month.to_owned(), issuer.to_owned(), points))
        .collect();
    assert_eq!(expiries(rover, "rider").await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capture_spends_the_lots_that_were_held() {
    let hub = with_the_member_of_e3().await;
    let (rover, held) = holding(&hub).await;
    assert_months(&rover, 5_000, 3_000, 2_000).await;
    let captured = rover.capture(capture(&held.request_id, None)).await.unwrap();
    let captured = captured.operation.unwrap();
    assert_eq!(captured.points, 6_500);
    assert_eq!(captured.value, Some(cast::money(65_000_000, "USD")));
    assert_eq!(captured.original_request_id, held.request_id);
    assert_eq!(portions(&captured), [("coalition", 5_000), (ROVER, 1_500)]);
    assert_eq!(has(&rover, "rider").await, (3_500, 0, 0));
    assert_months(&rover, 0, 1_500, 2_000).await;
    let again = rover.capture(capture(&held.request_id, None)).await.unwrap_err();
    assert_eq!(reason(&again), ErrorReason::HoldCaptured);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capture_in_part_releases_the_rest_and_is_refunded_to_the_last_point() {
    let hub = with_the_member_of_e3().await;
    let (rover, held) = holding(&hub).await;
    let too_many = rover.capture(capture(&held.request_id, Some(6_501))).await.unwrap_err();
    assert_eq!(reason(&too_many), ErrorReason::CaptureExceedsHold);
    assert_eq!(too_many.refusal().unwrap().metadata["held"], "6500");
    let captured = rover.capture(capture(&held.request_id, Some(4_000))).await.unwrap();
    let captured = captured.operation.unwrap();
    assert_eq!(portions(&captured), [("coalition", 4_000)]);
    assert_eq!(has(&rover, "rider").await, (6_000, 0, 0));
    assert_months(&rover, 1_000, 3_000, 2_000).await;
    let id = &captured.request_id;
    let refund = rover.reverse(refund_points(id, 1_500)).await.unwrap().operation.unwrap();
    assert_eq!(portions(&refund), [("coalition", 1_500)]);
    assert_months(&rover, 2_500, 3_000, 2_000).await;
    let too_many = rover.reverse(refund_points(id, 2_501)).await.unwrap_err();
    assert_eq!(reason(&too_many), ErrorReason::ReversalExceedsRest);
    assert_eq!(too_many.refusal().unwrap().metadata["rest"], "2500");
    rover.reverse(refund_points(id, 2_500)).await.unwrap();
    assert_months(&rover, 5_000, 3_000, 2_000).await;
    for nothing_left in [refund_points(id, 1), reverse(id)] {
        let error = rover.reverse(nothing_left).await.unwrap_err();
        assert_eq!(reason(&error), ErrorReason::ReversalExceedsRest);
        assert_eq!(error.refusal().unwrap().metadata["rest"], "0");
    }
    assert_eq!(has(&rover, "rider").await, (10_000, 0, 0));
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_void_leaves_every_lot_as_before() {
    let hub = with_the_member_of_e3().await;
    let (rover, held) = holding(&hub).await;
    let voided = rover.void(void(&held.request_id)).await.unwrap();
    assert_eq!(voided.operation.unwrap().points, 6_500);
    assert_eq!(has(&rover, "rider").await, (10_000, 0, 0));
    assert_months(&rover, 5_000, 3_000, 2_000).await;
    let late = rover.capture(capture(&held.request_id, None)).await.unwrap_err();
    assert_eq!(reason(&late), ErrorReason::HoldVoided);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_ends_at_its_time_and_not_before() {
    let hub = with_the_member_of_e3().await;
    let (rover, held) = holding(&hub).await;
    assert_eq!(held.hold_expires_at, Some(cast::wire_time(at("2026-03-05T08:00:00Z"))));
    hub.advance_to(at("2026-03-05T07:59:59Z")).await;
    assert_eq!(has(&rover, "rider").await, (3_500, 6_500, 0));
    hub.advance_to(at("2026-03-05T08:00:00Z")).await;
    assert_eq!(has(&rover, "rider").await, (10_000, 0, 0));
    assert_months(&rover, 5_000, 3_000, 2_000).await;
    let late = rover.capture(capture(&held.request_id, None)).await.unwrap_err();
    assert_eq!(reason(&late), ErrorReason::HoldExpired);
    let late = rover.void(void(&held.request_id)).await.unwrap_err();
    assert_eq!(reason(&late), ErrorReason::HoldExpired);
    assert_eq!(has(&rover, "rider").await, (10_000, 0, 0));
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_is_nobody_elses() {
    let hub = with_the_member_of_e3().await;
    let (rover, held) = holding(&hub).await;
    let grocer = hub.partner(GROCER).await;
    let taken = grocer.capture(capture(&held.request_id, None)).await.unwrap_err();
    assert_eq!(reason(&taken), ErrorReason::OperationUnknown);
    let ended = grocer.void(void(&held.request_id)).await.unwrap_err();
    assert_eq!(reason(&ended), ErrorReason::OperationUnknown);
    rover.capture(capture(&held.request_id, None)).await.unwrap();
    hub.close().await;
}
