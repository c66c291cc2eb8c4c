//! The last resort: member, amount and day. It joins only what does not contradict itself: a line that
//! names a request id or a receipt which the hub does not know is about something else.

use entente_ledger::Points;

use super::matcher::Matching;
use super::store::{Fate, index};

/// How many lines of one member, amount and day an operation looks at.
const MOST_LOOKED_AT: usize = 64;

/// One side of a possible pair, in order: member and amount, then time, then operation or line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Near {
    group: u64,
    first_s: i64,
    number: u32,
}

/// Finds the lines of those operations among the pending that have one nearby. Each takes the earliest
/// line that is near enough, in order of time, which leaves the fewest without one.
pub(super) fn pairs(matching: &Matching, pending: &[u32]) -> Vec<(u32, u32)> {
    let operations = operations(matching, pending);
    let lines = if operations.is_empty() { Vec::new() } else { lines(matching) };
    let mut taken = vec![false; lines.len()];
    let mut pairs = Vec::new();
    let mut from = 0;
    for operation in &operations {
        let reach = matching.rules.day_tolerance_s.max(0);
        let too_early = |line: &Near, taken: bool| {
            line.group < operation.group
                || (line.group == operation.group
                    && (taken || ends_before(matching, line, operation, reach)))
        };
        while lines.get(from).is_some_and(|line| too_early(line, taken[from])) {
            from = from.saturating_add(1);
        }
        let near = (from..lines.len()).take(MOST_LOOKED_AT);
        let latest = operation.first_s.saturating_add(reach);
        let mut near = near
            .take_while(|at| lines[*at].group == operation.group && lines[*at].first_s <= latest);
        let fits = |at: &usize| !taken[*at] && fit(matching, operation.number, lines[*at].number);
        if let Some(at) = near.find(fits) {
            taken[at] = true;
            pairs.push((operation.number, lines[at].number));
        }
    }
    pairs
}

/// Marks lines that say the same as an earlier line which names nothing but a member: listed twice.
pub(super) fn repeated(matching: &Matching) -> Vec<bool> {
    let sides = &matching.sides;
    let mut repeated = vec![false; sides.lines.len()];
    let mut seen = hashbrown::HashTable::<u32>::new();
    let key = |number: u32| {
        let line = &sides.line(number).line;
        (line.points, line.money, line.when, line.kind, sides.line_texts(number).member)
    };
    for (number, record) in (0_u32..).zip(&sides.lines) {
        let texts = sides.line_texts(number);
        let names = record.line.request_id.is_some() && !record.lent;
        if names || !texts.receipt.is_empty() || texts.member.is_empty() {
            continue;
        }
        let hash = |number: u32| matching.index.hash(key(number));
        let same = |other: &u32| key(*other) == key(number);
        match seen.entry(hash(number), same, |other| hash(*other)) {
            hashbrown::hash_table::Entry::Occupied(_) => repeated[index(number)] = true,
            hashbrown::hash_table::Entry::Vacant(vacant) => {
                vacant.insert(number);
            }
        }
    }
    repeated
}

fn operations(matching: &Matching, pending: &[u32]) -> Vec<Near> {
    let mut near: Vec<_> = pending
        .iter()
        .filter_map(|number| {
            let operation = matching.sides.operation(*number);
            let member = matching.sides.operation_texts(*number).member;
            let known = !member.is_empty() && operation.when().is_known();
            let first_s = operation.when().first_s();
            known.then(|| Near {
                group: group(matching, member, operation.points),
                first_s,
                number: *number,
            })
        })
        .collect();
    near.sort_unstable();
    near
}

fn lines(matching: &Matching) -> Vec<Near> {
    let mut near: Vec<_> = (0_u32..)
        .zip(&matching.sides.lines)
        .filter_map(|(number, record)| {
            let member = matching.sides.line_texts(number).member;
            let line = &record.line;
            let free = record.fate == Fate::Free && line.request_id.is_none();
            let known = !member.is_empty() && line.when.is_known();
            let first_s = line.when.first_s();
            (free && known).then(|| Near {
                group: group(matching, member, line.points),
                first_s,
                number,
            })
        })
        .collect();
    near.sort_unstable();
    near
}

fn group(matching: &Matching, member: &str, points: Points) -> u64 {
    matching.index.hash((member, points))
}

fn ends_before(matching: &Matching, line: &Near, operation: &Near, reach: i64) -> bool {
    let last_s = matching.sides.line(line.number).line.when.last_s();
    last_s < operation.first_s.saturating_sub(reach)
}

/// Whether they can be the same: nothing that both name differs.
fn fit(matching: &Matching, operation: u32, line: u32) -> bool {
    let sides = &matching.sides;
    let (hub, file) = (sides.operation_texts(operation), sides.line_texts(line));
    let (operation, record) = (sides.operation(operation), sides.line(line));
    let apart = record.line.when.apart(operation.when());
    hub.member == file.member
        && operation.points == record.line.points
        && record.line.may_be(operation)
        && (hub.receipt.is_empty() || file.receipt.is_empty() || hub.receipt == file.receipt)
        && apart.is_some_and(|apart_s| apart_s <= matching.rules.day_tolerance_s)
}
