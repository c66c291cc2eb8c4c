//! Floats: what a prepaid partner issues is drawn from its blocks, and comes back to them.

use entente_ledger::{Funding, Micros, Points};

use super::check::check;
use crate::{
    Action, Agreement, Decision, ExchangeAmount, ExchangeRate, ExposureKey, Refusal, ReversePart,
    cast::{
        Book, FRIEND, GUEST, HARBOR, ROVER, agreement, burn, cents, currency, earn, earn_at, give,
        partner, partner_with, refund_spend, reverse, time,
    },
};

fn prepaid() -> Agreement {
    Agreement { funding: Funding::AtIssue, prepaid: true, ..agreement("EUR") }
}

fn key() -> ExposureKey {
    (HARBOR, currency("EUR"))
}

/// Two blocks of 100 at .0100 and .0090, and a reserve of 50 at .0150.
fn book_of(terms: Agreement) -> Book {
    let mut book = Book::new(vec![partner(HARBOR, terms), partner(ROVER, agreement("EUR"))]);
    book.buy(key(), &[(100, 10_000, false), (100, 9_000, false), (50, 15_000, true)]);
    book
}

/// An earn of so many points.
fn of(points: i64) -> Action {
    earn(cents(100 * points), "EUR")
}

/// What a decision drew from each block, or returned.
fn moves(decision: &Decision) -> Vec<(i32, i64)> {
    decision.float_moves.iter().map(|one| (one.block.0, one.points.0)).collect()
}

fn shares(decision: &Decision) -> Vec<u8> {
    decision.float_crossings.iter().map(|crossing| crossing.percent).collect()
}

#[test]
fn what_is_issued_is_drawn_from_the_earliest_block_and_moves_no_money() {
    let mut book = book_of(prepaid());
    let first = book.post(HARBOR, of(60)).expect("left");
    assert_eq!((moves(&first), shares(&first)), (vec![(1, 60)], vec![]));
    let second = book.post(HARBOR, of(60)).expect("left");
    assert_eq!((moves(&second), shares(&second)), (vec![(1, 40), (2, 20)], vec![50]));
    let third = book.post(HARBOR, of(100)).expect("left");
    assert_eq!((moves(&third), shares(&third)), (vec![(2, 80), (3, 20)], vec![20, 5, 0]));
    assert_eq!(book.left(key()), [0, 0, 30]);
    let money = book.decisions.iter().flat_map(|decision| &decision.transfers);
    assert_eq!(money.filter(|transfer| transfer.price != Micros::ZERO).count(), 0);
    check(&book);
}

#[test]
fn an_earn_that_exceeds_the_float_issues_nothing_and_a_lesser_one_still_does() {
    let mut book = book_of(prepaid());
    let refused = Refusal::FloatExhausted { left: Points(250), asked: Points(251) };
    assert_eq!(book.post(HARBOR, of(251)), Err(refused));
    assert!(refused.is_final());
    assert_eq!((book.has(), book.left(key())), ((0, 0, 0), vec![100, 100, 50]));
    book.post(HARBOR, of(250)).expect("all of it");
    let refused = Refusal::FloatExhausted { left: Points(0), asked: Points(1) };
    assert_eq!(book.post(HARBOR, of(1)), Err(refused));
    book.post(HARBOR, earn(cents(50), "EUR")).expect("what earns nothing needs nothing");
    check(&book);
}

#[test]
fn a_reversed_earn_returns_to_its_block_though_the_next_was_begun() {
    let mut book = book_of(prepaid());
    let first = book.post(HARBOR, of(80)).expect("left");
    let second = book.post(HARBOR, of(60)).expect("left");
    let back = book.post(HARBOR, reverse(&first, ReversePart::Rest)).expect("reversible");
    assert_eq!((moves(&back), shares(&back)), (vec![(1, -80)], vec![]));
    assert_eq!(book.left(key()), [80, 60, 50]);
    let part = refund_spend(&second, cents(4_500), "EUR");
    assert_eq!(moves(&book.post(HARBOR, part).expect("reversible")), [(2, -40), (1, -5)]);
    let rest = reverse(&second, ReversePart::Rest);
    assert_eq!(moves(&book.post(HARBOR, rest).expect("reversible")), [(1, -15)]);
    assert_eq!(book.left(key()), [100, 100, 50]);
    check(&book);
}

#[test]
fn points_that_the_member_no_longer_has_return_too_and_the_debt_is_repaid_to_the_pool() {
    let mut book = book_of(prepaid());
    let earned = book.post(HARBOR, of(100)).expect("left");
    book.post(ROVER, burn(70)).expect("available");
    let back = book.post(HARBOR, reverse(&earned, ReversePart::Rest)).expect("reversible");
    assert_eq!((moves(&back), book.has()), (vec![(1, -100)], (0, 0, 70)));
    let again = book.post(HARBOR, of(100)).expect("left");
    assert_eq!((moves(&again), book.has()), (vec![(1, 100)], (30, 0, 0)));
    check(&book);
}

#[test]
fn an_exchange_draws_and_a_gift_does_not() {
    let rate = ExchangeRate {
        give: 1,
        receive: 1,
        minimum: Points(1),
        increment: Points(1),
        exact_increments: false,
        bonus: None,
    };
    let gifts = crate::Gifts {
        max_points_per_operation: Points(500),
        max_points_per_member_month: Points(500),
    };
    let terms = Agreement { exchange_in: Some(rate), gifts: Some(gifts), ..prepaid() };
    let mut book = book_of(terms);
    let inward = |points| Action::Exchange(ExchangeAmount::In(Points(points)));
    assert_eq!(moves(&book.post(HARBOR, inward(120)).expect("left")), [(1, 100), (2, 20)]);
    let refused = book.post(HARBOR, inward(131)).expect_err("130 are left");
    assert_eq!(refused, Refusal::FloatExhausted { left: Points(130), asked: Points(131) });
    assert_eq!(moves(&book.post(HARBOR, give(FRIEND, 120)).expect("available")), []);
    check(&book);
}

#[test]
fn an_earn_of_a_merged_member_returns_to_its_block() {
    let mut book = book_of(prepaid());
    let earned = book.post_as(FRIEND, HARBOR, of(130)).expect("left");
    book.post_as(FRIEND, ROVER, Action::Merge { into: GUEST }).expect("mergeable");
    let back = reverse(&earned, ReversePart::Rest);
    assert_eq!(
        moves(&book.post_as(FRIEND, HARBOR, back).expect("followed")),
        [(2, -30), (1, -100)]
    );
    assert_eq!(book.left(key()), [100, 100, 50]);
    check(&book);
}

#[test]
fn terms_that_become_prepaid_draw_for_purchases_from_then_on() {
    let noon = time("2026-01-15T12:00:00Z");
    let before = Agreement { prepaid: false, ..prepaid() };
    let versions = vec![(time("2020-01-01T00:00:00Z"), before), (noon, prepaid())];
    let mut book = Book::new(vec![partner_with(HARBOR, versions)]);
    book.buy(key(), &[(100, 10_000, false)]);
    let early = book.post(HARBOR, of(10)).expect("at the issue price");
    assert_eq!((moves(&early), early.transfers.len()), (vec![], 2));
    book.wait(4 * 3_600);
    let late = earn_at(cents(1_000), "EUR", "ride", Some(time("2026-01-15T11:00:00Z")));
    assert_eq!(moves(&book.post(HARBOR, late).expect("by the terms of its time")), []);
    let now = book.post(HARBOR, of(10)).expect("left");
    assert_eq!((moves(&now), now.transfers.len()), (vec![(1, 10)], 1));
    let back = book.post(HARBOR, reverse(&early, ReversePart::Rest)).expect("reversible");
    assert_eq!((moves(&back), book.left(key())), (vec![], vec![90]));
    check(&book);
}

#[test]
fn a_batch_never_overdraws() {
    let mut book = book_of(prepaid());
    let commands: Vec<_> = (0..30).map(|_| book.command(HARBOR, of(9))).collect();
    let outcomes = book.post_batch(&commands);
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 27);
    assert_eq!(book.left(key()).iter().sum::<i64>(), 250 - 27 * 9);
    check(&book);
}
