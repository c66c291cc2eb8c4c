//! Purchases that are claimed, told twice, or paid in points.

use entente_ledger::{Micros, Points};
use jiff::SignedDuration;

use super::check::check;
use crate::{
    Action, Agreement, Bought, Command, Decision, Refusal, ReversePart,
    cast::{
        Book, HARBOR, ROVER, agreement, category, cents, currency, earn, partner, refund_spend,
        reverse, rule,
    },
};

const DAY: i64 = 86_400;

fn bought(spend: Micros) -> Bought {
    let Action::Earn(bought) = earn(spend, "EUR") else { unreachable!("it earns") };
    bought
}

fn claim_of(book: &Book, seconds_ago: i64) -> Action {
    let at = book.now.checked_sub(SignedDuration::from_secs(seconds_ago)).expect("in range");
    Action::Earn(Bought { activity_at: Some(at), retro_claim: true, ..bought(cents(10_000)) })
}

fn with_receipt(book: &mut Book, receipt: &str, action: Action) -> Command {
    let command = book.command(HARBOR, action);
    Command { receipt_reference: receipt.to_owned(), ..command }
}

fn post(book: &mut Book, receipt: &str, action: Action) -> Result<Decision, Refusal> {
    let command = with_receipt(book, receipt, action);
    book.post_batch(&[command]).pop().expect("one outcome")
}

#[test]
fn a_claim_may_be_as_old_as_the_terms_say_and_a_report_only_as_late() {
    let terms = Agreement { claim_limit_days: 90, ..agreement("EUR") };
    let mut book = Book::new(vec![partner(HARBOR, terms), partner(ROVER, agreement("EUR"))]);
    let claim = claim_of(&book, 90 * DAY);
    let claimed = book.post(HARBOR, claim.clone()).expect("within the limit").operation;
    assert_eq!((claimed.points, claimed.retro_claim), (Points(100), true));
    assert!(claimed.prior_period);
    let too_old = claim_of(&book, 90 * DAY + 1);
    let refusal = Refusal::ClaimTooOld { claim_limit_days: 90 };
    assert_eq!(book.post(HARBOR, too_old), Err(refusal));
    let Action::Earn(late) = claim else { unreachable!("it earns") };
    let late = Action::Earn(Bought { retro_claim: false, ..late });
    let refusal = Refusal::ActivityTooOld { late_limit_days: 7 };
    assert_eq!(book.post(HARBOR, late), Err(refusal));
    let fresh = claim_of(&book, 0);
    let refusal = Refusal::ClaimTooOld { claim_limit_days: 0 };
    assert_eq!(book.post(ROVER, fresh), Err(refusal), "the terms know no claims");
    check(&book);
}

#[test]
fn a_receipt_is_credited_once_whatever_else_the_earn_says() {
    let mut book = Book::new(vec![partner(HARBOR, agreement("EUR"))]);
    let first = post(&mut book, "R-1", earn(cents(10_000), "EUR")).expect("credited");
    let refusal = Err(Refusal::ReceiptCredited { request_id: first.operation.request_id });
    let old_claim = claim_of(&book, 4_000 * DAY);
    for action in [earn(cents(10_000), "EUR"), earn(cents(-1), "USD"), old_claim] {
        assert_eq!(post(&mut book, "R-1", action), refusal);
    }
    book.post(HARBOR, reverse(&first, ReversePart::Rest)).expect("refunded");
    assert_eq!(post(&mut book, "R-1", earn(cents(1), "EUR")), refusal, "refunded ones count");
    post(&mut book, "R-2", earn(cents(100), "EUR")).expect("another receipt");
    for _ in 0..2 {
        post(&mut book, "", earn(cents(100), "EUR")).expect("no receipt");
    }
    check(&book);
}

#[test]
fn a_receipt_is_credited_once_in_a_batch_and_a_refused_earn_credits_none() {
    let mut book = Book::new(vec![partner(HARBOR, agreement("EUR"))]);
    let commands = [
        with_receipt(&mut book, "R-1", earn(cents(100), "USD")),
        with_receipt(&mut book, "R-1", earn(cents(100), "EUR")),
        with_receipt(&mut book, "R-1", earn(cents(100), "EUR")),
        with_receipt(&mut book, "r-1", earn(cents(100), "EUR")),
    ];
    let outcomes = book.post_batch(&commands);
    assert!(matches!(outcomes[0], Err(Refusal::CurrencyNotOfTerms { .. })));
    assert!(outcomes[1].is_ok() && outcomes[3].is_ok());
    let request_id = commands[1].request_id;
    assert_eq!(outcomes[2], Err(Refusal::ReceiptCredited { request_id }));
    check(&book);
}

#[test]
fn a_receipt_of_another_partner_is_another_receipt() {
    let mut book =
        Book::new(vec![partner(HARBOR, agreement("EUR")), partner(ROVER, agreement("EUR"))]);
    post(&mut book, "R-1", earn(cents(100), "EUR")).expect("credited");
    let command = book.command(ROVER, earn(cents(100), "EUR"));
    let command = Command { receipt_reference: "R-1".to_owned(), ..command };
    assert!(book.post_batch(&[command])[0].is_ok());
}

#[test]
fn the_money_part_alone_earns_meets_minimums_and_is_refunded() {
    let tiers = vec![rule(Micros::ZERO, 1, cents(100)), rule(cents(10_000), 2, cents(100))];
    let terms = Agreement { categories: vec![category("*", tiers)], ..agreement("EUR") };
    for (spend, paid, points) in [
        (12_000, 0, 240),
        (12_000, 2_000, 200),
        (12_000, 2_001, 99),
        (12_000, 11_950, 0),
        (12_000, 12_000, 0),
    ] {
        let mut book = Book::new(vec![partner(HARBOR, terms.clone())]);
        let bought = Bought { paid_in_points: cents(paid), ..bought(cents(spend)) };
        let earned = book.post(HARBOR, Action::Earn(bought)).expect("an earn");
        assert_eq!(earned.operation.points, Points(points), "{paid} of {spend}");
        assert_eq!(earned.operation.spend, Some((cents(spend), currency("EUR"))));
        let told = (paid > 0).then(|| (cents(paid), currency("EUR")));
        assert_eq!(earned.operation.paid_in_points, told);
        let rest = cents(spend - paid).0;
        let beyond = refund_spend(&earned, Micros(rest + 1), "EUR");
        assert_eq!(book.post(HARBOR, beyond), Err(Refusal::ReversalExceedsRest { rest }));
        if rest > 0 {
            book.post(HARBOR, reverse(&earned, ReversePart::Rest)).expect("refunded");
        }
        assert_eq!(book.has(), (0, 0, 0));
        check(&book);
    }
}

#[test]
fn more_paid_in_points_than_was_spent_is_no_purchase() {
    let mut book = Book::new(vec![partner(HARBOR, agreement("EUR"))]);
    for (spend, paid) in [(100, 101), (100, -1), (100, i64::MIN), (-1, -1), (0, 0), (i64::MIN, 1)] {
        let bought = Bought { paid_in_points: Micros(paid), ..bought(Micros(spend)) };
        let refusal = book.post(HARBOR, Action::Earn(bought));
        assert_eq!(refusal, Err(Refusal::AmountTooLarge), "{paid} of {spend}");
    }
}

#[test]
fn a_category_may_earn_nothing_where_all_others_do() {
    let never = category("gift-card", vec![rule(Micros::ZERO, 0, cents(100))]);
    let others = category("*", vec![rule(Micros::ZERO, 1, cents(100))]);
    let terms = Agreement { categories: vec![others, never], ..agreement("EUR") };
    let mut book = Book::new(vec![partner(HARBOR, terms)]);
    for (category, points) in [("gift-card", 0), ("gift-cards", 100), ("restaurant", 100)] {
        let bought = Bought { category: category.to_owned(), ..bought(cents(10_000)) };
        let earned = book.post(HARBOR, Action::Earn(bought)).expect("an earn");
        assert_eq!(earned.operation.points, Points(points), "{category}");
    }
    check(&book);
}
