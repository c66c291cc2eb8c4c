//! Clawbacks: a refunded purchase, what it takes back, and the debt that is left.

use entente_ledger::{Account, Funding, Micros, PartnerId, Points};

use super::check::check;
use crate::{
    Agreement, Decision, ReversePart,
    cast::{
        Book, GROCER, HARBOR, ROVER, agreement, authorize, burn, capture, category, cents,
        currency, earn, partner, partner_with, refund_points, refund_spend, reverse, rule, time,
        void,
    },
};

/// Harbor of E6: from 100.00 on, 2 points per 1.00 for the whole; .0100 until 20 January, then
/// .0130. Grocer funds at redemption.
fn e6(funding: Funding) -> Book {
    let tiers = vec![rule(Micros::ZERO, 1, cents(100)), rule(cents(10_000), 2, cents(100))];
    let at = |issue_price| Agreement {
        categories: vec![category("*", tiers.clone())],
        funding,
        issue_price: Micros(issue_price),
        ..agreement("EUR")
    };
    let versions = vec![
        (time("2025-01-01T00:00:00Z"), at(10_000)),
        (time("2026-01-20T00:00:00Z"), at(13_000)),
    ];
    Book::new(vec![
        partner_with(HARBOR, versions),
        partner(ROVER, agreement("EUR")),
        partner(GROCER, agreement("EUR")),
    ])
}

fn clearing(book: &Book, partner: PartnerId) -> i64 {
    book.trial().of(Account::Clearing(partner), Some(currency("EUR")))
}

fn purchase(book: &mut Book) -> Decision {
    let earned = book.post(HARBOR, earn(cents(12_000), "EUR")).expect("issued");
    assert_eq!(earned.operation.points, Points(240));
    earned
}

#[test]
fn the_rest_of_a_purchase_earns_what_it_would_have_earned() {
    for (funding, at_first, after) in [(Funding::AtIssue, -240, -80), (Funding::AtRedemption, 0, 0)]
    {
        let mut book = e6(funding);
        let earned = purchase(&mut book);
        assert_eq!(clearing(&book, HARBOR), cents(at_first).0);
        book.now = time("2026-01-25T00:00:00Z");
        let back = book.post(HARBOR, refund_spend(&earned, cents(4_000), "EUR")).expect("refunded");
        assert_eq!(back.operation.points, Points(160));
        assert_eq!(clearing(&book, HARBOR), cents(after).0, "at the price of the original");
        assert_eq!(book.has(), (80, 0, 0));
        let rest = book.post(HARBOR, reverse(&earned, ReversePart::Rest)).expect("refunded");
        assert_eq!(rest.operation.points, Points(80));
        assert_eq!((book.has(), clearing(&book, HARBOR)), ((0, 0, 0), 0));
        check(&book);
    }
}

#[test]
fn what_is_no_longer_there_becomes_a_debt_that_the_next_earn_repays() {
    for funding in [Funding::AtIssue, Funding::AtRedemption] {
        let mut book = e6(funding);
        let earned = purchase(&mut book);
        book.post(ROVER, burn(190)).expect("burned");
        let before = clearing(&book, HARBOR);
        let back = book.post(HARBOR, refund_spend(&earned, cents(4_000), "EUR")).expect("refunded");
        assert_eq!(back.operation.points, Points(160));
        assert_eq!(back.operation.debt_created, Points(110));
        assert_eq!(book.has(), (0, 0, 110));
        let returned = if funding == Funding::AtIssue { cents(160).0 } else { 0 };
        assert_eq!(clearing(&book, HARBOR) - before, returned, "in full and at once");
        check(&book);
        let before = (clearing(&book, HARBOR), clearing(&book, GROCER));
        let next = book.post(GROCER, earn(cents(20_000), "EUR")).expect("issued");
        assert_eq!((next.operation.points, next.operation.debt_repaid), (Points(200), Points(110)));
        assert_eq!(book.has(), (90, 0, 0));
        assert_eq!(clearing(&book, GROCER) - before.1, -cents(88).0, "110 at .0080, no fee");
        let to_issuer = if funding == Funding::AtIssue { 0 } else { cents(88).0 };
        assert_eq!(clearing(&book, HARBOR) - before.0, to_issuer, "or to the pool");
        assert_eq!(book.trial().of(Account::Redeemed(HARBOR), None), 110);
        check(&book);
    }
}

#[test]
fn the_issuers_other_lots_of_the_same_funding_are_taken_before_others_repay() {
    let mut book = e6(Funding::AtIssue);
    let earned = purchase(&mut book);
    book.post(ROVER, burn(240)).expect("burned");
    book.post(GROCER, earn(cents(5_000), "EUR")).expect("50 of Grocer's");
    book.post(HARBOR, earn(cents(6_000), "EUR")).expect("60 more of Harbor's");
    let back = book.post(HARBOR, reverse(&earned, ReversePart::Rest)).expect("refunded").operation;
    assert_eq!(back.points, Points(240));
    assert_eq!(back.portions.iter().map(|p| p.points.0).collect::<Vec<_>>(), [60]);
    assert_eq!((back.debt_created, back.debt_repaid), (Points(180), Points(50)));
    assert_eq!(book.has(), (0, 0, 130));
    check(&book);
}

#[test]
fn lots_that_are_funded_otherwise_are_not_taken_but_repay() {
    let version = |funding| Agreement { funding, ..agreement("EUR") };
    let versions = vec![
        (time("2025-01-01T00:00:00Z"), version(Funding::AtIssue)),
        (time("2026-01-20T00:00:00Z"), version(Funding::AtRedemption)),
    ];
    let mut book =
        Book::new(vec![partner_with(HARBOR, versions), partner(ROVER, agreement("EUR"))]);
    let earned = book.post(HARBOR, earn(cents(10_000), "EUR")).expect("issued");
    book.post(ROVER, burn(100)).expect("burned");
    book.now = time("2026-01-25T00:00:00Z");
    book.post(HARBOR, earn(cents(10_000), "EUR")).expect("issued");
    let back = book.post(HARBOR, reverse(&earned, ReversePart::Rest)).expect("refunded").operation;
    assert_eq!(
        (back.points, back.debt_created, back.debt_repaid),
        (Points(100), Points(100), Points(100))
    );
    assert_eq!(clearing(&book, HARBOR), -cents(80).0, "it owes the pool for the repaying points");
    check(&book);
}

#[test]
fn expired_points_count_as_taken_once() {
    let mut book = e6(Funding::AtIssue);
    let earned = purchase(&mut book);
    book.post(ROVER, burn(100)).expect("burned");
    book.now = time("2027-02-01T00:00:00Z");
    assert_eq!(book.sweep()[0].operation.points, Points(140));
    for (spend, points, debt) in [(4_000, 160, 20), (3_000, 30, 50), (5_000, 50, 100)] {
        let back = book.post(HARBOR, refund_spend(&earned, cents(spend), "EUR")).expect("refunded");
        assert_eq!(back.operation.points, Points(points), "{spend}");
        assert_eq!(book.has(), (0, 0, debt), "{spend}");
        check(&book);
    }
    assert_eq!(clearing(&book, HARBOR), 0, "all issue money came back");
}

#[test]
fn held_points_are_not_taken_and_repay_when_they_are_released() {
    let mut book = e6(Funding::AtIssue);
    let earned = purchase(&mut book);
    let held = book.post(ROVER, authorize(200)).expect("held");
    book.post(HARBOR, reverse(&earned, ReversePart::Rest)).expect("refunded");
    assert_eq!(book.has(), (0, 200, 200));
    check(&book);
    let mut swept = book.clone();
    let mut captured = book.clone();
    let voided = book.post(ROVER, void(&held)).expect("voided");
    swept.wait(86_400);
    let ended = swept.sweep().remove(0);
    let in_part = captured.post(ROVER, capture(&held, Some(50))).expect("captured");
    for (book, decision, repaid) in
        [(book, voided, 200), (swept, ended, 200), (captured, in_part, 150)]
    {
        assert_eq!(decision.operation.debt_repaid, Points(repaid));
        assert_eq!(book.has(), (0, 0, 200 - repaid));
        check(&book);
    }
}

#[test]
fn a_refund_of_a_burn_repays_the_oldest_debt_first() {
    let mut book = e6(Funding::AtRedemption);
    let first = purchase(&mut book);
    let second = book.post(GROCER, earn(cents(10_000), "EUR")).expect("issued");
    let burned = book.post(ROVER, burn(340)).expect("burned");
    book.post(HARBOR, reverse(&first, ReversePart::Rest)).expect("refunded");
    book.post(GROCER, reverse(&second, ReversePart::Rest)).expect("refunded");
    assert_eq!(book.has(), (0, 0, 340));
    let refund = book.post(ROVER, refund_points(&burned, 300)).expect("refunded");
    assert_eq!(refund.operation.debt_repaid, Points(300));
    let left: Vec<_> = book.guest().debts.values().map(|d| (d.issuer, d.points.0)).collect();
    assert_eq!(left, [(HARBOR, 0), (GROCER, 40)]);
    check(&book);
}
