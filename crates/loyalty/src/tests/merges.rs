//! Merges: one member of two, what follows it there, and how it is taken back.

use entente_ledger::{Account, AmountKind, Funding, Origin, Points};
use jiff::SignedDuration;

use super::check::check;
use crate::{
    Action, Agreement, Catalogue, Gifts, OperationKind, Partner, Refusal, ReversePart,
    cast::{
        Book, COUSIN, ELDER, FRIEND, GROCER, GUEST, HARBOR, ROVER, agreement, authorize, burn,
        cents, currency, earn, give, partner, refund_points, refund_spend, reverse, void,
    },
};

const DAY: i64 = 86_400;

fn merge() -> Action {
    Action::Merge { into: FRIEND }
}

fn unmerge() -> Action {
    Action::Unmerge { from: GUEST }
}

/// The guest has 300 of Harbor, which funds at issue, and 200 of Rover; the friend 100 of Harbor.
fn book() -> Book {
    let gifts =
        Gifts { max_points_per_operation: Points(500), max_points_per_member_month: Points(500) };
    let harbor = Agreement {
        funding: Funding::AtIssue,
        max_points_per_member_year: Some(Points(1_000)),
        gifts: Some(gifts),
        ..agreement("EUR")
    };
    let rover = Agreement { lot_life_days: 60, ..agreement("EUR") };
    let mut book = Book::new(vec![
        partner(HARBOR, harbor),
        partner(ROVER, rover),
        partner(GROCER, agreement("EUR")),
    ]);
    book.post(HARBOR, earn(cents(30_000), "EUR")).expect("300");
    book.post(ROVER, earn(cents(20_000), "EUR")).expect("200");
    book.post_as(FRIEND, HARBOR, earn(cents(10_000), "EUR")).expect("100");
    book
}

#[test]
fn what_names_a_merged_member_is_decided_only_where_who_was_kept_is_loaded_for_it() {
    let mut book = book();
    let earned = book.post(HARBOR, earn(cents(5_000), "EUR")).expect("50");
    let back = book.command(HARBOR, reverse(&earned, ReversePart::Rest));
    assert!(book.holds(&back, &[GUEST]));
    assert!(!book.holds(&back, &[FRIEND]));
    book.post(HARBOR, merge()).expect("no open holds");
    assert!(!book.holds(&back, &[GUEST]), "the friend is there for other commands");
    assert!(book.holds(&back, &[GUEST, FRIEND]));
}

#[test]
fn what_a_merge_brought_is_others_while_burning_is_held_back() {
    let mut book = book();
    book.post(HARBOR, merge()).expect("no open holds");
    let until = book.now.checked_add(SignedDuration::from_hours(24)).expect("in range");
    let friend = book.members.get_mut(&FRIEND).expect("the friend");
    friend.held_back.insert(HARBOR, until);
    let refused = book.post_as(FRIEND, HARBOR, burn(101));
    assert_eq!(refused, Err(Refusal::BurnHeldBack { until }), "though Harbor issued 400");
    book.post_as(FRIEND, HARBOR, burn(100)).expect("what Harbor issued to the friend");
    book.wait(DAY);
    book.post_as(FRIEND, HARBOR, burn(500)).expect("a day later");
}

#[test]
fn lots_move_as_they_are_and_no_money_does() {
    let mut book = book();
    let merged = book.post(HARBOR, merge()).expect("no open holds");
    assert_eq!((book.has(), book.member_has(FRIEND)), ((0, 0, 0), (600, 0, 0)));
    assert_eq!(book.lots_of(FRIEND), [(ROVER, 200), (HARBOR, 100), (HARBOR, 300)]);
    let received = book.decisions.last().expect("the other leg");
    assert_eq!(merged.operation.kind, OperationKind::Merge);
    assert_eq!((merged.operation.points, received.operation.points), (Points(500), Points(500)));
    assert_eq!(received.operation.request_id, merged.operation.request_id);
    assert_eq!(merged.operation.counterparty, Some(FRIEND));
    assert_eq!(received.operation.counterparty, Some(GUEST));
    let both = || merged.transfers.iter().chain(&received.transfers);
    assert!(both().all(|transfer| transfer.kind == AmountKind::Merge));
    let sources = book.members[&FRIEND].lots.values().filter_map(|lot| match lot.origin {
        Origin::Merged { from, lot, .. } => Some((from, lot)),
        _ => None,
    });
    let owned: Vec<_> = book.guest().lots.keys().map(|lot| (GUEST, *lot)).collect();
    assert_eq!(sources.collect::<Vec<_>>(), owned);
    check(&book);
}

#[test]
fn what_names_the_merged_member_is_of_the_kept_one() {
    let mut book = book();
    book.post(HARBOR, merge()).expect("merged");
    let spent = book.post(ROVER, burn(550)).expect("of both");
    assert_eq!(spent.operation.member, FRIEND);
    assert_eq!(book.member_has(FRIEND), (50, 0, 0));
    check(&book);
}

#[test]
fn limits_count_for_both_together() {
    let mut book = book();
    book.post(HARBOR, give(COUSIN, 300)).expect("within the month");
    book.post(HARBOR, merge()).expect("merged");
    let cut = book.post_as(FRIEND, HARBOR, earn(cents(90_000), "EUR")).expect("cut");
    assert_eq!(cut.operation.points, Points(600), "300 and 100 were earned this year");
    let refused = book.post_as(FRIEND, HARBOR, give(COUSIN, 201)).expect_err("300 were given");
    assert!(matches!(refused, Refusal::TransferLimitReached { rest: Points(200), .. }));
    book.post_as(FRIEND, HARBOR, give(COUSIN, 200)).expect("the rest");
    check(&book);
    book.post_as(FRIEND, HARBOR, unmerge()).expect("at once");
    let cut = book.post(HARBOR, earn(cents(90_000), "EUR")).expect("cut");
    assert_eq!(cut.operation.points, Points(700), "on its own again");
    check(&book);
}

#[test]
fn open_holds_refuse_on_either_side() {
    for holder in [GUEST, FRIEND] {
        let mut book = book();
        let held = book.post_as(holder, ROVER, authorize(10)).expect("held");
        assert_eq!(book.post(HARBOR, merge()), Err(Refusal::HoldsOpen));
        book.post_as(holder, ROVER, void(&held)).expect("released");
        book.post(HARBOR, merge()).expect("no open holds");
        let held = book.post_as(FRIEND, ROVER, authorize(10)).expect("held");
        assert_eq!(book.post_as(FRIEND, HARBOR, unmerge()), Err(Refusal::HoldsOpen));
        book.post_as(FRIEND, ROVER, void(&held)).expect("released");
        book.post_as(FRIEND, HARBOR, unmerge()).expect("no open holds");
        check(&book);
    }
}

#[test]
fn members_are_merged_once_and_not_in_circles() {
    let mut book = book();
    assert_eq!(book.post(HARBOR, Action::Merge { into: GUEST }), Err(Refusal::MergeNotAllowed));
    book.post(HARBOR, merge()).expect("merged");
    let back = Action::Merge { into: GUEST };
    assert_eq!(book.post_as(FRIEND, HARBOR, back), Err(Refusal::MergeNotAllowed));
    assert_eq!(book.post(HARBOR, merge()), Err(Refusal::MergeNotAllowed));
    let elsewhere = Action::Merge { into: COUSIN };
    assert_eq!(book.post(HARBOR, elsewhere), Err(Refusal::MergeNotAllowed));
    check(&book);
}

#[test]
fn a_refund_of_before_goes_where_the_points_are() {
    let mut book = book();
    let spent = book.post(ROVER, burn(350)).expect("200 of Rover, 150 of Harbor");
    book.post(HARBOR, merge()).expect("merged");
    assert_eq!(book.member_has(FRIEND), (250, 0, 0));
    let back = book.post(ROVER, refund_points(&spent, 150)).expect("refunded");
    assert_eq!(book.lots_of(FRIEND), [(HARBOR, 100), (HARBOR, 300)], "into the lot that was moved");
    assert_eq!(back.wallet.available, Points(400), "what the member has where it is");
    book.post(ROVER, reverse(&spent, ReversePart::Rest)).expect("refunded");
    assert_eq!(book.lots_of(FRIEND), [(ROVER, 200), (HARBOR, 100), (HARBOR, 300)]);
    assert_eq!(book.has(), (0, 0, 0));
    let clearing = |partner| book.trial().of(Account::Clearing(partner), Some(currency("EUR")));
    assert_eq!((clearing(HARBOR), clearing(ROVER)), (-cents(400).0, 0), "what was issued alone");
    check(&book);
}

#[test]
fn a_clawback_takes_its_own_lot_then_others_of_the_issuer_then_owes() {
    let mut book = book();
    let earned = book.decisions[0].clone();
    book.post(HARBOR, merge()).expect("merged");
    book.post_as(FRIEND, ROVER, burn(250)).expect("all of Rover, 50 of the friend's own");
    let back = book.post(HARBOR, refund_spend(&earned, cents(20_000), "EUR")).expect("refunded");
    assert_eq!((back.operation.points, back.operation.debt_created), (Points(200), Points::ZERO));
    assert_eq!(book.lots_of(FRIEND), [(HARBOR, 50), (HARBOR, 100)], "of what the guest had earned");
    book.post_as(FRIEND, ROVER, burn(120)).expect("50 and 70");
    let back = book.post(HARBOR, reverse(&earned, ReversePart::Rest)).expect("refunded");
    assert_eq!((back.operation.points, back.operation.debt_created), (Points(100), Points(70)));
    assert_eq!((book.has(), book.member_has(FRIEND)), ((0, 0, 0), (0, 0, 70)));
    assert_eq!(back.wallet.debt, Points(70));
    check(&book);
    book.post_as(FRIEND, GROCER, earn(cents(10_000), "EUR")).expect("repays");
    assert_eq!(book.member_has(FRIEND), (30, 0, 0));
    check(&book);
}

#[test]
fn points_that_expired_after_the_merge_count_as_taken() {
    let mut book = book();
    let earned = book.decisions[1].clone();
    book.post(HARBOR, merge()).expect("merged");
    book.post_as(FRIEND, HARBOR, Action::Merge { into: ELDER }).expect("merged again");
    book.wait(61 * DAY);
    book.sweep();
    assert_eq!(book.member_has(ELDER), (400, 0, 0));
    let back = book.post(ROVER, reverse(&earned, ReversePart::Rest)).expect("refunded");
    assert_eq!((back.operation.points, back.operation.debt_created), (Points(200), Points::ZERO));
    assert_eq!(book.member_has(ELDER), (400, 0, 0));
    check(&book);
}

#[test]
fn debts_are_carried_in_their_order_and_repaid_at_once() {
    let mut book = book();
    let (first, second) = (book.decisions[0].clone(), book.decisions[1].clone());
    book.post(GROCER, burn(500)).expect("everything");
    book.post(HARBOR, refund_spend(&first, cents(8_000), "EUR")).expect("80 owed");
    book.post(ROVER, refund_spend(&second, cents(5_000), "EUR")).expect("50 owed");
    assert_eq!(book.has(), (0, 0, 130));
    book.post(HARBOR, merge()).expect("merged");
    assert_eq!((book.has(), book.member_has(FRIEND)), ((0, 0, 0), (0, 0, 30)));
    let owed: Vec<_> = book.members[&FRIEND].debts.values().collect();
    assert_eq!((owed[0].issuer, owed[0].points), (HARBOR, Points::ZERO));
    assert_eq!((owed[1].issuer, owed[1].points), (ROVER, Points(30)));
    check(&book);
    book.post_as(FRIEND, HARBOR, unmerge()).expect("what is left of the debts goes back");
    assert_eq!((book.has(), book.member_has(FRIEND)), ((0, 0, 30), (0, 0, 0)));
    check(&book);
}

#[test]
fn chains_are_followed_to_their_end_and_taken_back_in_turn() {
    let mut book = book();
    let earned = book.decisions[0].clone();
    let before: Vec<_> = book.guest().lots.values().cloned().collect();
    book.post(HARBOR, merge()).expect("merged");
    book.post_as(FRIEND, HARBOR, Action::Merge { into: COUSIN }).expect("merged again");
    assert_eq!(book.member_has(COUSIN), (600, 0, 0));
    let back = book.post(HARBOR, refund_spend(&earned, cents(10_000), "EUR")).expect("refunded");
    assert_eq!(back.operation.points, Points(100));
    assert_eq!(book.lots_of(COUSIN), [(ROVER, 200), (HARBOR, 100), (HARBOR, 200)]);
    check(&book);
    let refused = book.post_as(FRIEND, HARBOR, unmerge());
    assert_eq!(refused, Err(Refusal::MergeNotReversible), "the friend has been merged since");
    book.post_as(COUSIN, HARBOR, Action::Unmerge { from: FRIEND }).expect("the last one first");
    assert_eq!((book.member_has(COUSIN), book.member_has(FRIEND)), ((0, 0, 0), (500, 0, 0)));
    check(&book);
    book.post_as(FRIEND, HARBOR, unmerge()).expect("then the one before");
    assert_eq!((book.has(), book.member_has(FRIEND)), ((400, 0, 0), (100, 0, 0)));
    let after: Vec<_> = book.guest().lots.values().map(|lot| lot.remaining.0).collect();
    assert_eq!(after, [before[0].remaining.0 - 100, before[1].remaining.0]);
    check(&book);
}

#[test]
fn a_merge_is_taken_back_within_thirty_days_and_once() {
    for (seconds, expected) in [(30 * DAY - 1, true), (30 * DAY, false)] {
        let mut book = book();
        let wrong = book.post_as(FRIEND, HARBOR, unmerge());
        assert_eq!(wrong, Err(Refusal::MergeNotReversible), "there is none");
        book.post(HARBOR, merge()).expect("merged");
        book.post_as(FRIEND, ROVER, burn(50)).expect("of the guest's lot of Rover");
        book.wait(seconds);
        let back = book.post_as(FRIEND, HARBOR, unmerge());
        assert_eq!(back.is_ok(), expected);
        let has = if expected { ((450, 0, 0), (100, 0, 0)) } else { ((0, 0, 0), (550, 0, 0)) };
        assert_eq!((book.has(), book.member_has(FRIEND)), has);
        let again = book.post_as(FRIEND, HARBOR, unmerge());
        assert_eq!(again, Err(Refusal::MergeNotReversible));
        check(&book);
    }
}

#[test]
fn a_merged_wallet_is_given_back_to_the_earlier_holder_of_a_refund() {
    let mut book = book();
    let spent = book.post(ROVER, burn(500)).expect("everything");
    book.post(HARBOR, merge()).expect("merged");
    book.post(ROVER, refund_points(&spent, 100)).expect("into a lot that was closed");
    assert_eq!(book.member_has(FRIEND), (200, 0, 0));
    book.post_as(FRIEND, HARBOR, unmerge()).expect("at once");
    assert_eq!((book.has(), book.member_has(FRIEND)), ((100, 0, 0), (100, 0, 0)));
    assert_eq!(book.lots(), [(HARBOR, 100)]);
    check(&book);
}

#[test]
fn a_merge_needs_a_partner_that_is_not_suspended_and_members_of_its_kind() {
    let mut book = book();
    let with = |book: &Book, change: fn(&mut Partner)| {
        let mut partners: Vec<_> = book.catalogue.partners().cloned().collect();
        partners.iter_mut().filter(|partner| partner.id == HARBOR).for_each(change);
        Catalogue::new(2, partners)
    };
    let before = book.catalogue.clone();
    book.catalogue = with(&book, |harbor| harbor.suspended = true);
    assert_eq!(book.post(HARBOR, merge()), Err(Refusal::PartnerSuspended));
    book.catalogue = before;
    book.catalogue = with(&book, |harbor| harbor.testing = true);
    assert_eq!(book.post(GROCER, merge()), Err(Refusal::MergeNotAllowed), "Harbor issued some");
}
