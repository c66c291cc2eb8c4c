//! Conversions: what the hub gives of one currency's pool at a bank, and gets of another's. Nothing else
//! goes from currency to currency. Each currency balances by itself, against its `fx` account; what the
//! bank's rate differs from the reference by is a transfer of its own.

use entente_ledger::{
    Account, AmountKind, Currency, InvalidTransfer, Micros, Overflow, Transfer, half_away_div,
};

use crate::Money;

/// The most that is converted at once, of either currency: 10,000,000,000 of its unit.
pub const MAX_CONVERTED: Micros = Micros(10_000_000_000_000_000);

/// The greatest numbers of a rate.
const MAX_RATE: i64 = 1_000_000_000_000;

/// What is bought differs from the reference by at most one part in so many.
const MOST_OFF: i64 = 10;

/// A reference rate as an exact ratio of units: so much of what is bought for so much of what is sold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    bought: i64,
    sold: i64,
}

/// One conversion. Its fields cannot be changed once it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conversion {
    sold: Money,
    bought: Money,
    rate: Rate,
    reference: Micros,
}

/// Why there is no such conversion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidConversion {
    /// Of what is sold: not more than nothing, too much, or what no payment can be.
    #[error("more than 0, at most 10,000,000,000, and whole in the smallest unit of its currency")]
    Sold,
    /// The same of what is bought.
    #[error("more than 0, at most 10,000,000,000, and whole in the smallest unit of its currency")]
    Bought,
    /// Both are of one currency.
    #[error("another currency than the one that is sold")]
    SameCurrency,
    /// A number of the rate is not more than 0, or too great; or at the rate nothing is bought, or more
    /// than is ever converted.
    #[error("a rate of numbers from 1 to 1,000,000,000,000, at which something is bought")]
    Rate,
    /// What is bought is not what the reference makes of it, nor near it.
    #[error("within a tenth of what the reference rate makes of what is sold")]
    OffReference {
        /// What it makes of it.
        reference: Micros,
    },
}

impl Rate {
    /// So much for so much, each more than 0.
    pub fn new(bought: i64, sold: i64) -> Result<Self, InvalidConversion> {
        let fits = |number: i64| (1..=MAX_RATE).contains(&number);
        let rate = Self { bought, sold };
        (fits(bought) && fits(sold)).then_some(rate).ok_or(InvalidConversion::Rate)
    }

    /// So much of what is bought
    #[must_use]
    pub const fn bought(self) -> i64 {
        self.bought
    }

    /// for so much of what is sold.
    #[must_use]
    pub const fn sold(self) -> i64 {
        self.sold
    }

    /// What an amount comes to: rounded once, to what can be paid, half away from zero.
    fn of(self, sold: Micros, currency: Currency) -> Result<Micros, Overflow> {
        let Micros(unit) = currency.smallest()?;
        let product = i128::from(sold.0).checked_mul(i128::from(self.bought)).ok_or(Overflow)?;
        let divisor = i128::from(self.sold).checked_mul(i128::from(unit)).ok_or(Overflow)?;
        half_away_div(product, divisor)?.checked_mul(unit).map(Micros).ok_or(Overflow)
    }
}

impl Conversion {
    /// What is sold and bought, and the rate that it is measured by.
    pub fn new(sold: Money, bought: Money, rate: Rate) -> Result<Self, InvalidConversion> {
        if !is_convertible(sold) {
            return Err(InvalidConversion::Sold);
        }
        if !is_convertible(bought) {
            return Err(InvalidConversion::Bought);
        }
        if sold.currency == bought.currency {
            return Err(InvalidConversion::SameCurrency);
        }
        let reference = rate.of(sold.micros, bought.currency);
        let reference = reference.map_err(|Overflow| InvalidConversion::Rate)?;
        if !reference.is_positive() || reference > MAX_CONVERTED {
            return Err(InvalidConversion::Rate);
        }
        let conversion = Self { sold, bought, rate, reference };
        if conversion.is_near().map_err(|Overflow| InvalidConversion::Rate)? {
            Ok(conversion)
        } else {
            Err(InvalidConversion::OffReference { reference })
        }
    }

    /// What the pool gives.
    #[must_use]
    pub const fn sold(&self) -> Money {
        self.sold
    }

    /// What the pool gets.
    #[must_use]
    pub const fn bought(&self) -> Money {
        self.bought
    }

    /// The rate that it is measured by.
    #[must_use]
    pub const fn rate(&self) -> Rate {
        self.rate
    }

    /// What the rate makes of what is sold, in the currency that is bought.
    #[must_use]
    pub const fn reference(&self) -> Micros {
        self.reference
    }

    /// What is bought less the reference: negative is a loss.
    pub fn difference(&self) -> Result<Micros, Overflow> {
        self.bought.micros.minus(self.reference)
    }

    /// Pool to fx of what is sold, fx to pool of what it is worth by the reference, and the difference,
    /// if there is one. So the pool has what the bank paid, and `fx` what is open in each currency.
    pub fn transfers(&self) -> Result<Vec<Transfer>, Overflow> {
        let (out, back) = ((Account::Pool, Account::Fx), (Account::Fx, Account::Pool));
        let mut transfers = vec![
            transfer(AmountKind::CurrencySold, out, self.sold.micros, self.sold.currency)?,
            transfer(AmountKind::CurrencyBought, back, self.reference, self.bought.currency)?,
        ];
        let (difference, currency) = (self.difference()?, self.bought.currency);
        if difference.is_positive() {
            transfers.push(transfer(AmountKind::ConversionGain, back, difference, currency)?);
        } else if !difference.is_zero() {
            let lost = difference.negated()?;
            transfers.push(transfer(AmountKind::ConversionLoss, out, lost, currency)?);
        }
        Ok(transfers)
    }

    fn is_near(&self) -> Result<bool, Overflow> {
        let difference = self.difference()?.0.checked_abs().ok_or(Overflow)?;
        let most = difference.checked_mul(MOST_OFF).ok_or(Overflow)?;
        // What is rounded may be a smallest unit off though it is exact.
        Ok(most <= self.reference.0 || difference <= self.bought.currency.smallest()?.0)
    }
}

/// What a bank can move, and not beyond all measure.
fn is_convertible(side: Money) -> bool {
    let Money { currency, micros } = side;
    micros.is_positive() && micros <= MAX_CONVERTED && currency.rounded(micros) == Ok(micros)
}

fn transfer(
    kind: AmountKind,
    accounts: (Account, Account),
    amount: Micros,
    currency: Currency,
) -> Result<Transfer, Overflow> {
    // More than nothing, between two accounts that both hold money: that is always a transfer.
    let invalid = |_: InvalidTransfer| Overflow;
    Transfer::money(kind, accounts, amount, currency).map_err(invalid)
}

#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    clippy::integer_division,
    reason = "tests count in small, plain numbers"
)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn money(code: &str, micros: i64) -> Money {
        Money { currency: code.parse().expect("ISO 4217"), micros: Micros(micros) }
    }

    fn rate(bought: i64, sold: i64) -> Rate {
        Rate::new(bought, sold).expect("a rate")
    }

    /// What each account of each currency gains.
    fn gains(conversion: &Conversion, code: &str, account: Account) -> i64 {
        let currency: Currency = code.parse().expect("ISO 4217");
        let transfers = conversion.transfers().expect("small");
        let of = transfers.iter().filter(|transfer| transfer.currency == currency);
        of.map(|transfer| match account {
            one if one == transfer.credit() => transfer.amount(),
            one if one == transfer.debit() => -transfer.amount(),
            _ => 0,
        })
        .sum()
    }

    #[test]
    fn what_the_bank_keeps_is_a_transfer_of_its_own() {
        for (sold, bought, rate, reference, difference, kinds) in [
            // 100.00 EUR at 1.0825 are 108.25 USD; the bank pays 107.90.
            (
                money("EUR", 100_000_000),
                money("USD", 107_900_000),
                rate(10_825, 10_000),
                108_250_000,
                -350_000,
                Some(AmountKind::ConversionLoss),
            ),
            (
                money("EUR", 100_000_000),
                money("USD", 108_250_000),
                rate(10_825, 10_000),
                108_250_000,
                0,
                None,
            ),
            // 33.33 USD at 149.5 are 4,982.835 JPY, which is paid as 4,983.
            (
                money("USD", 33_330_000),
                money("JPY", 4_985_000_000),
                rate(1_495, 10),
                4_983_000_000,
                2_000_000,
                Some(AmountKind::ConversionGain),
            ),
            // Three decimals: 10.000 KWD at 3.2512 are 32.51 USD; back, 32.51 at 1/3.2512 are 9.999.
            (
                money("USD", 32_510_000),
                money("KWD", 9_990_000),
                rate(10_000, 32_512),
                9_999_000,
                -9_000,
                Some(AmountKind::ConversionLoss),
            ),
        ] {
            let conversion = Conversion::new(sold, bought, rate).expect("a conversion");
            assert_eq!(conversion.reference(), Micros(reference), "{conversion:?}");
            assert_eq!(conversion.difference(), Ok(Micros(difference)), "{conversion:?}");
            let transfers = conversion.transfers().expect("small");
            assert_eq!(transfers.get(2).map(|transfer| transfer.kind), kinds, "{conversion:?}");
        }
    }

    #[test]
    fn what_is_no_conversion_is_refused() {
        use InvalidConversion::{Bought, OffReference, Rate as BadRate, SameCurrency, Sold};
        let (euro, dollar) = (money("EUR", 100_000_000), money("USD", 108_000_000));
        let fair = rate(108, 100);
        for (sold, bought, rate, expected) in [
            (money("EUR", 0), dollar, fair, Sold),
            (money("EUR", -1_000_000), dollar, fair, Sold),
            (money("EUR", 100_001_000), dollar, fair, Sold),
            (money("JPY", 500_000), dollar, fair, Sold),
            (money("EUR", MAX_CONVERTED.0 + 10_000), dollar, fair, Sold),
            (money("EUR", i64::MAX), dollar, fair, Sold),
            (euro, money("USD", 0), fair, Bought),
            (euro, money("USD", 108_000_001), fair, Bought),
            (euro, money("KWD", 32_000_500), rate(32, 100), Bought),
            (euro, money("EUR", 100_000_000), rate(1, 1), SameCurrency),
            (euro, dollar, rate(1, MAX_RATE), BadRate),
            (euro, dollar, rate(MAX_RATE, 1), BadRate),
            (money("EUR", MAX_CONVERTED.0), dollar, rate(MAX_RATE, 1), BadRate),
            (euro, money("USD", 97_190_000), fair, OffReference { reference: Micros(108_000_000) }),
            (
                euro,
                money("USD", 118_810_000),
                fair,
                OffReference { reference: Micros(108_000_000) },
            ),
            // The rate the wrong way round.
            (euro, dollar, rate(100, 108), OffReference { reference: Micros(92_590_000) }),
        ] {
            assert_eq!(Conversion::new(sold, bought, rate), Err(expected), "{sold:?} {bought:?}");
        }
        for (bought, sold) in [(0, 1), (1, 0), (-1, 1), (MAX_RATE + 1, 1), (1, i64::MAX)] {
            assert_eq!(Rate::new(bought, sold), Err(BadRate), "{bought} {sold}");
        }
        // A cent is a cent, though a hundred yen are .66 of it.
        assert!(
            Conversion::new(money("JPY", 1_000_000), money("USD", 10_000), rate(1, 150)).is_ok()
        );
        assert!(Conversion::new(euro, money("USD", 97_200_000), fair).is_ok());
    }

    proptest! {
        #[test]
        fn a_pool_gives_what_is_sold_and_gets_what_is_bought(
            sold in 100_i64..1_000_000_000_000,
            given in 1_i64..MAX_RATE,
            got in 1_i64..MAX_RATE,
            off in -9_i64..=9,
        ) {
            let (sold, rate) = (money("EUR", sold * 10_000), rate(got, given));
            let dollar = "USD".parse().expect("ISO 4217");
            let Ok(reference) = rate.of(sold.micros, dollar) else { return Ok(()) };
            prop_assume!(reference.0 >= 1_000_000 && reference <= MAX_CONVERTED);
            let bought = reference.0 + reference.0 / 1_000_000 * off * 10_000;
            prop_assume!(bought <= MAX_CONVERTED.0);
            let bought = money("USD", bought);
            let conversion = Conversion::new(sold, bought, rate).expect("a conversion");
            prop_assert_eq!(gains(&conversion, "EUR", Account::Pool), -sold.micros.0);
            prop_assert_eq!(gains(&conversion, "USD", Account::Pool), bought.micros.0);
            prop_assert_eq!(gains(&conversion, "EUR", Account::Fx), sold.micros.0);
            prop_assert_eq!(gains(&conversion, "USD", Account::Fx), -bought.micros.0);
        }
    }
}
