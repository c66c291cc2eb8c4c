//! Holds: authorize, capture, void, expiry, and refunds of what was captured.

use entente_ledger::{Account, HoldState, Micros, PartnerId, Points};

use super::check::check;
use crate::{
    Agreement, BurnAmount, Decision, OperationKind, Refusal, ReversePart,
    cast::{
        Book, GROCER, HARBOR, ROVER, agreement, authorize, burn, capture, cents, currency, earn,
        partner, refund_points, reverse, time, void,
    },
};

/// The wallet of E3: 5,000 of Harbor's, 3,000 of Rover's, 2,000 of Grocer's points, all funded at
/// redemption. Rover's reimbursement is .0080 and the hub's fee 2 % of it.
fn e3() -> Book {
    let lasting = |code, lot_life_days| Agreement { lot_life_days, ..agreement(code) };
    let mut book = Book::new(vec![
        partner(HARBOR, lasting("EUR", 90)),
        partner(ROVER, Agreement { hub_fee_basis_points: 200, ..lasting("USD", 151) }),
        partner(GROCER, lasting("USD", 212)),
    ]);
    book.now = time("2025-12-31T00:00:00Z");
    for (issuer, code, points) in
        [(HARBOR, "EUR", 5_000), (ROVER, "USD", 3_000), (GROCER, "USD", 2_000)]
    {
        book.post(issuer, earn(cents(points * 100), code)).expect("issued");
    }
    let expiries: Vec<_> = book.guest().lots.values().map(|lot| lot.expires_at).collect();
    assert_eq!(
        expiries,
        ["2026-03-31", "2026-05-31", "2026-07-31"].map(|day| time(&format!("{day}T00:00:00Z")))
    );
    book
}

fn authorized(book: &mut Book) -> Decision {
    let held = book.post(ROVER, authorize(6_500)).expect("held");
    assert_eq!(portions(&held), [(HARBOR, 5_000), (ROVER, 1_500)]);
    assert_eq!((held.transfers.len(), book.has()), (0, (3_500, 6_500, 0)));
    held
}

fn portions(decision: &Decision) -> Vec<(PartnerId, i64)> {
    decision.operation.portions.iter().map(|p| (p.issuer, p.points.0)).collect()
}

/// What a partner is owed in dollars by all transfers, in micros.
fn clearing(book: &Book, partner: PartnerId) -> i64 {
    book.trial().of(Account::Clearing(partner), Some(currency("USD")))
}

#[test]
fn each_issuer_pays_for_its_own_points_in_the_redeemers_currency() {
    let mut book = e3();
    let held = authorized(&mut book);
    let captured = book.post(ROVER, capture(&held, None)).expect("captured");
    assert_eq!(captured.operation.points, Points(6_500));
    assert_eq!(captured.operation.value, Some((cents(6_500), currency("USD"))));
    assert_eq!(clearing(&book, HARBOR), -cents(4_080).0, "40.00 and a fee of .80");
    assert_eq!(clearing(&book, ROVER), cents(4_000).0 - cents(24).0, "its own fee is .24");
    assert_eq!(book.trial().of(Account::Fee, Some(currency("USD"))), cents(104).0);
    assert_eq!(book.lots(), [(ROVER, 1_500), (GROCER, 2_000)]);
    let memo = entente_ledger::positions(&captured.transfers).expect("small");
    let memo = memo.iter().find(|(key, _)| key.payer == ROVER && key.payee == ROVER);
    let (_, memo) = memo.expect("a memo of its own points");
    assert_eq!((memo.points, memo.micros), (Points(1_500), cents(1_200)));
    check(&book);
}

#[test]
fn a_capture_in_part_releases_the_rest_and_can_be_refunded() {
    let mut book = e3();
    let held = authorized(&mut book);
    let captured = book.post(ROVER, capture(&held, Some(4_000))).expect("captured");
    assert_eq!(clearing(&book, HARBOR), -cents(3_264).0, "32.00 and a fee of .64");
    assert_eq!(book.lots(), [(HARBOR, 1_000), (ROVER, 3_000), (GROCER, 2_000)]);
    assert_eq!(book.has(), (6_000, 0, 0));
    let refund = book.post(ROVER, refund_points(&captured, 1_500)).expect("refunded");
    assert_eq!(portions(&refund), [(HARBOR, 1_500)]);
    assert_eq!(clearing(&book, HARBOR), -cents(2_040).0, "12.00 and .24 came back");
    assert_eq!(book.lots(), [(HARBOR, 2_500), (ROVER, 3_000), (GROCER, 2_000)]);
    let too_many = book.post(ROVER, refund_points(&captured, 2_501));
    assert_eq!(too_many, Err(Refusal::ReversalExceedsRest { rest: 2_500 }));
    book.post(ROVER, refund_points(&captured, 2_500)).expect("refunded");
    let nothing_left = book.post(ROVER, reverse(&captured, ReversePart::Rest));
    assert_eq!(nothing_left, Err(Refusal::ReversalExceedsRest { rest: 0 }));
    assert_eq!((clearing(&book, HARBOR), clearing(&book, ROVER)), (0, 0));
    check(&book);
}

#[test]
fn a_void_leaves_every_lot_as_before() {
    let mut book = e3();
    let before = book.guest().lots.clone();
    let held = authorized(&mut book);
    let voided = book.post(ROVER, void(&held)).expect("voided");
    assert_eq!((voided.operation.points, voided.transfers.len()), (Points(6_500), 0));
    assert_eq!((&book.guest().lots, book.has()), (&before, (10_000, 0, 0)));
    check(&book);
}

#[test]
fn a_hold_ends_by_itself_at_its_time_and_leaves_every_lot_as_before() {
    let mut book = e3();
    let before = book.guest().lots.clone();
    let held = authorized(&mut book);
    book.wait(86_399);
    assert!(book.sweep().is_empty(), "not yet");
    book.wait(1);
    let [ended] = &book.sweep()[..] else { panic!("one operation per hold") };
    let operation = &ended.operation;
    assert_eq!((operation.kind, operation.partner), (OperationKind::Expire, PartnerId::HUB));
    assert_eq!(operation.original, Some((held.operation.seq, held.operation.request_id)));
    assert_eq!((operation.points, ended.transfers.len()), (Points(6_500), 0));
    assert_eq!(book.guest().lots, before);
    assert_eq!(book.post(ROVER, capture(&held, None)), Err(Refusal::HoldExpired));
    assert!(book.sweep().is_empty(), "once");
    check(&book);
}

#[test]
fn a_lot_that_passed_its_expiry_while_held_expires_at_the_release() {
    type End = fn(&mut Book, &Decision) -> Decision;
    let ends: [End; 3] = [
        |book, held| book.post(ROVER, void(held)).expect("voided"),
        |book, held| book.post(ROVER, capture(held, Some(1))).expect("captured"),
        |book, _| {
            book.wait(86_400);
            book.sweep().remove(0)
        },
    ];
    for (end, kept) in ends.iter().zip([0, 1, 0]) {
        let mut book = e3();
        book.now = time("2026-03-30T12:00:00Z");
        let held = authorized(&mut book);
        book.now = time("2026-03-31T00:00:00Z");
        assert!(book.sweep().is_empty(), "a hold keeps its points usable");
        let ended = end(&mut book, &held);
        let expired = 5_000 - kept;
        assert_eq!(book.trial().of(Account::Expired(HARBOR), None), expired);
        assert_eq!(book.lots(), [(ROVER, 3_000), (GROCER, 2_000)]);
        assert_eq!(ended.wallet.available, Points(5_000));
        assert!(book.sweep().is_empty(), "nothing is left to expire");
        check(&book);
    }
}

#[test]
fn a_refund_into_an_expired_lot_returns_the_money_and_expires_the_points() {
    let mut book = e3();
    let burned = book.post(ROVER, burn(5_000)).expect("burned");
    book.now = time("2026-04-01T00:00:00Z");
    let refund = book.post(ROVER, reverse(&burned, ReversePart::Rest)).expect("refunded");
    assert_eq!(refund.operation.points, Points(5_000));
    assert_eq!(clearing(&book, HARBOR), 0);
    assert_eq!(book.trial().of(Account::Expired(HARBOR), None), 5_000);
    assert_eq!(book.has(), (5_000, 0, 0));
    check(&book);
}

#[test]
fn what_was_consumed_last_goes_back_first() {
    let mut book = e3();
    let burned = book.post(ROVER, burn(9_000)).expect("burned");
    assert_eq!(portions(&burned), [(HARBOR, 5_000), (ROVER, 3_000), (GROCER, 1_000)]);
    let refund = book.post(ROVER, refund_points(&burned, 4_500)).expect("refunded");
    assert_eq!(portions(&refund), [(GROCER, 1_000), (ROVER, 3_000), (HARBOR, 500)]);
    assert_eq!(book.lots(), [(HARBOR, 500), (ROVER, 3_000), (GROCER, 2_000)]);
    check(&book);
}

#[test]
fn spending_takes_what_expires_first() {
    let monthly = |lot_life_days| Agreement { lot_life_days, ..agreement("EUR") };
    let mut book = Book::new(vec![partner(HARBOR, monthly(61)), partner(GROCER, monthly(212))]);
    book.now = time("2025-12-01T00:00:00Z");
    book.post(GROCER, earn(cents(10_000), "EUR")).expect("expires in June");
    book.post(HARBOR, earn(cents(10_000), "EUR")).expect("expires in January");
    book.wait(86_400);
    book.post(GROCER, burn(80)).expect("burned");
    book.now = time("2026-02-01T00:00:00Z");
    let [expired] = &book.sweep()[..] else { panic!("one operation per lot") };
    assert_eq!(expired.operation.points, Points(20));
    assert_eq!(book.has(), (100, 0, 0));
    check(&book);
}

#[test]
fn a_burn_by_value_takes_enough_points() {
    let terms = Agreement { point_value: Micros(7_000), ..agreement("EUR") };
    let mut book = Book::new(vec![partner(HARBOR, terms)]);
    book.post(HARBOR, earn(cents(100_000), "EUR")).expect("issued");
    let value = |hundredths| BurnAmount::Value(cents(hundredths), currency("EUR"));
    for (hundredths, points) in [(100, 143), (7, 10), (1, 2)] {
        let burned = book.post(HARBOR, crate::Action::Burn(value(hundredths))).expect("burned");
        assert_eq!(burned.operation.points, Points(points), "{hundredths}");
        assert_eq!(burned.operation.value, Some((cents(hundredths), currency("EUR"))));
    }
    let held = book.post(HARBOR, crate::Action::Authorize(value(100))).expect("held");
    assert_eq!(book.guest().holds[&held.operation.seq].state, HoldState::Open);
    check(&book);
}

#[test]
fn an_expiry_has_the_same_request_id_on_every_hub() {
    let mut book = e3();
    authorized(&mut book);
    book.now = time("2026-06-01T00:00:00Z");
    let mut other = book.clone();
    let ids = |expired: Vec<Decision>| -> Vec<_> {
        expired.iter().map(|decision| decision.operation.request_id).collect()
    };
    let (here, there) = (ids(book.sweep()), ids(other.sweep()));
    assert_eq!(here, there);
    assert_eq!(here.len(), 2, "the hold with Harbor's lot, then Rover's lot");
    assert_ne!(here[0], here[1]);
}
