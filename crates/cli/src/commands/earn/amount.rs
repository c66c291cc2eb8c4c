//! Amounts as people write them, in micros: exactly, or not at all.

const MICROS: i64 = 1_000_000;

/// `120`, `120.5`, `120,50`; a comma only where it cannot separate thousands. `None` for anything
/// else, and for more than six decimals.
pub(super) fn micros(text: &str) -> Option<i64> {
    let text = text.trim();
    let (units, decimals) = match (text.split_once('.'), text.split_once(',')) {
        (Some(parts), None) => parts,
        (None, Some((units, decimals))) if decimals.len() < 3 => (units, decimals),
        (None, None) => (text, "0"),
        _ => return None,
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(units) || !digits(decimals) || decimals.len() > 6 {
        return None;
    }
    let units: i64 = units.parse().ok()?;
    let fraction: i64 = format!("{decimals:0<6}").parse().ok()?;
    units.checked_mul(MICROS)?.checked_add(fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_exact_or_none() {
        for (text, expected) in [
            ("120", Some(120_000_000)),
            (" 120.5 ", Some(120_500_000)),
            ("120,50", Some(120_500_000)),
            ("0.000001", Some(1)),
            ("007.10", Some(7_100_000)),
            ("9223372036854.775807", Some(i64::MAX)),
            ("9223372036854.775808", None),
            ("1,234", None),
            ("1,234.50", None),
            ("1.234,50", None),
            ("0.0000001", None),
            ("-5", None),
            ("+5", None),
            ("1e3", None),
            ("12.", None),
            (".5", None),
            ("", None),
            ("NaN", None),
            ("１２", None),
        ] {
            assert_eq!(micros(text), expected, "{text:?}");
        }
    }
}
