//! Rows that are set aside: counted and named by reason, with the first lines where each was seen.

use std::collections::BTreeMap;

/// How many lines are named of each reason.
const FIRST_LINES: usize = 3;

/// Why a row is not played.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reason {
    /// It is cut short, or has a delimiter too many.
    FieldCount,
    /// It is not UTF-8.
    NotText,
    /// Another row before it has the same number.
    NumberTwice,
    /// A field that is needed has nothing in it.
    Empty(&'static str),
    /// A field does not say what its column is for.
    Unreadable(&'static str),
    /// A field says more than anybody would believe.
    TooLarge(&'static str),
    /// The day, month and year of arrival are no date.
    NoSuchDay,
    /// The columns `is_canceled` and `reservation_status` contradict each other.
    Contradiction,
    /// Cancelled before it was booked.
    CancelledTooEarly,
    /// Cancelled years after the arrival.
    CancelledTooLate,
    /// A stay of zero nights.
    NoNights,
    /// A rate of zero.
    NoRate,
    /// A rate below zero.
    NegativeRate,
    /// New York's clocks skipped this time, in spring.
    SkippedTime,
    /// Dropped off before it was picked up.
    DroppedOffTooEarly,
    /// A fare of zero.
    NoFare,
    /// A fare below zero.
    NegativeFare,
    /// More fare than total.
    TotalBelowFare,
    /// Far from all other rows of its file.
    FarAway,
}

/// How often a reason was found, and where at first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// How many rows.
    pub(crate) rows: u64,
    /// The lines of the first of them, the file's header being line 1.
    pub(crate) first_lines: Vec<u64>,
}

/// The rows of a file that are not played.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Aside(BTreeMap<Reason, Found>);

impl Reason {
    /// For people.
    pub(crate) fn text(self) -> String {
        let text = match self {
            Self::FieldCount => "other number of fields than the header",
            Self::NotText => "not UTF-8",
            Self::NumberTwice => "row number given before",
            Self::Empty(column) => return format!("{column} is empty"),
            Self::Unreadable(column) => return format!("{column} cannot be read"),
            Self::TooLarge(column) => return format!("{column} is too large"),
            Self::NoSuchDay => "no such day of arrival",
            Self::Contradiction => "is_canceled contradicts reservation_status",
            Self::CancelledTooEarly => "cancelled before it was booked",
            Self::CancelledTooLate => "cancelled years after the arrival",
            Self::NoNights => "zero nights",
            Self::NoRate => "rate of zero",
            Self::NegativeRate => "rate below zero",
            Self::SkippedTime => "a time that New York's clocks skipped",
            Self::DroppedOffTooEarly => "dropped off before it was picked up",
            Self::NoFare => "fare of zero",
            Self::NegativeFare => "fare below zero",
            Self::TotalBelowFare => "total less than the fare",
            Self::FarAway => "far in time from the other rows",
        };
        text.to_owned()
    }
}

impl Aside {
    /// Sets one row aside.
    pub(crate) fn set(&mut self, reason: Reason, line: u64) {
        let found = self.0.entry(reason).or_default();
        found.rows += 1;
        if found.first_lines.len() < FIRST_LINES {
            found.first_lines.push(line);
        }
    }

    /// Each reason, in a fixed order.
    pub(crate) fn reasons(&self) -> impl Iterator<Item = (Reason, &Found)> {
        self.0.iter().map(|(reason, found)| (*reason, found))
    }

    /// How many rows there are.
    pub(crate) fn rows(&self) -> u64 {
        self.0.values().map(|found| found.rows).sum()
    }
}
