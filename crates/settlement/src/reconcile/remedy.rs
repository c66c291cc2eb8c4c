//! What corrects a break: one movement of money that takes away what it comes to. Points are not moved by
//! it: where they are to be corrected too, a reversal or an earn does so, and moves the money by itself.

use entente_ledger::{Currency, Micros, PartnerId};

use crate::Money;

/// What an adjustment has to move to correct a break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remedy {
    /// In which currency.
    pub currency: Currency,
    /// How much: more than 0.
    pub micros: Micros,
    /// Whether the partner is paid; otherwise it pays.
    pub to_partner: bool,
}

/// What an adjustment moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Movement {
    /// Who owes it.
    pub payer: PartnerId,
    /// Who is owed it.
    pub payee: PartnerId,
    /// In which currency,
    pub currency: Currency,
    /// how much.
    pub micros: Micros,
}

/// In what a movement is not what corrects a break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unlike {
    /// The break has no money, or in more than one currency, or in another one.
    Currency,
    /// The partner has to be paid.
    Payee,
    /// The partner has to pay.
    Payer,
    /// It is another amount.
    Amount,
}

impl Unlike {
    /// The field that differs, as the contract names it.
    #[must_use]
    pub const fn field(self) -> &'static str {
        match self {
            Self::Currency => "currency",
            Self::Payee => "payee",
            Self::Payer => "payer",
            Self::Amount => "amount",
        }
    }
}

impl Remedy {
    /// What corrects a break of this much money, the hub's less the partner's: the partner is paid what the
    /// hub has it pay too much. `None` where it has none, or in more than one currency: one adjustment
    /// cannot correct it.
    #[must_use]
    pub fn of(money: &[Money]) -> Option<Self> {
        let mut differing = money.iter().filter(|money| !money.micros.is_zero());
        let (Some(money), None) = (differing.next(), differing.next()) else { return None };
        let micros = Micros(money.micros.0.checked_abs()?);
        Some(Self { currency: money.currency, micros, to_partner: money.micros.0 > 0 })
    }

    /// Whether a movement is what corrects a break of a partner.
    pub fn check(remedy: Option<Self>, partner: PartnerId, moved: &Movement) -> Result<(), Unlike> {
        let remedy = remedy.filter(|remedy| remedy.currency == moved.currency);
        let remedy = remedy.ok_or(Unlike::Currency)?;
        match remedy.to_partner {
            true if moved.payee != partner => Err(Unlike::Payee),
            false if moved.payer != partner => Err(Unlike::Payer),
            _ if moved.micros != remedy.micros => Err(Unlike::Amount),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROVER: PartnerId = PartnerId(2);
    const HARBOR: PartnerId = PartnerId(1);

    fn money(code: &str, micros: i64) -> Money {
        Money { currency: code.parse().expect("ISO 4217"), micros: Micros(micros) }
    }

    fn moved(payer: PartnerId, payee: PartnerId, code: &str, micros: i64) -> Movement {
        let Money { currency, micros } = money(code, micros);
        Movement { payer, payee, currency, micros }
    }

    #[test]
    fn a_partner_is_paid_what_the_hub_has_it_pay_too_much() {
        let too_much = Remedy::of(&[money("USD", 540_000)]);
        let too_little = Remedy::of(&[money("USD", -540_000), money("EUR", 0)]);
        for (remedy, moved, expected) in [
            (too_much, moved(PartnerId::HUB, ROVER, "USD", 540_000), Ok(())),
            (too_much, moved(HARBOR, ROVER, "USD", 540_000), Ok(())),
            (too_much, moved(ROVER, HARBOR, "USD", 540_000), Err(Unlike::Payee)),
            (too_much, moved(HARBOR, ROVER, "USD", 540_001), Err(Unlike::Amount)),
            (too_much, moved(HARBOR, ROVER, "EUR", 540_000), Err(Unlike::Currency)),
            (too_little, moved(ROVER, PartnerId::HUB, "USD", 540_000), Ok(())),
            (too_little, moved(HARBOR, ROVER, "USD", 540_000), Err(Unlike::Payer)),
        ] {
            assert_eq!(Remedy::check(remedy, ROVER, &moved), expected, "{moved:?}");
        }
    }

    #[test]
    fn one_adjustment_corrects_money_in_one_currency_alone() {
        for none in [&[][..], &[money("USD", 0)], &[money("USD", 5), money("EUR", -5)]] {
            assert_eq!(Remedy::of(none), None);
            let moved = moved(ROVER, HARBOR, "USD", 5);
            assert_eq!(Remedy::check(None, ROVER, &moved), Err(Unlike::Currency));
        }
        assert_eq!(Remedy::of(&[money("USD", i64::MIN)]), None, "beyond the range");
    }
}
