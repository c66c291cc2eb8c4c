//! Burning is held back for a time after a link: what others issued stays, what the partner issued
//! does not have to.

use entente_ledger::{PartnerId, Points};
use jiff::SignedDuration;

use crate::{
    Action, ExchangeAmount, Gifts, Refusal,
    cast::{
        Book, FRIEND, GROCER, GUEST, HARBOR, ROVER, agreement, authorize, burn, capture, cents,
        donate, earn, give, partner, rate,
    },
};

/// The guest has 100 points of Harbor and 50 of Rover, and was linked at Rover just now.
fn linked_at_rover() -> Book {
    let gifts =
        Gifts { max_points_per_operation: Points(500), max_points_per_member_month: Points(500) };
    let mut rover = agreement("EUR");
    rover.gifts = Some(gifts);
    rover.exchange_out = Some(rate((1, 1), (1, 1_000)));
    let mut grocer = agreement("EUR");
    grocer.accepts_donations = true;
    let mut book = Book::new(vec![
        partner(HARBOR, agreement("EUR")),
        partner(ROVER, rover),
        partner(GROCER, grocer),
    ]);
    book.post(HARBOR, earn(cents(10_000), "EUR")).expect("an earn");
    book.post(ROVER, earn(cents(5_000), "EUR")).expect("an earn");
    hold_back(&mut book, ROVER);
    book
}

fn hold_back(book: &mut Book, partner: PartnerId) {
    let until = book.now.checked_add(SignedDuration::from_hours(24)).expect("in range");
    let guest = book.members.get_mut(&GUEST).expect("the guest");
    guest.held_back.insert(partner, until);
}

fn is_held_back(book: &mut Book, action: Action) -> bool {
    let until = book.guest().held_back[&ROVER];
    book.post(ROVER, action) == Err(Refusal::BurnHeldBack { until })
}

#[test]
fn what_a_partner_issued_is_spent_there_at_once_and_nothing_else() {
    let mut book = linked_at_rover();
    assert!(is_held_back(&mut book, burn(51)));
    book.post(ROVER, burn(50)).expect("its own");
    assert_eq!(book.lots(), vec![(HARBOR, 100)]);
    assert!(is_held_back(&mut book, burn(1)));
    book.post(HARBOR, burn(100)).expect("where the link is old");
}

#[test]
fn no_other_way_out_is_open() {
    let mut book = linked_at_rover();
    book.post(ROVER, burn(50)).expect("its own");
    let exchange = Action::Exchange(ExchangeAmount::Out(Points(10)));
    for action in [burn(10), authorize(10), exchange, give(FRIEND, 10), donate(GROCER, 10)] {
        assert!(is_held_back(&mut book, action));
    }
    assert_eq!(book.has(), (100, 0, 0));
}

#[test]
fn too_few_points_are_too_few_whoever_issued_them() {
    let mut book = linked_at_rover();
    let refused = book.post(ROVER, burn(151));
    assert_eq!(refused, Err(Refusal::PointsInsufficient { available: Points(150) }));
}

#[test]
fn holding_back_ends_by_itself_and_never_stops_what_was_authorized() {
    let mut book = linked_at_rover();
    book.members.get_mut(&GUEST).expect("the guest").held_back.clear();
    let authorized = book.post(ROVER, authorize(50)).expect("an authorization");
    hold_back(&mut book, ROVER);
    book.post(ROVER, capture(&authorized, None)).expect("the goods are handed over");
    assert!(is_held_back(&mut book, burn(60)));
    book.wait(24 * 3_600);
    book.post(ROVER, burn(60)).expect("a day later");
}
