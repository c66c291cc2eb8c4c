//! One line of a file as a request, or what is wrong with it.

use entente_api::{points::EarnRequest, types::Money};
use serde_json::Value;

use super::amount::micros;
use super::layout::{Defaults, Field, Layout, split};
use crate::output::{parse_time, proto_time};

/// Why a line cannot be sent; the text is for people.
pub(super) type Bad = &'static str;

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
    let micros = micros(&spend).ok_or("the spend is no amount such as 120.50")?;
    let currency = given(Field::Currency).or_else(|| defaults.currency.clone());
    let category = given(Field::Category).or_else(|| defaults.category.clone());
    let activity_at = match given(Field::ActivityAt) {
        None => None,
        Some(time) => Some(proto_time(parse_time(&time).map_err(
            |_| "the activity_at is no time with a zone, such as 2026-03-01T12:00:00Z, and no day",
        )?)),
    };
    Ok(EarnRequest {
        request_id: given(Field::RequestId).unwrap_or_else(id),
        member_reference: given(Field::Member).ok_or("no member_reference")?,
        spend: Some(Money { currency: currency.ok_or("no currency")?, micros }),
        category: category.ok_or("no category")?,
        activity_at,
        receipt_reference: given(Field::Receipt).unwrap_or_default(),
        retro_claim: false,
        paid_in_points: None,
    })
}

type Values<'a> = Box<dyn Fn(Field) -> Option<String> + 'a>;

fn of_columns<'a>(
    line: &[u8],
    delimiter: u8,
    names: &'a [Option<Field>],
) -> Result<Values<'a>, Bad> {
    if std::str::from_utf8(line).is_err() {
        return Err("the line is not UTF-8");
    }
    let fields = split(line, delimiter).ok_or("the line cannot be read")?;
    if fields.len() < names.len() {
        return Err("the line has fewer columns than the header");
    }
    // A column too many is mostly a delimiter in a text: nobody knows which value is which.
    let spare = fields.iter().skip(names.len());
    if spare.map(<[u8]>::trim_ascii).any(|field| !field.is_empty()) {
        return Err("the line has more columns than the header");
    }
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
            Some(Value::Number(_)) => field == Field::Spend,
            Some(_) => false,
        };
        if !good {
            return Err("a value is neither a text nor, as spend, a number");
        }
    }
    Ok(Box::new(move |field| {
        let name = Field::ALL.iter().find(|(known, _)| *known == field).map(|(_, name)| *name)?;
        match object.get(name)? {
            Value::String(text) => Some(text.clone()),
            // As it was written, but for what no amount is: 1.50 stays 1.5, 1e3 becomes 1000.0.
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
