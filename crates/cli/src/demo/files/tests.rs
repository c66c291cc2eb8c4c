//! Small files with every kind of bad row, and what is planned from them.

use entente_api::points::burn_request;
use entente_api::types::Balances;
use jiff::civil::date;
use uuid::Uuid;

use super::plan::{Day, Plan};
use super::sheet::{Rows, Sheet};
use super::stays::{Outcome, Stay};
use super::{rides, stays};
use crate::demo::cast::Brand;
use crate::output::stamp;

const STAYS: &str = "row,hotel,is_canceled,lead_time,arrival_date_year,arrival_date_month,\
    arrival_date_day_of_month,stays_in_weekend_nights,stays_in_week_nights,adr,\
    reservation_status,reservation_status_date\n";
const RIDES: &str = "row,pickup,dropoff,fare,total,pickup_zone,dropoff_zone\n";

fn read_stays(rows: &[&str]) -> Rows<Stay> {
    let text = format!("{STAYS}{}", rows.join("\n"));
    stays::read(&Sheet::of(text)).expect("a file of stays")
}

fn read_rides(rows: &[&str]) -> Rows<rides::Ride> {
    let text = format!("{RIDES}{}", rows.join("\n"));
    rides::read(&Sheet::of(text)).expect("a file of rides")
}

/// Each reason with its lines.
fn reasons<T>(rows: &Rows<T>) -> Vec<(String, Vec<u64>)> {
    let lines = |(reason, found): (super::aside::Reason, &super::aside::Found)| {
        (reason.text(), found.first_lines.clone())
    };
    rows.aside.reasons().map(lines).collect()
}

fn expected(reasons: &[(&str, &[u64])]) -> Vec<(String, Vec<u64>)> {
    reasons.iter().map(|(reason, lines)| ((*reason).to_owned(), lines.to_vec())).collect()
}

#[test]
fn a_booking_is_read_as_the_file_has_it() {
    let rows = read_stays(&[
        "1,Resort Hotel,0,7,2015,July,1,0,1,75,Check-Out,7/2/2015",
        "2,City Hotel,1,0,2016,February,29,2,5,98.5,Canceled,2/29/2016",
        "3,Inn,1,366,2016,jan,1,1,0,60.25,No-Show,1/1/2016",
        " 4 ,Resort Hotel   ,1,10,2016,3,5,1,1,\"50\",Canceled,2016-03-01",
    ]);
    let stay = |booked, arrival, category, spend, outcome| Stay {
        booked,
        arrival,
        category,
        spend,
        outcome,
    };
    let read: Vec<Stay> = rows.good.iter().map(|row| row.value.clone()).collect();
    assert_eq!(reasons(&rows), []);
    let leap = date(2016, 2, 29);
    let cancelled = Outcome::Cancelled(date(2016, 3, 1));
    assert_eq!(
        read,
        [
            stay(date(2015, 6, 24), date(2015, 7, 1), "resort", 75_000_000, Outcome::Stayed),
            stay(leap, leap, "city", 689_500_000, Outcome::Cancelled(leap)),
            stay(date(2014, 12, 31), date(2016, 1, 1), "hotel", 60_250_000, Outcome::NoShow),
            stay(date(2016, 2, 24), date(2016, 3, 5), "resort", 100_000_000, cancelled),
        ]
    );
}

#[test]
fn every_bad_booking_is_set_aside_by_its_reason() {
    let rows = read_stays(&[
        "1,Resort Hotel,0,7,2015,July,1,0,1,75,Check-Out,7/2/2015",
        "2,Resort Hotel,0,7,2015,July,1,0,0,75,Check-Out,7/1/2015",
        "3,Resort Hotel,0,7,2015,July,1,0,1,0,Check-Out,7/2/2015",
        "4,Resort Hotel,0,7,2015,July,1,0,1,-6.38,Check-Out,7/2/2015",
        "5,Resort Hotel,1,7,2015,July,1,0,1,75,Canceled,6/23/2015",
        "6,Resort Hotel,0,7,2015,July,1,0,1,75,Canceled,6/25/2015",
        "7,Resort Hotel,1,7,2015,July,1,0,1,75,Canceled,25/6/2015",
        "8,Resort Hotel,1,7,2015,July,1,0,1,75,Canceled,",
        "9,Resort Hotel,0,,2015,July,1,0,1,75,Check-Out,7/2/2015",
        "10,Resort Hotel,0,-3,2015,July,1,0,1,75,Check-Out,7/2/2015",
        "11,Resort Hotel,0,7,2015,Juli,1,0,1,75,Check-Out,7/2/2015",
        "12,Resort Hotel,0,7,2015,February,29,0,1,75,Check-Out,7/2/2015",
        "13,Resort Hotel,0,7,2015,July,1,0,1,seventy,Check-Out,7/2/2015",
        "14,Resort Hotel,0,7,2015,July,1,0,1,75,Maybe,7/2/2015",
        "15,Resort Hotel,0,99999,2015,July,1,0,1,75,Check-Out,7/2/2015",
        "16,Resort Hotel,0,7,2015,July,1,0,900,99999999,Check-Out,7/2/2015",
        "17,Resort Hotel,0,7,2055,July,1,0,1,75,Check-Out,7/2/2055",
        "18,Resort Hotel,1,7,2015,July,1,0,1,75,Canceled,6/25/2035",
        "1,Resort Hotel,0,7,2015,July,1,0,1,75,Check-Out,7/2/2015",
        "20,Resort Hotel,0,7,2015,July,1,0,1,75,Check-O",
    ]);
    assert_eq!(rows.good.len(), 1);
    assert_eq!(rows.count(), 20);
    assert_eq!(
        reasons(&rows),
        expected(&[
            ("other number of fields than the header", &[21]),
            ("row number given before", &[20]),
            ("lead_time is empty", &[10]),
            ("reservation_status_date is empty", &[9]),
            ("adr cannot be read", &[14]),
            ("arrival_date_month cannot be read", &[12]),
            ("lead_time cannot be read", &[11]),
            ("reservation_status cannot be read", &[15]),
            ("reservation_status_date cannot be read", &[8]),
            ("adr is too large", &[17]),
            ("lead_time is too large", &[16]),
            ("no such day of arrival", &[13]),
            ("is_canceled contradicts reservation_status", &[7]),
            ("cancelled before it was booked", &[6]),
            ("cancelled years after the arrival", &[19]),
            ("zero nights", &[3]),
            ("rate of zero", &[4]),
            ("rate below zero", &[5]),
            ("far in time from the other rows", &[18]),
        ])
    );
}

#[test]
fn every_bad_ride_is_set_aside_by_its_reason() {
    let rows = read_rides(&[
        "1,2019-03-23 20:21:09,2019-03-23 20:27:24,7.0,12.95,Lenox Hill West,JFK Airport",
        "2,2019-03-23T20:21:09,2019-03-23T20:27:24,7.0,12.95,,",
        "3,2019-03-10 02:30:00,2019-03-10 03:05:00,7.0,12.95,A,B",
        "4,2019-03-23 20:27:24,2019-03-23 20:21:09,7.0,12.95,A,B",
        "5,2019-03-23 20:21:09,2019-03-23 20:27:24,0.0,12.95,A,B",
        "6,2019-03-23 20:21:09,2019-03-23 20:27:24,-7.0,-12.95,A,B",
        "7,2019-03-23 20:21:09,2019-03-23 20:27:24,7.0,3,A,B",
        "8,2019-03-23 20:21:09,2019-03-23 20:27:24,7.0,,A,B",
        "9,23.3.2019,2019-03-23 20:27:24,7.0,12.95,A,B",
        "10,2019-03-23 20:21:09,2019-03-23 20:27:24,700000,700000,A,B",
        "11,2088-03-23 20:21:09,2088-03-23 20:27:24,7.0,12.95,A,B",
    ]);
    let categories: Vec<_> = rows.good.iter().map(|row| row.value.category).collect();
    assert_eq!(categories, ["airport", "ride"]);
    assert_eq!(rows.good[0].value.dropoff.timestamp().to_string(), "2019-03-24T00:27:24Z");
    assert_eq!(
        reasons(&rows),
        expected(&[
            ("total is empty", &[9]),
            ("pickup cannot be read", &[10]),
            ("total is too large", &[11]),
            ("a time that New York's clocks skipped", &[4]),
            ("dropped off before it was picked up", &[5]),
            ("fare of zero", &[6]),
            ("fare below zero", &[7]),
            ("total less than the fare", &[8]),
            ("far in time from the other rows", &[12]),
        ])
    );
}

/// One member's booking and rides: 4 rides are taken before one is paid, or too few points are there.
fn plan(stays: &Rows<Stay>, rides: &Rows<rides::Ride>) -> Plan {
    Plan::new(Uuid::NAMESPACE_OID, stays, rides).expect("a plan")
}

fn on(plan: &Plan, day: jiff::civil::Date) -> &Day {
    plan.days.iter().find(|one| one.date == day).expect("something happens then")
}

#[test]
fn a_booking_earns_when_made_and_is_reversed_when_cancelled() {
    let stays = read_stays(&[
        "1,Resort Hotel,0,7,2015,July,10,0,1,75,Check-Out,7/11/2015",
        "2,Resort Hotel,1,7,2015,July,10,2,5,100,Canceled,7/5/2015",
        "3,Resort Hotel,1,7,2015,July,10,0,1,75,No-Show,7/10/2015",
        "4,City Hotel,1,0,2015,July,31,0,1,75,Canceled,7/31/2015",
    ]);
    let plan = plan(&stays, &read_rides(&[]));
    let dates: Vec<_> = plan.days.iter().map(|day| day.date).collect();
    assert_eq!(dates, [date(2015, 7, 3), date(2015, 7, 5), date(2015, 7, 31)]);
    assert_eq!(plan.start.to_string(), "2015-07-03T00:00:00Z");
    let booked = &on(&plan, date(2015, 7, 3)).booked;
    assert_eq!(booked.iter().map(|step| step.points).collect::<Vec<_>>(), [375, 4_200]);
    let at = stamp(booked[0].request.activity_at.as_ref()).expect("a time");
    assert_eq!(at.to_string(), "2015-07-03T12:00:00Z");
    let cancelled = &on(&plan, date(2015, 7, 5)).cancelled[0];
    assert_eq!(cancelled.request.original_request_id, booked[1].request.request_id);
    let same_day = on(&plan, date(2015, 7, 31));
    assert_eq!((same_day.booked[0].points, same_day.cancelled[0].points), (300, 300));
    let harbor = plan.totals[&Brand::Harbor];
    assert_eq!((harbor.earned, harbor.reversed, harbor.outstanding()), (4_875, 4_500, 375));
    assert_eq!((plan.no_shows, plan.weeks.0), (1, 0));
}

#[test]
fn rides_are_moved_into_the_last_month_and_some_are_paid_with_points() {
    let stays = read_stays(&["1,Resort Hotel,0,7,2017,February,4,2,5,800,Check-Out,2/11/2017"]);
    let ride = |row: u32, minute: u32| {
        format!("{row},2019-03-28 08:{minute}:00,2019-03-28 09:{minute}:00,10.0,11.0,A,B")
    };
    // Rows that are the same member's as row 1 of the stays.
    let guest = plan(&stays, &read_rides(&[])).enrolments[0].1.member_reference.clone();
    let number = guest.strip_prefix("guest-").expect("a guest");
    let rider = format!("rider-{number}");
    let own = (1..200_000_u32).find(|row| {
        let one = [ride(*row, 10)];
        let rows = read_rides(&[one[0].as_str()]);
        let plan = plan(&read_stays(&[]), &rows);
        plan.enrolments[0].1.member_reference == rider
    });
    let own = own.expect("one of so many rows is this member's");
    let rows = [ride(own + 1, 10), ride(own + 2, 11), ride(own + 3, 12), ride(own, 13)];
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let plan = plan(&stays, &read_rides(&rows));
    // The last Thursday of February 2017, a winter's day.
    assert_eq!(plan.weeks.0, -109);
    let day = on(&plan, date(2017, 2, 23));
    assert_eq!((day.ridden.len(), day.paid.len()), (3, 1));
    let at = stamp(day.ridden[0].request.activity_at.as_ref()).expect("a time");
    assert_eq!(at.to_string(), "2017-02-23T14:10:00Z");
    assert_eq!(day.ridden[0].points, 40);
    let paid = &day.paid[0];
    assert_eq!(paid.request.member_reference, rider);
    let Some(burn_request::Amount::Value(value)) = &paid.request.amount else {
        panic!("a ride is paid by its value");
    };
    assert_eq!((value.micros, paid.points), (11_000_000, 2_000));
    assert_eq!(plan.links.len(), 1);
    let left = plan.predictions.iter().find(|one| one.reference == guest).expect("the guest");
    assert_eq!(left.balances, Balances { available: 33_600 - 2_000, held: 0, debt: 0 });
}

#[test]
fn files_of_bad_rows_alone_are_a_plan_of_nothing() {
    let plan = plan(&read_stays(&["1,,,,,,,,,,,"]), &read_rides(&["x"]));
    assert_eq!((plan.days.len(), plan.enrolments.len()), (0, 0));
}
