//! Partners, terms and the clock.

use entente_api::{
    partner::{PartnerState, PublishTermsRequest, ResumePartnerRequest},
    types::Money,
};
use entente_hub::parse::wire_timestamp;
use entente_testkit::morning;
use jiff::{Timestamp, ToSpan};

use crate::stage::{HARBOR, Stage, enrolment, new_id, reason, suspension, terms};

fn starting(from: Timestamp) -> PublishTermsRequest {
    let effective_from = Some(wire_timestamp(from));
    PublishTermsRequest { effective_from, ..terms("harbor-hotels") }
}

#[tokio::test]
async fn a_suspended_partner_enrols_nobody_until_it_is_resumed() {
    let stage = Stage::with_partners().await;
    let suspended = stage.suspend(&suspension("harbor-hotels")).await.expect("suspended");
    let state = suspended.partner.map(|partner| partner.state());
    assert_eq!(state, Some(PartnerState::Suspended));
    let request = enrolment("guest-1");
    assert_eq!(stage.enrol(HARBOR, &request).await.expect_err("refused"), "PARTNER_SUSPENDED");
    let resume = ResumePartnerRequest { request_id: new_id(), partner: "harbor-hotels".into() };
    let resumed = stage.resume(&resume).await.expect("resumed");
    let state = resumed.partner.map(|partner| partner.state());
    assert_eq!(state, Some(PartnerState::Active));
    assert!(stage.enrol(HARBOR, &request).await.expect("enrolled").created);
}

#[tokio::test]
async fn only_first_terms_start_in_the_past_and_versions_follow_each_other() {
    let stage = Stage::with_partners().await;
    let hours = |hours: i64| morning() + hours.hours();
    for (asked, expected) in [
        (starting(hours(-1_000)), Ok(1)),
        (starting(hours(-1)), Err("TERMS_IN_PAST")),
        (terms("harbor-hotels"), Ok(2)),
        (terms("harbor-hotels"), Err("TERMS_OVERLAP")),
        (starting(hours(10)), Ok(3)),
        (starting(hours(10)), Err("TERMS_OVERLAP")),
        (starting(hours(5)), Err("TERMS_OVERLAP")),
        (starting(hours(11)), Ok(4)),
        (terms("nobody"), Err("PARTNER_UNKNOWN")),
    ] {
        let published = stage.publish(&asked).await.map(|answer| answer.terms);
        let version = published.map(|terms| terms.expect("the terms").version);
        assert_eq!(version, expected.map_err(str::to_owned));
    }
}

#[tokio::test]
async fn terms_without_a_start_are_in_force_at_once() {
    let stage = Stage::with_partners().await;
    let published = stage.publish(&terms("harbor-hotels")).await.expect("published");
    let published = published.terms.expect("the terms");
    assert_eq!(published.effective_from, Some(wire_timestamp(morning())));
    assert_eq!((published.partner.as_str(), published.effective_to), ("harbor-hotels", None));
}

#[tokio::test]
async fn a_first_cap_begins_to_keep_the_exposure() {
    let stage = Stage::with_partners().await;
    let mut capped = terms("harbor-hotels");
    let caps = ["EUR", "USD"].map(|currency| Money { currency: currency.into(), micros: 5 });
    capped.agreement.as_mut().expect("an agreement").net_debit_caps = caps.to_vec();
    stage.publish(&capped).await.expect("published");
    let kept: Vec<(i32, String, i64)> =
        sqlx::query_as("SELECT partner_id, currency, owed_micros FROM exposures ORDER BY currency")
            .fetch_all(&stage.pool)
            .await
            .expect("a read");
    assert_eq!(kept, [(1, "EUR".to_owned(), 0), (1, "USD".to_owned(), 0)]);
}

#[tokio::test]
async fn a_simulations_clock_moves_forward_only() {
    let stage = Stage::empty().await;
    let later = morning() + 30.hours();
    for (to, expected) in [
        (morning(), Ok(morning())),
        (later, Ok(later)),
        (morning() + 29.hours(), Err("CLOCK_BACKWARDS")),
        (later, Ok(later)),
    ] {
        let moved = stage.controls.advance_clock(to).await.map_err(reason);
        assert_eq!(moved, expected.map_err(str::to_owned));
    }
}
