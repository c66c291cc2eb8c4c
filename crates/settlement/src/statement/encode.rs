//! Records as bytes. Both encodings are written by hand: what a statement's digest is of must not change
//! with a dependency.

use std::fmt::{self, Write};

use super::StatementRecord;
use super::columns::{COLUMNS, Cell, Row};
use crate::write_exact;

/// Writes the names of the columns, as the first line of a CSV file.
pub fn write_csv_head(out: &mut String) {
    out.push_str(&COLUMNS.join(","));
    out.push('\n');
}

/// Writes a record as a line of CSV (RFC 4180, with a line feed alone): all columns, empty where the
/// record says nothing.
pub fn write_csv(out: &mut String, record: &StatementRecord<'_>) {
    for (place, cell) in Row::of(record).cells.iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        match cell {
            Cell::Text(text) if needs_quotes(text) => {
                out.push('"');
                out.push_str(&text.replace('"', "\"\""));
                out.push('"');
            }
            cell => plain(out, cell).expect("a string takes all that is written"),
        }
    }
    out.push('\n');
}

/// Writes a record as a line of JSON: an object with the columns in their order, those left out about
/// which the record says nothing. Money is a string, so that no reader makes a float of it.
pub fn write_json(out: &mut String, record: &StatementRecord<'_>) {
    let mut separator = '{';
    for (name, cell) in COLUMNS.iter().zip(&Row::of(record).cells) {
        if *cell == Cell::Empty {
            continue;
        }
        out.push(separator);
        separator = ',';
        write!(out, "\"{name}\":").expect("a string takes all that is written");
        json(out, cell).expect("a string takes all that is written");
    }
    out.push_str("}\n");
}

/// What has no quotes in any encoding.
fn plain(out: &mut String, cell: &Cell<'_>) -> fmt::Result {
    match cell {
        Cell::Empty => Ok(()),
        Cell::Text(text) => out.write_str(text),
        Cell::Id(id) => write!(out, "{id}"),
        Cell::Whole(number) => write!(out, "{number}"),
        Cell::Count(number) => write!(out, "{number}"),
        Cell::Exact(micros) => write_exact(out, *micros),
        Cell::Code(currency) => out.write_str(currency.code()),
        Cell::Yes(yes) => write!(out, "{yes}"),
        Cell::At(at) => write!(out, "{at}"),
        Cell::On(day) => write!(out, "{day}"),
    }
}

fn json(out: &mut String, cell: &Cell<'_>) -> fmt::Result {
    match cell {
        Cell::Whole(_) | Cell::Count(_) | Cell::Yes(_) => plain(out, cell),
        Cell::Text(text) => {
            out.push('"');
            for character in text.chars() {
                escaped(out, character)?;
            }
            out.push('"');
            Ok(())
        }
        cell => {
            out.push('"');
            plain(out, cell)?;
            out.push('"');
            Ok(())
        }
    }
}

fn escaped(out: &mut String, character: char) -> fmt::Result {
    match character {
        '"' => out.write_str("\\\""),
        '\\' => out.write_str("\\\\"),
        '\n' => out.write_str("\\n"),
        '\r' => out.write_str("\\r"),
        '\t' => out.write_str("\\t"),
        character if u32::from(character) < 0x20 => write!(out, "\\u{:04x}", u32::from(character)),
        character => out.write_char(character),
    }
}

/// Whether a text would be read as something else without quotes, by any reader: also with spaces at an
/// end.
fn needs_quotes(text: &str) -> bool {
    text.contains([',', '"', '\n', '\r', '\t', ';']) || text.trim() != text
}

#[cfg(test)]
mod tests {
    use entente_ledger::{AmountKind, Micros, Overflow, Points, RequestId, TermsVersion};
    use jiff::Timestamp;
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::super::{Direction, Moved, StatementHeader, StatementLine};
    use super::*;
    use crate::Money;

    fn instant(text: &str) -> Timestamp {
        text.parse().expect("an instant")
    }

    fn dollars(micros: i64) -> Money {
        Money { currency: "USD".parse().expect("ISO 4217"), micros: Micros(micros) }
    }

    fn moved() -> Moved<'static> {
        Moved {
            kind: AmountKind::IssueCancelled,
            counterparty: "hub",
            points: Points(160),
            direction: Direction::Receives,
            amount: dollars(1_600_000),
        }
    }

    fn line(receipt_reference: &str) -> StatementRecord<'_> {
        StatementRecord::Line(StatementLine {
            request_id: RequestId(Uuid::from_u128(7)),
            posted_at: instant("2026-03-02T08:00:00.000123Z"),
            activity_at: None,
            receipt_reference,
            member_token: "",
            terms_version: Some(TermsVersion(2)),
            price: Some(Micros(10_000)),
            prior_period: false,
            moved: moved(),
        })
    }

    fn records() -> [StatementRecord<'static>; 7] {
        let header = StatementHeader {
            window: "2026-03",
            partner: "rover-rides",
            opened_at: instant("2026-03-01T00:00:00Z"),
            closed_at: instant("2026-04-01T00:00:00Z"),
            simulation: true,
        };
        let (direction, amount) = (Direction::Even, dollars(0));
        let day = "2026-03-31".parse().expect("a day");
        let closing = StatementRecord::Closing {
            direction: Direction::Pays,
            amount: dollars(i64::MAX),
            line_count: 1,
        };
        [
            StatementRecord::Header(header),
            StatementRecord::Opening { direction, amount },
            line("R-1"),
            StatementRecord::Elsewhere { day, moved: moved() },
            StatementRecord::Total(moved()),
            StatementRecord::Balance { direction: Direction::Receives, amount: dollars(5) },
            closing,
        ]
    }

    #[test]
    fn a_statement_as_csv() {
        let mut csv = String::new();
        write_csv_head(&mut csv);
        for record in &records() {
            write_csv(&mut csv, record);
        }
        let expected = "\
record,window,partner,opened_at,closed_at,simulation,kind,counterparty,day,posted_at,activity_at,request_id,receipt_reference,member_token,points,terms_version,price,direction,amount,currency,prior_period,line_count
header,2026-03,rover-rides,2026-03-01T00:00:00Z,2026-04-01T00:00:00Z,true,,,,,,,,,,,,,,,,
opening,,,,,,,,,,,,,,,,,even,0.000000,USD,,
line,,,,,,issue_cancelled,hub,,2026-03-02T08:00:00.000123Z,,00000000-0000-0000-0000-000000000007,R-1,,160,2,0.010000,receives,1.600000,USD,false,
elsewhere,,,,,,issue_cancelled,hub,2026-03-31,,,,,,160,,,receives,1.600000,USD,,
total,,,,,,issue_cancelled,hub,,,,,,,160,,,receives,1.600000,USD,,
balance,,,,,,,,,,,,,,,,,receives,0.000005,USD,,
closing,,,,,,,,,,,,,,,,,pays,9223372036854.775807,USD,,1
";
        assert_eq!(csv, expected);
    }

    #[test]
    fn a_statement_as_json_lines() {
        let mut json = String::new();
        for record in &records() {
            write_json(&mut json, record);
        }
        let expected = r#"{"record":"header","window":"2026-03","partner":"rover-rides","opened_at":"2026-03-01T00:00:00Z","closed_at":"2026-04-01T00:00:00Z","simulation":true}
{"record":"opening","direction":"even","amount":"0.000000","currency":"USD"}
{"record":"line","kind":"issue_cancelled","counterparty":"hub","posted_at":"2026-03-02T08:00:00.000123Z","request_id":"00000000-0000-0000-0000-000000000007","receipt_reference":"R-1","points":160,"terms_version":2,"price":"0.010000","direction":"receives","amount":"1.600000","currency":"USD","prior_period":false}
{"record":"elsewhere","kind":"issue_cancelled","counterparty":"hub","day":"2026-03-31","points":160,"direction":"receives","amount":"1.600000","currency":"USD"}
{"record":"total","kind":"issue_cancelled","counterparty":"hub","points":160,"direction":"receives","amount":"1.600000","currency":"USD"}
{"record":"balance","direction":"receives","amount":"0.000005","currency":"USD"}
{"record":"closing","direction":"pays","amount":"9223372036854.775807","currency":"USD","line_count":1}
"#;
        assert_eq!(json, expected);
    }

    #[test]
    fn a_net_has_a_word_and_no_sign() {
        for (net, expected) in [
            (0, Ok((Direction::Even, Micros(0)))),
            (1, Ok((Direction::Pays, Micros(1)))),
            (-1, Ok((Direction::Receives, Micros(1)))),
            (i64::MIN, Err(Overflow)),
        ] {
            assert_eq!(Direction::of(Micros(net)), expected);
        }
    }

    #[test]
    fn a_receipt_cannot_break_out_of_its_cell() {
        for (receipt, csv, json) in [
            ("a,b", r#""a,b""#, r#""a,b""#),
            ("say \"x\"", r#""say ""x""""#, r#""say \"x\"""#),
            ("a\nb", "\"a\nb\"", r#""a\nb""#),
            (" a", "\" a\"", r#"" a""#),
            ("a\u{1}\\", "a\u{1}\\", r#""a\u0001\\""#),
            ("Größe", "Größe", r#""Größe""#),
        ] {
            let (mut as_csv, mut as_json) = (String::new(), String::new());
            write_csv(&mut as_csv, &line(receipt));
            write_json(&mut as_json, &line(receipt));
            assert!(as_csv.contains(&format!(",{csv},")), "{as_csv}");
            assert!(as_json.contains(&format!("\"receipt_reference\":{json},")), "{as_json}");
        }
    }

    proptest! {
        #[test]
        fn no_two_receipts_make_the_same_bytes(one in ".{0,12}", other in ".{0,12}") {
            let bytes = |receipt: &str| {
                let (mut csv, mut json) = (String::new(), String::new());
                write_csv(&mut csv, &line(receipt));
                write_json(&mut json, &line(receipt));
                (csv, json)
            };
            let ((csv, json), (other_csv, other_json)) = (bytes(&one), bytes(&other));
            prop_assert_eq!(one == other, csv == other_csv);
            prop_assert_eq!(one == other, json == other_json);
            prop_assert_eq!(json.lines().count(), 1, "one line for each record");
        }
    }
}
