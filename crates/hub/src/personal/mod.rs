//! Personal data, and the one key outside the database that it takes to find or to read any: partners'
//! references of members, what members consented to, and what operators wrote about one of them.
//! `docs/personal-data.md` tells what is where.

pub(crate) mod export;
mod sealed;
mod vault;

pub use sealed::{DataKey, Unreadable};
pub use vault::Vault;

use jiff::Timestamp;

/// What a member agreed to, as its brand asserted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consent {
    /// When, by the brand's clock.
    pub given_at: Timestamp,
    /// To which wording.
    pub wording_version: String,
    /// The assertion, by its hash.
    pub assertion_sha256: [u8; 32],
}
