//! E1: earning under terms that change, and late arrivals.

use entente_client::api::{error::ErrorReason, partner::Funding};
use entente_testkit::{
    TestHub,
    cast::{self, ROVER, agreement_in, category, earn, enrol, wire_time},
};
use jiff::Timestamp;

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

/// Rover's terms of E1, moved from February to April 2026, since a test's ledger begins in March.
async fn with_the_terms_of_e1() -> TestHub {
    let hub = TestHub::start().await;
    let operator = hub.operator().await;
    let mut before = agreement_in("USD", Funding::AtRedemption);
    before.categories =
        vec![category("*", &[(0, 1, 1_000_000)]), category("in-stay", &[(0, 3, 1_000_000)])];
    let mut after = before.clone();
    after.categories =
        vec![category("*", &[(0, 1, 2_000_000)]), category("in-stay", &[(0, 2, 1_000_000)])];
    cast::onboard(&operator, ROVER, before).await;
    cast::publish(&operator, ROVER, at("2026-04-01T00:00:00Z"), after).await;
    enrol(&hub.partner(ROVER).await, "rider").await;
    hub
}

#[tokio::test(flavor = "multi_thread")]
async fn an_earn_is_priced_by_the_terms_of_its_activity() {
    let hub = with_the_terms_of_e1().await;
    hub.advance_to(at("2026-04-01T08:00:00Z")).await;
    let rover = hub.partner(ROVER).await;
    for (activity, category, points, version) in [
        ("2026-03-31T23:50:00Z", "ride", 37, 1),
        ("2026-04-01T00:05:00Z", "ride", 18, 2),
        ("2026-03-31T23:50:00Z", "in-stay", 113, 1),
        ("2026-04-01T00:00:00Z", "in-stay", 75, 2),
    ] {
        let mut request = earn("rider", 37_800_000, "USD");
        request.category = category.to_owned();
        request.activity_at = Some(wire_time(at(activity)));
        let operation = rover.earn(request).await.unwrap().operation.unwrap();
        assert_eq!(
            (operation.points, operation.terms_version),
            (points, version),
            "{activity} {category}"
        );
    }
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_arrival_keeps_its_terms_and_is_flagged_until_the_late_limit() {
    let hub = with_the_terms_of_e1().await;
    hub.advance_to(at("2026-04-01T08:00:00Z")).await;
    let operator = hub.operator().await;
    let close = entente_client::api::settlement::CloseWindowRequest {
        name: "march".to_owned(),
        testing: false,
    };
    operator.close_window(close).await.unwrap();
    let rover = hub.partner(ROVER).await;
    let ride = || {
        let mut request = earn("rider", 37_800_000, "USD");
        request.activity_at = Some(wire_time(at("2026-03-31T23:50:00Z")));
        request
    };
    hub.advance_to(at("2026-04-03T09:00:00Z")).await;
    let operation = rover.earn(ride()).await.unwrap().operation.unwrap();
    assert_eq!((operation.points, operation.prior_period), (37, true));
    hub.advance_to(at("2026-04-09T09:00:00Z")).await;
    let error = rover.earn(ride()).await.unwrap_err();
    let refusal = error.refusal().expect("a refusal");
    assert_eq!(refusal.reason, ErrorReason::ActivityTooOld);
    assert_eq!(refusal.metadata["late_limit_days"], "7");
    hub.close().await;
}
