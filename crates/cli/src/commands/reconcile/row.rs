//! One row of a file as a line of the record, or what is wrong with it.

use entente_api::settlement::{RecordKind, RecordLine, RecordStatus};
use entente_api::types::Money;
use serde_json::{Map, Value};

use super::layout::{Field, Form, Layout, plain};
use super::number;
use crate::records::{self, Bad};

/// What one row says.
enum Values<'a> {
    Columns(&'a [Option<Field>], csv::ByteRecord),
    Object(&'a [(Field, String)], Map<String, Value>),
}

/// Reads a row, without its end.
pub(super) fn line(record: &[u8], layout: &Layout, row: u64) -> Result<RecordLine, Bad> {
    let values = match &layout.form {
        Form::Json { names } => of_json(record, names)?,
        Form::Columns { delimiter, fields } => {
            Values::Columns(fields, records::fields(record, *delimiter, fields.len())?)
        }
    };
    let kind =
        values.word(Field::Kind, layout).map_or(Ok(RecordKind::Unspecified), |w| kind(&w))?;
    let status = values.word(Field::Status, layout);
    let status = status.map_or(Ok(RecordStatus::Posted), |word| status_of(&word))?;
    let sign = if layout.unsigned { sign(kind)? } else { 1 };
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
        amount: amount(&values, layout, (sign, points))?,
        happened_from,
        happened_until,
    })
}

/// The money: as the row has it, or its points at its price.
fn amount(
    values: &Values<'_>,
    layout: &Layout,
    (sign, points): (i64, i64),
) -> Result<Option<Money>, Bad> {
    let amount = values.text(Field::Amount);
    let price = values.text(Field::Price);
    let micros = match (amount, price) {
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
        "earn" => RecordKind::Earn,
        "earn_reversed" => RecordKind::EarnReversed,
        "burn" => RecordKind::Burn,
        "burn_refunded" => RecordKind::BurnRefunded,
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
        line(row, &layout(header, flags).expect("a layout"), 7)
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
