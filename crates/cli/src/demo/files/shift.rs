//! The rides are of another year than the stays: they are moved by whole weeks, so that weekdays and
//! times of day stay, to where the last of them falls into the last week of the stays' last month.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, Zoned};

/// By how many weeks rides are moved; backwards when negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Weeks(pub(crate) i64);

/// Seconds of a week.
const WEEK: i64 = 7 * 24 * 60 * 60;

impl Weeks {
    /// The most weeks by which the last ride stays before a day, in UTC.
    pub(crate) fn before(last: &Zoned, day: Date) -> anyhow::Result<Self> {
        let end = day.to_zoned(TimeZone::UTC)?.timestamp();
        let apart = end.as_second() - last.timestamp().as_second();
        // The same time of day is an hour earlier or later in another season.
        let mut weeks = Self(apart.div_euclid(WEEK) + 1);
        while weeks.moved(last)? >= end {
            weeks.0 -= 1;
        }
        Ok(weeks)
    }

    /// A time so many weeks away: the same time of day on the same weekday there.
    pub(crate) fn moved(self, time: &Zoned) -> anyhow::Result<Timestamp> {
        Ok(time.checked_add(Span::new().try_weeks(self.0)?)?.timestamp())
    }

    /// For people.
    pub(crate) fn text(self) -> String {
        let direction = if self.0 < 0 { "back" } else { "forward" };
        format!("{direction} by {} weeks", self.0.unsigned_abs())
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::demo::files::rides::new_york;

    fn local(text: &str) -> Zoned {
        let time: jiff::civil::DateTime = text.parse().expect("a time");
        time.to_zoned(new_york().expect("a zone")).expect("in range")
    }

    #[test]
    fn the_last_ride_falls_into_the_last_week_before_the_day() {
        for (last, day) in [
            ("2019-03-31 23:43:45", date(2017, 3, 1)),
            ("2019-03-31 18:59:59", date(2019, 4, 1)),
            ("2019-03-31 20:00:00", date(2019, 4, 1)),
            ("2014-07-01 20:00:00", date(2017, 1, 1)),
            ("2014-01-01 19:30:00", date(2017, 7, 1)),
        ] {
            let (last, end) = (local(last), day.to_zoned(TimeZone::UTC).expect("in range"));
            let weeks = Weeks::before(&last, day).expect("in range");
            let moved = weeks.moved(&last).expect("in range").as_second();
            let rest = end.timestamp().as_second() - moved;
            assert!((1..=WEEK + 3_600).contains(&rest), "{last} {day}: {rest}");
            let next = Weeks(weeks.0 + 1).moved(&last).expect("in range");
            assert!(next >= end.timestamp(), "{last} {day}");
        }
    }

    #[test]
    fn weekday_and_time_of_day_stay_across_a_change_of_clocks() {
        let ride = local("2019-03-23 20:21:09");
        let moved = Weeks(-5).moved(&ride).expect("in range").to_zoned(new_york().expect("a zone"));
        assert_eq!(moved.datetime(), "2019-02-16 20:21:09".parse().expect("a time"));
        // Summer time in one, winter time in the other.
        assert_eq!(ride.timestamp().as_second() - moved.timestamp().as_second(), 5 * WEEK - 3_600);
    }
}
