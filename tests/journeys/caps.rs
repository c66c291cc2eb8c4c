//! E5: what a partner may owe, up to its cap and not a cent more.

use entente_client::{
    Client, Error, Operators,
    api::{
        error::ErrorReason,
        partner::{Agreement, Funding},
        settlement::RecordPaymentRequest,
    },
    new_request_id,
};
use entente_testkit::{
    TestHub,
    cast::{self, GROCER, HARBOR, ROVER, agreement_in, burn, earn},
};

use crate::steps::{
    at, authorize, capture, cents, close, everywhere, exposure, reason, refund_points, reverse,
    swept, void,
};

/// Harbor with a cap, where a point costs .0100 in whatever way it is paid for. Rover and Grocer
/// settle in EUR too, at the same reimbursement, and pay when their points are burned.
async fn with_a_cap(funding: Funding, cap: i64) -> TestHub {
    let hub = TestHub::start().await;
    let operator = hub.operator().await;
    let cap = vec![cast::money(cap, "EUR")];
    cast::onboard(&operator, HARBOR, Agreement { net_debit_caps: cap, ..at_a_cent(funding) }).await;
    for partner in [ROVER, GROCER] {
        cast::onboard(&operator, partner, at_a_cent(Funding::AtRedemption)).await;
    }
    everywhere(&hub, "guest").await;
    hub
}

fn at_a_cent(funding: Funding) -> Agreement {
    Agreement { reimbursement_micros: 10_000, ..agreement_in("EUR", funding) }
}

/// Harbor pays when it issues, and owes 24,500.00 of at most 30,000.00.
async fn owing_for_issue() -> (TestHub, Client, Operators) {
    let hub = with_a_cap(Funding::AtIssue, cents(3_000_000)).await;
    let (harbor, operator) = (hub.partner(HARBOR).await, hub.operator().await);
    earn_worth(&harbor, "guest", 2_450_000).await.unwrap();
    assert_eq!(exposure(&operator, HARBOR, "EUR").await, cents(2_450_000));
    (hub, harbor, operator)
}

/// Harbor pays when its points are burned, and owes Grocer 24,500.00 of at most 30,000.00.
async fn owing_for_redemption() -> (TestHub, Client, Operators) {
    let hub = with_a_cap(Funding::AtRedemption, cents(3_000_000)).await;
    let (grocer, operator) = (hub.partner(GROCER).await, hub.operator().await);
    earn_worth(&hub.partner(HARBOR).await, "guest", 9_000_000).await.unwrap();
    assert_eq!(exposure(&operator, HARBOR, "EUR").await, 0, "nothing is owed yet");
    grocer.burn(burn("guest", 2_450_000)).await.unwrap();
    assert_eq!(exposure(&operator, HARBOR, "EUR").await, cents(2_450_000));
    (hub, grocer, operator)
}

/// An earn of as many points as the hundredths that they cost.
async fn earn_worth(harbor: &Client, reference: &str, hundredths: i64) -> Result<(), Error> {
    harbor.earn(earn(reference, cents(hundredths * 100), "EUR")).await.map(drop)
}

fn assert_capped<T: std::fmt::Debug>(outcome: Result<T, Error>) {
    assert_eq!(reason(&outcome.unwrap_err()), ErrorReason::NetDebitCapExceeded);
}

async fn pay(operator: &Client, micros: i64) -> Result<i64, Error> {
    let request = RecordPaymentRequest {
        request_id: new_request_id(),
        partner: HARBOR.to_owned(),
        amount: Some(cast::money(micros, "EUR")),
        obligation: String::new(),
    };
    operator.record_payment(request).await.map(|paid| paid.remaining.unwrap().micros)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_earn_may_reach_the_cap_and_not_pass_it_until_the_partner_has_paid() {
    let (hub, harbor, operator) = owing_for_issue().await;
    assert_capped(earn_worth(&harbor, "guest", 600_000).await);
    assert_eq!(exposure(&operator, HARBOR, "EUR").await, cents(2_450_000));
    earn_worth(&harbor, "guest", 550_000).await.unwrap();
    assert_eq!(exposure(&operator, HARBOR, "EUR").await, cents(3_000_000));
    assert_capped(earn_worth(&harbor, "guest", 1).await);

    close(&operator, "2026-03").await;
    assert_eq!(exposure(&operator, HARBOR, "EUR").await, cents(3_000_000), "it is unpaid");
    assert_capped(earn_worth(&harbor, "guest", 1).await);

    let too_much = pay(&operator, cents(3_000_001)).await.unwrap_err();
    assert_eq!(reason(&too_much), ErrorReason::PaymentExceedsObligation);
    let owed = &too_much.refusal().unwrap().metadata["owed_micros"];
    assert_eq!(*owed, cents(3_000_000).to_string());
    assert_eq!(pay(&operator, cents(1_200_000)).await.unwrap(), cents(1_800_000));
    assert_eq!(exposure(&operator, HARBOR, "EUR").await, cents(1_800_000));
    earn_worth(&harbor, "guest", 1_200_000).await.unwrap();
    assert_capped(earn_worth(&harbor, "guest", 1).await);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn earns_sent_at_once_stop_at_the_cap_together() {
    let (hub, harbor, operator) = owing_for_issue().await;
    let references = ["guest", "first", "second", "third", "fourth", "fifth"];
    for reference in &references[1..] {
        cast::enrol(&harbor, reference).await;
    }
    // Members of several cells, so that batches of both writers meet at the cap.
    let calls = references.map(|reference| {
        let harbor = harbor.clone();
        tokio::spawn(async move { earn_worth(&harbor, reference, 200_000).await })
    });
    let mut accepted = 0;
    for call in calls {
        match call.await.unwrap() {
            Ok(()) => accepted += 1,
            Err(error) => assert_eq!(reason(&error), ErrorReason::NetDebitCapExceeded),
        }
    }
    assert_eq!(accepted, 2);
    assert_eq!(exposure(&operator, HARBOR, "EUR").await, cents(2_850_000));
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_for_the_cap_is_kept_and_a_new_attempt_needs_a_new_id() {
    let (hub, harbor, operator) = owing_for_issue().await;
    let request = earn("guest", cents(60_000_000), "EUR");
    let first = harbor.earn(request.clone()).await.unwrap_err();
    assert_eq!(first.refusal().unwrap().retry_after, None);
    close(&operator, "2026-03").await;
    pay(&operator, cents(2_450_000)).await.unwrap();
    let again = harbor.earn(request).await.unwrap_err();
    assert_eq!(first.refusal(), again.refusal());
    earn_worth(&harbor, "guest", 600_000).await.unwrap();
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redemption_at_the_partner_lowers_its_exposure_at_once() {
    let (hub, harbor, operator) = owing_for_issue().await;
    harbor.burn(burn("guest", 1_000_000)).await.unwrap();
    assert_eq!(exposure(&operator, HARBOR, "EUR").await, cents(1_450_000));
    earn_worth(&harbor, "guest", 1_550_000).await.unwrap();
    assert_capped(earn_worth(&harbor, "guest", 1).await);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authorization_reserves_and_a_void_releases() {
    let (hub, grocer, operator) = owing_for_redemption().await;
    let held = grocer.authorize(authorize("guest", 200_000)).await.unwrap().operation.unwrap();
    assert_eq!(exposure(&operator, HARBOR, "EUR").await, cents(2_650_000));
    assert_capped(grocer.authorize(authorize("guest", 350_001)).await);
    assert_capped(grocer.burn(burn("guest", 350_001)).await);
    let all = grocer.authorize(authorize("guest", 350_000)).await.unwrap().operation.unwrap();
    assert_eq!(exposure(&operator, HARBOR, "EUR").await, cents(3_000_000));
    grocer.void(void(&all.request_id)).await.unwrap();
    grocer.void(void(&held.request_id)).await.unwrap();
    assert_eq!(exposure(&operator, HARBOR, "EUR").await, cents(2_450_000));
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capture_turns_a_reservation_into_what_is_owed() {
    let (hub, grocer, operator) = owing_for_redemption().await;
    let held = grocer.authorize(authorize("guest", 200_000)).await.unwrap().operation.unwrap();
    close(&operator, "2026-03").await;
    assert_eq!(exposure(&operator, HARBOR, "EUR").await, cents(2_650_000), "as before the close");
    let captured = grocer.capture(capture(&held.request_id, Some(50_000))).await.unwrap();
    assert_eq!(exposure(&operator, HARBOR, "EUR").await, cents(2_500_000));
    let captured = captured.operation.unwrap().request_id;
    grocer.reverse(refund_points(&captured, 20_000)).await.unwrap();
    assert_eq!(exposure(&operator, HARBOR, "EUR").await, cents(2_480_000));
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_ends_by_itself_releases_its_reservation() {
    let (hub, grocer, operator) = owing_for_redemption().await;
    grocer.authorize(authorize("guest", 200_000)).await.unwrap();
    hub.advance_to(at("2026-03-05T08:00:00Z")).await;
    swept(&hub).await;
    assert_eq!(exposure(&operator, HARBOR, "EUR").await, cents(2_450_000));
    assert_capped(grocer.burn(burn("guest", 550_001)).await);
    grocer.burn(burn("guest", 550_000)).await.unwrap();
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capture_and_a_reversal_are_never_refused_for_a_cap() {
    let (hub, grocer, operator) = owing_for_redemption().await;
    let harbor = hub.partner(HARBOR).await;
    let held = grocer.authorize(authorize("guest", 200_000)).await.unwrap().operation.unwrap();
    let own = harbor.burn(burn("guest", 1_000)).await.unwrap().operation.unwrap();
    let lower = Agreement {
        net_debit_caps: vec![cast::money(cents(100), "EUR")],
        ..at_a_cent(Funding::AtRedemption)
    };
    cast::publish(&operator, HARBOR, at("2026-03-03T00:00:00Z"), lower).await;
    hub.advance_to(at("2026-03-03T08:00:00Z")).await;
    assert_capped(grocer.burn(burn("guest", 1)).await);
    grocer.capture(capture(&held.request_id, None)).await.unwrap();
    assert_eq!(exposure(&operator, HARBOR, "EUR").await, cents(2_650_000), "far above the cap");
    harbor.reverse(reverse(&own.request_id)).await.unwrap();
    hub.close().await;
}
