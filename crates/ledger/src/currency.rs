//! Currencies of ISO 4217, and the smallest unit in which each is paid.

use std::{fmt, str::FromStr};

use crate::{Micros, Overflow, amount::half_away_div};

/// The code is not one of ISO 4217's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a currency code of ISO 4217")]
pub struct UnknownCurrency(pub String);

/// A currency of ISO 4217, by its three letters.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Currency([u8; 3]);

impl Currency {
    /// The three capital letters.
    ///
    /// # Panics
    /// Never: only ASCII letters get in.
    #[must_use]
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).expect("only ASCII letters get in")
    }

    /// How many decimals a payment has: 2 for EUR, 0 for JPY, 3 for KWD; at most 6 here.
    #[must_use]
    pub fn exponent(self) -> u32 {
        let known = iso_currency::Currency::from_code(self.code());
        known.and_then(iso_currency::Currency::exponent).map_or(2, u32::from).min(6)
    }

    /// The least that can be paid: a cent, a yen, a fils.
    pub fn smallest(self) -> Result<Micros, Overflow> {
        let decimals = 6_u32.checked_sub(self.exponent()).ok_or(Overflow)?;
        10_i64.checked_pow(decimals).map(Micros).ok_or(Overflow)
    }

    /// The amount rounded to what can be paid, half away from zero.
    pub fn rounded(self, amount: Micros) -> Result<Micros, Overflow> {
        let Micros(unit) = self.smallest()?;
        let units = half_away_div(i128::from(amount.0), i128::from(unit))?;
        units.checked_mul(unit).map(Micros).ok_or(Overflow)
    }
}

impl FromStr for Currency {
    type Err = UnknownCurrency;

    fn from_str(code: &str) -> Result<Self, UnknownCurrency> {
        let unknown = || UnknownCurrency(code.chars().take(8).collect());
        let bytes: [u8; 3] = code.as_bytes().try_into().map_err(|_| unknown())?;
        let capitals = bytes.iter().all(u8::is_ascii_uppercase);
        if !capitals || iso_currency::Currency::from_code(code).is_none() {
            return Err(unknown());
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payment_is_rounded_to_its_currency() {
        for (code, micros, rounded) in [
            ("EUR", 1_005_000, 1_010_000),
            ("EUR", -1_005_000, -1_010_000),
            ("JPY", 1_499_999, 1_000_000),
            ("KWD", 1_000_499, 1_000_000),
            ("KWD", 1_000_500, 1_001_000),
        ] {
            let currency: Currency = code.parse().expect("ISO 4217");
            assert_eq!(currency.rounded(Micros(micros)), Ok(Micros(rounded)), "{code} {micros}");
        }
    }

    #[test]
    fn what_is_no_currency_is_refused() {
        for code in ["", "EU", "eur", "XQQ", "EURO", "E\0R"] {
            assert!(code.parse::<Currency>().is_err(), "{code:?}");
        }
    }
}
