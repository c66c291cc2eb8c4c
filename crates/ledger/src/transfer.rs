//! Double entry: a transfer that is out of balance cannot be made.

use crate::{Account, Currency, LotId, Micros, PartnerId, Points};

/// What a transfer is for; also the kind of a position and of a statement line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AmountKind {
    /// Points issued.
    Issue,
    /// Issued points taken back.
    IssueCancelled,
    /// Points burned.
    Redemption,
    /// Burned points given back.
    RedemptionRefunded,
    /// The hub's fee.
    Fee,
    /// The hub's fee given back.
    FeeRefunded,
    /// Points that repaid a debt to a creditor.
    DebtRepaid,
    /// Clawed points reinstated as their debt is repaid; no money moves.
    IssueReinstated,
    /// Points that expired; no money moves.
    Expired,
    /// What rounding a gross total at a close moved.
    Rounding,
    /// A payment of an obligation.
    Payment,
    /// Points that one member gave to another; no money moves.
    Gift,
    /// Points, or what clawbacks are owed, that went from a wallet to the one that it was merged
    /// with; no money moves.
    Merge,
    /// Money that operators moved to correct an earlier window.
    Adjustment,
    /// Points that a partner bought ahead, in a block of its float.
    Prepaid,
    /// What the pool gave of a currency for another.
    CurrencySold,
    /// What the pool got of a currency for another, by the reference rate.
    CurrencyBought,
    /// What it got less than by that rate.
    ConversionLoss,
    /// What it got more than by that rate.
    ConversionGain,
}

/// What a transfer moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unit {
    /// Points of one lot, from one issuer.
    Points {
        /// The lot that the points belong to.
        lot: LotId,
        /// The lot's issuer.
        issuer: PartnerId,
    },
    /// Money of the transfer's currency.
    Money,
}

/// A transfer that would not be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTransfer {
    /// The amount is zero or negative.
    #[error("a transfer moves more than nothing")]
    NotPositive,
    /// Debit and credit are the same account.
    #[error("a transfer has two accounts")]
    SameAccount,
    /// An account does not hold this unit.
    #[error("an account of a transfer does not hold its unit")]
    WrongUnit,
}

/// One double entry. Its fields cannot be changed once it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transfer {
    debit: Account,
    credit: Account,
    amount: i64,
    unit: Unit,
    /// What it is for.
    pub kind: AmountKind,
    /// Who pays for it: a partner or the hub.
    pub payer: PartnerId,
    /// Who is paid for it; the payer itself in a memo.
    pub payee: PartnerId,
    /// The currency that prices it; of a money transfer, the currency moved.
    pub currency: Currency,
    /// The price per point in micros; 0 where no price applies.
    pub price: Micros,
}

impl Transfer {
    /// Points of one lot from `debit` to `credit`, priced for `payer` and `payee`.
    pub fn points(
        kind: AmountKind,
        (debit, credit): (Account, Account),
        amount: Points,
        (lot, issuer): (LotId, PartnerId),
        (payer, payee): (PartnerId, PartnerId),
        (currency, price): (Currency, Micros),
    ) -> Result<Self, InvalidTransfer> {
        let unit = Unit::Points { lot, issuer };
        let transfer =
            Self { debit, credit, amount: amount.0, unit, kind, payer, payee, currency, price };
        transfer.checked(debit.holds_points() && credit.holds_points())
    }

    /// Money from `debit` to `credit`; payer and payee are who stands behind the accounts.
    pub fn money(
        kind: AmountKind,
        (debit, credit): (Account, Account),
        amount: Micros,
        currency: Currency,
    ) -> Result<Self, InvalidTransfer> {
        let (payer, payee) = (debit.party(), credit.party());
        let (unit, price) = (Unit::Money, Micros::ZERO);
        let transfer =
            Self { debit, credit, amount: amount.0, unit, kind, payer, payee, currency, price };
        transfer.checked(!debit.holds_points() && !credit.holds_points())
    }

    /// The account debited.
    #[must_use]
    pub const fn debit(&self) -> Account {
        self.debit
    }

    /// The account credited.
    #[must_use]
    pub const fn credit(&self) -> Account {
        self.credit
    }

    /// The amount, more than 0, in points or in micros.
    #[must_use]
    pub const fn amount(&self) -> i64 {
        self.amount
    }

    /// What is moved.
    #[must_use]
    pub const fn unit(&self) -> Unit {
        self.unit
    }

    fn checked(self, units_fit: bool) -> Result<Self, InvalidTransfer> {
        if self.amount <= 0 {
            Err(InvalidTransfer::NotPositive)
        } else if self.debit == self.credit {
            Err(InvalidTransfer::SameAccount)
        } else if units_fit {
            Ok(self)
        } else {
            Err(InvalidTransfer::WrongUnit)
        }
    }
}
