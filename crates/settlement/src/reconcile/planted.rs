//! Random records with known differences: all of them are found, none is invented, and they add up.
//! `PROPTEST_CASES` sets how many records.

use std::collections::BTreeMap;

use entente_ledger::{Points, RequestId};
use proptest::prelude::*;
use uuid::Uuid;

use super::tables::{instant, line, money, operation, rules};
use super::{BreakKind, Kind, Line, Matcher, Operation, Report, Rules, Standing, Texts, When};

/// What names a line in a partner's record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Named {
    RequestId,
    Receipt,
    Both,
}

/// One purchase: what the hub posted, and what was planted in the partner's line of it.
#[derive(Debug, Clone)]
struct Planted {
    points: i64,
    member: u16,
    second: u32,
    kind: Option<BreakKind>,
}

fn planted() -> impl Strategy<Value = Planted> {
    use BreakKind::{
        Amount, Currency, DuplicateInFile, LateRejected, Member, MissingAtHub, MissingAtPartner,
        Rate, Status, Timing,
    };
    let kinds = vec![
        MissingAtHub,
        MissingAtPartner,
        Amount,
        Rate,
        Timing,
        DuplicateInFile,
        Status,
        Member,
        LateRejected,
        Currency,
    ];
    let kind = prop::option::weighted(0.3, prop::sample::select(kinds));
    let all = (1..10_000_i64, 0..50_u16, 0..2_592_000_u32, kind);
    all.prop_map(|(points, member, second, kind)| Planted { points, member, second, kind })
}

struct Sides {
    operations: Vec<(Operation, String, String)>,
    lines: Vec<(Line, String, String)>,
}

impl Planted {
    fn plant(&self, place: u32, named: Named, sides: &mut Sides) {
        let id = u128::from(place).checked_add(1).expect("small");
        let seconds = jiff::SignedDuration::from_secs(i64::from(self.second));
        let when = instant("2026-03-01T00:00:00Z").checked_add(seconds).expect("in range");
        let receipt = if named == Named::RequestId { String::new() } else { format!("R{place}") };
        let member = format!("m{}", self.member);
        let mut hub = Operation {
            posted: When::at(when),
            activity: When::at(when),
            ..operation(id, self.points)
        };
        let mut file = Line { when: When::at(when), ..line(place, self.points) };
        file.kind = if place.is_multiple_of(2) { Some(Kind::Earn) } else { None };
        if named != Named::Receipt {
            file.request_id = Some(RequestId(Uuid::from_u128(id)));
        }
        let mut file_member = member.clone();
        match self.kind {
            None | Some(BreakKind::MissingAtHub | BreakKind::MissingAtPartner) => {}
            Some(BreakKind::DuplicateInFile) => {
                sides.lines.push((file, receipt.clone(), file_member.clone()));
            }
            Some(BreakKind::Amount) => {
                let more = self.points.checked_add(1).expect("small");
                (file.points, file.money) = (Points(more), line(place, more).money);
            }
            Some(BreakKind::Rate) => file.money = money("USD", self.points, 11_000),
            Some(BreakKind::Timing) => file.when = When::at(instant("2026-05-01T00:00:00Z")),
            Some(BreakKind::Status) => hub.standing = Standing::Refused,
            Some(BreakKind::Member) => file_member.push('x'),
            Some(BreakKind::LateRejected) => hub.standing = Standing::RefusedLate,
            Some(BreakKind::Currency) => file.money = money("EUR", self.points, 12_000),
        }
        if self.kind != Some(BreakKind::MissingAtHub) {
            sides.operations.push((hub, receipt.clone(), member));
        }
        if self.kind != Some(BreakKind::MissingAtPartner) {
            sides.lines.push((file, receipt, file_member));
        }
    }
}

fn reconcile(sides: &Sides, seed: u64) -> Report {
    let rules = Rules { clock_tolerance_s: 0, ..rules() };
    let mut matcher = Matcher::new(rules, seed);
    for (line, receipt, member) in &sides.lines {
        matcher.line(*line, Texts { receipt, member }).expect("taken");
    }
    let mut matching = matcher.against();
    for (operation, receipt, member) in &sides.operations {
        matching.operation(*operation, Texts { receipt, member }).expect("taken");
    }
    matching.finish().expect("explained")
}

/// Everything that a report says, for comparing two.
fn said(report: &Report) -> Vec<String> {
    report.breaks().map(|found| format!("{found:?}")).collect()
}

proptest! {
    #[test]
    fn all_planted_breaks_are_found_and_none_is_invented(
        planted in prop::collection::vec(planted(), 0..120),
        named in prop::sample::select(vec![Named::RequestId, Named::Receipt, Named::Both]),
        turned in any::<bool>(),
        rotated in any::<prop::sample::Index>(),
    ) {
        let mut sides = Sides { operations: Vec::new(), lines: Vec::new() };
        let mut expected = BTreeMap::new();
        for (place, planted) in (0..).zip(&planted) {
            planted.plant(place, named, &mut sides);
            if let Some(kind) = planted.kind {
                expected.entry(place).or_insert(kind);
            }
        }
        if turned {
            sides.lines.reverse();
        }
        let first = said(&reconcile(&sides, 1));
        if !sides.operations.is_empty() {
            let by = rotated.index(sides.operations.len());
            sides.operations.rotate_left(by);
        }
        let report = reconcile(&sides, 2);
        prop_assert_eq!(first, said(&report), "the order of operations and the seed change nothing");
        let found: BTreeMap<u32, BreakKind> = report.breaks().map(|found| {
            let id = found.operation.map(|(operation, _)| operation.request_id.0.as_u128());
            let place = id.and_then(|id| u32::try_from(id).ok()?.checked_sub(1));
            (found.line.map(|(line, _)| line.row).or(place).expect("a side"), found.kind)
        }).collect();
        prop_assert_eq!(found.len(), report.breaks().len(), "one break each");
        prop_assert_eq!(found, expected);
        let (hub, file) = sums(&sides);
        prop_assert_eq!(report.hub().points.0, hub);
        prop_assert_eq!(report.file().points.0, file);
    }

    #[test]
    fn any_two_records_are_explained(
        hub in prop::collection::vec(planted(), 0..60),
        file in prop::collection::vec(planted(), 0..60),
    ) {
        let (mut sides, mut other) = (
            Sides { operations: Vec::new(), lines: Vec::new() },
            Sides { operations: Vec::new(), lines: Vec::new() },
        );
        for (place, planted) in (0..).zip(&hub) {
            planted.plant(place, Named::Receipt, &mut sides);
        }
        for (place, planted) in (0..).zip(&file) {
            planted.plant(place, Named::Both, &mut other);
        }
        sides.lines = other.lines;
        let report = reconcile(&sides, 3);
        let explained: i64 = report.breaks().map(|found| found.delta.points.0).sum();
        prop_assert_eq!(explained, report.difference().expect("small").points.0);
    }
}

fn sums(sides: &Sides) -> (i64, i64) {
    let counts =
        |operation: &&(Operation, String, String)| operation.0.standing == Standing::Posted;
    let hub =
        sides.operations.iter().filter(counts).map(|(operation, ..)| operation.points.0).sum();
    (hub, sides.lines.iter().map(|(line, ..)| line.points.0).sum())
}
