//! What a reconciliation found. A report that does not explain the whole difference cannot be made.

use std::collections::BTreeMap;

use entente_ledger::Overflow;

use super::store::Sides;
use super::{ControlTotals, Delta, Line, Operation, Texts};

/// What kind of difference a break is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BreakKind {
    /// The partner lists what the hub does not know.
    MissingAtHub,
    /// The hub posted what the partner does not list.
    MissingAtPartner,
    /// Both have it, with other points.
    Amount,
    /// Both have it, with the same points at another price.
    Rate,
    /// Both have it, at times that belong to other windows.
    Timing,
    /// The partner lists it more than once.
    DuplicateInFile,
    /// Both have it, but one side reversed or refused it.
    Status,
    /// Both have it, for other members.
    Member,
    /// The partner lists what the hub refused because it came too late.
    LateRejected,
    /// Both have it, in other currencies.
    Currency,
}

impl BreakKind {
    /// The kind's name on screens, in files and on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::MissingAtHub => "MISSING_AT_HUB",
            Self::MissingAtPartner => "MISSING_AT_PARTNER",
            Self::Amount => "AMOUNT",
            Self::Rate => "RATE",
            Self::Timing => "TIMING",
            Self::DuplicateInFile => "DUPLICATE_IN_FILE",
            Self::Status => "STATUS",
            Self::Member => "MEMBER",
            Self::LateRejected => "LATE_REJECTED",
            Self::Currency => "CURRENCY",
        }
    }
}

/// A difference found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Break<'r> {
    /// What kind it is.
    pub kind: BreakKind,
    /// The hub's side, where there is one.
    pub operation: Option<(Operation, Texts<'r>)>,
    /// The partner's side, where there is one. A line that names no request id has the one of the
    /// operation that it was matched with left out.
    pub line: Option<(Line, Texts<'r>)>,
    /// The hub's amounts less the partner's.
    pub delta: Delta,
}

/// A row that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Its number in the file.
    pub row: u32,
    /// Why.
    pub reason: String,
}

/// Why there is no report.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unexplained {
    /// The breaks do not add up to the difference of the totals: a fault of matching.
    #[error("the breaks come to {explained:?}, the difference to {difference:?}")]
    Amounts {
        /// What there is to explain.
        difference: Box<ControlTotals>,
        /// What the breaks come to.
        explained: Box<ControlTotals>,
    },
    /// A sum is beyond the ledger's range.
    #[error(transparent)]
    Overflow(#[from] Overflow),
}

/// What a reconciliation found: both sides' totals, and breaks that add up to their difference.
#[derive(Debug)]
pub struct Report {
    hub: ControlTotals,
    file: ControlTotals,
    sides: Sides,
    breaks: Vec<Found>,
    unreadable: Vec<Unreadable>,
}

/// A break as it is kept: the sides by their numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) kind: BreakKind,
    pub(super) operation: Option<u32>,
    pub(super) line: Option<u32>,
    pub(super) delta: Delta,
}

impl Found {
    /// Whether a reversal took all of a difference in amounts away.
    pub(super) fn retracted(&self) -> bool {
        use BreakKind::{Amount, Currency, Rate, Status};
        self.delta.is_zero() && matches!(self.kind, Amount | Currency | Rate | Status)
    }
}

impl Report {
    /// Makes a report, with its breaks in order of kind, row and request id; or refuses to, where the
    /// breaks do not explain the difference to the last point and micro of every currency.
    pub(super) fn new(
        (hub, file): (ControlTotals, ControlTotals),
        sides: Sides,
        mut breaks: Vec<Found>,
        unreadable: Vec<Unreadable>,
    ) -> Result<Self, Unexplained> {
        let difference = hub.minus(&file)?;
        let mut explained = ControlTotals::default();
        for found in &breaks {
            explained.add(&found.delta)?;
        }
        if !explained.comes_to(&difference) {
            let (difference, explained) = (Box::new(difference), Box::new(explained));
            return Err(Unexplained::Amounts { difference, explained });
        }
        breaks.sort_by_key(|found| {
            let row = found.line.map_or(u32::MAX, |line| sides.line(line).line.row);
            let id = found.operation.map(|number| sides.operation(number).request_id);
            (found.kind, row, id, found.line)
        });
        Ok(Self { hub, file, sides, breaks, unreadable })
    }

    /// What the hub's operations come to.
    #[must_use]
    pub const fn hub(&self) -> &ControlTotals {
        &self.hub
    }

    /// What the partner's lines come to.
    #[must_use]
    pub const fn file(&self) -> &ControlTotals {
        &self.file
    }

    /// The hub's amounts less the partner's. The breaks add up to it.
    pub fn difference(&self) -> Result<ControlTotals, Overflow> {
        self.hub.minus(&self.file)
    }

    /// The breaks, in an order that is the same on every run.
    pub fn breaks(&self) -> impl ExactSizeIterator<Item = Break<'_>> {
        self.breaks.iter().map(|found| Break {
            kind: found.kind,
            operation: found
                .operation
                .map(|number| (*self.sides.operation(number), self.sides.operation_texts(number))),
            line: found.line.map(|number| (self.line(number), self.sides.line_texts(number))),
            delta: found.delta,
        })
    }

    /// How many breaks of each kind there are, and what they come to.
    pub fn by_kind(&self) -> Result<BTreeMap<BreakKind, ControlTotals>, Overflow> {
        let mut sums = BTreeMap::<_, ControlTotals>::new();
        for found in &self.breaks {
            sums.entry(found.kind).or_default().add(&found.delta)?;
        }
        Ok(sums)
    }

    /// Rows that could not be read: the first thousand. The file's totals count all.
    #[must_use]
    pub fn unreadable(&self) -> &[Unreadable] {
        &self.unreadable
    }

    fn line(&self, number: u32) -> Line {
        let record = self.sides.line(number);
        let request_id = record.line.request_id.filter(|_| !record.lent);
        Line { request_id, ..record.line }
    }
}

#[cfg(test)]
mod tests {
    use entente_ledger::{Micros, Points};

    use super::*;
    use crate::Money;

    #[test]
    fn a_report_that_does_not_explain_the_difference_cannot_be_made() {
        let usd = "USD".parse().expect("ISO 4217");
        let amounts =
            |points, micros| (Points(points), Money { currency: usd, micros: Micros(micros) });
        let totals = |points, micros| {
            let mut totals = ControlTotals::default();
            totals.count(amounts(points, micros)).expect("small");
            totals
        };
        let found = |points, micros| Found {
            kind: BreakKind::Amount,
            operation: None,
            line: None,
            delta: Delta::between(amounts(points, micros), amounts(0, 0)).expect("small"),
        };
        let report = |breaks| {
            let both = (totals(100, 1_200_000), totals(55, 660_000));
            Report::new(both, Sides::default(), breaks, Vec::new())
        };
        assert!(report(vec![found(45, 540_000)]).is_ok());
        assert!(report(vec![found(40, 480_000), found(5, 60_000)]).is_ok());
        for breaks in
            [vec![], vec![found(45, 0)], vec![found(44, 540_000)], vec![found(45, 540_001)]]
        {
            let error = report(breaks).map(|_| ()).expect_err("not explained");
            assert!(matches!(error, Unexplained::Amounts { .. }), "{error}");
        }
    }
}
