//! One row of a file as a line of the record, or what is wrong with it.

use entente_api::settlement::{RecordKind, RecordLine, RecordStatus};
use entente_api::types::Money;
use serde_json::{Map, Value};

use super::layout::{Field, Form, Layout, plain};
use super::{number, statement};
use crate::records::{self, Bad};

/// What one row says.
enum Values<'a> {
    Columns(&'a [Option<Field>], csv::ByteRecord),
    Object(&'a [(Field, String)], Map<String, Value>),
}

/// Reads a row, without its end; `None` for what is no line of a statement.
pub(super) fn line(record: &[u8], layout: &Layout, row: u64) -> Result<Option<RecordLine>, Bad> {
    let values = match &layout.form {
        Form::Json { names } => of_json(record, names)?,
        Form::Columns { delimiter, fields } => {
            Values::Columns(fields, records::fields(record, *delimiter, fields.len())?)
        }
    };
    if layout.statement && values.text(Field::Record).as_deref() != Some("line") {
        return Ok(None);
    }
    values.line(layout, row).map(Some)
}

impl Values<'_> {
    fn line(&self, layout: &Layout, row: u64) -> Result<RecordLine, Bad> {
        let values = self;
        let word = values.word(Field::Kind, layout).unwrap_or_default();
        let (kind, sign) = match word.as_str() {
            word if layout.statement => (statement::kind(word), statement::sign(word)),
            "" => (RecordKind::Unspecified, 1),
            word => (kind(word)?, 1),
        };
        let status = values.word(Field::Status, layout);
        let status = status.map_or(Ok(RecordStatus::Posted), |word| status_of(&word))?;
        let sign = if layout.unsigned { self::sign(kind)? } else { sign };
        let points = values.text(Field::Points).ok_or("no points")?;
        let points = sign * number::points(&points, layout.decimal)?;
        let (happened_from, happened_until) = match values.text(Field::Date) {
            Some(date) => layout.dates.read(&date).map(|(from, until)| (Some(from), until))?,
            None => (None, None),
        };
        Ok(RecordLine {
            row: i64::try_from(row).map_err(|_| "the file has too many lines")?,
            request_id: values.text(Field::RequestId).unwrap_or_default(),
            receipt_reference: values.text(Field::Receipt).unwrap_or_default(),
            member: values.text(Field::Member).unwrap_or_default(),
            kind: kind.into(),
            status: status.into(),
            points,
            amount: amount(values, layout, (sign, points))?,
            happened_from,
            happened_until,
        })
    }
}

/// The money: as the row has it, or its points at its price.
fn amount(
    values: &Values<'_>,
    layout: &Layout,
    (sign, points): (i64, i64),
) -> Result<Option<Money>, Bad> {
    let amount = values.text(Field::Amount);
    let price = values.text(Field::Price);
    let direction = values.word(Field::Direction, layout);
    let micros = match (amount, price) {
        // What nobody pays is a memo.
        (_, _) if direction.as_deref() == Some("even") => return Ok(None),
        (Some(amount), _) if direction.is_some() => {
            directed(number::micros(&amount, layout.decimal)?, direction.as_deref())?
        }
        (Some(amount), _) => sign * number::micros(&amount, layout.decimal)?,
        (None, Some(price)) => {
            let price = number::micros(&price, layout.decimal)?;
            points.checked_mul(price).ok_or("an amount is beyond the range")?
        }
        (None, None) => return Ok(None),
    };
    let currency = values.text(Field::Currency).or_else(|| layout.currency.clone());
    Ok(Some(Money { currency: currency.ok_or("no currency")?, micros }))
}

/// An amount without a sign, by who pays.
fn directed(micros: i64, direction: Option<&str>) -> Result<i64, Bad> {
    match direction {
        _ if micros < 0 => Err("an amount with a direction has no sign"),
        Some("pays") => Ok(micros),
        Some("receives") => Ok(-micros),
        _ => Err(
            "the direction is neither pays nor receives nor even; --values says what yours mean",
        ),
    }
}

impl Values<'_> {
    /// What a field says; `None` where it is absent or empty.
    fn text(&self, field: Field) -> Option<String> {
        let text = match self {
            Self::Columns(fields, record) => {
                let column = fields.iter().position(|found| *found == Some(field))?;
                String::from_utf8_lossy(record.get(column)?).trim().to_owned()
            }
            Self::Object(names, object) => {
                let (_, name) = names.iter().find(|(known, _)| *known == field)?;
                match object.get(name)? {
                    Value::String(text) => text.trim().to_owned(),
                    Value::Number(number) => number.to_string(),
                    _ => return None,
                }
            }
        };
        (!text.is_empty()).then_some(text)
    }

    /// A word of ours, also where the file has another for it.
    fn word(&self, field: Field, layout: &Layout) -> Option<String> {
        let word = plain(&self.text(field)?);
        let ours = layout.values.iter().find(|(theirs, _)| *theirs == word);
        Some(ours.map_or(word, |(_, ours)| ours.clone()))
    }
}

fn of_json<'a>(record: &[u8], names: &'a [(Field, String)]) -> Result<Values<'a>, Bad> {
    let Ok(Value::Object(object)) = serde_json::from_slice(record) else {
        return Err("the line is no JSON object");
    };
    for (_, name) in names {
        if let Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) = object.get(name) {
            return Err("a value is neither a text nor a number");
        }
    }
    Ok(Values::Object(names, object))
}

fn kind(word: &str) -> Result<RecordKind, Bad> {
    Ok(match word {
        "earn" | "issue" => RecordKind::Earn,
        "earn_reversed" | "issue_cancelled" => RecordKind::EarnReversed,
        "burn" | "redemption" => RecordKind::Burn,
        "burn_refunded" | "redemption_refunded" => RecordKind::BurnRefunded,
        "exchange" => RecordKind::Exchange,
        "gift" => RecordKind::Gift,
        "donation" => RecordKind::Donation,
        _ => return Err("the kind is none that is known; --values says what yours mean"),
    })
}

fn status_of(word: &str) -> Result<RecordStatus, Bad> {
    Ok(match word {
        "posted" => RecordStatus::Posted,
        "reversed" => RecordStatus::Reversed,
        "refused" => RecordStatus::Refused,
        _ => return Err("the status is none that is known; --values says what yours mean"),
    })
}

/// What a kind does to the member's points.
fn sign(kind: RecordKind) -> Result<i64, Bad> {
    match kind {
        RecordKind::Earn | RecordKind::BurnRefunded => Ok(1),
        RecordKind::EarnReversed | RecordKind::Burn | RecordKind::Gift | RecordKind::Donation => {
            Ok(-1)
        }
        RecordKind::Exchange => Err("an exchange goes either way: give its points a sign"),
        RecordKind::Unspecified => Err("no kind, which --unsigned needs"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::layout::tests::layout;
    use super::*;

    fn read(header: &str, flags: &[&str], row: &[u8]) -> Result<RecordLine, Bad> {
        let line = line(row, &layout(header, flags).expect("a layout"), 7)?;
        Ok(line.expect("a line"))
    }

    #[test]
    fn a_direction_is_the_sign_of_an_amount() {
        let header = "receipt,kind,points,direction,amount";
        let usd = |micros| Some(Money { currency: "USD".to_owned(), micros });
        let flags = ["--currency", "USD", "--values", "owes=pays"];
        for (direction, expected) in [
            ("pays", Ok(usd(1_200_000))),
            ("Receives", Ok(usd(-1_200_000))),
            ("owes", Ok(usd(1_200_000))),
            ("even", Ok(None)),
            (
                "in",
                Err(
                    "the direction is neither pays nor receives nor even; --values says what yours mean",
                ),
            ),
        ] {
            let row = format!("A1,issue,100,{direction},1.20");
            let found = read(header, &flags, row.as_bytes());
            assert_eq!(found.map(|line| line.amount), expected, "{direction}");
        }
        let signed = read(header, &flags, b"A1,issue,100,pays,-1.20");
        assert_eq!(signed, Err("an amount with a direction has no sign"));
        let none = read(header, &flags, b"A1,redemption,-5,,-1.20").expect("a line");
        assert_eq!((none.kind(), none.amount), (RecordKind::Burn, usd(-1_200_000)));
    }

    #[test]
    fn a_statement_is_read_by_its_own_columns() {
        let header = entente_settlement::statement::COLUMNS.join(",");
        let layout = layout(&header, &[]).expect("a layout");
        assert!(layout.statement && layout.has_money());
        let row = "line,,,,,,redemption,hub,,2026-03-02T08:00:00Z,,\
                   7d0c1e1c-6f0b-4d1b-9c59-0d3b1f6f7a10,R-1,,160,2,0.01,receives,1.600000,USD,false,";
        let found = line(row.as_bytes(), &layout, 7).expect("it can be read").expect("a line");
        assert_eq!((found.points, found.receipt_reference.as_str()), (-160, "R-1"));
        assert_eq!(found.amount.map(|amount| amount.micros), Some(-1_600_000));
        let total = "total,,,,,,fee,hub,,,,,,,0,,,pays,1.600000,USD,,";
        assert_eq!(line(total.as_bytes(), &layout, 8), Ok(None));
    }

    #[test]
    fn a_row_is_a_line_with_signs() {
        let usd = |micros| Some(Money { currency: "USD".to_owned(), micros });
        let header = "receipt,kind,status,points,price,currency";
        let line = read(header, &["--map", "price=price"], b"A7,earn,posted,90,.011,USD");
        assert_eq!(line, Err("an amount is no number such as 8.37"));
        let line = read(header, &["--map", "price=price"], b"A7,earn,posted,90,0.0110,USD");
        let line = line.expect("a line");
        assert_eq!((line.row, line.points, line.amount.clone()), (7, 90, usd(990_000)));
        assert_eq!((line.kind(), line.status()), (RecordKind::Earn, RecordStatus::Posted));
        let burn =
            read("receipt,kind,points,amount", &["--unsigned", "--currency", "USD"], b"B,Burn,5,1");
        let burn = burn.expect("a line");
        assert_eq!((burn.points, burn.amount), (-5, usd(-1_000_000)));
        let values = ["--values", "SALE=earn,VOID=reversed"];
        let sale = read("receipt,kind,status,points", &values, b"B,sale,Void,5").expect("a line");
        assert_eq!((sale.kind(), sale.status()), (RecordKind::Earn, RecordStatus::Reversed));
        assert_eq!(sale.amount, None);
    }

    #[test]
    fn a_json_object_is_a_row() {
        let object = br#"{"ref":"A1","points":100,"amount":"1.20","currency":"USD","note":[1]}"#;
        let header = r#"{"ref":"A1","points":100,"amount":"1.20","currency":"USD"}"#;
        let line = read(header, &["--map", "receipt=ref"], object).expect("a line");
        assert_eq!((line.receipt_reference.as_str(), line.points), ("A1", 100));
        assert_eq!(line.amount.map(|amount| amount.micros), Some(1_200_000));
        for (bad, says) in [
            (&b"[1]"[..], "no JSON object"),
            (b"{\"points\":true}", "neither a text nor a number"),
            (b"{\"receipt\":\"A1\"}", "no points"),
            (b"\xff", "no JSON object"),
        ] {
            let found = read("{}", &[], bad).expect_err(says);
            assert!(found.contains(says), "{found}");
        }
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let header = "receipt,kind,points,amount,currency,date";
        for (row, says) in [
            (&b"A1,earn,1.200,1.2,USD,2026-03-20"[..], "no whole number"),
            (b"A1,earn,100,\"1,20\",USD,2026-03-20", "--decimal comma"),
            (b"A1,sold,100,1.20,USD,2026-03-20", "the kind is none"),
            (b"A1,earn,100,1.20,,2026-03-20", "no currency"),
            (b"A1,earn,100,1.20,USD,20.03.2026", "no time"),
            (b"A1,earn,,1.20,USD,2026-03-20", "no points"),
            (b"A1,earn,100", "fewer columns"),
            (b"A1,earn,100,1.20,USD,2026-03-20,x", "more columns"),
            (b"A\xff,earn,100,1.20,USD,2026-03-20", "not UTF-8"),
        ] {
            let found = read(header, &[], row).expect_err(says);
            assert!(found.contains(says), "{found} for {says}");
        }
    }
}
