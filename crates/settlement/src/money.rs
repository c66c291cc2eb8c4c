//! An amount of money in its currency, and how it is written: exact, with a point, never a float.

use std::fmt;

use entente_ledger::{Currency, Micros, Overflow};

/// An amount in a currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Money {
    /// The currency.
    pub currency: Currency,
    /// The amount; its sign is the context's.
    pub micros: Micros,
}

impl Money {
    /// Nothing, in a currency.
    #[must_use]
    pub const fn nothing(currency: Currency) -> Self {
        Self { currency, micros: Micros::ZERO }
    }
}

/// Writes an amount to six decimals: `-0.540000`.
pub fn write_exact(out: &mut impl fmt::Write, micros: Micros) -> fmt::Result {
    let (sign, units, rest) = parts(micros);
    write!(out, "{sign}{units}.{rest:06}")
}

/// An amount with as many decimals as its currency is paid in: `12.30`, `5` for JPY. An amount that is
/// finer than that cannot be paid, and is an [`Overflow`].
pub fn payable(money: Money) -> Result<String, Overflow> {
    let exponent = money.currency.exponent();
    if money.currency.rounded(money.micros)? != money.micros {
        return Err(Overflow);
    }
    let (sign, units, rest) = parts(money.micros);
    let decimals = format!("{rest:06}");
    let kept = decimals.get(..usize::try_from(exponent).map_err(|_| Overflow)?).ok_or(Overflow)?;
    let point = if kept.is_empty() { "" } else { "." };
    Ok(format!("{sign}{units}{point}{kept}"))
}

/// Reads a decimal such as `12`, `12.3` or `12.300000`: digits and one point, at most six decimals that
/// say something. No sign, no exponent, no separator of thousands; `None` for anything else.
#[must_use]
pub fn read_decimal(text: &str) -> Option<Micros> {
    let (units, decimals) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if (units.is_empty() && decimals.is_empty()) || !digits(units) || !digits(decimals) {
        return None;
    }
    let decimals = decimals.trim_end_matches('0');
    if decimals.len() > 6 {
        return None;
    }
    let whole: i64 = if units.is_empty() { 0 } else { units.parse().ok()? };
    let rest: i64 = format!("{decimals:0<6}").parse().ok()?;
    whole.checked_mul(1_000_000)?.checked_add(rest).map(Micros)
}

/// Sign, whole units, millionths.
fn parts(micros: Micros) -> (&'static str, u64, u64) {
    let magnitude = micros.0.unsigned_abs();
    let units = magnitude.checked_div(1_000_000).unwrap_or_default();
    let rest = magnitude.checked_rem(1_000_000).unwrap_or_default();
    (if micros.0 < 0 { "-" } else { "" }, units, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(code: &str, micros: i64) -> Money {
        Money { currency: code.parse().expect("ISO 4217"), micros: Micros(micros) }
    }

    #[test]
    fn money_is_written_to_the_last_micro() {
        for (micros, text) in [
            (0, "0.000000"),
            (1, "0.000001"),
            (-540_000, "-0.540000"),
            (8_160_000, "8.160000"),
            (i64::MIN, "-9223372036854.775808"),
        ] {
            let mut out = String::new();
            write_exact(&mut out, Micros(micros)).expect("a string grows");
            assert_eq!(out, text);
        }
    }

    #[test]
    fn a_payment_has_the_decimals_of_its_currency() {
        for (code, micros, text) in [
            ("EUR", 12_300_000, Ok("12.30")),
            ("JPY", 5_000_000, Ok("5")),
            ("KWD", 1_001_000, Ok("1.001")),
            ("EUR", 12_301_000, Err(Overflow)),
            ("JPY", 5_500_000, Err(Overflow)),
        ] {
            assert_eq!(payable(money(code, micros)).as_deref(), text.as_ref().copied(), "{code}");
        }
    }

    #[test]
    fn a_decimal_is_read_exactly_or_not_at_all() {
        for (text, micros) in [
            ("0", Some(0)),
            ("12.3", Some(12_300_000)),
            ("12.300000000", Some(12_300_000)),
            (".5", Some(500_000)),
            ("7.", Some(7_000_000)),
            ("0.0000001", None),
            ("", None),
            (".", None),
            ("-1", None),
            ("+1", None),
            ("1e3", None),
            ("1,000.00", None),
            ("1.000,00", None),
            ("١", None),
            ("9223372036854.775807", Some(i64::MAX)),
            ("9223372036854.775808", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(read_decimal(text), micros.map(Micros), "{text}");
        }
    }
}
