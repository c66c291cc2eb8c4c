//! Every refusal, and which one comes first.

use entente_ledger::{Micros, PartnerId, Points};

use super::check::check;
use crate::{
    Action, Agreement, BurnAmount, Catalogue, Decision, Operation, Original, OriginalKind, Refusal,
    ReversePart,
    cast::{
        Book, GROCER, HARBOR, ROVER, agreement, authorize, burn, capture, category, cents,
        currency, earn, earn_at, partner, partner_with, refund_points, refund_spend, reverse, rule,
        time, void,
    },
};

/// Harbor and Rover in EUR; Grocer's only version ended, and gives points no value.
fn book() -> Book {
    let named = vec![category("stay", vec![rule(Micros::ZERO, 1, cents(100))])];
    let mut ended = partner_with(
        GROCER,
        vec![(
            time("2025-01-01T00:00:00Z"),
            Agreement { late_limit_days: 3_650, ..agreement("EUR") },
        )],
    );
    ended.terms[0].effective_to = Some(time("2026-01-01T00:00:00Z"));
    Book::new(vec![
        partner(HARBOR, Agreement { categories: named, ..agreement("EUR") }),
        partner(ROVER, Agreement { point_value: Micros::ZERO, ..agreement("EUR") }),
        ended,
    ])
}

fn stay(spend: Micros) -> Action {
    earn_at(spend, "EUR", "stay", None)
}

fn suspend(book: &mut Book, id: PartnerId) {
    let mut partners: Vec<_> = book.catalogue.partners().cloned().collect();
    let partner = partners.iter_mut().find(|partner| partner.id == id).expect("in the cast");
    partner.suspended = true;
    book.catalogue = Catalogue::new(2, partners);
}

#[test]
fn an_earn_is_refused_for_the_first_reason_that_applies() {
    let long_ago = Some(time("2019-01-01T00:00:00Z"));
    let too_old = Some(time("2026-01-01T00:00:00Z"));
    let ahead = Some(time("2026-01-15T09:06:00Z"));
    let eur = currency("EUR");
    for (partner, action, refusal) in [
        (HARBOR, earn_at(cents(-1), "USD", "none", ahead), Refusal::ActivityInFuture),
        (
            HARBOR,
            earn_at(cents(1), "USD", "none", too_old),
            Refusal::ActivityTooOld { late_limit_days: 7 },
        ),
        (HARBOR, earn_at(cents(1), "USD", "none", long_ago), Refusal::NoTermsInForce),
        (GROCER, earn(cents(1), "EUR"), Refusal::NoTermsInForce),
        (PartnerId(9), earn(cents(1), "EUR"), Refusal::NoTermsInForce),
        (
            HARBOR,
            earn_at(cents(1), "USD", "none", None),
            Refusal::CurrencyNotOfTerms { currency: eur },
        ),
        (HARBOR, earn_at(Micros(i64::MAX), "EUR", "none", None), Refusal::CategoryUnknown),
        (HARBOR, stay(Micros::ZERO), Refusal::AmountTooLarge),
        (HARBOR, stay(cents(-100)), Refusal::AmountTooLarge),
    ] {
        let mut book = book();
        assert_eq!(book.post(partner, action.clone()), Err(refusal), "{action:?}");
        check(&book);
    }
}

#[test]
fn a_suspended_partner_completes_and_undoes_but_starts_nothing() {
    let mut book = book();
    let earned = book.post(HARBOR, stay(cents(100_000))).expect("issued");
    let burned = book.post(HARBOR, burn(100)).expect("burned");
    let first = book.post(HARBOR, authorize(100)).expect("held");
    let second = book.post(HARBOR, authorize(100)).expect("held");
    suspend(&mut book, HARBOR);
    let future = Some(time("2030-01-01T00:00:00Z"));
    for action in [earn_at(cents(1), "USD", "none", future), burn(0), authorize(i64::MAX)] {
        let refusal = book.post(HARBOR, action).expect_err("suspended");
        assert_eq!(refusal, Refusal::PartnerSuspended);
        assert!(!refusal.is_final());
    }
    book.post(HARBOR, capture(&first, None)).expect("captured");
    book.post(HARBOR, void(&second)).expect("voided");
    book.post(HARBOR, reverse(&burned, ReversePart::Rest)).expect("given back");
    book.post(HARBOR, reverse(&earned, ReversePart::Rest)).expect("refunded");
    check(&book);
}

#[test]
fn a_burn_is_refused_for_the_first_reason_that_applies() {
    let eur = currency("EUR");
    let value = |value, code| Action::Burn(BurnAmount::Value(value, currency(code)));
    for (partner, action, refusal) in [
        (GROCER, burn(1), Refusal::NoTermsInForce),
        (ROVER, value(Micros::ZERO, "USD"), Refusal::CurrencyNotOfTerms { currency: eur }),
        (ROVER, value(Micros::ZERO, "EUR"), Refusal::AmountTooLarge),
        (HARBOR, burn(0), Refusal::AmountTooLarge),
        (HARBOR, burn(-5), Refusal::AmountTooLarge),
        (HARBOR, burn(i64::MAX), Refusal::AmountTooLarge),
        (ROVER, value(cents(1), "EUR"), Refusal::NothingToBurn),
        (HARBOR, burn(101), Refusal::PointsInsufficient { available: Points(100) }),
        (HARBOR, authorize(101), Refusal::PointsInsufficient { available: Points(100) }),
        (HARBOR, value(cents(101), "EUR"), Refusal::PointsInsufficient { available: Points(100) }),
    ] {
        let mut book = book();
        book.post(HARBOR, stay(cents(10_000))).expect("issued");
        assert_eq!(book.post(partner, action.clone()), Err(refusal), "{action:?}");
        check(&book);
    }
}

#[test]
fn a_hold_ends_once() {
    let mut book = book();
    book.post(HARBOR, stay(cents(100_000))).expect("issued");
    let held = book.post(HARBOR, authorize(100)).expect("held");
    for (points, refusal) in [
        (101, Refusal::CaptureExceedsHold { held: Points(100) }),
        (i64::MAX, Refusal::CaptureExceedsHold { held: Points(100) }),
        (0, Refusal::AmountTooLarge),
        (i64::MIN, Refusal::AmountTooLarge),
    ] {
        assert_eq!(book.post(HARBOR, capture(&held, Some(points))), Err(refusal), "{points}");
    }
    let captured = book.post(HARBOR, capture(&held, Some(40))).expect("captured");
    assert_eq!(book.post(HARBOR, capture(&held, Some(1))), Err(Refusal::HoldCaptured));
    assert_eq!(book.post(HARBOR, void(&held)), Err(Refusal::HoldCaptured));
    assert_eq!(book.post(HARBOR, void(&captured)), Err(Refusal::NotAnAuthorization));
    let voided = book.post(HARBOR, authorize(100)).expect("held");
    book.post(HARBOR, void(&voided)).expect("voided");
    assert_eq!(book.post(HARBOR, capture(&voided, None)), Err(Refusal::HoldVoided));
    assert_eq!(book.post(HARBOR, void(&voided)), Err(Refusal::HoldVoided));
    let late = book.post(HARBOR, authorize(100)).expect("held");
    book.wait(86_400);
    assert_eq!(book.post(HARBOR, capture(&late, None)), Err(Refusal::HoldExpired));
    assert_eq!(book.post(HARBOR, void(&late)), Err(Refusal::HoldExpired));
    check(&book);
}

#[test]
fn only_earns_burns_and_captures_are_reversed_each_in_its_unit() {
    let mut book = book();
    let earned = book.post(HARBOR, stay(cents(100_000))).expect("issued");
    let burned = book.post(HARBOR, burn(100)).expect("burned");
    let held = book.post(HARBOR, authorize(100)).expect("held");
    let eur = currency("EUR");
    let rest = ReversePart::Rest;
    for (action, refusal) in [
        (reverse(&held, rest), Refusal::NotReversible),
        (capture(&earned, None), Refusal::NotAnAuthorization),
        (capture(&burned, None), Refusal::NotAnAuthorization),
        (refund_points(&earned, 1), Refusal::ReversalUnitWrong),
        (refund_spend(&burned, cents(1), "EUR"), Refusal::ReversalUnitWrong),
        (refund_spend(&earned, cents(1), "USD"), Refusal::CurrencyNotOfTerms { currency: eur }),
        (refund_spend(&earned, cents(-1), "EUR"), Refusal::AmountTooLarge),
        (refund_points(&burned, 0), Refusal::AmountTooLarge),
        (
            refund_spend(&earned, cents(100_001), "EUR"),
            Refusal::ReversalExceedsRest { rest: cents(100_000).0 },
        ),
        (refund_points(&burned, 101), Refusal::ReversalExceedsRest { rest: 100 }),
    ] {
        assert_eq!(book.post(HARBOR, action.clone()), Err(refusal), "{action:?}");
    }
    let voided = book.post(HARBOR, void(&held)).expect("voided");
    assert_eq!(book.post(HARBOR, reverse(&voided, rest)), Err(Refusal::NotReversible));
    check(&book);
}

#[test]
fn another_partners_operation_is_not_there() {
    let mut book = book();
    let earned = book.post(HARBOR, stay(cents(100_000))).expect("issued");
    let burned = book.post(HARBOR, burn(100)).expect("burned");
    let held = book.post(HARBOR, authorize(100)).expect("held");
    for (action, refusal) in [
        (reverse(&earned, ReversePart::Rest), Refusal::NotReversible),
        (reverse(&burned, ReversePart::Rest), Refusal::NotReversible),
        (capture(&held, None), Refusal::NotAnAuthorization),
        (void(&held), Refusal::NotAnAuthorization),
    ] {
        assert_eq!(book.post(ROVER, action), Err(refusal));
    }
}

#[test]
fn an_original_that_is_not_loaded_is_refused() {
    let mut book = book();
    let nowhere = |kind| Original {
        seq: entente_ledger::Seq(99),
        request_id: entente_ledger::RequestId(uuid::Uuid::nil()),
        kind,
    };
    let captured = OriginalKind::Capture { authorized_by: entente_ledger::Seq(98) };
    for kind in [OriginalKind::Earn, OriginalKind::Burn, captured, OriginalKind::Other] {
        let (original, part) = (nowhere(kind), ReversePart::Rest);
        let refusal = book.post(HARBOR, Action::Reverse { original, part });
        assert_eq!(refusal, Err(Refusal::NotReversible));
    }
    let original = nowhere(OriginalKind::Authorize);
    assert_eq!(book.post(HARBOR, Action::Void { original }), Err(Refusal::NotAnAuthorization));
}

#[test]
fn what_one_command_may_not_move_is_refused() {
    let generous = vec![category("*", vec![rule(Micros::ZERO, 1, Micros(1))])];
    let point_value = Micros::ZERO;
    let terms = Agreement { categories: generous.clone(), point_value, ..agreement("EUR") };
    let mut book = Book::new(vec![partner(HARBOR, terms)]);
    let most = earn(Micros(1_000_000_000), "EUR");
    book.post(HARBOR, most.clone()).expect("just within");
    for beyond in [1_000_000_001, i64::MAX] {
        let refusal = book.post(HARBOR, earn(Micros(beyond), "EUR"));
        assert_eq!(refusal, Err(Refusal::AmountTooLarge), "{beyond}");
    }
    book.post(HARBOR, earn(Micros(1_000), "EUR")).expect("a member may hold more than that");
    assert_eq!(book.post(HARBOR, authorize(1_000_000_001)), Err(Refusal::AmountTooLarge));
    assert_eq!(book.post(HARBOR, authorize(2_000_000_000_000_000)), Err(Refusal::AmountTooLarge));
    let at_issue = Agreement {
        categories: generous,
        funding: entente_ledger::Funding::AtIssue,
        issue_price: Micros(20_000),
        ..agreement("EUR")
    };
    let mut book = Book::new(vec![partner(HARBOR, at_issue)]);
    assert_eq!(book.post(HARBOR, most), Err(Refusal::AmountTooLarge));
    check(&book);
}

#[test]
fn a_burn_of_more_lots_than_one_command_may_touch_is_refused() {
    let categories = vec![category("*", vec![rule(Micros::ZERO, 1, Micros(1))])];
    let terms = Agreement { categories, ..agreement("EUR") };
    let mut book = Book::new(vec![partner(HARBOR, terms)]);
    for _ in 0..1_001 {
        book.post(HARBOR, earn(Micros(1), "EUR")).expect("a point");
    }
    assert_eq!(book.post(HARBOR, authorize(1_001)), Err(Refusal::AmountTooLarge));
    book.post(HARBOR, authorize(1_000)).expect("just within");
    check(&book);
}

#[test]
fn a_refused_command_is_an_operation_without_effect() {
    let mut book = book();
    let refusal = book.post(HARBOR, burn(1)).expect_err("nothing to burn");
    let Some(Decision { operation, transfers, .. }) = book.decisions.last() else {
        panic!("the refusal is kept");
    };
    let Operation { points, refusal: kept, portions, .. } = operation;
    assert_eq!((*points, *kept, portions.len()), (Points::ZERO, Some(refusal), 0));
    assert!(refusal.is_final() && transfers.is_empty());
}

#[test]
fn the_order_of_the_enum_is_the_order_of_precedence() {
    let available = Points(1);
    assert!(Refusal::PartnerSuspended < Refusal::ActivityInFuture);
    assert!(Refusal::CategoryUnknown < Refusal::AmountTooLarge);
    assert!(Refusal::NothingToBurn < Refusal::PointsInsufficient { available });
}
