//! Rover's own record of the window, with one in a hundred lines of each type of break, and the hub's
//! side as a file of the same columns.

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io::{BufWriter, Write},
    path::Path,
};

use futures::TryStreamExt as _;
use uuid::Uuid;

use super::fill::{Filling, member, plant, reference};

/// How many breaks of each type.
pub(super) type Breaks = BTreeMap<String, u64>;

const HEADER: &str = "receipt,request_id,member,kind,points,amount,currency,date";

const TYPES: [&str; 10] = [
    "MISSING_AT_HUB",
    "MISSING_AT_PARTNER",
    "AMOUNT",
    "RATE",
    "TIMING",
    "DUPLICATE_IN_FILE",
    "STATUS",
    "MEMBER",
    "LATE_REJECTED",
    "CURRENCY",
];

/// An operation of Rover's.
#[derive(sqlx::FromRow)]
struct Row {
    request_id: Uuid,
    member_id: Uuid,
    kind: i16,
    points: i64,
    receipt_reference: String,
    refused: bool,
    date: String,
}

/// One line of a file.
struct Line<'a> {
    receipt: &'a str,
    request_id: Option<Uuid>,
    member: u32,
    earn: bool,
    points: i64,
    price: i64,
    currency: &'static str,
    date: &'a str,
}

/// Writes both files; answers what is planted in the first.
pub(super) async fn write(filling: &Filling, (file, side): (&Path, &Path)) -> Breaks {
    let numbers: HashMap<Uuid, u32> =
        (0..100_000).map(|number| (member(number).0, number)).collect();
    let [mut record, mut hub] =
        [file, side].map(|path| BufWriter::new(File::create(path).unwrap()));
    writeln!(record, "{HEADER}").unwrap();
    writeln!(hub, "{HEADER}").unwrap();
    let mut planted = Breaks::new();
    let rows = r#"SELECT request_id, member_id, kind, points, receipt_reference, refused,
            to_char(posted_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS date
        FROM operations
        WHERE partner_id = 2 AND receipt_reference LIKE 'R-%' ORDER BY posted_at, cell, seq"#;
    let mut rows = sqlx::query_as::<_, Row>(rows).fetch(&filling.pool);
    while let Some(row) = rows.try_next().await.unwrap() {
        let number: i64 = row.receipt_reference[2..].parse().unwrap();
        let kind = usize::try_from(plant(number)).ok().and_then(|plant| TYPES.get(plant).copied());
        let earn = row.kind == 1;
        // Half of the earns are named by their receipt alone.
        let request_id = (!earn || number % 2 == 0).then_some(row.request_id);
        let line = Line {
            receipt: &row.receipt_reference,
            request_id,
            member: numbers[&row.member_id],
            earn,
            points: row.points,
            price: if earn { 10_000 } else { 7_000 },
            currency: "EUR",
            date: &row.date,
        };
        if !row.refused {
            Line { request_id: Some(row.request_id), ..line }.write(&mut hub);
        }
        if let Some(kind) = kind {
            *planted.entry(kind.to_owned()).or_default() += 1;
        }
        match kind {
            Some("MISSING_AT_PARTNER") => {}
            Some("MISSING_AT_HUB") => {
                let unknown = format!("X-{number}");
                let request_id = Some(Uuid::from_u128(row.request_id.as_u128() ^ 1));
                Line { receipt: &unknown, request_id, ..line }.write(&mut record);
                line.write(&mut record);
            }
            Some("AMOUNT") => Line { points: line.points + 7, ..line }.write(&mut record),
            Some("RATE") => Line { price: line.price + 1_000, ..line }.write(&mut record),
            Some("TIMING") => Line { date: "2026-05-01", ..line }.write(&mut record),
            Some("MEMBER") => {
                Line { member: (line.member + 1) % 100_000, ..line }.write(&mut record);
            }
            Some("CURRENCY") => Line { currency: "USD", ..line }.write(&mut record),
            Some("DUPLICATE_IN_FILE") => {
                line.write(&mut record);
                line.write(&mut record);
            }
            _ => line.write(&mut record),
        }
    }
    record.flush().unwrap();
    hub.flush().unwrap();
    planted
}

impl Line<'_> {
    fn write(&self, out: &mut impl Write) {
        let Self { receipt, member, currency, date, .. } = self;
        let id = self.request_id.map(|id| id.to_string()).unwrap_or_default();
        let (kind, sign) = if self.earn { ("earn", 1) } else { ("burn", -1) };
        let (points, micros) = (sign * self.points, self.points * self.price);
        // What the partner receives is negative.
        let minus = if self.earn { "" } else { "-" };
        let (units, rest) = (micros / 1_000_000, micros % 1_000_000);
        let member = reference(*member);
        let money = format!("{minus}{units}.{rest:06},{currency}");
        writeln!(out, "{receipt},{id},{member},{kind},{points},{money},{date}").unwrap();
    }
}
