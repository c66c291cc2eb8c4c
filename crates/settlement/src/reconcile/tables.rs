//! Tables: one break of each type, the worked example, and what must not be a break.

use entente_ledger::{Micros, Points, RequestId};
use jiff::Timestamp;
use uuid::Uuid;

use super::{
    BreakKind, Kind, Line, LineStatus, Matcher, NotTaken, Operation, Report, Rules, Standing,
    Texts, When,
};
use crate::Money;

pub(super) const PRICE: i64 = 12_000;

pub(super) fn instant(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

pub(super) fn rules() -> Rules {
    Rules {
        opened_at: instant("2026-03-01T00:00:00Z"),
        closed_at: instant("2026-04-01T00:00:00Z"),
        with_money: true,
        clock_tolerance_s: 300,
        day_tolerance_s: 86_400,
        most_lines: 100_000,
    }
}

pub(super) fn money(code: &str, points: i64, price: i64) -> Money {
    let micros = Points(points).at(Micros(price)).expect("small");
    Money { currency: code.parse().expect("ISO 4217"), micros }
}

pub(super) fn operation(id: u128, points: i64) -> Operation {
    Operation {
        request_id: RequestId(Uuid::from_u128(id)),
        corrects: None,
        kind: Kind::Earn,
        standing: Standing::Posted,
        in_window: true,
        points: Points(points),
        money: money("USD", points, PRICE),
        posted: When::at(instant("2026-03-20T10:00:00Z")),
        activity: When::at(instant("2026-03-20T09:00:00Z")),
    }
}

/// The line of a partner that keeps receipts and no request ids.
pub(super) fn line(row: u32, points: i64) -> Line {
    Line {
        row,
        request_id: None,
        kind: Some(Kind::Earn),
        status: LineStatus::Posted,
        points: Points(points),
        money: money("USD", points, PRICE),
        when: When::at(instant("2026-03-20T09:00:00Z")),
    }
}

pub(super) const fn texts(receipt: &'static str) -> Texts<'static> {
    Texts { receipt, member: "rider" }
}

type Lines = Vec<(Line, Texts<'static>)>;
type Operations = Vec<(Operation, Texts<'static>)>;

pub(super) fn reconcile(rules: Rules, lines: &Lines, operations: &Operations) -> Report {
    let mut matcher = Matcher::new(rules, 42);
    for (line, texts) in lines {
        matcher.line(*line, *texts).expect("taken");
    }
    let mut matching = matcher.against();
    for (operation, texts) in operations {
        matching.operation(*operation, *texts).expect("taken");
    }
    matching.finish().expect("explained")
}

/// Kind, receipt, points and micros of each break.
fn found(report: &Report) -> Vec<(BreakKind, String, i64, i64)> {
    let of = |found: super::Break<'_>| {
        let line = found.line.map(|(_, texts)| texts.receipt);
        let receipt = line.or(found.operation.map(|(_, texts)| texts.receipt)).unwrap_or_default();
        let micros: i64 = found.delta.money().map(|money| money.micros.0).sum();
        (found.kind, receipt.to_owned(), found.delta.points.0, micros)
    };
    report.breaks().map(of).collect()
}

#[test]
fn the_worked_example_is_explained_to_the_cent() {
    let next = When::at(instant("2026-04-02T09:00:00Z"));
    let reversed = Operation { standing: Standing::Reversed, ..operation(8, 0) };
    let operations = vec![
        (operation(1, 100), texts("A1")),
        (operation(2, 250), texts("A2")),
        (operation(3, 80), texts("A3")),
        (operation(5, 120), texts("A5")),
        (operation(6, 40), texts("A6")),
        (operation(7, 90), texts("A7")),
        (reversed, texts("A8")),
    ];
    let lines = vec![
        (line(1, 100), texts("A1")),
        (line(2, 205), texts("A2")),
        (line(3, 60), texts("A4")),
        (Line { when: next, ..line(4, 120) }, texts("A5")),
        (line(5, 40), texts("A6")),
        (line(6, 40), texts("A6")),
        (Line { money: money("USD", 90, 11_000), ..line(7, 90) }, texts("A7")),
        (line(8, 50), texts("A8")),
    ];
    let report = reconcile(rules(), &lines, &operations);
    let expected = [
        (BreakKind::MissingAtHub, "A4", -60, -720_000),
        (BreakKind::MissingAtPartner, "A3", 80, 960_000),
        (BreakKind::Amount, "A2", 45, 540_000),
        (BreakKind::Rate, "A7", 0, 90_000),
        (BreakKind::Timing, "A5", 0, 0),
        (BreakKind::DuplicateInFile, "A6", -40, -480_000),
        (BreakKind::Status, "A8", -50, -600_000),
    ];
    assert_eq!(found(&report), expected.map(|(kind, a, b, c)| (kind, a.to_owned(), b, c)));
    let usd = "USD".parse().expect("ISO 4217");
    let totals = |totals: &super::ControlTotals| (totals.points.0, totals.money[&usd].0);
    assert_eq!(totals(report.hub()), (680, 8_160_000));
    assert_eq!(totals(report.file()), (705, 8_370_000));
    assert_eq!(totals(&report.difference().expect("small")), (-25, -210_000));
}

#[test]
fn each_difference_of_a_pair_has_its_type() {
    use BreakKind::{Amount, Currency, LateRejected, Member, Rate, Status, Timing};
    let (hub, file) = (operation(1, 100), line(1, 100));
    let refused = |standing| Operation { standing, ..hub };
    let status = |status| Line { status, ..file };
    let elsewhere = Operation { in_window: false, ..hub };
    let euro = Line { money: money("EUR", 100, PRICE), ..file };
    let reversed = Operation { standing: Standing::Reversed, ..operation(1, 30) };
    let cheap = Line { money: money("USD", 100, 11_000), ..file };
    let april = When::between(instant("2026-04-01T00:00:00Z"), instant("2026-04-02T00:00:00Z"));
    for (hub, file, kinds, points) in [
        (hub, file, vec![], 0),
        (hub, line(1, 90), vec![Amount], 10),
        (hub, cheap, vec![Rate], 0),
        (hub, Line { when: april, ..file }, vec![Timing], 0),
        (hub, Line { when: april, ..line(1, 90) }, vec![Amount, Timing], 10),
        (hub, euro, vec![Currency], 0),
        (hub, status(LineStatus::Reversed), vec![Status], 100),
        (hub, status(LineStatus::Refused), vec![Status], 100),
        (reversed, file, vec![Status], -70),
        (reversed, line(1, 30), vec![], 0),
        (refused(Standing::Refused), file, vec![Status], -100),
        (refused(Standing::Refused), status(LineStatus::Refused), vec![], 0),
        (refused(Standing::RefusedLate), file, vec![LateRejected], -100),
        (elsewhere, file, vec![Timing], -100),
        (elsewhere, line(1, 90), vec![Timing], -90),
    ] {
        for member in ["rider", "guest", ""] {
            let lines = vec![(file, Texts { member, ..texts("A1") })];
            let report = reconcile(rules(), &lines, &vec![(hub, texts("A1"))]);
            let mut expected = kinds.clone();
            if member == "guest" {
                expected.push(Member);
                expected.sort();
            }
            let kinds: Vec<_> = report.breaks().map(|found| found.kind).collect();
            assert_eq!(kinds, expected, "{hub:?} {file:?} {member}");
            assert_eq!(report.difference().expect("small").points.0, points);
        }
    }
}

#[test]
fn a_line_is_found_by_request_id_then_receipt_then_member_amount_and_day() {
    let id = |id| Some(RequestId(Uuid::from_u128(id)));
    let day = |text| When::at(instant(text));
    let near = Line { when: day("2026-03-21T08:00:00Z"), ..line(1, 100) };
    let far = Line { when: day("2026-03-22T10:00:00Z"), ..line(1, 100) };
    let named = Line { request_id: id(1), ..line(1, 100) };
    let unknown = Line { request_id: id(9), ..line(1, 100) };
    let no_member = Texts::default();
    for (line, line_texts, hub_texts, is_found) in [
        (named, texts("B7"), texts("A1"), true),
        (named, no_member, no_member, true),
        (unknown, texts("A1"), texts("A1"), true),
        (unknown, texts(""), texts("A1"), false),
        (line(1, 100), texts("A1"), texts("A1"), true),
        (line(1, 100), texts("B7"), texts("A1"), false),
        (near, texts(""), texts("A1"), true),
        (near, texts("B7"), texts(""), true),
        (near, no_member, texts(""), false),
        (far, texts(""), texts("A1"), false),
        (line(1, 99), texts(""), texts("A1"), false),
    ] {
        let operations = vec![(operation(1, 100), hub_texts)];
        let report = reconcile(rules(), &vec![(line, line_texts)], &operations);
        let expected = if is_found { 0 } else { 2 };
        assert_eq!(report.breaks().len(), expected, "{line:?} {line_texts:?} {hub_texts:?}");
    }
}

#[test]
fn a_request_id_is_stronger_than_a_receipt_in_whatever_order() {
    let id = Some(RequestId(Uuid::from_u128(1)));
    let lines =
        vec![(line(1, 100), texts("A1")), (Line { request_id: id, ..line(2, 100) }, texts("A1"))];
    for ids in [[1, 2], [2, 1]] {
        let operations = ids.map(|id| (operation(id, 100), texts("A1"))).to_vec();
        assert_eq!(reconcile(rules(), &lines, &operations).breaks().len(), 0, "{ids:?}");
    }
}

#[test]
fn a_refused_attempt_does_not_take_the_line_of_the_one_that_succeeded() {
    let refused = Operation { standing: Standing::Refused, ..operation(1, 100) };
    let operations = vec![(refused, texts("A1")), (operation(2, 100), texts("A1"))];
    let lines = vec![(line(1, 100), texts("A1"))];
    assert_eq!(reconcile(rules(), &lines, &operations).breaks().len(), 0);
}

#[test]
fn a_receipt_that_was_earned_and_burned_with_has_two_lines() {
    let burn = Operation { kind: Kind::Burn, ..operation(2, -40) };
    let operations = vec![(operation(1, 100), texts("A1")), (burn, texts("A1"))];
    for kinds in [[Some(Kind::Earn), Some(Kind::Burn)], [None, None]] {
        let [earned, burned] = kinds;
        let lines = vec![
            (Line { kind: burned, ..line(1, -40) }, texts("A1")),
            (Line { kind: earned, ..line(2, 100) }, texts("A1")),
        ];
        assert_eq!(reconcile(rules(), &lines, &operations).breaks().len(), 0, "{kinds:?}");
    }
}

#[test]
fn a_reversal_is_listed_or_folded_or_unknown_to_the_partner() {
    use BreakKind::{Amount, MissingAtPartner, Status};
    let reversal = |id, points| Operation {
        corrects: Some(RequestId(Uuid::from_u128(1))),
        kind: Kind::EarnReversed,
        ..operation(id, points)
    };
    let own = Line { kind: Some(Kind::EarnReversed), ..line(2, -100) };
    let marked = Line { status: LineStatus::Reversed, ..line(1, 100) };
    let whole = vec![reversal(2, -100)];
    let in_parts = vec![reversal(2, -30), reversal(3, -70)];
    let part = vec![reversal(2, -30)];
    for (lines, reversals, expected) in [
        (vec![line(1, 100), own], &whole, vec![]),
        (vec![marked], &whole, vec![]),
        (vec![marked], &in_parts, vec![]),
        (vec![line(1, 100)], &whole, vec![(Status, -100)]),
        (vec![line(1, 100)], &in_parts, vec![(Status, -100)]),
        (vec![line(1, 70)], &part, vec![]),
        (vec![line(1, 75)], &part, vec![(Amount, -5)]),
        (vec![], &part, vec![(MissingAtPartner, 70)]),
        (vec![], &whole, vec![]),
    ] {
        let lines: Lines = lines.into_iter().map(|line| (line, texts("A1"))).collect();
        let mut operations = vec![(operation(1, 100), texts("A1"))];
        operations.extend(reversals.iter().map(|reversal| (*reversal, texts("A1"))));
        for _ in 0..2 {
            let report = reconcile(rules(), &lines, &operations);
            let found: Vec<_> = report.breaks().map(|b| (b.kind, b.delta.points.0)).collect();
            assert_eq!(found, expected, "{lines:?}");
            operations.reverse();
        }
    }
}

#[test]
fn a_line_listed_again_is_a_duplicate_by_whatever_names_it() {
    let named = Line { request_id: Some(RequestId(Uuid::from_u128(1))), ..line(1, 100) };
    for (line, line_texts) in [
        (named, texts("")),
        (named, texts("A1")),
        (line(1, 100), texts("A1")),
        (line(1, 100), texts("")),
    ] {
        let again = Line { row: 2, ..line };
        let lines = vec![(line, line_texts), (again, line_texts), (again, line_texts)];
        let operations = vec![(operation(1, 100), texts("A1"))];
        let report = reconcile(rules(), &lines, &operations);
        let kinds: Vec<_> = report.breaks().map(|found| found.kind).collect();
        assert_eq!(kinds, [BreakKind::DuplicateInFile; 2], "{line:?} {line_texts:?}");
    }
}

#[test]
fn what_came_late_bears_its_own_date_and_is_in_time() {
    let february = When::at(instant("2026-02-26T09:00:00Z"));
    let late = Operation { activity: february, ..operation(1, 100) };
    let lines = vec![(Line { when: february, ..line(1, 100) }, texts("A1"))];
    assert_eq!(reconcile(rules(), &lines, &vec![(late, texts("A1"))]).breaks().len(), 0);
    let report = reconcile(rules(), &lines, &vec![(operation(1, 100), texts("A1"))]);
    assert_eq!(report.breaks().map(|b| b.kind).collect::<Vec<_>>(), [BreakKind::Timing]);
}

#[test]
fn a_file_without_money_is_compared_in_points() {
    let rules = Rules { with_money: false, ..rules() };
    let nothing = Money::nothing("USD".parse().expect("ISO 4217"));
    let lines = vec![(Line { money: nothing, ..line(1, 90) }, texts("A1"))];
    let report = reconcile(rules, &lines, &vec![(operation(1, 100), texts("A1"))]);
    assert!(report.hub().money.is_empty() && report.file().money.is_empty());
    assert_eq!(report.difference().expect("small").points, Points(10));
}

#[test]
fn rows_that_cannot_be_read_are_counted_and_named() {
    let mut matcher = Matcher::new(rules(), 42);
    for row in 0..1_500 {
        matcher.unreadable(row, &"no points ".repeat(100));
    }
    let report = matcher.against().finish().expect("explained");
    assert_eq!(report.file().unreadable, 1_500);
    assert_eq!(report.unreadable().len(), 1_000);
    assert!(report.unreadable().iter().all(|row| row.reason.chars().count() == 200));
}

#[test]
fn a_file_has_no_more_lines_than_the_rules_allow() {
    let mut matcher = Matcher::new(Rules { most_lines: 1, ..rules() }, 42);
    assert_eq!(matcher.line(line(1, 100), texts("A1")), Ok(()));
    assert_eq!(matcher.line(line(2, 100), texts("A2")), Err(NotTaken::TooManyLines(1)));
}

#[test]
fn sums_beyond_the_range_are_an_overflow() {
    let mut matcher = Matcher::new(rules(), 42);
    let huge = Line { points: Points(i64::MAX), ..line(1, 1) };
    assert_eq!(matcher.line(huge, texts("A1")), Ok(()));
    assert!(matches!(matcher.line(huge, texts("A2")), Err(NotTaken::Overflow(_))));
    let long: &'static str = Box::leak("x".repeat(70_000).into_boxed_str());
    let long = Texts { receipt: long, member: "" };
    assert!(matches!(matcher.line(line(3, 1), long), Err(NotTaken::Overflow(_))));
}

#[test]
fn lines_that_nobody_claimed_are_told_for_a_look_elsewhere() {
    let mut matcher = Matcher::new(rules(), 42);
    for (row, receipt) in [(1, "A1"), (2, "A2")] {
        matcher.line(line(row, 100), texts(receipt)).expect("taken");
    }
    let mut matching = matcher.against();
    matching.operation(operation(1, 100), texts("A2")).expect("taken");
    let left: Vec<_> =
        matching.unmatched(0).map(|(_, line, texts)| (line.row, texts.receipt)).collect();
    assert_eq!(left, [(1, "A1")]);
    assert_eq!(matching.unmatched(1).count() + matching.unmatched(9).count(), 0);
    let elsewhere = Operation { in_window: false, ..operation(2, 100) };
    matching.operation(elsewhere, texts("A1")).expect("taken");
    let report = matching.finish().expect("explained");
    assert_eq!(found(&report), [(BreakKind::Timing, "A1".to_owned(), -100, -1_200_000)]);
}

#[test]
fn many_lines_of_one_receipt_or_one_member_do_not_take_for_ever() {
    let rules = Rules { most_lines: 50_000, ..rules() };
    for receipt in ["A1", ""] {
        let lines: Lines = (0..50_000).map(|row| (line(row, 100), texts(receipt))).collect();
        let operations: Operations =
            (0..50_000).map(|id| (operation(id, 100), texts(receipt))).collect();
        let report = reconcile(rules, &lines, &operations);
        assert_eq!(report.difference().expect("small").points, Points::ZERO);
    }
}
