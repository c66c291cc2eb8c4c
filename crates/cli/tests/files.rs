//! Real rows through the whole program: what the hub's statements come to in the end is what a small
//! sum, which knows nothing of the program, makes of the same files. The files lie beside the
//! project; without them only rows of our own are played.
//!
//! A part of the rows is played, so that it takes seconds. `ENTENTE_FILES=whole` plays all of them,
//! and `ENTENTE_DATA` names another folder with a stays.csv and a rides.csv.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _, Zoned};
use serde_json::Value;

type Row = HashMap<String, String>;

const STAYS: &str = "row,lead_time,arrival_date_year,arrival_date_month,arrival_date_day_of_month,\
    stays_in_weekend_nights,stays_in_week_nights,adr,hotel,reservation_status,\
    reservation_status_date";
const RIDES: &str = "row,pickup,dropoff,fare,total,pickup_zone,dropoff_zone";

/// Of 3,000 members, those whose rows are played.
const PLAYED: u64 = 120;

#[expect(clippy::disallowed_methods, reason = "how much is played is chosen outside")]
fn chosen(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn data() -> PathBuf {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    chosen("ENTENTE_DATA").map_or(beside, PathBuf::from)
}

/// The member whose row it is.
fn member(brand: &str, row: &Row) -> u64 {
    let name = format!("{brand}/{}", row["row"]);
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash % 3_000
}

fn rows(path: &Path) -> Vec<Row> {
    let mut reader = csv::Reader::from_path(path).expect("a CSV file");
    reader.deserialize().map(|row| row.expect("a row")).collect()
}

fn write(path: &Path, header: &str, rows: &[Row], more: &str) {
    let mut text = format!("{header}\n");
    for row in rows {
        let fields: Vec<&str> = header.split(',').map(|name| row[name].as_str()).collect();
        writeln!(text, "{}", fields.join(",")).expect("a string takes it");
    }
    fs::write(path, text + more).expect("a temporary folder takes it");
}

/// `75`, `98.5` in micros; nothing where it is no decimal.
fn micros(text: &str) -> Option<i64> {
    let (units, fraction) = text.split_once('.').unwrap_or((text, ""));
    let micros = format!("{units}{fraction:0<6}");
    if fraction.len() > 6 { None } else { micros.parse().ok() }
}

/// What the files come to, added up row by row.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sum {
    booked: i64,
    reversed: i64,
    ridden: i64,
    paid: i64,
    rides_paid: u64,
    /// What each member has, below zero what it owes.
    has: BTreeMap<u64, i64>,
}

/// What happens on a day, in order: bookings, cancellations, rides by their time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Booked(u64, i64),
    Cancelled(u64, i64),
    /// When, its row, whose, what it earns, what it costs in points.
    Ride(Timestamp, u64, u64, i64, i64),
}

impl Sum {
    fn of(stays: &[Row], rides: &[Row]) -> Self {
        let mut events: Vec<(Date, Event)> = stays.iter().flat_map(stay_events).collect();
        let arrivals = stays.iter().filter(|row| spend(row).is_some()).filter_map(arrival);
        let last_month = arrivals.max().map(Date::last_of_month);
        events.extend(ride_events(rides, last_month));
        events.sort_unstable();
        let (mut sum, mut rides_since) = (Self::default(), 0);
        for (_, event) in events {
            match event {
                Event::Booked(member, points) => {
                    sum.booked += points;
                    *sum.has.entry(member).or_default() += points;
                }
                Event::Cancelled(member, points) => {
                    sum.reversed += points;
                    *sum.has.entry(member).or_default() -= points;
                }
                Event::Ride(_, _, member, earns, costs) => {
                    let has = sum.has.entry(member).or_default();
                    if rides_since >= 3 && *has >= costs {
                        *has -= costs;
                        sum.paid += costs;
                        sum.rides_paid += 1;
                        rides_since = 0;
                    } else {
                        *has += earns;
                        sum.ridden += earns;
                        rides_since += 1;
                    }
                }
            }
        }
        sum
    }
}

fn stay_events(row: &Row) -> Vec<(Date, Event)> {
    let (Some(spend), Some(arrival)) = (spend(row), arrival(row)) else { return Vec::new() };
    let lead_days: i64 = row["lead_time"].parse().expect("a number");
    let booked = arrival.checked_sub(lead_days.days()).expect("a day");
    let units = match row["hotel"].as_str() {
        "Resort Hotel" if spend >= 500_000_000 => 6,
        "Resort Hotel" => 5,
        _ => 4,
    };
    let (member, points) = (member("harbor-hotels", row), spend * units / 1_000_000);
    let mut events = vec![(booked, Event::Booked(member, points))];
    match row["reservation_status"].as_str() {
        "No-Show" => events.clear(),
        "Canceled" => {
            let on = Date::strptime("%m/%d/%Y", &row["reservation_status_date"]).expect("a day");
            events.push((on, Event::Cancelled(member, points)));
        }
        _ => {}
    }
    events
}

/// What a stay costs, if that is anything.
fn spend(row: &Row) -> Option<i64> {
    let nights = |name: &str| row[name].parse::<i64>().ok();
    let nights = nights("stays_in_weekend_nights")? + nights("stays_in_week_nights")?;
    Some(micros(&row["adr"])? * nights).filter(|spend| *spend > 0)
}

fn arrival(row: &Row) -> Option<Date> {
    let part = |name: &str| row[&format!("arrival_date_{name}")].as_str();
    let text = format!("{} {} {}", part("day_of_month"), part("month"), part("year"));
    Date::strptime("%d %B %Y", text).ok()
}

fn ride_events(rides: &[Row], last_month: Option<Date>) -> Vec<(Date, Event)> {
    // Since 2007; not from the database of time zones that the program has.
    let new_york = TimeZone::posix("EST5EDT,M3.2.0,M11.1.0").expect("a zone");
    let good = rides.iter().filter_map(|row| {
        let local: DateTime = row["dropoff"].parse().ok()?;
        let (fare, total) = (micros(&row["fare"])?, micros(&row["total"])?);
        let good = row["pickup"] <= row["dropoff"] && fare > 0 && total >= fare;
        good.then(|| (local.to_zoned(new_york.clone()).expect("a time"), row, fare, total))
    });
    let good: Vec<(Zoned, &Row, i64, i64)> = good.collect();
    let last = good.iter().map(|(time, ..)| time).max();
    let mut weeks = 0_i64;
    if let (Some(last), Some(month)) = (last, last_month) {
        let moved = |weeks: i64| last.checked_add(weeks.weeks()).expect("a time");
        let day = |weeks| moved(weeks).with_time_zone(TimeZone::UTC).date();
        weeks = (-1_000..1_000).rev().find(|weeks| day(*weeks) <= month).expect("some week");
    }
    let event = |(time, row, fare, total): (Zoned, &Row, i64, i64)| {
        let at = time.checked_add(weeks.weeks()).expect("a time").timestamp();
        let airport =
            row["pickup_zone"].ends_with("Airport") || row["dropoff_zone"].ends_with("Airport");
        let earns = fare * if airport { 6 } else { 4 } / 1_000_000;
        let costs = (total + 5_499) / 5_500;
        let number = row["row"].parse().expect("a number");
        let event = Event::Ride(at, number, member("rover-rides", row), earns, costs);
        (at.to_zoned(TimeZone::UTC).date(), event)
    };
    good.into_iter().map(event).collect()
}

fn entente(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_entente"));
    command.env("ENTENTE_HOME", home).stdin(Stdio::null());
    command
}

fn play(home: &Path, stays: &Path, rides: &Path) -> Value {
    let mut command = entente(home);
    command.args(["demo", "--output", "json", "--stays"]).arg(stays).arg("--rides").arg(rides);
    let output = command.output().expect("the binary runs");
    let (shown, log) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{shown}\n{log}");
    serde_json::from_str(&shown).expect("a report in JSON")
}

/// Compares the hub's totals, as its statements add up, with ours.
fn compare(report: &Value, sum: &Sum) {
    let of = |brand: &str, what: &str| report["totals"][brand][what].as_i64().expect("a number");
    let (harbor, rover) =
        (|what: &str| of("harbor-hotels", what), |what: &str| of("rover-rides", what));
    assert_eq!(harbor("earned"), sum.booked);
    assert_eq!(harbor("reversed"), sum.reversed);
    assert_eq!(rover("earned"), sum.ridden);
    assert_eq!(rover("reversed"), 0);
    assert_eq!(rover("burned_here"), sum.paid);
    assert_eq!(harbor("burned") + rover("burned"), sum.paid);
    assert_eq!(report["paid"].as_u64(), Some(sum.rides_paid));
    assert_eq!(harbor("repaid") + rover("repaid"), harbor("reinstated"));
    let outstanding: i64 = sum.has.values().sum();
    assert_eq!(harbor("outstanding") + rover("outstanding"), outstanding);
    assert_eq!(report["members"].as_u64(), u64::try_from(sum.has.len()).ok());
    assert_eq!(report["balances"]["read"], report["members"]);
    assert_eq!(report["good"], Value::Bool(true));
    assert_eq!(report["writes"].as_u64().map(|writes| writes > 0), Some(true));
}

fn set_aside(report: &Value, file: usize) -> BTreeMap<String, u64> {
    let reasons = report["files"][file]["reasons"].as_array().expect("a list").iter();
    let reason = |one: &Value| Some((one["reason"].as_str()?.to_owned(), one["rows"].as_u64()?));
    reasons.filter_map(reason).collect()
}

fn row(header: &str, fields: &str) -> Row {
    let pairs = header.split(',').zip(fields.split(','));
    pairs.map(|(name, field)| (name.to_owned(), field.to_owned())).collect()
}

/// The first rows of a brand from `from` on that are this member's.
fn numbers(brand: &str, of: u64, from: u32) -> impl Iterator<Item = u32> {
    let is_of = move |number: &u32| member(brand, &row("row", &number.to_string())) == of;
    (from..).filter(is_of)
}

/// A guest books, pays rides with the points, cancels, and owes them until the next booking.
fn a_debt() -> (Vec<Row>, Vec<Row>) {
    let mut rows = numbers("harbor-hotels", 7, 1_000_000);
    let mut stay = |fields: &str| {
        row(STAYS, &format!("{},{fields}", rows.next().expect("as many as it takes")))
    };
    let stays = vec![
        stay("40,2017,February,28,0,2,300,Resort Hotel,Canceled,2/27/2017"),
        stay("0,2017,February,28,1,0,150,Resort Hotel,Check-Out,3/1/2017"),
    ];
    let rides = numbers("rover-rides", 7, 1_000_000).take(6).enumerate().map(|(minute, number)| {
        let (from, to) =
            (format!("2019-03-31 08:0{minute}:00"), format!("2019-03-31 08:5{minute}:00"));
        row(RIDES, &format!("{number},{from},{to},12.5,16.0,A,B"))
    });
    (stays, rides.collect())
}

#[test]
fn the_statements_of_all_months_are_what_the_rows_add_up_to() {
    let folder = data();
    let (stays, rides) = (folder.join("stays.csv"), folder.join("rides.csv"));
    let (own_stays, own_rides) = a_debt();
    let (mut real_stays, mut real_rides) = (Vec::new(), Vec::new());
    if stays.exists() && rides.exists() {
        (real_stays, real_rides) = (rows(&stays), rows(&rides));
    } else {
        let mut log = std::io::stderr().lock();
        let line = format!(
            "no stays.csv and rides.csv in {}: only our own rows are played\n",
            folder.display()
        );
        std::io::Write::write_all(&mut log, line.as_bytes()).expect("somebody reads it");
    }
    let homes = tempfile::tempdir().expect("a temporary folder");
    if chosen("ENTENTE_FILES").as_deref() == Some("whole") {
        compare(&play(homes.path(), &stays, &rides), &Sum::of(&real_stays, &real_rides));
    } else {
        let recent = |row: &Row| {
            arrival(row)
                .is_some_and(|day| day.year() * 12 + i16::from(day.month()) > 2_016 * 12 + 9)
        };
        real_stays.retain(|row| member("harbor-hotels", row) < PLAYED && recent(row));
        real_rides.retain(|row| member("rover-rides", row) < PLAYED);
        real_stays.extend(own_stays);
        real_rides.extend(own_rides);
        let (stays, rides) = (homes.path().join("s.csv"), homes.path().join("r.csv"));
        let bad_stays =
            "x,1,2017,May,1,0,1,75,Inn,Check-Out,\n2000000,1,2017,May,1,0,1,-5,Inn,Check-Out,\n";
        write(&stays, STAYS, &real_stays, bad_stays);
        write(&rides, RIDES, &real_rides, "2000000,2019-03-24 08:00:00,2019-03-");
        let report = play(homes.path(), &stays, &rides);
        let sum = Sum::of(&real_stays, &real_rides);
        compare(&report, &sum);
        assert!(
            sum.rides_paid > 0 && report["totals"]["harbor-hotels"]["reinstated"] != 0,
            "{report:#}"
        );
        let aside = set_aside(&report, 0);
        assert_eq!((aside["row cannot be read"], aside["rate below zero"]), (1, 1));
        assert_eq!(set_aside(&report, 1)["other number of fields than the header"], 1);

        let replayed = play(homes.path(), &stays, &rides);
        assert_eq!(replayed["totals"], report["totals"]);
        assert_eq!(replayed["writes"], replayed["replayed"]);
    }
    let cleaned = entente(homes.path()).args(["demo", "--clean"]).output();
    assert!(cleaned.expect("the binary runs").status.success());
}
