//! Times between people, the contract and us.

use anyhow::Context as _;
use jiff::{Timestamp, civil::Date, tz::TimeZone};

/// A contract's time as ours; `None` for an absent one and for one out of range.
pub(crate) fn stamp(time: Option<&prost_types::Timestamp>) -> Option<Timestamp> {
    time.and_then(|time| Timestamp::new(time.seconds, time.nanos).ok())
}

/// Our time as the contract's.
pub(crate) fn proto(time: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: time.as_second(), nanos: time.subsec_nanosecond() }
}

/// For people, in UTC, to the second; `-` for none.
pub(crate) fn text(time: Option<&prost_types::Timestamp>) -> String {
    let whole = stamp(time).and_then(|time| Timestamp::from_second(time.as_second()).ok());
    whole.map_or_else(|| "-".to_owned(), |time| time.to_string())
}

/// The UTC day; `-` for none.
pub(crate) fn date(time: Option<&prost_types::Timestamp>) -> String {
    stamp(time)
        .map_or_else(|| "-".to_owned(), |time| time.to_zoned(TimeZone::UTC).date().to_string())
}

/// Reads `2026-03-01T00:00:00Z`, or `2026-03-01` for that day's beginning in UTC.
pub(crate) fn parse(text: &str) -> anyhow::Result<Timestamp> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    // By its form: a Date's own parser takes a time of day too, and forgets it.
    let day = Date::strptime("%Y-%m-%d", text)
        .with_context(|| format!("{text:?} is no time; give 2026-03-01T00:00:00Z or 2026-03-01"))?;
    Ok(day.to_zoned(TimeZone::UTC)?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_its_beginning_in_utc() {
        let day = parse("2026-03-01").expect("a day");
        assert_eq!(day, parse("2026-03-01T00:00:00Z").expect("a time"));
        assert_eq!(text(Some(&proto(day))), "2026-03-01T00:00:00Z");
        for bad in ["yesterday", "2026-03-01 12:00:00", "2026-03-01T12:00:00", "2026-02-30"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
