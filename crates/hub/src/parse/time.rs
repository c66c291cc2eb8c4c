//! Instants. The ledger counts microseconds, so anything finer is dropped at the door.

use jiff::Timestamp;

use super::Expected;

/// The first and the last second of `google.protobuf.Timestamp`; jiff's own range ends a day
/// earlier, and ends it here too.
const SECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

/// 3000-01-01T00:00:00Z.
const LATEST_CLOCK_SECOND: i64 = 32_503_680_000;

/// An instant of the years 1 to 9999, cut to microseconds.
pub fn timestamp(wire: &prost_types::Timestamp) -> Result<Timestamp, Expected> {
    let good = SECONDS.contains(&wire.seconds) && (0..1_000_000_000).contains(&wire.nanos);
    let whole_micros = wire.nanos - wire.nanos % 1_000;
    let parsed = good.then(|| Timestamp::new(wire.seconds, whole_micros).ok()).flatten();
    parsed.ok_or(Expected::Borrowed("a time of the years 1 to 9999, with nanos of 0 to 999999999"))
}

/// A time that a simulation's clock may show: lots that live for the longest time still end within
/// the range of instants.
pub fn clock_time(wire: &prost_types::Timestamp) -> Result<Timestamp, Expected> {
    let parsed = timestamp(wire)?;
    let good = (0..LATEST_CLOCK_SECOND).contains(&parsed.as_second());
    good.then_some(parsed).ok_or(Expected::Borrowed("a time of the years 1970 to 2999"))
}

/// The instant as the wire has it.
#[must_use]
pub fn wire_timestamp(at: Timestamp) -> prost_types::Timestamp {
    // Before 1970 jiff counts both parts down from zero; the wire's nanos count up.
    let nanos = at.subsec_nanosecond();
    let (seconds, nanos) = if nanos < 0 {
        (at.as_second() - 1, nanos + 1_000_000_000)
    } else {
        (at.as_second(), nanos)
    };
    prost_types::Timestamp { seconds, nanos }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(seconds: i64, nanos: i32) -> prost_types::Timestamp {
        prost_types::Timestamp { seconds, nanos }
    }

    #[test]
    fn an_instant_is_cut_to_microseconds() {
        for (sent, read) in [
            (wire(1_772_438_400, 123_456_789), "2026-03-02T08:00:00.123456Z"),
            (wire(0, 999), "1970-01-01T00:00:00Z"),
            (wire(-1, 999_999_999), "1969-12-31T23:59:59.999999Z"),
        ] {
            let parsed = timestamp(&sent).expect("an instant");
            assert_eq!(parsed.to_string(), read);
            assert_eq!(timestamp(&wire_timestamp(parsed)), Ok(parsed));
        }
    }

    #[test]
    fn a_clock_stays_within_a_thousand_years() {
        assert!(clock_time(&wire(32_503_679_999, 0)).is_ok());
        for bad in [wire(32_503_680_000, 0), wire(-1, 0), wire(0, -1)] {
            assert!(clock_time(&bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_instant_out_of_range_is_refused() {
        for bad in [
            wire(0, -1),
            wire(0, 1_000_000_000),
            wire(-62_135_596_801, 0),
            wire(253_402_300_800, 0),
            wire(i64::MAX, 0),
            wire(i64::MIN, i32::MIN),
        ] {
            assert!(timestamp(&bad).is_err(), "{bad:?}");
        }
    }
}
