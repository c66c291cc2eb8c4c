//! The canonical form of a statement: the same records give the same bytes, as CSV or as JSON lines, so
//! that a digest of them says whether two statements are one. `docs/statements.md` tells the columns.

mod columns;
mod encode;

use entente_ledger::{AmountKind, Micros, Overflow, Points, RequestId, TermsVersion};
use jiff::{Timestamp, civil::Date};

use crate::Money;

pub use columns::COLUMNS;
pub use encode::{write_csv, write_csv_head, write_json};

/// Who pays, as a word: no amount of a statement has a sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    /// The partner pays.
    Pays,
    /// The partner is paid.
    Receives,
    /// Nobody pays: nothing, points alone, or a memo.
    Even,
}

impl Direction {
    /// The word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pays => "pays",
            Self::Receives => "receives",
            Self::Even => "even",
        }
    }

    /// Who pays a net, which is negative where the partner receives, and how much.
    pub fn of(net: Micros) -> Result<(Self, Micros), Overflow> {
        Ok(match net.0 {
            0 => (Self::Even, net),
            1.. => (Self::Pays, net),
            _ => (Self::Receives, net.negated()?),
        })
    }
}

/// The word for what an amount is for.
#[must_use]
pub const fn kind_word(kind: AmountKind) -> &'static str {
    match kind {
        AmountKind::Issue => "issue",
        AmountKind::IssueCancelled => "issue_cancelled",
        AmountKind::Redemption => "redemption",
        AmountKind::RedemptionRefunded => "redemption_refunded",
        AmountKind::Fee => "fee",
        AmountKind::FeeRefunded => "fee_refunded",
        AmountKind::DebtRepaid => "debt_repaid",
        AmountKind::IssueReinstated => "issue_reinstated",
        AmountKind::Expired => "expired",
        AmountKind::Rounding => "rounding",
        AmountKind::Payment => "payment",
        AmountKind::Gift => "gift",
        AmountKind::Adjustment => "adjustment",
        AmountKind::Prepaid => "prepaid",
        AmountKind::Merge => "merge",
        AmountKind::CurrencySold => "currency_sold",
        AmountKind::CurrencyBought => "currency_bought",
        AmountKind::ConversionLoss => "conversion_loss",
        AmountKind::ConversionGain => "conversion_gain",
    }
}

/// One record of a statement. In order: the header, openings, lines, elsewhere, totals, balances, closings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatementRecord<'t> {
    /// Whose statement it is, and of which window.
    Header(StatementHeader<'t>),
    /// What the partner still owed, or was owed, from earlier windows.
    Opening {
        /// Who pays.
        direction: Direction,
        /// How much.
        amount: Money,
    },
    /// What one operation of the partner moved.
    Line(StatementLine<'t>),
    /// What operations of others moved for the partner on one day.
    Elsewhere {
        /// The UTC day of posting.
        day: Date,
        /// What they moved.
        moved: Moved<'t>,
    },
    /// What all of one kind with one counterparty comes to.
    Total(Moved<'t>),
    /// What the partner owes, or is owed, when the window closes, this one counted.
    Balance {
        /// Who pays.
        direction: Direction,
        /// How much.
        amount: Money,
    },
    /// What the partner pays or receives for the window.
    Closing {
        /// Who pays.
        direction: Direction,
        /// How much, as it can be paid.
        amount: Money,
        /// How many lines the statement has.
        line_count: u64,
    },
}

/// The first record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatementHeader<'t> {
    /// The closed window's name.
    pub window: &'t str,
    /// The partner's code.
    pub partner: &'t str,
    /// When the window opened.
    pub opened_at: Timestamp,
    /// When it closed.
    pub closed_at: Timestamp,
    /// Whether the ledger is a simulation.
    pub simulation: bool,
}

/// Points and money of one kind, with one counterparty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved<'t> {
    /// What for.
    pub kind: AmountKind,
    /// A partner's code, `hub`, or `coalition` for a partner that is not named.
    pub counterparty: &'t str,
    /// The points.
    pub points: Points,
    /// Who pays.
    pub direction: Direction,
    /// The exact money, never negative.
    pub amount: Money,
}

/// What one operation of the partner moved, of one kind, with one counterparty, in one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatementLine<'t> {
    /// The operation.
    pub request_id: RequestId,
    /// When it was posted.
    pub posted_at: Timestamp,
    /// When what it is about happened, where that is told.
    pub activity_at: Option<Timestamp>,
    /// The partner's own reference; empty for none.
    pub receipt_reference: &'t str,
    /// What names the member to the partner: the link's token; empty for none.
    pub member_token: &'t str,
    /// The terms that priced it.
    pub terms_version: Option<TermsVersion>,
    /// The price of a point, where the money is points times a price.
    pub price: Option<Micros>,
    /// Whether the activity lies before the window.
    pub prior_period: bool,
    /// What it moved.
    pub moved: Moved<'t>,
}
