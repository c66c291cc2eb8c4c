//! The ledger's accounts. A transfer debits one and credits another.

use crate::{MemberId, PartnerId};

/// One account. Points accounts hold points; money accounts exist once per currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Account {
    /// A member's points: credits less debits are available + held - debt.
    Wallet(MemberId),
    /// Points that a partner issued: debited when issued.
    Issued(PartnerId),
    /// Points burned at a partner.
    Redeemed(PartnerId),
    /// Points of a partner that expired.
    Expired(PartnerId),
    /// Points given to charity.
    Donated,
    /// Points on their way from one cell to another.
    InTransit,
    /// Money: a debit is what the partner owes, a credit what it is owed.
    Clearing(PartnerId),
    /// Money: what funds points that were paid for when issued.
    Pool,
    /// Money: the hub's fees.
    Fee,
    /// Money: the remainders of rounding at a close.
    Rounding,
    /// Money: what partners paid of their obligations.
    Settlement,
    /// Money: differences of conversions between currencies.
    Fx,
}

/// One side of a position: a partner, or the hub.
pub type Party = PartnerId;

impl Account {
    /// Whether the account holds points; otherwise it holds money.
    #[must_use]
    pub const fn holds_points(self) -> bool {
        matches!(
            self,
            Self::Wallet(_)
                | Self::Issued(_)
                | Self::Redeemed(_)
                | Self::Expired(_)
                | Self::Donated
                | Self::InTransit
        )
    }

    /// Who stands behind a money account: the partner, or the hub.
    #[must_use]
    pub const fn party(self) -> Party {
        match self {
            Self::Clearing(partner)
            | Self::Issued(partner)
            | Self::Redeemed(partner)
            | Self::Expired(partner) => partner,
            Self::Wallet(_)
            | Self::Donated
            | Self::InTransit
            | Self::Pool
            | Self::Fee
            | Self::Rounding
            | Self::Settlement
            | Self::Fx => PartnerId::HUB,
        }
    }
}
