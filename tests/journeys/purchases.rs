//! Purchases that are claimed, told twice, paid in points, or never earn.

use entente_client::{
    Client,
    api::{
        error::ErrorReason as R,
        partner::{Agreement, Funding},
        points::{EarnRequest, QuoteEarnRequest},
    },
    new_request_id,
};
use entente_testkit::{
    TestHub,
    cast::{self, HARBOR, ROVER, agreement_in, attach, category, earn, enrol, money, wire_time},
    morning,
};
use jiff::SignedDuration;

use crate::{
    published::assert_refused,
    steps::{cents, has, reason, refund_spend},
};

const MEMBERS: usize = 16;

/// Harbor takes claims for 90 days; restaurants earn double, gift cards nothing; from 50.00 on the
/// rest earns double too.
async fn with_claims() -> TestHub {
    let hub = TestHub::start().await;
    let operator = hub.operator().await;
    let harbor = Agreement {
        claim_limit_days: 90,
        categories: vec![
            category("*", &[(0, 1, 1_000_000), (cents(5_000), 2, 1_000_000)]),
            category("gift-card", &[(0, 0, 1_000_000)]),
        ],
        ..agreement_in("EUR", Funding::AtIssue)
    };
    cast::onboard(&operator, HARBOR, harbor).await;
    cast::onboard(&operator, ROVER, agreement_in("USD", Funding::AtRedemption)).await;
    let client = hub.partner(HARBOR).await;
    for n in 0..MEMBERS {
        enrol(&client, &member(n)).await;
    }
    attach(&operator, HARBOR, &member(0), ROVER).await;
    hub
}

fn member(n: usize) -> String {
    format!("member-{n}")
}

/// An earn of 10.00 by a member, with a receipt.
fn with_receipt(n: usize, receipt: &str) -> EarnRequest {
    let receipt_reference = receipt.to_owned();
    EarnRequest { receipt_reference, ..earn(&member(n), cents(1_000), "EUR") }
}

fn claim(receipt: &str, days_ago: i64, seconds: i64) -> EarnRequest {
    let age = SignedDuration::from_secs(days_ago * 86_400 + seconds);
    let activity_at = Some(wire_time(morning() - age));
    EarnRequest { retro_claim: true, activity_at, ..with_receipt(0, receipt) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missed_purchase_is_claimed_within_the_limit_and_marked() {
    let hub = with_claims().await;
    let (harbor, rover) = (hub.partner(HARBOR).await, hub.partner(ROVER).await);
    let claimed = harbor.earn(claim("R-1", 90, 0)).await.unwrap().operation.unwrap();
    assert!(claimed.retro_claim && claimed.prior_period);
    assert_eq!(claimed.points, 10);
    let late = EarnRequest { retro_claim: false, ..claim("R-2", 90, 0) };
    let of_rover = EarnRequest { spend: Some(money(cents(1_000), "USD")), ..claim("R-1", 0, 1) };
    for (partner, request, reason, limit) in [
        (&harbor, claim("R-2", 90, 1), R::ClaimTooOld, ("claim_limit_days", "90")),
        (&harbor, late, R::ActivityTooOld, ("late_limit_days", "7")),
        (&rover, of_rover, R::ClaimTooOld, ("claim_limit_days", "0")),
    ] {
        let refusal = partner.earn(request).await.unwrap_err();
        assert_refused(refusal.refusal().expect("a refusal"), reason, &[limit], "a claim");
    }
    let credited = [("request_id", claimed.request_id.as_str())];
    for request in [claim("R-1", 1, 0), claim("R-1", 900, 0), with_receipt(3, "R-1")] {
        let refusal = harbor.earn(request).await.unwrap_err();
        let refusal = refusal.refusal().expect("a refusal");
        assert_refused(refusal, R::ReceiptCredited, &credited, "it was claimed");
    }
    assert_eq!(has(&harbor, &member(0)).await, (10, 0, 0));
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_is_credited_once_and_a_replay_stays_a_replay() {
    let hub = with_claims().await;
    let (harbor, rover) = (hub.partner(HARBOR).await, hub.partner(ROVER).await);
    let unpriced = EarnRequest { spend: Some(money(1, "USD")), ..with_receipt(0, "R-1") };
    assert_eq!(reason(&harbor.earn(unpriced).await.unwrap_err()), R::CurrencyNotOfTerms);
    let first = with_receipt(0, "R-1");
    harbor.earn(first.clone()).await.unwrap();
    assert!(harbor.earn(first.clone()).await.unwrap().replayed);
    let second = EarnRequest { request_id: new_request_id(), ..first.clone() };
    for _ in 0..2 {
        let refusal = harbor.earn(second.clone()).await.unwrap_err();
        let told = [("request_id", first.request_id.as_str())];
        let refusal = refusal.refusal().expect("a refusal");
        assert_refused(refusal, R::ReceiptCredited, &told, "credited");
    }
    let spend = Some(money(cents(1_000), "USD"));
    rover.earn(EarnRequest { spend, ..with_receipt(0, "R-1") }).await.unwrap();
    assert_eq!(has(&harbor, &member(0)).await, (20, 0, 0), "Rover has receipts of its own");
    hub.close().await;
}

/// How many of the answers credited, each other one naming a receipt that was.
async fn credited(earns: Vec<(Client, EarnRequest)>) -> usize {
    let calls = earns
        .into_iter()
        .map(|(client, request)| tokio::spawn(async move { client.earn(request).await }));
    let mut credited = 0;
    for call in calls.collect::<Vec<_>>() {
        match call.await.unwrap() {
            Ok(_) => credited += 1,
            Err(error) => assert_eq!(reason(&error), R::ReceiptCredited),
        }
    }
    credited
}

#[tokio::test(flavor = "multi_thread")]
async fn one_receipt_raced_in_a_cell_across_cells_and_through_two_hubs_is_credited_once() {
    let hub = with_claims().await;
    let other = hub.another().await;
    let here = hub.partner(HARBOR).await;
    let there = hub.partner_at(HARBOR, other.addresses().partners).await;
    let rounds = 12;
    for round in 0..rounds {
        let receipts: Vec<String> = (0..4).map(|n| format!("R-{round}-{n}")).collect();
        let earns = (0..32_usize).map(|n| {
            // Two members in the first half of the rounds, members of all cells in the second.
            let members = if round < rounds / 2 { 2 } else { MEMBERS };
            let client = if n % 2 == 0 { &here } else { &there };
            (client.clone(), with_receipt((n / 3) % members, &receipts[n % 4]))
        });
        assert_eq!(credited(earns.collect()).await, 4, "round {round}");
    }
    let mut points = 0;
    for n in 0..MEMBERS {
        points += has(&here, &member(n)).await.0;
    }
    assert_eq!(points, rounds * 4 * 10);
    other.drain().await;
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_money_part_of_a_purchase_earns_and_is_refunded() {
    let hub = with_claims().await;
    let harbor = hub.partner(HARBOR).await;
    for (paid, points) in [(1, 199), (5_000, 100), (5_001, 49), (9_950, 0), (10_000, 0)] {
        let paid_in_points = Some(money(cents(paid), "EUR"));
        let request = earn(&member(1), cents(10_000), "EUR");
        let request = EarnRequest { paid_in_points: paid_in_points.clone(), ..request };
        let quote = QuoteEarnRequest {
            member_reference: request.member_reference.clone(),
            spend: request.spend.clone(),
            category: request.category.clone(),
            activity_at: None,
            paid_in_points: paid_in_points.clone(),
        };
        let quoted = harbor.quote_earn(quote).await.unwrap().operation.unwrap();
        let earned = harbor.earn(request).await.unwrap().operation.unwrap();
        assert_eq!((quoted.points, earned.points), (points, points), "{paid}");
        assert_eq!((earned.spend, earned.paid_in_points), (quoted.spend, paid_in_points));
        let rest = cents(10_000 - paid);
        let beyond = refund_spend(&earned.request_id, rest + 1, "EUR");
        let refusal = harbor.reverse(beyond).await.unwrap_err();
        assert_eq!(refusal.refusal().expect("a refusal").metadata["rest"], rest.to_string());
        if rest > 0 {
            let back = refund_spend(&earned.request_id, rest, "EUR");
            harbor.reverse(back).await.unwrap();
        }
        assert_eq!(has(&harbor, &member(1)).await, (0, 0, 0));
    }
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gift_cards_never_earn() {
    let hub = with_claims().await;
    let harbor = hub.partner(HARBOR).await;
    let card =
        EarnRequest { category: "gift-card".to_owned(), ..earn(&member(1), cents(100_000), "EUR") };
    let earned = harbor.earn(card).await.unwrap().operation.unwrap();
    assert_eq!((earned.points, earned.portions.len()), (0, 0));
    assert_eq!(has(&harbor, &member(1)).await, (0, 0, 0));
    hub.close().await;
}
