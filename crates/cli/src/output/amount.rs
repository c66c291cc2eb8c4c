//! Numbers for people: thousands separated, money with its currency's decimals.

use entente_api::types::Money;

/// A number of points, with separators.
pub(crate) fn points(points: i64) -> String {
    let sign = if points < 0 { "-" } else { "" };
    format!("{sign}{}", grouped(&points.unsigned_abs().to_string()))
}

/// A count, with separators.
pub(crate) fn count(count: u64) -> String {
    grouped(&count.to_string())
}

/// Money with as many decimals as the currency pays, or as the amount needs: `1,234.50 EUR`.
pub(crate) fn money(money: &Money) -> String {
    let decimals = payable_decimals(&money.currency);
    decimal(money, |fraction| fraction.trim_end_matches('0').len().max(decimals))
}

/// Money with all six decimals, as a statement's lines have it.
pub(crate) fn money_exact(money: &Money) -> String {
    decimal(money, |_| 6)
}

fn decimal(money: &Money, decimals: impl FnOnce(&str) -> usize) -> String {
    let micros = money.micros.unsigned_abs();
    let (units, fraction) = (micros / 1_000_000, format!("{:06}", micros % 1_000_000));
    let shown = &fraction[..decimals(&fraction)];
    let sign = if money.micros < 0 { "-" } else { "" };
    let point = if shown.is_empty() { "" } else { "." };
    format!("{sign}{}{point}{shown} {}", grouped(&units.to_string()), money.currency)
}

fn payable_decimals(code: &str) -> usize {
    let known = code.parse::<entente_ledger::Currency>();
    known.map_or(2, |currency| usize::try_from(currency.exponent()).unwrap_or(2))
}

fn grouped(digits: &str) -> String {
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_shows_what_its_currency_pays() {
        for (currency, micros, text) in [
            ("EUR", 1_234_500_000, "1,234.50 EUR"),
            ("JPY", 1_234_000_000, "1,234 JPY"),
            ("KWD", 1_500_000, "1.500 KWD"),
            ("USD", -12_000_000, "-12.00 USD"),
            ("USD", 40, "0.00004 USD"),
        ] {
            assert_eq!(money(&Money { currency: currency.to_owned(), micros }), text);
        }
        let exact = Money { currency: "EUR".to_owned(), micros: 1_000_000_250_000 };
        assert_eq!(money_exact(&exact), "1,000,000.250000 EUR");
    }

    #[test]
    fn points_are_separated_in_thousands() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (-1_234_567, "-1,234,567")]
        {
            assert_eq!(points(number), text);
        }
    }
}
