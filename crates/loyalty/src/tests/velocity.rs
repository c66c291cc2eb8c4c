//! Limits of an hour or a day: what they count, what they refuse, and until when.

use std::collections::BTreeMap;

use entente_ledger::{PartnerId, Points};

use crate::{
    Action, Agreement, Counted, Decision, ExchangeAmount, Gifts, Meter, Refusal, ReversePart,
    cast::{
        Book, FRIEND, GROCER, GUEST, HARBOR, ROVER, agreement, authorize, burn, capture, cents,
        donate, earn, give, partner, partner_with, rate, reverse, time, void,
    },
};

fn limited(limits: &[(Meter, i64)]) -> Agreement {
    let gifts = Gifts {
        max_points_per_operation: Points(5_000),
        max_points_per_member_month: Points(90_000),
    };
    let mut plain = agreement("EUR");
    plain.limits = limits.iter().copied().collect();
    plain.gifts = Some(gifts);
    plain.exchange_in = Some(rate((1, 1), (1, 1_000_000)));
    plain.exchange_out = Some(rate((1, 1), (1, 1_000_000)));
    plain
}

/// Rover has these limits; guest and friend have 1,000 points of Harbor each. It is 9 in the morning.
fn book(limits: &[(Meter, i64)]) -> Book {
    let charity = Agreement { accepts_donations: true, ..agreement("EUR") };
    let mut book = Book::new(vec![
        partner(HARBOR, agreement("EUR")),
        partner(ROVER, limited(limits)),
        partner(GROCER, charity),
    ]);
    for member in [GUEST, FRIEND] {
        book.post_as(member, HARBOR, earn(cents(100_000), "EUR")).expect("an earn");
    }
    book
}

fn refused(limit: Meter, rest: i64, until: &str) -> Result<Decision, Refusal> {
    let resets_at = time(&format!("2026-01-{until}:00:00Z"));
    Err(Refusal::VelocityLimit { limit, rest, resets_at })
}

fn rover_earns(points: i64) -> Action {
    earn(cents(points * 100), "EUR")
}

#[test]
fn what_is_earned_in_a_day_has_a_limit_for_each_member() {
    let mut book = book(&[(Meter::MemberPointsEarned, 100)]);
    book.post(ROVER, rover_earns(60)).expect("within");
    assert_eq!(book.post(ROVER, rover_earns(41)), refused(Meter::MemberPointsEarned, 40, "16T00"));
    book.post(ROVER, Action::Exchange(ExchangeAmount::In(Points(40)))).expect("the rest");
    assert_eq!(book.post(ROVER, rover_earns(1)), refused(Meter::MemberPointsEarned, 0, "16T00"));
    book.post(ROVER, earn(cents(50), "EUR")).expect("nothing is not too much");
    book.post_as(FRIEND, ROVER, rover_earns(100)).expect("another member");
    book.post(HARBOR, rover_earns(500)).expect("another partner");
    book.wait(15 * 3_600);
    book.post(ROVER, rover_earns(100)).expect("the next day");
}

#[test]
fn operations_are_counted_by_the_hour_of_a_member_and_of_the_partner() {
    let mut book = book(&[(Meter::MemberOperations, 2), (Meter::Operations, 3)]);
    book.post(ROVER, burn(1)).expect("one");
    book.post(ROVER, rover_earns(1)).expect("two");
    assert_eq!(book.post(ROVER, burn(1)), refused(Meter::MemberOperations, 0, "15T10"));
    book.post_as(FRIEND, ROVER, burn(1)).expect("three");
    assert_eq!(book.post_as(FRIEND, ROVER, burn(1)), refused(Meter::Operations, 0, "15T10"));
    book.wait(3_599);
    assert_eq!(book.post_as(FRIEND, ROVER, burn(1)), refused(Meter::Operations, 0, "15T10"));
    book.wait(1);
    book.post(ROVER, burn(1)).expect("the next hour");
}

#[test]
fn only_what_others_issued_counts_as_foreign_whichever_way_it_goes() {
    let all = [
        burn(30),
        authorize(30),
        donate(GROCER, 30),
        Action::Exchange(ExchangeAmount::Out(Points(30))),
    ];
    for action in all {
        let mut book = book(&[(Meter::MemberForeignPointsBurned, 50)]);
        book.post(ROVER, action.clone()).expect("30 of Harbor");
        assert_eq!(
            book.post(ROVER, action.clone()),
            refused(Meter::MemberForeignPointsBurned, 20, "16T00")
        );
        book.post(HARBOR, burn(500)).expect("its own terms");
    }
    let mut own = book(&[(Meter::MemberForeignPointsBurned, 50)]);
    own.post(HARBOR, burn(1_000)).expect("all of Harbor");
    own.post(ROVER, rover_earns(200)).expect("an earn");
    own.post(ROVER, burn(200)).expect("none of them is foreign");
}

#[test]
fn a_partner_as_a_whole_burns_so_many_of_others_in_an_hour_and_a_day() {
    let mut book = book(&[
        (Meter::ForeignPointsBurnedHour, 100),
        (Meter::ForeignPointsBurnedDay, 150),
        (Meter::PointsIssued, 10),
    ]);
    book.post(ROVER, burn(100)).expect("within");
    assert_eq!(
        book.post_as(FRIEND, ROVER, burn(1)),
        refused(Meter::ForeignPointsBurnedHour, 0, "15T10")
    );
    // Of two that are reached, the one that ends last.
    assert_eq!(
        book.post_as(FRIEND, ROVER, burn(51)),
        refused(Meter::ForeignPointsBurnedDay, 50, "16T00")
    );
    book.wait(3_600);
    book.post_as(FRIEND, ROVER, burn(50)).expect("the next hour");
    assert_eq!(book.post(ROVER, burn(1)), refused(Meter::ForeignPointsBurnedDay, 0, "16T00"));
    book.post(ROVER, rover_earns(10)).expect("within");
    let issued = book.post_as(FRIEND, ROVER, rover_earns(1));
    assert_eq!(issued, refused(Meter::PointsIssued, 0, "15T11"));
}

#[test]
fn gifts_and_donations_are_given_by_the_giver_alone() {
    let mut book = book(&[(Meter::MemberPointsGiven, 100), (Meter::MemberOperations, 3)]);
    book.post(ROVER, give(FRIEND, 60)).expect("within");
    assert_eq!(
        book.post(ROVER, donate(GROCER, 41)),
        refused(Meter::MemberPointsGiven, 40, "16T00")
    );
    book.post(ROVER, donate(GROCER, 40)).expect("the rest");
    for _ in 0..3 {
        book.post_as(FRIEND, ROVER, give(GUEST, 10)).expect("to receive is no operation");
    }
    book.post(ROVER, burn(1)).expect("the third of the guest");
}

#[test]
fn what_completes_or_undoes_is_never_refused_and_gives_nothing_back() {
    let mut book = book(&[(Meter::MemberForeignPointsBurned, 100), (Meter::Operations, 3)]);
    let first = book.post(ROVER, authorize(60)).expect("within");
    let second = book.post(ROVER, authorize(30)).expect("within");
    let third = book.post(ROVER, burn(10)).expect("within");
    book.post(ROVER, void(&second)).expect("a void");
    let captured = book.post(ROVER, capture(&first, None)).expect("a capture");
    book.post(ROVER, reverse(&captured, ReversePart::Rest)).expect("a reversal");
    book.post(ROVER, reverse(&third, ReversePart::Rest)).expect("a reversal");
    assert_eq!(book.post(ROVER, burn(1)), refused(Meter::MemberForeignPointsBurned, 0, "16T00"));
    book.wait(3_600);
    assert_eq!(book.post(ROVER, burn(1)), refused(Meter::MemberForeignPointsBurned, 0, "16T00"));
}

/// The book asserts that a refused command leaves the state as it was.
#[test]
fn in_a_batch_a_refused_command_counts_nothing() {
    let mut book = book(&[(Meter::MemberForeignPointsBurned, 100), (Meter::Operations, 2)]);
    let commands: Vec<_> =
        [burn(90), burn(11), burn(10), burn(1)].map(|action| book.command(ROVER, action)).into();
    let outcomes = book.post_batch(&commands);
    assert!(outcomes[0].is_ok() && outcomes[2].is_ok(), "{outcomes:?}");
    assert_eq!(outcomes[1], refused(Meter::MemberForeignPointsBurned, 10, "16T00"));
    assert_eq!(outcomes[3], refused(Meter::MemberForeignPointsBurned, 0, "16T00"));
    let since = time("2026-01-15T09:00:00Z");
    assert_eq!(book.counted[&(ROVER, Meter::Operations)], Counted { since, used: 2 });
}

#[test]
fn a_counter_that_another_clock_began_later_counts_on() {
    let mut book = book(&[(Meter::Operations, 2)]);
    let since = time("2026-01-15T10:00:00Z");
    book.counted.insert((ROVER, Meter::Operations), Counted { since, used: 1 });
    book.post(ROVER, burn(1)).expect("the second");
    assert_eq!(book.counted[&(ROVER, Meter::Operations)], Counted { since, used: 2 });
    assert_eq!(book.post(ROVER, burn(1)), refused(Meter::Operations, 0, "15T11"));
}

#[test]
fn limits_are_those_of_the_terms_in_force_now() {
    let versions = vec![
        (time("2020-01-01T00:00:00Z"), agreement("EUR")),
        (time("2026-01-15T09:30:00Z"), limited(&[(Meter::MemberPointsEarned, 10)])),
        (time("2026-01-15T10:30:00Z"), agreement("EUR")),
    ];
    let mut book = Book::new(vec![partner_with(ROVER, versions)]);
    book.post(ROVER, rover_earns(50)).expect("no limit");
    book.wait(1_800);
    assert_eq!(book.post(ROVER, rover_earns(11)), refused(Meter::MemberPointsEarned, 10, "16T00"));
    book.post(ROVER, rover_earns(10)).expect("counted from now on");
    book.wait(3_600);
    book.post(ROVER, rover_earns(50)).expect("no limit any more");
}

#[test]
fn an_issuer_is_told_once_a_day_of_what_a_member_burns_elsewhere() {
    let mut harbor = agreement("EUR");
    harbor.limits = BTreeMap::from([(Meter::MemberPointsBurnedElsewhere, 100)]);
    let mut book = Book::new(vec![partner(HARBOR, harbor), partner(ROVER, agreement("EUR"))]);
    for member in [GUEST, FRIEND] {
        book.post_as(member, HARBOR, earn(cents(100_000), "EUR")).expect("an earn");
    }
    let told = |book: &mut Book, partner: PartnerId, action: Action| -> Vec<(PartnerId, i64)> {
        let decision = book.post(partner, action).expect("nothing is refused");
        let told = decision.burned_elsewhere.iter();
        told.map(|told| (told.issuer, told.points.0)).collect()
    };
    assert_eq!(told(&mut book, HARBOR, burn(300)), []);
    assert_eq!(told(&mut book, ROVER, burn(60)), []);
    assert_eq!(told(&mut book, ROVER, authorize(40)), []);
    book.post_as(FRIEND, ROVER, burn(90)).expect("another member");
    assert_eq!(told(&mut book, ROVER, burn(1)), [(HARBOR, 101)]);
    assert_eq!(told(&mut book, ROVER, burn(100)), []);
    book.wait(86_400);
    assert_eq!(told(&mut book, ROVER, burn(101)), [(HARBOR, 101)]);
}
