//! One line of a file as a request, or what is wrong with it.

use entente_api::{points::EarnRequest, types::Money};
use prost_types::Timestamp;
use serde_json::Value;

use super::amount::micros;
use super::layout::{Defaults, Field, Layout};
use crate::output::{parse_time, proto_time};
use crate::records::{self, Bad};

/// Reads a line, without its end.
pub(super) fn request(
    line: &[u8],
    layout: &Layout,
    defaults: &Defaults,
    id: impl FnOnce() -> String,
) -> Result<EarnRequest, Bad> {
    let value = match layout {
        Layout::Json => of_json(line)?,
        Layout::Columns { delimiter, names } => of_columns(line, *delimiter, names)?,
    };
    let text = |field| value(field).map(|text: String| text.trim().to_owned());
    let given = |field| text(field).filter(|text| !text.is_empty());
    let spend = given(Field::Spend).ok_or("no spend")?;
    let spend = micros(&spend).ok_or("the spend is no amount such as 120.50")?;
    let currency = given(Field::Currency).or_else(|| defaults.currency.clone());
    let category = given(Field::Category).or_else(|| defaults.category.clone());
    let currency = currency.ok_or("no currency")?;
    let money = |micros| Money { currency: currency.clone(), micros };
    let paid_in_points = given(Field::PaidInPoints).map_or(Ok(0), |text| {
        micros(&text).ok_or("the paid_in_points is no amount such as 20.50")
    })?;
    Ok(EarnRequest {
        request_id: given(Field::RequestId).unwrap_or_else(id),
        member_reference: given(Field::Member).ok_or("no member_reference")?,
        spend: Some(money(spend)),
        category: category.ok_or("no category")?,
        activity_at: given(Field::ActivityAt).map(|text| time(&text)).transpose()?,
        receipt_reference: given(Field::Receipt).unwrap_or_default(),
        retro_claim: given(Field::RetroClaim).map_or(Ok(false), |text| flag(&text))?,
        paid_in_points: (paid_in_points != 0).then(|| money(paid_in_points)),
    })
}

fn time(text: &str) -> Result<Timestamp, Bad> {
    let bad = "the activity_at is no time with a zone, such as 2026-03-01T12:00:00Z, and no day";
    parse_time(text).map(proto_time).map_err(|_| bad)
}

fn flag(text: &str) -> Result<bool, Bad> {
    match text.to_lowercase().as_str() {
        "true" | "yes" | "1" => Ok(true),
        "false" | "no" | "0" => Ok(false),
        _ => Err("the retro_claim is neither true nor false"),
    }
}

type Values<'a> = Box<dyn Fn(Field) -> Option<String> + 'a>;

fn of_columns<'a>(
    line: &[u8],
    delimiter: u8,
    names: &'a [Option<Field>],
) -> Result<Values<'a>, Bad> {
    let fields = records::fields(line, delimiter, names.len())?;
    Ok(Box::new(move |field| {
        let column = names.iter().position(|name| *name == Some(field))?;
        fields.get(column).map(|text| String::from_utf8_lossy(text).into_owned())
    }))
}

fn of_json<'a>(line: &[u8]) -> Result<Values<'a>, Bad> {
    let Ok(Value::Object(object)) = serde_json::from_slice(line) else {
        return Err("the line is no JSON object");
    };
    for (field, name) in Field::ALL {
        let good = match object.get(name) {
            None | Some(Value::Null | Value::String(_)) => true,
            Some(Value::Number(_)) => matches!(field, Field::Spend | Field::PaidInPoints),
            Some(Value::Bool(_)) => field == Field::RetroClaim,
            Some(_) => false,
        };
        if !good {
            return Err("a value is neither a text nor, as an amount, a number");
        }
    }
    Ok(Box::new(move |field| {
        let name = Field::ALL.iter().find(|(known, _)| *known == field).map(|(_, name)| *name)?;
        match object.get(name)? {
            Value::String(text) => Some(text.clone()),
            // A number as it was written, but for what no amount is: 1.50 stays 1.5, 1e3 becomes 1000.0.
            Value::Bool(flag) => Some(flag.to_string()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "member_reference,spend,currency,category,activity_at,receipt_reference";

    fn read(header: &str, line: &[u8]) -> Result<EarnRequest, Bad> {
        let defaults = Defaults::default();
        let layout = Layout::of(header.as_bytes(), None, &defaults).expect("a header");
        request(line, &layout, &defaults, || "made".to_owned())
    }

    #[test]
    fn a_line_is_the_same_purchase_in_every_form() {
        let plain = read(HEADER, b"guest-1,120.50,EUR,stay,2026-03-01,R-1").expect("a purchase");
        assert_eq!(plain.spend.as_ref().expect("money").micros, 120_500_000);
        assert_eq!((plain.request_id.as_str(), plain.receipt_reference.as_str()), ("made", "R-1"));
        let semicolons = HEADER.replace(',', ";");
        for (header, line) in [
            (HEADER, &b"guest-1, 120.50 ,EUR,stay,2026-03-01T00:00:00Z,R-1"[..]),
            (HEADER, b"\"guest-1\",\"120.50\",EUR,stay,2026-03-01T01:00:00+01:00,\"R-1\",,"),
            (&semicolons, b"guest-1;120,50;EUR;stay;2026-03-01;R-1"),
            (
                "{",
                br#"{"member_reference":"guest-1","spend":120.5,"currency":"EUR","category":"stay",
                    "activity_at":"2026-03-01","receipt_reference":"R-1","note":[1],"request_id":null}"#,
            ),
        ] {
            let shown = String::from_utf8_lossy(line);
            assert_eq!(read(header, line).as_ref(), Ok(&plain), "{shown}");
        }
    }

    #[test]
    fn a_claim_and_what_points_paid_are_columns_too() {
        let header = "member_reference,spend,currency,category,Retro Claim,paid_in_points";
        for (line, expected) in [
            (&b"guest-1,30,EUR,stay,true,20.5"[..], Ok((true, Some(20_500_000)))),
            (b"guest-1,30,EUR,stay,No,0", Ok((false, None))),
            (b"guest-1,30,EUR,stay,,", Ok((false, None))),
            (b"guest-1,30,EUR,stay,maybe,", Err("the retro_claim is neither true nor false")),
            (b"guest-1,30,EUR,stay,,-1", Err("the paid_in_points is no amount such as 20.50")),
        ] {
            let read = read(header, line).map(|earn| {
                let paid = earn.paid_in_points.map(|paid| (paid.currency, paid.micros));
                assert!(paid.iter().all(|(currency, _)| currency == "EUR"));
                (earn.retro_claim, paid.map(|(_, micros)| micros))
            });
            assert_eq!(read, expected);
        }
        let json = br#"{"member_reference":"g","spend":3,"currency":"EUR","category":"stay",
            "retro_claim":true,"paid_in_points":1.5}"#;
        let earn = self::read("{", json).expect("a purchase");
        assert_eq!(
            (earn.retro_claim, earn.paid_in_points.expect("money").micros),
            (true, 1_500_000)
        );
    }

    #[test]
    fn what_is_wrong_with_a_line_is_said() {
        for (header, line, says) in [
            (HEADER, &b"guest-1,120.5"[..], "fewer columns"),
            (HEADER, b"guest-1,120.50,EUR,stay,,R-1,oops", "more columns"),
            (HEADER, b",1,EUR,stay,,", "no member_reference"),
            (HEADER, b"guest-1,,EUR,stay,,", "no spend"),
            (HEADER, b"guest-1,ten,EUR,stay,,", "no amount"),
            (HEADER, b"guest-1,1,,stay,,", "no currency"),
            (HEADER, b"guest-1,1,EUR,,,", "no category"),
            (HEADER, b"guest-1,1,EUR,stay,yesterday,", "no time"),
            (HEADER, b"guest-1,1,EUR,stay,2026-03-01 12:00:00,", "no time"),
            (HEADER, b"guest-\xff,1,EUR,stay,,", "not UTF-8"),
            ("{", b"{\"spend\": ", "no JSON"),
            ("{", b"[1]", "no JSON"),
            ("{", b"{\"spend\": true}", "neither"),
            ("{", b"{\"member_reference\": 7}", "neither"),
        ] {
            let bad = read(header, line).expect_err(says);
            assert!(bad.contains(says), "{bad}");
        }
    }
}
