//! Times that terms speak of: lives and limits counted from an instant, and calendar years.

use jiff::{
    SignedDuration, Timestamp,
    civil::{Date, Time},
    tz::Offset,
};

/// How far ahead of the ledger's clock a partner's clock may be.
pub(crate) const FUTURE_TOLERANCE_SECONDS: i64 = 5 * 60;

/// So many seconds later, or the last instant there is.
pub(crate) fn after_seconds(at: Timestamp, seconds: i64) -> Timestamp {
    at.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX)
}

/// So many days of 24 hours later, or the last instant there is.
pub(crate) fn after_days(at: Timestamp, days: i32) -> Timestamp {
    after_seconds(at, i64::from(days).saturating_mul(86_400))
}

/// So many days of 24 hours earlier, or the first instant there is.
pub(crate) fn days_before(at: Timestamp, days: i32) -> Timestamp {
    let seconds = i64::from(days).saturating_mul(86_400);
    at.checked_sub(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MIN)
}

/// The calendar year in UTC.
pub(crate) fn year(at: Timestamp) -> i16 {
    Offset::UTC.to_datetime(at).year()
}

/// The calendar month in UTC, as its first day.
#[must_use]
pub fn month(at: Timestamp) -> Date {
    Offset::UTC.to_datetime(at).date().first_of_month()
}

/// When the next calendar month begins in UTC, or the last instant there is.
pub(crate) fn next_month(at: Timestamp) -> Timestamp {
    let next = month(at).last_of_month().tomorrow();
    let start = next.and_then(|day| Offset::UTC.to_timestamp(day.to_datetime(Time::midnight())));
    start.unwrap_or(Timestamp::MAX)
}
