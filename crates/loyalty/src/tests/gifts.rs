//! Gifts: points move between two members without money, and to charities as to a till.

use std::collections::BTreeMap;

use entente_ledger::{Account, Funding, Micros, Origin, Points};

use super::check::check;
use crate::{
    Agreement, Gifts, OperationKind, Refusal, ReversePart,
    cast::{
        Book, FRIEND, GROCER, GUEST, HARBOR, ROVER, agreement, authorize, burn, cents, currency,
        donate, earn, give, partner, partner_with, reverse, time,
    },
};

/// Gifts of at most 500 points, 800 a month.
fn generous(code: &str) -> Agreement {
    let gifts =
        Gifts { max_points_per_operation: Points(500), max_points_per_member_month: Points(800) };
    Agreement { gifts: Some(gifts), ..agreement(code) }
}

/// The guest has 300 points of Rover, then 700 of Harbor, at whom gifts are agreed.
fn book() -> Book {
    let soon = Agreement { lot_life_days: 30, ..agreement("USD") };
    let charity = Agreement {
        accepts_donations: true,
        hub_fee_basis_points: 100,
        reimbursement: Micros(6_000),
        ..agreement("USD")
    };
    let mut book = Book::new(vec![
        partner(HARBOR, generous("EUR")),
        partner(ROVER, soon),
        partner(GROCER, charity),
    ]);
    book.post(HARBOR, earn(cents(70_000), "EUR")).expect("700");
    book.post(ROVER, earn(cents(30_000), "USD")).expect("300");
    book
}

#[test]
fn a_gift_takes_lots_in_burn_order_and_they_keep_issuer_and_expiry() {
    let mut book = book();
    let before: Vec<_> = book.guest().lots.values().cloned().collect();
    let given = book.post(HARBOR, give(FRIEND, 400)).expect("within the limits");
    assert_eq!(book.lots(), [(HARBOR, 600)]);
    assert_eq!(book.lots_of(FRIEND), [(ROVER, 300), (HARBOR, 100)]);
    assert_eq!((book.has(), book.member_has(FRIEND)), ((600, 0, 0), (400, 0, 0)));
    for lot in book.members[&FRIEND].lots.values() {
        let source = before.iter().find(|source| source.issuer == lot.issuer).expect("given");
        assert_eq!(lot.origin, Origin::Received { from: book.guest().cell, lot: source.id });
        assert_eq!(
            (lot.funding, lot.terms_version, lot.currency, lot.expires_at),
            (source.funding, source.terms_version, source.currency, source.expires_at)
        );
    }
    assert!(given.transfers.iter().all(|transfer| transfer.credit() == Account::InTransit));
    assert_eq!(given.operation.counterparty, Some(FRIEND));
    check(&book);
}

#[test]
fn both_legs_are_operations_of_one_request_in_their_own_cells() {
    let mut book = book();
    book.post(HARBOR, give(FRIEND, 400)).expect("within the limits");
    let [given, received] = &book.decisions[book.decisions.len() - 2..] else { panic!("two legs") };
    let (given, received) = (&given.operation, &received.operation);
    assert_eq!((given.member, given.cell), (GUEST, book.guest().cell));
    assert_eq!((received.member, received.cell), (FRIEND, book.members[&FRIEND].cell));
    for leg in [given, received] {
        assert_eq!((leg.kind, leg.partner), (OperationKind::Transfer, HARBOR));
        assert_eq!((leg.request_id, leg.points), (given.request_id, Points(400)));
    }
    assert_eq!(received.counterparty, Some(GUEST));
}

#[test]
fn a_gift_moves_no_money_and_is_a_memo_of_its_partner_once() {
    let mut book = book();
    let exposures = book.exposures.clone();
    book.post(HARBOR, give(FRIEND, 400)).expect("within the limits");
    let legs = &book.decisions[book.decisions.len() - 2..];
    let transfers: Vec<_> = legs.iter().flat_map(|leg| leg.transfers.clone()).collect();
    let sums = entente_ledger::positions(&transfers).expect("small");
    assert!(sums.values().all(|sum| sum.micros.is_zero()));
    let of_harbor: i64 =
        sums.iter().filter(|(key, _)| key.payer == HARBOR).map(|(_, sum)| sum.points.0).sum();
    assert_eq!(of_harbor, 400);
    assert_eq!(book.exposures, exposures);
}

#[test]
fn what_a_gift_is_refused_for_and_in_which_order() {
    let most = Points(500);
    for (partner, to, points, refusal) in [
        (ROVER, GUEST, 0, Refusal::TransferNotAgreed),
        (HARBOR, GUEST, 0, Refusal::TransferToSelf),
        (HARBOR, FRIEND, 0, Refusal::AmountTooLarge),
        (HARBOR, FRIEND, -1, Refusal::AmountTooLarge),
        (HARBOR, FRIEND, i64::MIN, Refusal::AmountTooLarge),
        (HARBOR, FRIEND, 501, Refusal::TransferTooLarge { most }),
        (HARBOR, FRIEND, 1_000_000_000, Refusal::TransferTooLarge { most }),
        (HARBOR, FRIEND, i64::MAX, Refusal::AmountTooLarge),
    ] {
        let mut book = book();
        assert_eq!(book.post(partner, give(to, points)), Err(refusal), "{points} at {partner}");
        assert_eq!(book.post_as(FRIEND, HARBOR, give(GUEST, 1)), Err(poor(0)));
        check(&book);
    }
}

fn poor(available: i64) -> Refusal {
    Refusal::PointsInsufficient { available: Points(available) }
}

#[test]
fn held_points_and_points_whose_time_has_come_cannot_be_given() {
    let mut held = book();
    held.post(HARBOR, authorize(900)).expect("held");
    assert_eq!(held.post(HARBOR, give(FRIEND, 101)), Err(poor(100)));
    held.post(HARBOR, give(FRIEND, 100)).expect("free");
    check(&held);
    let mut late = book();
    late.post(HARBOR, burn(400)).expect("spent");
    late.post(ROVER, earn(cents(10_000), "USD")).expect("100 for 30 days");
    late.wait(30 * 86_400);
    late.post(HARBOR, give(FRIEND, 500)).expect("what has not expired");
    assert_eq!(late.lots_of(FRIEND), [(HARBOR, 500)]);
    check(&late);
}

#[test]
fn a_month_of_gifts_has_a_limit_that_ends_with_it() {
    let mut book = book();
    book.post(HARBOR, give(FRIEND, 500)).expect("500");
    book.post(HARBOR, give(FRIEND, 300)).expect("800 in all");
    let resets_at = time("2026-02-01T00:00:00Z");
    let limit = |rest| Refusal::TransferLimitReached { rest: Points(rest), resets_at };
    assert_eq!(book.post(HARBOR, give(FRIEND, 1)), Err(limit(0)));
    book.post_as(FRIEND, HARBOR, give(GUEST, 500)).expect("a limit of each giver");
    book.now = time("2026-01-31T23:59:59Z");
    assert_eq!(book.post(HARBOR, give(FRIEND, 1)), Err(limit(0)));
    assert!(!limit(0).is_final());
    book.now = resets_at;
    book.post(HARBOR, give(FRIEND, 400)).expect("another month");
    check(&book);
}

#[test]
fn a_limit_that_terms_lowered_below_what_was_given_leaves_nothing() {
    let gifts =
        Gifts { max_points_per_operation: Points(500), max_points_per_member_month: Points(10) };
    let strict = Agreement { gifts: Some(gifts), ..agreement("EUR") };
    let versions = vec![
        (time("2020-01-01T00:00:00Z"), generous("EUR")),
        (time("2026-01-16T00:00:00Z"), strict),
    ];
    let mut book = Book::new(vec![partner_with(HARBOR, versions)]);
    book.post(HARBOR, earn(cents(70_000), "EUR")).expect("700");
    book.post(HARBOR, give(FRIEND, 20)).expect("of 800");
    book.now = time("2026-01-16T00:00:00Z");
    let resets_at = time("2026-02-01T00:00:00Z");
    let refusal = Refusal::TransferLimitReached { rest: Points::ZERO, resets_at };
    assert_eq!(book.post(HARBOR, give(FRIEND, 1)), Err(refusal));
}

#[test]
fn what_arrives_repays_the_receivers_debt_first() {
    let mut book = book();
    let earned = book.post_as(FRIEND, HARBOR, earn(cents(25_000), "EUR")).expect("250");
    book.post_as(FRIEND, HARBOR, burn(250)).expect("spent");
    book.post_as(FRIEND, HARBOR, reverse(&earned, ReversePart::Rest)).expect("a debt");
    assert_eq!(book.member_has(FRIEND), (0, 0, 250));
    let given = book.post(HARBOR, give(FRIEND, 400)).expect("given");
    assert_eq!((given.operation.debt_repaid, given.wallet.debt), (Points::ZERO, Points::ZERO));
    assert_eq!(book.member_has(FRIEND), (150, 0, 0));
    let received = book.decisions.last().expect("the other leg");
    assert_eq!(received.operation.debt_repaid, Points(250));
    check(&book);
}

/// The friend owes 1,000,000,000 points at .02 each, and nothing repays more than ten million at once.
#[test]
fn what_an_arrival_repays_is_bounded_and_beyond_that_nothing_is_given() {
    let (half, all) = (500_000_000, 1_000_000_000);
    let gifts = Gifts {
        max_points_per_operation: Points(all),
        max_points_per_member_month: Points(i64::MAX),
    };
    let harbor = Agreement { gifts: Some(gifts), ..agreement("EUR") };
    let dear = Agreement { reimbursement: Micros(20_000), ..agreement("EUR") };
    let mut book = Book::new(vec![partner(HARBOR, harbor), partner(GROCER, dear)]);
    let earned = book.post_as(FRIEND, GROCER, earn(cents(all * 100), "EUR")).expect("points");
    book.post_as(FRIEND, HARBOR, burn(all)).expect("spent");
    book.post_as(FRIEND, GROCER, reverse(&earned, ReversePart::Rest)).expect("a debt");
    assert_eq!(book.member_has(FRIEND), (0, 0, all));
    book.post(HARBOR, earn(cents(all * 100), "EUR")).expect("points");
    assert_eq!(book.post(HARBOR, give(FRIEND, all)), Err(Refusal::AmountTooLarge));
    assert_eq!((book.has(), book.member_has(FRIEND)), ((all, 0, 0), (0, 0, all)));
    book.post(HARBOR, give(FRIEND, half)).expect("ten million and no more");
    assert_eq!(book.member_has(FRIEND), (0, 0, half));
    check(&book);
}

#[test]
fn a_received_lot_cannot_be_reversed_and_neither_can_a_gift() {
    let mut book = book();
    let given = book.post(HARBOR, give(FRIEND, 100)).expect("given");
    let undone = book.post(HARBOR, reverse(&given, ReversePart::Rest));
    assert_eq!(undone, Err(Refusal::NotReversible));
    let received = book.decisions[book.decisions.len() - 2].clone();
    let undone = book.post_as(FRIEND, HARBOR, reverse(&received, ReversePart::Rest));
    assert_eq!(undone, Err(Refusal::NotReversible));
    check(&book);
}

#[test]
fn two_gifts_in_one_batch_see_each_other() {
    let mut book = book();
    let there = book.command(HARBOR, give(FRIEND, 500));
    let back = crate::Command { member: FRIEND, ..book.command(HARBOR, give(GUEST, 500)) };
    let more = crate::Command { member: FRIEND, ..book.command(HARBOR, give(GUEST, 1)) };
    let outcomes = book.post_batch(&[there, back, more]);
    assert!(outcomes[0].is_ok() && outcomes[1].is_ok(), "{outcomes:?}");
    assert_eq!(outcomes[2], Err(poor(0)));
    assert_eq!(book.lots(), [(ROVER, 300), (HARBOR, 500), (HARBOR, 200)]);
    check(&book);
}

#[test]
fn a_donation_is_paid_as_a_burn_at_the_charity() {
    let mut book = book();
    let mut burned = book.clone();
    let donated = book.post(HARBOR, donate(GROCER, 400)).expect("a charity");
    burned.post(GROCER, burn(400)).expect("at its till");
    assert_eq!(book.has(), burned.has());
    let dollars = Some(currency("USD"));
    for account in [Account::Clearing(GROCER), Account::Clearing(ROVER), Account::Fee] {
        assert_eq!(book.trial().of(account, dollars), burned.trial().of(account, dollars));
    }
    assert_eq!(book.trial().of(Account::Clearing(GROCER), dollars), 400 * 6_000);
    assert_eq!(book.trial().of(Account::Donated, None), 400);
    assert_eq!(book.trial().of(Account::Redeemed(GROCER), None), 0);
    assert_eq!(donated.operation.kind, OperationKind::Donate);
    assert_eq!(donated.operation.partner, HARBOR);
    check(&book);
    let undone = book.post(HARBOR, reverse(&donated, ReversePart::Rest));
    assert_eq!(undone, Err(Refusal::NotReversible));
}

#[test]
fn a_donation_goes_to_charities_alone() {
    let mut book = book();
    for (charity, points, refusal) in [
        (ROVER, 1, Refusal::NotACharity),
        (HARBOR, 0, Refusal::NotACharity),
        (entente_ledger::PartnerId(99), 1, Refusal::NotACharity),
        (GROCER, 0, Refusal::AmountTooLarge),
        (GROCER, i64::MIN, Refusal::AmountTooLarge),
        (GROCER, 1_001, poor(1_000)),
    ] {
        assert_eq!(book.post(HARBOR, donate(charity, points)), Err(refusal), "{charity} {points}");
    }
    check(&book);
}

#[test]
fn a_donation_counts_against_the_issuers_cap() {
    let caps = BTreeMap::from([(currency("USD"), cents(100))]);
    let harbor = Agreement { net_debit_caps: caps, ..generous("EUR") };
    let charity =
        Agreement { accepts_donations: true, reimbursement: Micros(10_000), ..agreement("USD") };
    let mut book = Book::new(vec![partner(HARBOR, harbor), partner(GROCER, charity)]);
    book.post(HARBOR, earn(cents(70_000), "EUR")).expect("700");
    let refusal = book.post(HARBOR, donate(GROCER, 101)).expect_err("1.01");
    assert!(matches!(refusal, Refusal::NetDebitCapExceeded { partner: HARBOR, .. }));
    book.post(HARBOR, donate(GROCER, 100)).expect("1.00");
    book.post(HARBOR, give(FRIEND, 500)).expect("a gift costs nothing");
    check(&book);
}

#[test]
fn points_that_were_paid_for_at_issue_are_paid_to_the_charity_by_the_pool() {
    let harbor = Agreement { funding: Funding::AtIssue, ..generous("EUR") };
    let charity = Agreement { accepts_donations: true, ..agreement("USD") };
    let mut book = Book::new(vec![partner(HARBOR, harbor), partner(GROCER, charity)]);
    book.post(HARBOR, earn(cents(10_000), "EUR")).expect("100");
    book.post(HARBOR, give(FRIEND, 100)).expect("given");
    book.post_as(FRIEND, HARBOR, donate(GROCER, 100)).expect("given on");
    assert_eq!(book.trial().of(Account::Pool, Some(currency("USD"))), -100 * 8_000);
    check(&book);
}

#[test]
fn a_suspended_partner_gives_nothing_and_a_suspended_charity_takes_nothing() {
    let charity = || partner(GROCER, Agreement { accepts_donations: true, ..agreement("USD") });
    let mut harbor = partner(HARBOR, generous("EUR"));
    let mut book = Book::new(vec![harbor.clone(), charity()]);
    book.post(HARBOR, earn(cents(70_000), "EUR")).expect("700");
    let mut alone = charity();
    alone.suspended = true;
    book.catalogue = crate::Catalogue::new(2, vec![harbor.clone(), alone]);
    assert_eq!(book.post(HARBOR, donate(GROCER, 1)), Err(Refusal::NotACharity));
    let mut tested = charity();
    tested.testing = true;
    book.catalogue = crate::Catalogue::new(3, vec![harbor.clone(), tested]);
    assert_eq!(book.post(HARBOR, donate(GROCER, 1)), Err(Refusal::NotACharity));
    harbor.suspended = true;
    book.catalogue = crate::Catalogue::new(4, vec![harbor, charity()]);
    for action in [give(FRIEND, 1), give(GUEST, 1), donate(GROCER, 1)] {
        assert_eq!(book.post(HARBOR, action), Err(Refusal::PartnerSuspended));
    }
    check(&book);
}
