//! Points and micros, and the only divisions there are: each says how it rounds.

use std::fmt;

/// A sum or product left the range of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the amount is beyond what the ledger can hold")]
pub struct Overflow;

macro_rules! amount {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub i64);

        impl $name {
            /// Nothing.
            pub const ZERO: Self = Self(0);

            /// The sum, or [`Overflow`].
            pub fn plus(self, other: Self) -> Result<Self, Overflow> {
                self.0.checked_add(other.0).map(Self).ok_or(Overflow)
            }

            /// The difference, which may be negative, or [`Overflow`].
            pub fn minus(self, other: Self) -> Result<Self, Overflow> {
                self.0.checked_sub(other.0).map(Self).ok_or(Overflow)
            }

            /// The opposite amount, or [`Overflow`].
            pub fn negated(self) -> Result<Self, Overflow> {
                self.0.checked_neg().map(Self).ok_or(Overflow)
            }

            /// Whether it is more than nothing.
            #[must_use]
            pub const fn is_positive(self) -> bool {
                self.0 > 0
            }

            /// Whether it is nothing.
            #[must_use]
            pub const fn is_zero(self) -> bool {
                self.0 == 0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

amount!(
    /// Whole points of the shared currency.
    Points
);
amount!(
    /// Money in millionths of a currency's unit; also a price per point.
    Micros
);

impl Points {
    /// The exact money of so many points at a price per point.
    pub fn at(self, price: Micros) -> Result<Micros, Overflow> {
        self.0.checked_mul(price.0).map(Micros).ok_or(Overflow)
    }
}

/// The quotient rounded down, for amounts that are not negative.
pub fn floor_div(amount: i128, divisor: i128) -> Result<i64, Overflow> {
    let quotient = amount.checked_div_euclid(divisor).ok_or(Overflow)?;
    i64::try_from(quotient).map_err(|_| Overflow)
}

/// The quotient rounded up: in favor of whoever is owed it.
pub fn ceil_div(amount: i128, divisor: i128) -> Result<i64, Overflow> {
    let quotient = amount.checked_div_euclid(divisor).ok_or(Overflow)?;
    let rest = amount.checked_rem_euclid(divisor).ok_or(Overflow)?;
    let up = if rest == 0 { quotient } else { quotient.checked_add(1).ok_or(Overflow)? };
    i64::try_from(up).map_err(|_| Overflow)
}

/// The quotient rounded to the nearest, a half upwards: for earns alone, where terms say so.
pub fn half_up_div(amount: i128, divisor: i128) -> Result<i64, Overflow> {
    let doubled = amount.checked_mul(2).and_then(|n| n.checked_add(divisor)).ok_or(Overflow)?;
    floor_div(doubled, divisor.checked_mul(2).ok_or(Overflow)?)
}

/// The quotient rounded to the nearest, a half away from zero: for gross totals at a close.
pub fn half_away_div(amount: i128, divisor: i128) -> Result<i64, Overflow> {
    let magnitude = half_up_div(amount.checked_abs().ok_or(Overflow)?, divisor)?;
    if amount < 0 { magnitude.checked_neg().ok_or(Overflow) } else { Ok(magnitude) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_division_rounds_as_its_name_says() {
        for (amount, floor, ceil, half_up, half_away) in
            [(0, 0, 0, 0, 0), (14, 1, 2, 1, 1), (15, 1, 2, 2, 2), (20, 2, 2, 2, 2)]
        {
            assert_eq!(floor_div(amount, 10), Ok(floor), "floor {amount}");
            assert_eq!(ceil_div(amount, 10), Ok(ceil), "ceil {amount}");
            assert_eq!(half_up_div(amount, 10), Ok(half_up), "half up {amount}");
            assert_eq!(half_away_div(amount, 10), Ok(half_away), "half away {amount}");
        }
        assert_eq!(half_away_div(-15, 10), Ok(-2));
        assert_eq!(half_away_div(-14, 10), Ok(-1));
    }

    #[test]
    fn arithmetic_beyond_the_range_is_an_overflow() {
        assert_eq!(Points(i64::MAX).plus(Points(1)), Err(Overflow));
        assert_eq!(Points(i64::MAX).at(Micros(2)), Err(Overflow));
        assert_eq!(floor_div(i128::MAX, 1), Err(Overflow));
        assert_eq!(floor_div(1, 0), Err(Overflow));
    }
}
