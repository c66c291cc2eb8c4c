//! Earns: what a purchase is worth, under which terms, and what caps cut.

use std::collections::BTreeMap;

use entente_ledger::{Account, Funding, Micros, PartnerId, Points, TermsVersion, positions};

use super::check::check;
use crate::{
    Agreement, EarnRounding, Refusal, ReversePart,
    cast::{
        Book, GROCER, HARBOR, ROVER, agreement, burn, category, cents, currency, earn, earn_at,
        partner, partner_with, refund_spend, reverse, rule, time,
    },
};

fn rover() -> crate::Partner {
    let per_dollar = |ride: (i64, i64), stay: i64| Agreement {
        categories: vec![
            category("ride", vec![rule(Micros::ZERO, ride.0, cents(ride.1))]),
            category("in-stay", vec![rule(Micros::ZERO, stay, cents(100))]),
        ],
        ..agreement("USD")
    };
    partner_with(
        ROVER,
        vec![
            (time("2025-01-01T00:00:00Z"), per_dollar((1, 100), 3)),
            (time("2026-02-01T00:00:00Z"), per_dollar((1, 200), 2)),
        ],
    )
}

#[test]
fn an_earn_is_priced_when_the_purchase_happened() {
    for (activity, category, points, version) in [
        ("2026-01-31T23:50:00Z", "ride", 37, 1),
        ("2026-02-01T00:05:00Z", "ride", 18, 2),
        ("2026-01-31T23:50:00Z", "in-stay", 113, 1),
        ("2026-02-01T00:00:00Z", "in-stay", 75, 2),
    ] {
        let mut book = Book::new(vec![rover()]);
        book.now = time("2026-02-01T00:10:00Z");
        let action = earn_at(cents(3_780), "USD", category, Some(time(activity)));
        let decision = book.post(ROVER, action).expect("an earn");
        assert_eq!(decision.operation.points, Points(points), "{activity} {category}");
        assert_eq!(decision.operation.terms_version, Some(TermsVersion(version)));
        check(&book);
    }
}

#[test]
fn a_late_arrival_keeps_its_terms_and_is_flagged_until_the_limit() {
    let mut book = Book::new(vec![rover()]);
    book.window.live.opened_at = time("2026-02-01T00:00:00Z");
    book.now = time("2026-02-03T12:00:00Z");
    let ride = earn_at(cents(3_780), "USD", "ride", Some(time("2026-01-31T23:50:00Z")));
    let late = book.post(ROVER, ride.clone()).expect("within the limit").operation;
    assert_eq!((late.points, late.prior_period), (Points(37), true));
    assert_eq!(late.window, book.window.live.id);
    book.now = time("2026-02-09T12:00:00Z");
    assert_eq!(book.post(ROVER, ride), Err(Refusal::ActivityTooOld { late_limit_days: 7 }));
}

#[test]
fn an_activity_slightly_ahead_is_priced_now() {
    let mut book = Book::new(vec![rover()]);
    book.now = time("2026-01-31T23:58:00Z");
    let ahead = |at| earn_at(cents(3_780), "USD", "ride", Some(time(at)));
    let earned = book.post(ROVER, ahead("2026-02-01T00:03:00Z")).expect("five minutes are fine");
    assert_eq!(earned.operation.terms_version, Some(TermsVersion(1)));
    let refusal = book.post(ROVER, ahead("2026-02-01T00:03:00.000001Z"));
    assert_eq!(refusal, Err(Refusal::ActivityInFuture));
}

#[test]
fn the_greatest_minimum_that_is_met_prices_the_whole_spend() {
    let tiers = vec![rule(cents(10_000), 2, cents(100)), rule(cents(1_000), 1, cents(100))];
    let terms = Agreement { categories: vec![category("*", tiers)], ..agreement("EUR") };
    for (spend, points) in [(999, 0), (1_000, 10), (9_999, 99), (10_000, 200), (12_000, 240)] {
        let mut book = Book::new(vec![partner(HARBOR, terms.clone())]);
        let earned = book.post(HARBOR, earn(cents(spend), "EUR")).expect("accepted, even with 0");
        assert_eq!(earned.operation.points, Points(points), "{spend}");
        check(&book);
    }
}

#[test]
fn an_earn_of_nothing_can_be_reversed() {
    let mut book = Book::new(vec![partner(HARBOR, agreement("EUR"))]);
    let nothing = book.post(HARBOR, earn(cents(99), "EUR")).expect("accepted");
    assert_eq!((nothing.transfers.len(), nothing.operation.portions.len()), (0, 0));
    let back = book.post(HARBOR, reverse(&nothing, ReversePart::Rest)).expect("reversed");
    assert_eq!(back.operation.points, Points::ZERO);
    assert_eq!(back.operation.spend, Some((cents(99), currency("EUR"))));
    assert_eq!(
        book.post(HARBOR, reverse(&nothing, ReversePart::Rest)),
        Err(Refusal::ReversalExceedsRest { rest: 0 })
    );
}

#[test]
fn half_a_point_counts_where_terms_say_so() {
    for (rounding, points) in [(EarnRounding::Down, 1), (EarnRounding::HalfUp, 2)] {
        let terms = Agreement { rounding, ..agreement("EUR") };
        let mut book = Book::new(vec![partner(HARBOR, terms)]);
        let earned = book.post(HARBOR, earn(cents(150), "EUR")).expect("an earn");
        assert_eq!(earned.operation.points, Points(points));
    }
}

#[test]
fn caps_cut_and_reversals_make_room_again() {
    let terms = Agreement {
        max_points_per_operation: Some(Points(60)),
        max_points_per_member_year: Some(Points(100)),
        ..agreement("EUR")
    };
    let mut book = Book::new(vec![partner(HARBOR, terms)]);
    let earned = |book: &mut Book, spend, at: Option<&str>| {
        let action = earn_at(cents(spend), "EUR", "stay", at.map(time));
        book.post(HARBOR, action).expect("cut, not refused")
    };
    let first = earned(&mut book, 8_000, None);
    assert_eq!(first.operation.points, Points(60));
    assert_eq!(earned(&mut book, 8_000, None).operation.points, Points(40));
    assert_eq!(earned(&mut book, 8_000, None).operation.points, Points(0));
    book.post(HARBOR, refund_spend(&first, cents(5_000), "EUR")).expect("30.00 is left");
    assert_eq!(earned(&mut book, 8_000, None).operation.points, Points(30));
    book.now = time("2027-01-02T00:00:00Z");
    let last_year = earned(&mut book, 8_000, Some("2026-12-31T23:59:59Z"));
    assert_eq!(last_year.operation.points, Points(0), "the activity's year counts");
    assert_eq!(earned(&mut book, 8_000, None).operation.points, Points(60));
    check(&book);
}

#[test]
fn at_issue_the_pool_collects_and_pays_out() {
    let at_issue = |issue_price, reimbursement| Agreement {
        funding: Funding::AtIssue,
        issue_price: Micros(issue_price),
        reimbursement: Micros(reimbursement),
        ..agreement("USD")
    };
    let mut book = Book::new(vec![
        partner(HARBOR, at_issue(10_000, 7_000)),
        partner(ROVER, at_issue(12_000, 6_500)),
        partner(GROCER, at_issue(11_000, 7_200)),
    ]);
    for (issuer, points) in [(HARBOR, 120_000), (ROVER, 80_000), (GROCER, 50_000)] {
        book.post(issuer, earn(cents(points * 100), "USD")).expect("issued");
    }
    for (redeemer, points) in [(HARBOR, 60_000), (ROVER, 20_000), (GROCER, 40_000)] {
        book.post(redeemer, burn(points)).expect("redeemed");
    }
    assert_eq!(book.has(), (130_000, 0, 0));
    let mut nets: BTreeMap<PartnerId, i64> = BTreeMap::new();
    let transfers = book.decisions.iter().flat_map(|decision| &decision.transfers);
    for (key, amount) in positions(transfers).expect("small") {
        *nets.entry(key.payer).or_default() -= amount.micros.0;
        *nets.entry(key.payee).or_default() += amount.micros.0;
    }
    let expected =
        [(PartnerId::HUB, 187_200), (HARBOR, -78_000), (ROVER, -83_000), (GROCER, -26_200)];
    let in_cents = |(party, hundredths)| (party, cents(hundredths).0);
    assert_eq!(nets, expected.map(in_cents).into());
    let trial = book.trial();
    assert_eq!(trial.of(Account::Pool, Some(currency("USD"))), cents(187_200).0);
    assert_eq!(trial.of(Account::Clearing(HARBOR), Some(currency("USD"))), cents(-78_000).0);
    check(&book);
}
