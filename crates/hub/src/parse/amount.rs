//! Amounts of money and of points.

use entente_api::types::Money;
use entente_ledger::{Currency, Micros, Points};

use super::{Expected, Violations};

/// A positive amount of money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amount {
    /// How much, more than 0.
    pub micros: Micros,
    /// Of what.
    pub currency: Currency,
}

impl From<Amount> for Money {
    fn from(amount: Amount) -> Self {
        Self { currency: amount.currency.to_string(), micros: amount.micros.0 }
    }
}

/// More than 0.
pub fn points(number: i64) -> Result<Points, Expected> {
    let points = Points(number);
    points.is_positive().then_some(points).ok_or(Expected::Borrowed("more than 0"))
}

impl Violations {
    /// A required amount of money, more than 0; both of its fields are judged.
    pub fn money(&mut self, field: &str, money: Option<&Money>) -> Option<Amount> {
        let money = self.required(field, money)?;
        let currency = self.currency(&format!("{field}.currency"), &money.currency);
        let micros = Micros(money.micros);
        let micros = micros.is_positive().then_some(micros).ok_or("more than 0".into());
        let micros = self.field(&format!("{field}.micros"), micros);
        Some(Amount { micros: micros?, currency: currency? })
    }

    /// A currency of ISO 4217.
    pub fn currency(&mut self, field: &str, code: &str) -> Option<Currency> {
        let expected = "a currency code of ISO 4217, in capitals";
        self.field(field, code.parse().map_err(|_| expected.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(currency: &str, micros: i64) -> Money {
        Money { currency: currency.to_owned(), micros }
    }

    #[test]
    fn money_is_a_known_currency_and_more_than_nothing() {
        let mut violations = Violations::default();
        let parsed = violations.money("spend", Some(&money("EUR", 37_800_000)));
        let currency = "EUR".parse().expect("ISO 4217");
        assert_eq!(parsed, Some(Amount { micros: Micros(37_800_000), currency }));
        assert!(violations.is_empty());
    }

    #[test]
    fn each_bad_field_of_money_is_named() {
        for (bad, fields) in [
            (None, "spend"),
            (Some(money("EUR", 0)), "spend.micros"),
            (Some(money("EUR", i64::MIN)), "spend.micros"),
            (Some(money("eur", 1)), "spend.currency"),
            (Some(money("E\0R", 1)), "spend.currency"),
            (Some(money("", -1)), "spend.currency, spend.micros"),
        ] {
            let mut violations = Violations::default();
            assert_eq!(violations.money("spend", bad.as_ref()), None);
            let refused = violations.refused();
            assert_eq!(refused.message(), format!("the request is malformed: {fields}"));
        }
    }

    #[test]
    fn points_are_more_than_none() {
        assert_eq!(points(1), Ok(Points(1)));
        for bad in [0, -1, i64::MIN] {
            assert!(points(bad).is_err(), "{bad}");
        }
    }
}
