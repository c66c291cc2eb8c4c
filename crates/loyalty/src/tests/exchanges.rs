//! Exchanges: what a rate makes of points, which refusal comes first, and which rates gain.

use std::collections::BTreeMap;

use entente_ledger::{Account, Funding, Micros, Origin, Points};

use super::check::check;
use crate::{
    Action, Agreement, ExchangeAmount, ExchangeBonus, ExchangeDirection, ExchangeRate, Exchanged,
    Refusal, ReversePart,
    cast::{
        Book, HARBOR, ROVER, agreement, authorize, burn, cents, currency, earn, original, partner,
        refund_spend, reverse,
    },
    cycle_gains,
};

const PLAIN: ExchangeRate = ExchangeRate {
    give: 1,
    receive: 1,
    minimum: Points(1),
    increment: Points(1),
    exact_increments: false,
    bonus: None,
};

/// 3 for 1, from 3,000 on, in threes, 5,000 more for every 60,000.
const IN: ExchangeRate = ExchangeRate {
    give: 3,
    minimum: Points(3_000),
    increment: Points(3),
    bonus: Some(ExchangeBonus { threshold: Points(60_000), points: Points(5_000) }),
    ..PLAIN
};

/// 1 for 2.
const OUT: ExchangeRate = ExchangeRate { receive: 2, ..PLAIN };

fn exchanging(exchange_in: ExchangeRate, exchange_out: ExchangeRate) -> Agreement {
    Agreement {
        exchange_in: Some(exchange_in),
        exchange_out: Some(exchange_out),
        funding: Funding::AtIssue,
        ..agreement("EUR")
    }
}

fn book(exchange_in: ExchangeRate) -> Book {
    let rover = agreement("USD");
    Book::new(vec![partner(HARBOR, exchanging(exchange_in, OUT)), partner(ROVER, rover)])
}

fn inward(points: i64) -> Action {
    Action::Exchange(ExchangeAmount::In(Points(points)))
}

fn outward(points: i64) -> Action {
    Action::Exchange(ExchangeAmount::Out(Points(points)))
}

#[test]
fn a_rate_gives_whole_increments_their_ratio_and_full_thresholds_their_bonus() {
    for (offered, received, left) in [
        (3_000, 1_000, 0),
        (3_001, 1_000, 1),
        (59_999, 19_999, 2),
        (60_000, 25_000, 0),
        (60_002, 25_000, 2),
        (119_999, 39_999 + 5_000, 2),
        (120_000, 50_000, 0),
    ] {
        let mut book = book(IN);
        let decision = book.post(HARBOR, inward(offered)).expect("an exchange");
        assert_eq!(decision.operation.points, Points(received), "{offered}");
        let (direction, own_points) = (ExchangeDirection::In, Points(offered - left));
        let exchange = Exchanged { direction, own_points, left: Points(left) };
        assert_eq!(decision.operation.exchange, Some(exchange), "{offered}");
        assert_eq!(book.has(), (received, 0, 0));
        check(&book);
    }
}

#[test]
fn a_bonus_is_of_one_exchange() {
    let mut book = book(IN);
    book.post(HARBOR, inward(30_000)).expect("an exchange");
    book.post(HARBOR, inward(30_000)).expect("an exchange");
    assert_eq!(book.has(), (20_000, 0, 0));
    check(&book);
}

#[test]
fn an_exchange_is_refused_for_the_first_reason_that_applies() {
    let exact = ExchangeRate { exact_increments: true, ..IN };
    let below = Refusal::ExchangeBelowMinimum { minimum: Points(3_000) };
    for (partner, action, refusal) in [
        (ROVER, inward(-1), Refusal::ExchangeNotAgreed),
        (ROVER, outward(1), Refusal::ExchangeNotAgreed),
        (HARBOR, inward(0), below),
        (HARBOR, inward(-3_000), below),
        (HARBOR, outward(-1), Refusal::ExchangeBelowMinimum { minimum: Points(1) }),
        (HARBOR, inward(1), below),
        (HARBOR, inward(2_999), below),
        (HARBOR, inward(59_999), Refusal::ExchangeOffIncrement { increment: Points(3) }),
        (HARBOR, inward(i64::MAX), Refusal::ExchangeOffIncrement { increment: Points(3) }),
        (HARBOR, inward(i64::MAX - 1), Refusal::AmountTooLarge),
        (HARBOR, inward(3_000_000_003), Refusal::AmountTooLarge),
        (HARBOR, outward(101), Refusal::PointsInsufficient { available: Points(100) }),
    ] {
        let mut book = book(exact);
        book.post(HARBOR, earn(cents(10_000), "EUR")).expect("issued");
        assert_eq!(book.post(partner, action.clone()), Err(refusal), "{action:?}");
        check(&book);
    }
}

#[test]
fn points_that_give_nothing_are_below_the_minimum() {
    for (rate, offered, minimum) in [
        (ExchangeRate { give: 3, ..PLAIN }, 2, 3),
        (ExchangeRate { increment: Points(100), ..PLAIN }, 99, 100),
        (ExchangeRate { give: 150, increment: Points(100), ..PLAIN }, 199, 200),
        (ExchangeRate { minimum: Points(250), increment: Points(100), ..PLAIN }, 299, 300),
        (ExchangeRate { give: 5_000_000, minimum: Points(7), ..PLAIN }, 4_999_999, 5_000_000),
        (ExchangeRate { give: 90_000, ..IN }, 59_999, 60_000),
    ] {
        let mut book = book(rate);
        let minimum = Refusal::ExchangeBelowMinimum { minimum: Points(minimum) };
        assert_eq!(book.post(HARBOR, inward(offered)), Err(minimum), "{rate:?}");
        let Refusal::ExchangeBelowMinimum { minimum } = minimum else { unreachable!() };
        book.post(HARBOR, inward(minimum.0)).expect("the minimum is enough");
        check(&book);
    }
}

#[test]
fn points_come_in_as_an_issue_and_go_out_as_a_redemption() {
    let mut book = book(IN);
    let decision = book.post(HARBOR, inward(3_000)).expect("in");
    let lot = book.guest().lots.values().next().expect("a lot").clone();
    assert_eq!(
        (lot.issuer, lot.funding, lot.origin),
        (HARBOR, Funding::AtIssue, Origin::Exchanged)
    );
    assert_eq!(decision.operation.portions.len(), 1);
    let eur = currency("EUR");
    let clearing = |book: &Book| book.trial().of(Account::Clearing(HARBOR), Some(eur));
    assert_eq!(clearing(&book), -10_000_000, "1,000 points at .0100");
    let out = book.post(HARBOR, outward(250)).expect("out").operation;
    let (direction, own_points) = (ExchangeDirection::Out, Points(500));
    assert_eq!(out.exchange, Some(Exchanged { direction, own_points, left: Points::ZERO }));
    assert_eq!(clearing(&book), -10_000_000 + 2_000_000, "250 points at .0080");
    assert_eq!(book.has(), (750, 0, 0));
    check(&book);
}

#[test]
fn points_go_out_in_burn_order_and_never_from_a_hold() {
    let mut book = book(IN);
    book.post(ROVER, earn(cents(10_000), "USD")).expect("older");
    book.wait(60);
    book.post(HARBOR, inward(3_000)).expect("in");
    book.post(HARBOR, authorize(50)).expect("held");
    let portions = book.post(HARBOR, outward(80)).expect("out").operation.portions;
    let portions: Vec<_> =
        portions.iter().map(|portion| (portion.issuer, portion.points.0)).collect();
    assert_eq!(portions, [(ROVER, 50), (HARBOR, 30)]);
    let refusal = book.post(HARBOR, outward(1_050));
    assert_eq!(refusal, Err(Refusal::PointsInsufficient { available: Points(970) }));
    check(&book);
}

#[test]
fn points_that_come_in_repay_a_debt_first() {
    let mut book = book(IN);
    let earned = book.post(HARBOR, earn(cents(40_000), "EUR")).expect("issued");
    book.post(HARBOR, burn(400)).expect("burned");
    book.post(HARBOR, refund_spend(&earned, cents(40_000), "EUR")).expect("refunded");
    assert_eq!(book.has(), (0, 0, 400));
    let decision = book.post(HARBOR, inward(3_000)).expect("in");
    assert_eq!(decision.operation.debt_repaid, Points(400));
    assert_eq!(book.has(), (600, 0, 0));
    check(&book);
}

#[test]
fn an_exchange_is_capped_and_counts_in_no_year() {
    let cap = BTreeMap::from([(currency("EUR"), Micros(10_000_000))]);
    let year = Some(Points(100));
    let terms =
        Agreement { net_debit_caps: cap, max_points_per_member_year: year, ..exchanging(IN, OUT) };
    let mut book = Book::new(vec![partner(HARBOR, terms)]);
    book.post(HARBOR, inward(3_000)).expect("just within");
    assert_eq!(book.exposure(HARBOR, "EUR"), Micros(10_000_000));
    let refusal = book.post(HARBOR, inward(3_000)).expect_err("beyond");
    assert!(matches!(refusal, Refusal::NetDebitCapExceeded { partner: HARBOR, .. }));
    book.post(HARBOR, outward(500)).expect("it is owed for these");
    let earned = book.post(HARBOR, earn(cents(10_000), "EUR")).expect("a whole year is left");
    assert_eq!(earned.operation.points, Points(100));
    check(&book);
}

#[test]
fn an_exchange_cannot_be_reversed_nor_captured() {
    let mut book = book(IN);
    let into = book.post(HARBOR, inward(3_000)).expect("in");
    let out = book.post(HARBOR, outward(10)).expect("out");
    for decision in [into, out] {
        let refusal = book.post(HARBOR, reverse(&decision, ReversePart::Rest));
        assert_eq!(refusal, Err(Refusal::NotReversible));
        let capture = Action::Capture { original: original(&decision), points: None };
        assert_eq!(book.post(HARBOR, capture), Err(Refusal::NotAnAuthorization));
    }
    check(&book);
}

#[test]
fn a_clawback_takes_exchanged_points_of_the_issuer_too() {
    let mut book = book(IN);
    let earned = book.post(HARBOR, earn(cents(10_000), "EUR")).expect("issued");
    book.post(HARBOR, burn(100)).expect("burned");
    book.post(HARBOR, inward(3_000)).expect("in");
    book.post(HARBOR, refund_spend(&earned, cents(10_000), "EUR")).expect("refunded");
    assert_eq!(book.has(), (900, 0, 0));
    check(&book);
}

#[test]
fn rates_gain_when_points_that_go_around_become_more() {
    let bonus = |threshold, points| {
        Some(ExchangeBonus { threshold: Points(threshold), points: Points(points) })
    };
    let ratio = |give, receive| ExchangeRate { give, receive, ..PLAIN };
    for (inward, outward, gains) in [
        (IN, OUT, false),
        (IN, ratio(1, 3), true),
        (IN, ratio(5, 12), false),
        (IN, ratio(50_000, 120_001), true),
        (ExchangeRate { bonus: None, ..IN }, ratio(1, 3), false),
        (ratio(1, 1), ratio(1, 1), false),
        (ratio(999_999_999, 1_000_000_000), ratio(1, 1), true),
        (ratio(1, 1), ExchangeRate { bonus: bonus(1_000_000_000, 1), ..PLAIN }, true),
        (ratio(2, 1), ExchangeRate { bonus: bonus(10, 10), ..PLAIN }, false),
        (ratio(2, 1), ExchangeRate { bonus: bonus(10, 11), ..PLAIN }, true),
        (ratio(i64::MAX, i64::MAX), ratio(i64::MAX, i64::MAX - 1), false),
        (
            ExchangeRate { bonus: bonus(i64::MAX, 1), ..ratio(i64::MAX, 1) },
            ExchangeRate { bonus: bonus(i64::MAX, 1), ..ratio(i64::MAX, 1) },
            true,
        ),
    ] {
        assert_eq!(cycle_gains(&exchanging(inward, outward)), gains, "{inward:?} {outward:?}");
    }
    let one_way = Agreement { exchange_out: None, ..exchanging(ratio(1, 1_000), OUT) };
    assert!(!cycle_gains(&one_way), "nothing goes around");
}
