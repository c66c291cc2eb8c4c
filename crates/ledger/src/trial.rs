//! The trial balance: what all transfers come to, account by account.

use std::collections::BTreeMap;

use crate::{Account, Currency, Overflow, Transfer, Unit};

/// Credits less debits of every account, for points (`None`) and each currency.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct TrialBalance {
    balances: BTreeMap<(Account, Option<Currency>), i64>,
}

impl TrialBalance {
    /// Adds one transfer.
    pub fn post(&mut self, transfer: &Transfer) -> Result<(), Overflow> {
        let unit = match transfer.unit() {
            Unit::Points { .. } => None,
            Unit::Money => Some(transfer.currency),
        };
        self.add((transfer.debit(), unit), transfer.amount().checked_neg().ok_or(Overflow)?)?;
        self.add((transfer.credit(), unit), transfer.amount())
    }

    /// Credits less debits of one account; points when `currency` is `None`.
    #[must_use]
    pub fn of(&self, account: Account, currency: Option<Currency>) -> i64 {
        self.balances.get(&(account, currency)).copied().unwrap_or(0)
    }

    /// The sum over all accounts of a unit: 0, by construction.
    pub fn sum(&self, currency: Option<Currency>) -> Result<i64, Overflow> {
        self.balances
            .iter()
            .filter(|((_, unit), _)| *unit == currency)
            .try_fold(0_i64, |sum, (_, balance)| sum.checked_add(*balance).ok_or(Overflow))
    }

    fn add(&mut self, key: (Account, Option<Currency>), amount: i64) -> Result<(), Overflow> {
        let balance = self.balances.entry(key).or_default();
        *balance = balance.checked_add(amount).ok_or(Overflow)?;
        Ok(())
    }
}
