//! The two passes: first the partner's lines, then the hub's operations.

use std::collections::HashMap;

use entente_ledger::{Overflow, Points, RequestId};
use jiff::Timestamp;

use super::compare::{Differences, compare};
use super::index::Index;
use super::report::Found;
use super::store::{Fate, Sides, index};
use super::{
    BreakKind, ControlTotals, Delta, Line, Operation, Report, Texts, Unexplained, Unreadable,
};
use crate::Money;

/// Of rows that cannot be read, so many are named; all are counted.
const MOST_NAMED: usize = 1_000;

/// What holds of a whole reconciliation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// When the window opened.
    pub opened_at: Timestamp,
    /// When it closed; it is half-open.
    pub closed_at: Timestamp,
    /// Whether the file tells money. Where it does not, money is left out on both sides.
    pub with_money: bool,
    /// How far apart two clocks may be, in seconds, for a time to be the same.
    pub clock_tolerance_s: i64,
    /// How far apart an operation and a line may be, in seconds, when they are matched by member and
    /// amount.
    pub day_tolerance_s: i64,
    /// How many lines are taken.
    pub most_lines: usize,
}

/// Why a line or an operation was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// The file has more lines than the rules allow.
    #[error("the file has more than {0} lines")]
    TooManyLines(usize),
    /// A sum is beyond the ledger's range, or a text beyond 65,535 bytes.
    #[error(transparent)]
    Overflow(#[from] Overflow),
}

/// The first pass: the partner's lines, in the order of the file.
#[derive(Debug)]
pub struct Matcher(Matching);

/// The second pass: the hub's operations, in an order that is the same on every run.
#[derive(Debug)]
pub struct Matching {
    pub(super) rules: Rules,
    pub(super) index: Index,
    pub(super) sides: Sides,
    pub(super) hub: ControlTotals,
    pub(super) file: ControlTotals,
    pub(super) breaks: Vec<Found>,
    /// Operations that no line was found for yet.
    pub(super) pending: Vec<u32>,
    /// Operations that were matched with a line of another request id.
    pub(super) paired: HashMap<RequestId, u32>,
    pub(super) unreadable: Vec<Unreadable>,
}

impl Matcher {
    /// Begins. The seed is random, so that nobody makes a file of keys that collide; the report does not
    /// depend on it.
    #[must_use]
    pub fn new(rules: Rules, seed: u64) -> Self {
        Self(Matching {
            rules,
            index: Index::new(seed),
            sides: Sides::default(),
            hub: ControlTotals::default(),
            file: ControlTotals::default(),
            breaks: Vec::new(),
            pending: Vec::new(),
            paired: HashMap::new(),
            unreadable: Vec::new(),
        })
    }

    /// Takes the next line.
    pub fn line(&mut self, mut line: Line, texts: Texts<'_>) -> Result<(), NotTaken> {
        let Matching { rules, index, sides, file, .. } = &mut self.0;
        if sides.lines.len() >= rules.most_lines {
            return Err(NotTaken::TooManyLines(rules.most_lines));
        }
        if !rules.with_money {
            line.money = Money::nothing(line.money.currency);
        }
        let number = sides.keep_line(line, texts)?;
        file.count(line.counted())?;
        if line.request_id.is_some_and(|id| !index.enter_request(sides, number, id)) {
            sides.line_mut(number).fate = Fate::Repeated;
        } else {
            index.enter_receipt(sides, number);
        }
        Ok(())
    }

    /// Counts a row that cannot be read.
    pub fn unreadable(&mut self, row: u32, reason: &str) {
        let Matching { file, unreadable, .. } = &mut self.0;
        file.unreadable = file.unreadable.saturating_add(1);
        if unreadable.len() < MOST_NAMED {
            unreadable.push(Unreadable { row, reason: reason.chars().take(200).collect() });
        }
    }

    /// The file is at its end; what the partner says it comes to.
    #[must_use]
    pub const fn file(&self) -> &ControlTotals {
        &self.0.file
    }

    /// Begins the second pass.
    #[must_use]
    pub fn against(self) -> Matching {
        self.0
    }
}

impl Matching {
    /// Takes the next operation. By request id it finds its line at once; by receipt, where the line
    /// has no request id that could belong to another.
    pub fn operation(
        &mut self,
        mut operation: Operation,
        texts: Texts<'_>,
    ) -> Result<(), NotTaken> {
        if !self.rules.with_money {
            operation.money = Money::nothing(operation.money.currency);
        }
        if operation.counts() {
            self.hub.count(operation.counted())?;
        }
        let named = self.index.by_request(&self.sides, operation.request_id);
        let mut line = named.filter(|line| self.sides.line(*line).fate == Fate::Free);
        if line.is_none() && operation.counts() {
            let key = (&operation, texts.receipt);
            line = self.index.by_receipt(&self.sides, key, |line| line.request_id.is_none());
        }
        if let Some(line) = line {
            return Ok(self.pair(&operation, texts, line)?);
        }
        let number = self.sides.keep_operation(operation, texts)?;
        self.pending.push(number);
        Ok(())
    }

    /// Lines that no operation was found for yet, in order of the file, from a place in it on; each
    /// with its place. The hub looks them up in its other windows, and gives what it finds there as
    /// operations that are not in this one.
    pub fn unmatched(&self, from: u32) -> impl Iterator<Item = (u32, &Line, Texts<'_>)> {
        let rest = self.sides.lines.get(index(from)..).unwrap_or_default();
        (from..).zip(rest).filter_map(|(number, record)| {
            let is_free = record.fate == Fate::Free;
            is_free.then(|| (number, &record.line, self.sides.line_texts(number)))
        })
    }

    /// Ends: matches what is left, and explains the rest.
    pub fn finish(mut self) -> Result<Report, Unexplained> {
        self.settle()?;
        Report::new((self.hub, self.file), self.sides, self.breaks, self.unreadable)
    }

    /// An operation that is not kept, and its line.
    fn pair(&mut self, operation: &Operation, texts: Texts<'_>, line: u32) -> Result<(), Overflow> {
        let line_side = (&self.sides.line(line).line, self.sides.line_texts(line));
        let found = compare((operation, texts), line_side, &self.rules)?;
        self.match_up(operation.request_id, line);
        if found == Differences::default() {
            return Ok(());
        }
        let number = self.sides.keep_operation(*operation, texts)?;
        self.report(found, number, line)
    }

    /// An operation that waited, and its line.
    pub(super) fn pair_kept(&mut self, number: u32, line: u32) -> Result<(), Overflow> {
        let operation = (self.sides.operation(number), self.sides.operation_texts(number));
        let line_side = (&self.sides.line(line).line, self.sides.line_texts(line));
        let found = compare(operation, line_side, &self.rules)?;
        self.match_up(self.sides.operation(number).request_id, line);
        self.report(found, number, line)
    }

    /// Notes that a line has its operation, so that a reversal of the operation finds the line.
    fn match_up(&mut self, id: RequestId, line: u32) {
        let record = self.sides.line_mut(line);
        record.fate = Fate::Matched;
        match record.line.request_id {
            Some(own) if own == id => {}
            Some(_) => {
                self.paired.insert(id, line);
            }
            None => {
                record.line.request_id = Some(id);
                record.lent = true;
                self.index.enter_request(&self.sides, line, id);
            }
        }
    }

    fn report(&mut self, found: Differences, operation: u32, line: u32) -> Result<(), Overflow> {
        let mut push = |kind, delta| {
            self.breaks.push(Found { kind, operation: Some(operation), line: Some(line), delta });
        };
        if let Some((kind, delta)) = found.amounts {
            push(kind, delta);
        }
        let currency = self.sides.operation(operation).money.currency;
        let nothing = (Points::ZERO, Money::nothing(currency));
        let none = Delta::between(nothing, nothing)?;
        if found.member {
            push(BreakKind::Member, none);
        }
        if found.timing {
            push(BreakKind::Timing, none);
        }
        Ok(())
    }
}
