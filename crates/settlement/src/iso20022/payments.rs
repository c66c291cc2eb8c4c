//! Which bank entry pays which obligation. What does not pay one exactly goes to suspense, with a reason,
//! until a person decides.

use std::collections::{HashMap, HashSet};

use entente_ledger::{Micros, Overflow};

use super::{BankEntry, BankStatement, EntrySide, PaymentId};
use crate::Money;

/// A payment that is awaited, or was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// The obligation's end-to-end id.
    pub end_to_end_id: PaymentId,
    /// Credit where a partner pays the owner of the account, debit where the owner pays.
    pub side: EntrySide,
    /// The whole obligation.
    pub amount: Money,
    /// What is paid of it already.
    pub paid: Micros,
}

/// What became of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match<'s> {
    /// The entry.
    pub entry: &'s BankEntry,
    /// The obligation that it names, where it names one.
    pub expected: Option<PaymentId>,
    /// What became of it.
    pub outcome: Outcome,
}

/// Whether an entry pays an obligation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It pays all that is left of the obligation that it names.
    Exact,
    /// It waits for a person.
    Suspense(Suspense),
}

/// Why an entry waits for a person, in order of precedence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suspense {
    /// The same entry was there before, in this file or in an earlier one.
    Duplicate,
    /// The bank has not booked it yet.
    NotBooked,
    /// It takes an earlier entry back.
    Reversal,
    /// It names no obligation.
    NoReference,
    /// It names something that nobody owes.
    UnknownReference,
    /// It went the other way.
    OtherSide,
    /// It is in another currency.
    OtherCurrency,
    /// What it names is paid already.
    AlreadyPaid,
    /// It is less than what is left.
    Partial {
        /// What would be left still.
        left: Micros,
    },
    /// It is more than what is left.
    Over {
        /// What is too much.
        excess: Micros,
    },
}

/// The statement is of another account.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the statement is of account {0}")]
pub struct OtherAccount(pub String);

/// Matches the entries of a statement of `account`. `seen` says whether an entry with this bank
/// reference was taken from an earlier statement of it. Nothing but an exact payment changes what the next entry finds.
pub fn match_entries<'s>(
    statement: &'s BankStatement,
    account: &str,
    expected: &[Expected],
    seen: impl Fn(&str) -> bool,
) -> Result<Vec<Match<'s>>, OtherAccount> {
    if statement.account != account {
        return Err(OtherAccount(statement.account.chars().take(40).collect()));
    }
    let mut open: HashMap<&str, (&Expected, Micros)> = expected
        .iter()
        .map(|expected| (expected.end_to_end_id.as_str(), (expected, expected.paid)))
        .collect();
    let mut here = HashSet::new();
    let mut matches = Vec::with_capacity(statement.entries.len());
    for entry in &statement.entries {
        let is_new = here.insert(entry.bank_reference.as_str()) && !seen(&entry.bank_reference);
        let named = reference(entry, |id| open.contains_key(id));
        let mut found = named.and_then(|id| open.get_mut(id));
        let expected = found.as_ref().map(|(expected, _)| expected.end_to_end_id.clone());
        let outcome = match waits(entry, is_new) {
            Some(reason) => Outcome::Suspense(reason),
            None => match &mut found {
                Some((expected, paid)) => pays(entry, expected, paid).unwrap_or(UNKNOWN),
                None if entry.end_to_end_id.is_some() => UNKNOWN,
                None => Outcome::Suspense(Suspense::NoReference),
            },
        };
        matches.push(Match { entry, expected, outcome });
    }
    Ok(matches)
}

const UNKNOWN: Outcome = Outcome::Suspense(Suspense::UnknownReference);

/// What keeps an entry waiting, whatever it names.
fn waits(entry: &BankEntry, is_new: bool) -> Option<Suspense> {
    if !is_new {
        Some(Suspense::Duplicate)
    } else if !entry.is_booked {
        Some(Suspense::NotBooked)
    } else if entry.is_reversal {
        Some(Suspense::Reversal)
    } else {
        None
    }
}

fn pays(entry: &BankEntry, expected: &Expected, paid: &mut Micros) -> Result<Outcome, Overflow> {
    let (got, left) = (entry.amount.micros, expected.amount.micros.minus(*paid)?);
    let waits = if entry.side != expected.side {
        Suspense::OtherSide
    } else if entry.amount.currency != expected.amount.currency {
        Suspense::OtherCurrency
    } else if !left.is_positive() {
        Suspense::AlreadyPaid
    } else if got < left {
        Suspense::Partial { left: left.minus(got)? }
    } else if got > left {
        Suspense::Over { excess: got.minus(left)? }
    } else {
        *paid = expected.amount.micros;
        return Ok(Outcome::Exact);
    };
    Ok(Outcome::Suspense(waits))
}

/// The known id that the entry names: by its end-to-end id, or, where that did not come through, as a word
/// of what the payer wrote, if it is the only one.
fn reference(entry: &BankEntry, is_known: impl Fn(&str) -> bool) -> Option<&str> {
    if let Some(id) = entry.end_to_end_id.as_deref()
        && is_known(id)
    {
        return Some(id);
    }
    let words =
        entry.remittance.split_whitespace().map(|word| word.trim_matches(['.', ',', ';', ':']));
    let mut known = words.filter(|word| is_known(word));
    let first = known.next()?;
    known.all(|other| other == first).then_some(first)
}
