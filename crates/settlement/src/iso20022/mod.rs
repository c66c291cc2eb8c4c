//! ISO 20022: payments of obligations out (pain.001.001.09), bank statements in (camt.053.001.08), and
//! which bank entry pays which obligation. Text in, text out: files and networks are the caller's.

mod camt;
mod end_to_end;
mod entry;
mod pain;
#[cfg(test)]
mod pain_tests;
mod parties;
mod payments;
#[cfg(test)]
mod payments_tests;
mod read;
#[cfg(test)]
mod samples;
mod xml;

pub use camt::{BankEntry, BankStatement, EntrySide};
pub use end_to_end::{InvalidId, PaymentId};
pub use pain::{Initiation, NotWritten, Payment};
pub use parties::{BankAccount, BankParty, Bic, Iban, InvalidParty};
pub use payments::{Expected, Match, OtherAccount, Outcome, Suspense, match_entries};
pub use read::read_camt;
pub use xml::{NotRead, Problem};
