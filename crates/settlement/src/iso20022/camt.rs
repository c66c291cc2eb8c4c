//! What a bank statement says that matters here.

use entente_ledger::{Currency, Micros, Overflow};
use jiff::civil::Date;

use crate::Money;

/// Which way an entry went, seen from the account's owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EntrySide {
    /// Money came in.
    Credit,
    /// Money went out.
    Debit,
}

/// The statement of one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BankStatement {
    /// The bank's id of the statement.
    pub id: String,
    /// The account's number, without spaces: an IBAN or another one.
    pub account: String,
    /// The account's currency, where it is told.
    pub currency: Option<Currency>,
    /// The booked balance at the beginning, negative where overdrawn.
    pub opening: Option<Money>,
    /// The booked balance at the end.
    pub closing: Option<Money>,
    /// The entries, in the bank's order; an entry of several payments comes as these.
    pub entries: Vec<BankEntry>,
}

/// One payment on a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BankEntry {
    /// What names it for ever on this account: the same entry on another statement has the same.
    pub bank_reference: String,
    /// Which way it went.
    pub side: EntrySide,
    /// Whether it takes an earlier entry back.
    pub is_reversal: bool,
    /// Whether it is booked; one that is pending may still change.
    pub is_booked: bool,
    /// How much; never negative.
    pub amount: Money,
    /// The day of booking.
    pub booked_on: Option<Date>,
    /// The id that the payer gave it, where it came through.
    pub end_to_end_id: Option<String>,
    /// The payer's name, where it is told.
    pub debtor: Option<String>,
    /// What the payer wrote.
    pub remittance: String,
}

impl BankStatement {
    /// Whether the opening balance and the booked entries come to the closing balance; `None` where a
    /// balance is not told, or an entry is in another currency.
    pub fn adds_up(&self) -> Result<Option<bool>, Overflow> {
        let (Some(opening), Some(closing)) = (self.opening, self.closing) else { return Ok(None) };
        let mut sum = opening.micros;
        for entry in self.entries.iter().filter(|entry| entry.is_booked) {
            if entry.amount.currency != opening.currency {
                return Ok(None);
            }
            sum = sum.plus(entry.signed()?)?;
        }
        Ok(Some(opening.currency == closing.currency && sum == closing.micros))
    }
}

impl BankEntry {
    fn signed(&self) -> Result<Micros, Overflow> {
        match self.side {
            EntrySide::Credit => Ok(self.amount.micros),
            EntrySide::Debit => self.amount.micros.negated(),
        }
    }
}
