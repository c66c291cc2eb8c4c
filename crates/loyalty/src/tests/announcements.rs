//! What expires soon is told of, once.

use entente_ledger::Points;

use super::check::check;
use crate::{
    Agreement, OperationKind, ReversePart,
    cast::{
        Book, GROCER, HARBOR, agreement, authorize, burn, cents, earn, partner, reverse, time, void,
    },
};

const DAY: i64 = 86_400;

/// Harbor's points live for a year, Grocer's for as many days as said.
fn book(grocer_days: i32) -> Book {
    let lasting = |lot_life_days| Agreement { lot_life_days, ..agreement("EUR") };
    Book::new(vec![partner(HARBOR, lasting(365)), partner(GROCER, lasting(grocer_days))])
}

/// What a sweep announces: issuer and points, in order.
fn announced(book: &mut Book) -> Vec<(i32, i64)> {
    let swept = book.sweep();
    check(book);
    let told = swept.iter().filter(|d| d.operation.kind == OperationKind::Announce);
    told.flat_map(|decision| {
        assert!(decision.transfers.is_empty(), "nothing moves");
        let portions = decision.operation.portions.iter();
        portions.map(|portion| (portion.issuer.0, portion.points.0))
    })
    .collect()
}

#[test]
fn points_are_announced_once_and_thirty_days_ahead() {
    let mut book = book(100);
    book.post(HARBOR, earn(cents(10_000), "EUR")).expect("an earn");
    book.wait(335 * DAY - 1);
    assert_eq!(announced(&mut book), []);
    assert_eq!(book.guest().next_due_at(), Some(time("2026-12-16T09:00:00Z")));
    book.wait(1);
    assert_eq!(announced(&mut book), [(HARBOR.0, 100)]);
    assert_eq!(book.guest().next_due_at(), Some(time("2027-01-15T09:00:00Z")));
    assert_eq!(announced(&mut book), []);
    book.wait(30 * DAY);
    assert_eq!(announced(&mut book), [], "expired, and not announced again");
    assert_eq!(book.has(), (0, 0, 0));
}

#[test]
fn what_ends_on_the_same_day_is_announced_in_one_operation() {
    let mut book = book(364);
    book.post(HARBOR, earn(cents(10_000), "EUR")).expect("an earn");
    book.wait(8 * 3_600);
    book.post(HARBOR, earn(cents(2_000), "EUR")).expect("later that day");
    book.wait(16 * 3_600);
    book.post(GROCER, earn(cents(500), "EUR")).expect("ends on that day too");
    book.post(HARBOR, earn(cents(700), "EUR")).expect("ends on the next");
    book.wait(335 * DAY - DAY);
    let (harbor, grocer) = (HARBOR.0, GROCER.0);
    assert_eq!(announced(&mut book), [(harbor, 100), (grocer, 5), (harbor, 20)]);
    book.wait(DAY);
    assert_eq!(announced(&mut book), [(harbor, 7)]);
}

#[test]
fn what_comes_back_late_in_a_batch_is_announced_with_all_that_ends_on_its_day() {
    let told = |together: bool| {
        let mut book = book(400);
        book.post(GROCER, earn(cents(500), "EUR")).expect("ends on day 400");
        let burned = book.post(HARBOR, burn(5)).expect("it is used up");
        book.wait(50 * DAY + 11 * 3_600);
        book.post(HARBOR, earn(cents(2_000), "EUR")).expect("ends on day 415 at 20:00");
        book.wait(3_600);
        book.post(HARBOR, earn(cents(700), "EUR")).expect("and an hour later");
        book.wait(335 * DAY - 2 * 3_600);
        let back = book.command(HARBOR, reverse(&burned, ReversePart::Rest));
        let more = book.command(HARBOR, earn(cents(100), "EUR"));
        let before = book.decisions.len();
        if together {
            book.post_batch(&[back, more]).into_iter().for_each(|done| drop(done.expect("both")));
        } else {
            book.post_batch(&[back])[0].as_ref().expect("a refund");
            book.post_batch(&[more])[0].as_ref().expect("an earn");
        }
        check(&book);
        let posted = &book.decisions[before..];
        posted.iter().map(|decision| decision.operation.portions.len()).collect::<Vec<_>>()
    };
    assert_eq!(told(true), told(false));
}

#[test]
fn what_lives_for_thirty_days_or_less_is_never_announced() {
    for (days, told) in [(1, false), (30, false), (31, true)] {
        let mut book = book(days);
        book.post(GROCER, earn(cents(500), "EUR")).expect("an earn");
        book.wait(DAY);
        assert_eq!(!announced(&mut book).is_empty(), told, "{days}");
    }
}

#[test]
fn what_is_used_or_held_is_not_announced_and_what_comes_back_is() {
    let mut book = book(100);
    book.post(HARBOR, earn(cents(10_000), "EUR")).expect("an earn");
    book.post(GROCER, earn(cents(500), "EUR")).expect("an earn");
    book.wait(70 * DAY - 3_600);
    let held = book.post(HARBOR, authorize(5)).expect("Grocer's, which end first");
    book.wait(3_600);
    assert_eq!(announced(&mut book), []);
    book.post(HARBOR, void(&held)).expect("free again");
    assert_eq!(announced(&mut book), [(GROCER.0, 5)]);
    let burned = book.post(HARBOR, burn(105)).expect("all");
    book.wait(270 * DAY);
    assert_eq!(announced(&mut book), [], "nothing is left");
    assert_eq!(book.guest().next_due_at(), None);
    book.post(HARBOR, reverse(&burned, ReversePart::Points(Points(50)))).expect("a refund");
    assert_eq!(announced(&mut book), [(HARBOR.0, 50)]);
}
