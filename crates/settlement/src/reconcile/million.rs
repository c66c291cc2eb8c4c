//! A million operations against a million lines, for measuring: `cargo test --release -p
//! entente-settlement -- --ignored a_million`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use entente_ledger::{Points, RequestId};
use uuid::Uuid;

use super::tables::{instant, line, money, operation, rules};
use super::{BreakKind, Line, Matcher, Operation, Rules, Standing, Texts, When};

const COUNT: u32 = 1_000_000;
const KINDS: [BreakKind; 10] = [
    BreakKind::MissingAtHub,
    BreakKind::MissingAtPartner,
    BreakKind::Amount,
    BreakKind::Rate,
    BreakKind::Timing,
    BreakKind::DuplicateInFile,
    BreakKind::Status,
    BreakKind::Member,
    BreakKind::LateRejected,
    BreakKind::Currency,
];

/// What is planted in a purchase: one in a hundred has each type.
fn kind(place: u32) -> Option<BreakKind> {
    let scattered = place.wrapping_mul(2_654_435_761).rotate_left(9).checked_rem(100)?;
    KINDS.get(usize::try_from(scattered).ok()?).copied()
}

fn both(place: u32, with_ids: bool) -> (Operation, Line) {
    let points = i64::from(place.checked_rem(5_000).unwrap_or_default()).saturating_add(1);
    let mixed = u128::from(place.wrapping_mul(2_246_822_519)).rotate_left(70);
    let id = RequestId(Uuid::from_u128(mixed ^ u128::from(place)));
    let hub = Operation { request_id: id, ..operation(0, points) };
    let request_id = with_ids.then_some(id);
    (hub, Line { request_id, ..line(place, points) })
}

fn write_texts(place: u32, receipt: &mut String, member: &mut String) {
    receipt.clear();
    member.clear();
    write!(receipt, "BOOKING-{place:010}").expect("a string grows");
    write!(member, "MEMBER-{:08}", place.wrapping_mul(31)).expect("a string grows");
}

fn run(with_ids: bool) {
    let mut matcher = Matcher::new(Rules { most_lines: 2_000_000, ..rules() }, 7);
    let (mut receipt, mut member) = (String::new(), String::new());
    for place in 0..COUNT {
        let (_, mut line) = both(place, with_ids);
        let points = line.points.0;
        let mut times = 1;
        match kind(place) {
            Some(BreakKind::MissingAtPartner) => times = 0,
            Some(BreakKind::DuplicateInFile) => times = 2,
            Some(BreakKind::Amount) => line.points = Points(points.saturating_add(7)),
            Some(BreakKind::Rate) => line.money = money("USD", points, 11_000),
            Some(BreakKind::Timing) => line.when = When::at(instant("2026-05-01T00:00:00Z")),
            Some(BreakKind::Currency) => line.money = money("EUR", points, 12_000),
            _ => {}
        }
        write_texts(place, &mut receipt, &mut member);
        if kind(place) == Some(BreakKind::Member) {
            member.push('x');
        }
        let texts = Texts { receipt: &receipt, member: &member };
        for _ in 0..times {
            matcher.line(line, texts).expect("taken");
        }
    }
    let mut matching = matcher.against();
    for place in 0..COUNT {
        let (mut operation, _) = both(place, with_ids);
        operation.standing = match kind(place) {
            Some(BreakKind::MissingAtHub) => continue,
            Some(BreakKind::Status) => Standing::Refused,
            Some(BreakKind::LateRejected) => Standing::RefusedLate,
            _ => Standing::Posted,
        };
        write_texts(place, &mut receipt, &mut member);
        let texts = Texts { receipt: &receipt, member: &member };
        matching.operation(operation, texts).expect("taken");
    }
    let report = matching.finish().expect("explained");
    let mut planted = BTreeMap::new();
    for kind in (0..COUNT).filter_map(kind) {
        let count: &mut u64 = planted.entry(kind).or_default();
        *count = count.saturating_add(1);
    }
    let sums = report.by_kind().expect("small");
    let found: BTreeMap<_, _> = sums.iter().map(|(kind, sum)| (*kind, sum.count)).collect();
    assert_eq!(found, planted);
}

#[test]
#[ignore = "a measurement"]
fn a_million_operations_against_a_million_lines_by_request_id() {
    run(true);
}

#[test]
#[ignore = "a measurement"]
fn a_million_operations_against_a_million_lines_by_receipt() {
    run(false);
}
