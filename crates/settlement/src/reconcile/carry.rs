//! The same difference in two reports. A partner that sends a newer record of a window gets a newer report,
//! and what became of a difference in the one before goes on there: whoever looks into it, what was agreed,
//! and above all that it was corrected, so that it is corrected once.

use std::collections::{HashMap, VecDeque};

use uuid::Uuid;

use super::{Break, BreakKind, BreakState, Kind, Line, LineStatus, When};

/// Of breaks that are alike, the one that is farthest along goes on first: what was corrected is
/// corrected, however many of them the newer record still has.
const FARTHEST_FIRST: [BreakState; 6] = [
    BreakState::Adjusted,
    BreakState::WrittenOff,
    BreakState::Agreed,
    BreakState::Rejected,
    BreakState::Assigned,
    BreakState::Open,
];

/// Breaks of earlier reports that may go on in a newer one, by what they are.
#[derive(Debug)]
pub struct Earlier<T> {
    waiting: HashMap<(Uuid, BreakState), VecDeque<T>>,
}

impl<T> Default for Earlier<T> {
    fn default() -> Self {
        Self { waiting: HashMap::new() }
    }
}

impl<T> Earlier<T> {
    /// Adds one. Of those that are alike and stand alike, the first added goes on first.
    pub fn add(&mut self, likeness: Uuid, state: BreakState, found: T) {
        self.waiting.entry((likeness, state)).or_default().push_back(found);
    }

    /// The one that goes on in a newer break, and in no other.
    pub fn going_on(&mut self, likeness: Uuid) -> Option<T> {
        let mut alike = FARTHEST_FIRST.into_iter();
        alike.find_map(|state| self.waiting.get_mut(&(likeness, state))?.pop_front())
    }
}

impl Break<'_> {
    /// What the difference is, whichever report found it: breaks with the same text are the same.
    ///
    /// It names the kind, the amounts, and the hub's operation, or else all that the partner's line says
    /// but its row, which moves when lines are added before it. What no amount tells, an operation's
    /// date, is part of it too. A member is not: no break keeps one.
    ///
    /// Texts are kept, by their digests: they never change their form.
    #[must_use]
    pub fn likeness(&self) -> String {
        let mut money: Vec<_> = self.delta.money().collect();
        money.sort_by_key(|money| money.currency);
        let mut amounts = vec![self.delta.points.0.to_string()];
        amounts.extend(money.iter().map(|money| format!("{} {}", money.micros.0, money.currency)));
        let amounts = format!("{} {}", self.kind.name(), amounts.join(" "));
        match (&self.operation, &self.line) {
            (Some((operation, _)), line) => {
                let dated = line.filter(|_| self.kind == BreakKind::Timing);
                let at = dated.map(|(line, _)| time(line.when)).unwrap_or_default();
                format!("{amounts}\noperation {}{at}", operation.request_id.0)
            }
            // The receipt is last, since it may have anything in it.
            (None, Some((line, texts))) => {
                format!("{amounts}{}\nreceipt {}", said(line), texts.receipt)
            }
            (None, None) => amounts,
        }
    }
}

/// What a line says, but its row and its texts.
fn said(line: &Line) -> String {
    let request = line.request_id.map(|id| id.0.to_string()).unwrap_or_default();
    let kind = line.kind.map_or("?", kind);
    let money = match line.money {
        money if money.micros.is_zero() => String::new(),
        money => format!(" {} {}", money.micros.0, money.currency),
    };
    let (status, points, at) = (status(line.status), line.points.0, time(line.when));
    format!("\nline {kind} {status} {points}{money}\nrequest {request}{at}")
}

fn time(when: When) -> String {
    if when.is_known() {
        format!("\nat {} to {}", when.first_s(), when.last_s())
    } else {
        "\nat no time".to_owned()
    }
}

const fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Earn => "earn",
        Kind::EarnReversed => "earn_reversed",
        Kind::Burn => "burn",
        Kind::BurnRefunded => "burn_refunded",
        Kind::Exchange => "exchange",
        Kind::Gift => "gift",
        Kind::Donation => "donation",
        Kind::Adjustment => "adjustment",
    }
}

const fn status(status: LineStatus) -> &'static str {
    match status {
        LineStatus::Posted => "posted",
        LineStatus::Reversed => "reversed",
        LineStatus::Refused => "refused",
    }
}

#[cfg(test)]
mod tests {
    use super::super::tables::{PRICE, instant, line, money, operation, reconcile, rules, texts};
    use super::super::{Report, Rules, Texts};
    use super::*;

    /// The likeness of each break, in the report's order.
    fn alike(report: &Report) -> Vec<String> {
        report.breaks().map(|found| found.likeness()).collect()
    }

    type Listed = (Line, Texts<'static>);
    type Change = fn(&mut [Listed]);

    /// A record that differs in everything that can differ: two receipts that the hub does not know, one
    /// of them twice, an amount, a rate and a date.
    fn record() -> Vec<Listed> {
        let late = Line { when: When::at(instant("2026-04-02T09:00:00Z")), ..line(6, 90) };
        vec![
            (line(1, 60), texts("A4")),
            (line(2, 60), texts("A9")),
            (line(3, 60), texts("A9")),
            (line(4, 205), texts("A2")),
            (Line { money: money("USD", 90, 11_000), ..line(5, 90) }, texts("A7")),
            (late, texts("A5")),
        ]
    }

    fn breaks_of(record: &[Listed]) -> Vec<String> {
        let operations = vec![
            (operation(2, 250), texts("A2")),
            (operation(7, 90), texts("A7")),
            (operation(5, 90), texts("A5")),
            (operation(3, 80), texts("A3")),
        ];
        alike(&reconcile(rules(), &record.to_vec(), &operations))
    }

    #[test]
    fn a_line_more_leaves_every_other_break_the_same() {
        let before = breaks_of(&record());
        let mut more = vec![(line(1, 10), texts("A0"))];
        more.extend(record().into_iter().map(|(l, t)| (Line { row: l.row + 1, ..l }, t)));
        let after = breaks_of(&more);
        assert_eq!((before.len(), after.len()), (7, 8));
        assert!(before.iter().all(|one| after.contains(one)), "{before:#?} {after:#?}");
    }

    #[test]
    fn a_break_that_differs_in_what_matters_is_another() {
        let before = breaks_of(&record());
        let changes: [(&str, Change); 9] = [
            ("the points of an amount", |lines| lines[3].0 = line(4, 206)),
            ("the price of a rate", |lines| lines[4].0.money = money("USD", 90, 10_000)),
            ("the day of a date", |lines| {
                lines[5].0.when = When::at(instant("2026-04-03T09:00:00Z"));
            }),
            ("a receipt that the hub does not know", |lines| lines[0].1 = texts("A40")),
            ("its points", |lines| lines[0].0 = line(1, 61)),
            ("its money", |lines| lines[0].0.money = money("USD", 60, PRICE + 1)),
            ("its currency", |lines| lines[0].0.money = money("EUR", 60, PRICE)),
            ("its kind", |lines| lines[0].0.kind = None),
            ("its day", |lines| lines[0].0.when = When::UNKNOWN),
        ];
        for (what, change) in changes {
            let mut lines = record();
            change(&mut lines);
            let after = breaks_of(&lines);
            let same = after.iter().filter(|one| before.contains(one)).count();
            assert_eq!((same, after.len()), (6, 7), "{what}");
        }
    }

    #[test]
    fn an_operation_is_the_same_whatever_else_its_line_says() {
        let before = breaks_of(&record());
        let mut lines = record();
        lines[3].0.when = When::at(instant("2026-03-20T11:00:00Z"));
        lines[4].0.kind = None;
        assert_eq!(breaks_of(&lines), before);
    }

    #[test]
    fn money_that_is_not_compared_is_another_difference() {
        let rules = Rules { with_money: false, ..rules() };
        let points = reconcile(rules, &record(), &vec![(operation(2, 250), texts("A2"))]);
        let before = breaks_of(&record());
        assert!(alike(&points).iter().all(|one| !before.contains(one)));
    }

    #[test]
    fn what_names_a_difference_never_changes() {
        let breaks = breaks_of(&record());
        let unknown = "MISSING_AT_HUB -60 -720000 USD\nline earn posted 60 720000 USD\nrequest \n\
                       at 1773997200 to 1773997200\nreceipt A4";
        assert_eq!(breaks[0], unknown);
        let amount = "AMOUNT 45 540000 USD\noperation 00000000-0000-0000-0000-000000000002";
        assert!(breaks.contains(&amount.to_owned()), "{breaks:#?}");
        let timing = "TIMING 0\noperation 00000000-0000-0000-0000-000000000005\n\
                      at 1775120400 to 1775120400";
        assert!(breaks.contains(&timing.to_owned()), "{breaks:#?}");
    }

    #[test]
    fn of_breaks_that_are_alike_the_one_that_was_corrected_goes_on_first_and_each_goes_on_once() {
        let (this, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let mut earlier = Earlier::default();
        for (number, state) in [
            (1, BreakState::Open),
            (2, BreakState::Assigned),
            (3, BreakState::Adjusted),
            (4, BreakState::Open),
            (5, BreakState::WrittenOff),
            (6, BreakState::Adjusted),
        ] {
            earlier.add(this, state, number);
        }
        assert_eq!(earlier.going_on(other), None);
        let order: Vec<i32> = std::iter::from_fn(|| earlier.going_on(this)).collect();
        assert_eq!(order, [3, 6, 5, 2, 1, 4]);
    }
}
