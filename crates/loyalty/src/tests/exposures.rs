//! Caps: what a partner may owe, on the net effect, with what open holds reserve.

use std::collections::BTreeMap;

use entente_ledger::{Funding, Micros, Points};

use super::check::check;
use crate::{
    Agreement, Decision, Exposure, Refusal, ReversePart,
    cast::{
        Book, GROCER, HARBOR, ROVER, agreement, authorize, burn, capture, cents, currency, earn,
        partner, partner_with, refund_points, reverse, time, void,
    },
};

fn capped(funding: Funding, cap: Micros) -> Agreement {
    Agreement {
        funding,
        net_debit_caps: BTreeMap::from([(currency("EUR"), cap)]),
        reimbursement: Micros(10_000),
        ..agreement("EUR")
    }
}

/// Harbor pays .0100 per point when issued, and owes 24,500.00 of at most 30,000.00.
fn e5() -> Book {
    let harbor = capped(Funding::AtIssue, cents(3_000_000));
    let mut book = Book::new(vec![partner(HARBOR, harbor), partner(GROCER, agreement("EUR"))]);
    let earned = book.post(HARBOR, worth(2_450_000)).expect("within the cap");
    assert_eq!(earned.operation.points, Points(2_450_000));
    book
}

/// An earn for which Harbor owes so many hundredths.
fn worth(hundredths: i64) -> crate::Action {
    earn(cents(hundredths * 100), "EUR")
}

fn refused() -> Refusal {
    let (partner, currency) = (HARBOR, currency("EUR"));
    Refusal::NetDebitCapExceeded { partner, currency, cap: cents(3_000_000) }
}

#[test]
fn an_earn_may_reach_the_cap_and_not_pass_it() {
    let mut book = e5();
    assert_eq!(book.post(HARBOR, worth(600_000)), Err(refused()));
    assert_eq!(book.exposure(HARBOR, "EUR"), cents(2_450_000));
    book.post(HARBOR, worth(550_000)).expect("reaches it");
    assert_eq!(book.exposure(HARBOR, "EUR"), cents(3_000_000));
    assert_eq!(book.post(HARBOR, worth(1)), Err(refused()));
    check(&book);
    let key = (HARBOR, currency("EUR"));
    book.exposures.insert(key, Exposure { owed: cents(1_800_000), told: 50 });
    book.post(HARBOR, worth(1)).expect("12,000.00 were paid");
}

/// The thresholds that the last decision tells of.
fn told(decision: &Decision) -> Vec<(u8, bool)> {
    decision.crossings.iter().map(|crossing| (crossing.percent, crossing.rising)).collect()
}

#[test]
fn thresholds_are_told_once_and_in_pairs_though_the_cap_changes_unannounced() {
    let noon = time("2026-01-15T12:00:00Z");
    let before = capped(Funding::AtIssue, cents(1_000_000));
    let after = capped(Funding::AtIssue, cents(700_000));
    let versions = vec![(time("2020-01-01T00:00:00Z"), before), (noon, after)];
    let mut book = Book::new(vec![partner_with(HARBOR, versions)]);
    let first = book.post(HARBOR, worth(600_000)).expect("6,000.00 of 10,000.00");
    assert_eq!(told(&first), [(50, true)]);
    book.now = noon;
    let more = book.post(HARBOR, worth(10_000)).expect("6,100.00 of 7,000.00");
    assert_eq!(told(&more), [(80, true)], "the new cap has it, and nobody told of it yet");
    let less = book.post(HARBOR, burn(500_000)).expect("1,100.00 of 7,000.00");
    assert_eq!(told(&less), [(80, false), (50, false)]);
    assert_eq!(book.exposures[&(HARBOR, currency("EUR"))].told, 0);
    let refused = book.post(HARBOR, worth(1_000_000)).expect_err("beyond");
    assert!(matches!(refused, Refusal::NetDebitCapExceeded { .. }));
    assert_eq!(book.exposures[&(HARBOR, currency("EUR"))].told, 0, "and nothing is told of it");
}

#[test]
fn one_batch_stops_at_the_cap() {
    let mut book = e5();
    let batch = [(); 3].map(|()| book.command(HARBOR, worth(200_000)));
    let outcomes = book.post_batch(&batch);
    assert!(outcomes[0].is_ok() && outcomes[1].is_ok());
    assert_eq!(outcomes[2], Err(refused()));
    assert_eq!(book.exposure(HARBOR, "EUR"), cents(2_850_000));
    check(&book);
}

#[test]
fn a_redemption_at_the_partner_lowers_its_exposure_at_once() {
    let mut book = e5();
    book.post(HARBOR, burn(1_000_000)).expect("10,000.00 at Harbor");
    assert_eq!(book.exposure(HARBOR, "EUR"), cents(1_450_000));
    check(&book);
}

/// Harbor funds at redemption and owes 24,500.00 for points burned at Grocer.
fn at_redemption() -> Book {
    let harbor = capped(Funding::AtRedemption, cents(3_000_000));
    let grocer = Agreement { reimbursement: Micros(10_000), ..agreement("EUR") };
    let mut book = Book::new(vec![partner(HARBOR, harbor), partner(GROCER, grocer)]);
    book.post(HARBOR, worth(9_000_000)).expect("nothing is owed yet");
    book.post(GROCER, burn(2_450_000)).expect("24,500.00");
    book
}

#[test]
fn an_authorization_reserves_and_its_end_releases() {
    let mut book = at_redemption();
    let held = book.post(GROCER, authorize(200_000)).expect("reserved");
    assert_eq!(book.exposure(HARBOR, "EUR"), cents(2_650_000));
    assert_eq!(book.post(GROCER, authorize(350_001)), Err(refused()));
    assert_eq!(book.post(GROCER, burn(350_001)), Err(refused()));
    check(&book);
    let mut captured = book.clone();
    captured.post(GROCER, capture(&held, Some(50_000))).expect("captured");
    assert_eq!(captured.exposure(HARBOR, "EUR"), cents(2_500_000));
    check(&captured);
    let mut swept = book.clone();
    swept.wait(86_400);
    swept.sweep();
    book.post(GROCER, void(&held)).expect("voided");
    for book in [swept, book] {
        assert_eq!(book.exposure(HARBOR, "EUR"), cents(2_450_000));
        check(&book);
    }
}

#[test]
fn at_its_own_till_a_partner_reserves_the_fee_alone() {
    let harbor =
        Agreement { hub_fee_basis_points: 100, ..capped(Funding::AtRedemption, cents(100_000)) };
    let mut book = Book::new(vec![partner(HARBOR, harbor)]);
    book.post(HARBOR, worth(100_000)).expect("issued");
    let held = book.post(HARBOR, authorize(10_000)).expect("held");
    assert_eq!(book.exposure(HARBOR, "EUR"), cents(100));
    book.post(HARBOR, capture(&held, None)).expect("captured");
    assert_eq!(book.exposure(HARBOR, "EUR"), cents(100));
    check(&book);
}

#[test]
fn a_capture_and_a_reversal_are_never_refused_for_a_cap() {
    let mut book = at_redemption();
    let held = book.post(GROCER, authorize(550_000)).expect("reserved");
    let burned = book.post(HARBOR, burn(100)).expect("its own points cost it nothing");
    let key = (HARBOR, currency("EUR"));
    book.exposures.insert(key, Exposure { owed: cents(9_000_000), told: 100 });
    book.post(GROCER, capture(&held, None)).expect("the goods are handed over");
    book.post(HARBOR, refund_points(&burned, 50)).expect("given back");
    book.post(HARBOR, reverse(&burned, ReversePart::Rest)).expect("given back");
}

#[test]
fn an_effect_that_lowers_is_accepted_above_the_cap() {
    let mut book = e5();
    let key = (HARBOR, currency("EUR"));
    book.exposures.insert(key, Exposure { owed: cents(9_000_000), told: 100 });
    book.post(HARBOR, burn(1_000)).expect("Harbor is paid");
    assert_eq!(book.post(HARBOR, worth(1)), Err(refused()));
}

#[test]
fn the_fee_counts_and_a_repaid_debt_too() {
    let harbor =
        Agreement { hub_fee_basis_points: 10_000, ..capped(Funding::AtRedemption, cents(100)) };
    let mut book = Book::new(vec![partner(HARBOR, harbor), partner(ROVER, agreement("EUR"))]);
    let earned = book.post(ROVER, worth(1_000)).expect("issued");
    book.post(ROVER, burn(1_000)).expect("burned");
    book.post(ROVER, reverse(&earned, ReversePart::Rest)).expect("a debt of 1,000 to Rover");
    assert_eq!(book.has(), (0, 0, 1_000));
    let refusal = book.post(HARBOR, worth(126)).expect_err("126 at .0080 are 1.008");
    assert!(matches!(refusal, Refusal::NetDebitCapExceeded { partner: HARBOR, .. }));
    book.post(HARBOR, worth(125)).expect("1.00");
    assert_eq!(book.exposure(HARBOR, "EUR"), cents(100));
    let refusal = book.post(HARBOR, worth(1)).expect_err("nothing more");
    assert!(matches!(refusal, Refusal::NetDebitCapExceeded { .. }));
    check(&book);
}
