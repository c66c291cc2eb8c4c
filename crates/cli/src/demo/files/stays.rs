//! Bookings of hotel stays: what each row says, and when it earns.

use jiff::civil::{Date, date};
use jiff::{Span, ToSpan as _};

use super::aside::Reason;
use super::sheet::{Fields, Rows, Sheet};

/// Columns without which a file is no file of stays.
const NEEDED: [&str; 9] = [
    "lead_time",
    "arrival_date_year",
    "arrival_date_month",
    "arrival_date_day_of_month",
    "stays_in_weekend_nights",
    "stays_in_week_nights",
    "adr",
    "reservation_status",
    "reservation_status_date",
];

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// The most that one booking may cost, in micros: the hub moves no more at once.
const MOST_SPEND: i64 = 10_000_000_000_000;

/// How far, in days, a booking may lie before its arrival, and a cancellation after it.
const MOST_DAYS: u32 = 1_000;

/// How far, in days, an arrival may lie from that in the middle of the file.
const FAR_DAYS: i64 = 3 * 366;

/// A booking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stay {
    /// When it was made.
    pub(crate) booked: Date,
    /// When the guests were to come.
    pub(crate) arrival: Date,
    /// What was booked, as the terms name it.
    pub(crate) category: &'static str,
    /// The rate of all nights, in micros of EUR.
    pub(crate) spend: i64,
    /// What became of it.
    pub(crate) outcome: Outcome,
}

/// What became of a booking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The guests came.
    Stayed,
    /// The booking was cancelled on this day.
    Cancelled(Date),
    /// The guests did not come.
    NoShow,
}

/// Reads a file of stays.
pub(crate) fn read(sheet: &Sheet) -> anyhow::Result<Rows<Stay>> {
    let mut rows = sheet.read(&NEEDED, stay)?;
    let mut arrivals: Vec<Date> = rows.good.iter().map(|row| row.value.arrival).collect();
    arrivals.sort_unstable();
    if let Some(&middle) = arrivals.get(arrivals.len().saturating_sub(1) / 2) {
        rows.keep(|stay| near(stay.arrival, middle));
    }
    Ok(rows)
}

fn near(day: Date, middle: Date) -> Result<(), Reason> {
    let days = day.duration_since(middle).as_hours() / 24;
    if days.abs() > FAR_DAYS { Err(Reason::FarAway) } else { Ok(()) }
}

fn stay(fields: Fields<'_>) -> Result<Stay, Reason> {
    let arrival = arrival(fields)?;
    let lead_days = fields.whole("lead_time", MOST_DAYS)?;
    let booked = days_after(arrival, -i64::from(lead_days)).ok_or(Reason::NoSuchDay)?;
    let weekend = fields.whole("stays_in_weekend_nights", MOST_DAYS)?;
    let nights = weekend + fields.whole("stays_in_week_nights", MOST_DAYS)?;
    let rate = fields.micros("adr")?;
    let outcome = outcome(fields, booked, arrival)?;
    match (nights, rate) {
        (0, _) => return Err(Reason::NoNights),
        (_, ..0) => return Err(Reason::NegativeRate),
        (_, 0) => return Err(Reason::NoRate),
        _ => {}
    }
    let spend = rate.checked_mul(i64::from(nights)).filter(|spend| *spend <= MOST_SPEND);
    let category = match fields.find("hotel")? {
        Some("Resort Hotel") => "resort",
        Some("City Hotel") => "city",
        _ => "hotel",
    };
    let spend = spend.ok_or(Reason::TooLarge("adr"))?;
    Ok(Stay { booked, arrival, category, spend, outcome })
}

fn arrival(fields: Fields<'_>) -> Result<Date, Reason> {
    let year = fields.whole("arrival_date_year", 9_998)?;
    let month = fields.get("arrival_date_month")?;
    let month = month_number(month).ok_or(Reason::Unreadable("arrival_date_month"))?;
    let day = fields.whole("arrival_date_day_of_month", 99)?;
    day_of(year, month, day).ok_or(Reason::NoSuchDay)
}

/// `July`, `jul` or `7`.
fn month_number(text: &str) -> Option<u32> {
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    let text = text.to_lowercase();
    let place = MONTHS.iter().position(|name| text.len() >= 3 && name.starts_with(&text))?;
    u32::try_from(place + 1).ok()
}

fn outcome(fields: Fields<'_>, booked: Date, arrival: Date) -> Result<Outcome, Reason> {
    let column = "reservation_status";
    let outcome = match fields.get(column)? {
        "Check-Out" => Outcome::Stayed,
        "No-Show" => Outcome::NoShow,
        "Canceled" => Outcome::Cancelled(status_date(fields)?),
        _ => return Err(Reason::Unreadable(column)),
    };
    let contradicts = match fields.find("is_canceled")? {
        Some("0") => outcome != Outcome::Stayed,
        Some("1") => outcome == Outcome::Stayed,
        Some(_) => return Err(Reason::Unreadable("is_canceled")),
        None => false,
    };
    let latest = days_after(arrival, MOST_DAYS.into());
    match outcome {
        _ if contradicts => Err(Reason::Contradiction),
        Outcome::Cancelled(on) if on < booked => Err(Reason::CancelledTooEarly),
        Outcome::Cancelled(on) if Some(on) > latest => Err(Reason::CancelledTooLate),
        outcome => Ok(outcome),
    }
}

/// `7/3/2015`, month first, or `2015-07-03`.
fn status_date(fields: Fields<'_>) -> Result<Date, Reason> {
    let column = "reservation_status_date";
    let text = fields.get(column)?;
    let unreadable = || Reason::Unreadable(column);
    if !text.contains('/') {
        return text.parse().map_err(|_| unreadable());
    }
    let parts: Result<Vec<u32>, _> = text.split('/').map(str::parse).collect();
    let [month, day, year] = parts.map_err(|_| unreadable())?[..] else {
        return Err(unreadable());
    };
    day_of(year, month, day).ok_or_else(unreadable)
}

/// A day of the calendar, of four-digit years.
fn day_of(year: u32, month: u32, day: u32) -> Option<Date> {
    let year = i16::try_from(year).ok().filter(|year| *year >= 1_000)?;
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

fn days_after(day: Date, days: i64) -> Option<Date> {
    let span: Span = Span::new().try_days(days).ok()?;
    day.checked_add(span).ok()
}

/// The first day of the month after the last arrival, if anybody was to arrive.
pub(crate) fn month_after(rows: &Rows<Stay>) -> Option<Date> {
    let last = rows.good.iter().map(|row| row.value.arrival).max()?;
    let first = date(last.year(), last.month(), 1);
    first.checked_add(1.month()).ok()
}
