//! Numbers as files write them: exactly, by the one decimal sign that was told, or not at all.

use crate::records::Bad;

const MICROS: i64 = 1_000_000;

/// What separates decimals. The other sign is refused: it could separate thousands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Decimal {
    /// 1234.50
    #[default]
    Point,
    /// 1234,50
    Comma,
}

/// Whole points, with a sign or without: `120`, `-40`, `120.00`.
pub(super) fn points(text: &str, decimal: Decimal) -> Result<i64, Bad> {
    let bad = "the points are no whole number";
    let micros = micros(text, decimal).map_err(|_| bad)?;
    if micros % MICROS == 0 { Ok(micros / MICROS) } else { Err(bad) }
}

/// An amount in micros: `8.37`, `-0.5`, `0.000001`.
pub(super) fn micros(text: &str, decimal: Decimal) -> Result<i64, Bad> {
    let (sign, digits) = match text.as_bytes().first() {
        Some(b'-') => (-1, &text[1..]),
        Some(b'+') => (1, &text[1..]),
        _ => (1, text),
    };
    let (separator, other) = match decimal {
        Decimal::Point => ('.', ','),
        Decimal::Comma => (',', '.'),
    };
    if digits.contains(other) {
        return Err(match decimal {
            Decimal::Point => "a number has a comma; say --decimal comma where it is decimal",
            Decimal::Comma => "a number has a point, though --decimal comma was said",
        });
    }
    let bad = "an amount is no number such as 8.37";
    let (units, fraction) = digits.split_once(separator).unwrap_or((digits, "0"));
    let numeric = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let kept = fraction.trim_end_matches('0');
    if !numeric(units) || !numeric(fraction) {
        return Err(bad);
    }
    if kept.len() > 6 {
        return Err("an amount has more than six decimals");
    }
    let units: i64 = units.parse().map_err(|_| "an amount is beyond the range")?;
    let fraction: i64 = format!("{kept:0<6}").parse().map_err(|_| bad)?;
    let micros = units.checked_mul(MICROS).and_then(|micros| micros.checked_add(fraction));
    micros.map(|micros| sign * micros).ok_or("an amount is beyond the range")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_exact_by_the_sign_that_was_told_or_none() {
        for (text, point, comma) in [
            ("8.37", Some(8_370_000), None),
            ("8,37", None, Some(8_370_000)),
            ("-0.5", Some(-500_000), None),
            ("+7", Some(7_000_000), Some(7_000_000)),
            ("1,234", None, Some(1_234_000)),
            ("1.234", Some(1_234_000), None),
            ("1,234.50", None, None),
            ("1.234,50", None, None),
            ("0.1234567", None, None),
            ("0.1234560", Some(123_456), None),
            ("1 234", None, None),
            ("1e3", None, None),
            ("--1", None, None),
            ("", None, None),
            ("-", None, None),
            (".5", None, None),
            ("5.", None, None),
            ("१", None, None),
            ("9223372036854.775808", None, None),
        ] {
            assert_eq!(micros(text, Decimal::Point).ok(), point, "{text:?}");
            assert_eq!(micros(text, Decimal::Comma).ok(), comma, "{text:?}");
        }
    }

    #[test]
    fn points_are_whole() {
        for (text, expected) in [
            ("120", Some(120)),
            ("-40", Some(-40)),
            ("120.00", Some(120)),
            ("120.5", None),
            ("1,200", None),
            ("many", None),
        ] {
            assert_eq!(points(text, Decimal::Point).ok(), expected, "{text:?}");
        }
        assert_eq!(points("120,00", Decimal::Comma), Ok(120));
    }
}
