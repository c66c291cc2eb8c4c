//! Identifiers of payments: at most 35 characters that every bank takes.

use std::fmt;

use entente_ledger::WindowId;

use crate::Owed;

/// The text is no identifier that every bank takes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "an identifier has 1 to 35 letters, digits or /-?:().,'+ and neither begins nor ends with a slash"
)]
pub struct InvalidId;

/// An identifier such as an end-to-end id or a message's: `Max35Text`, in the characters that the SEPA
/// rulebooks allow (EPC132-08, 1.4).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PaymentId(String);

impl PaymentId {
    /// An identifier.
    pub fn new(text: &str) -> Result<Self, InvalidId> {
        let takes = |byte: u8| byte.is_ascii_alphanumeric() || b"/-?:().,'+".contains(&byte);
        let slashes = text.starts_with('/') || text.ends_with('/') || text.contains("//");
        if text.is_empty() || text.len() > 35 || slashes || !text.bytes().all(takes) {
            return Err(InvalidId);
        }
        Ok(Self(text.to_owned()))
    }

    /// The end-to-end id of what is owed for a window: the same each time it is asked for, and of no
    /// other obligation of this ledger.
    pub fn of(window: WindowId, owed: &Owed) -> Result<Self, InvalidId> {
        let Owed { payer, payee, currency, .. } = owed;
        Self::new(&format!("W{window}-{payer}-{payee}-{currency}", window = window.0))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PaymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use entente_ledger::{Micros, PartnerId};

    use super::*;

    #[test]
    fn what_a_bank_may_not_take_is_no_identifier() {
        for (text, taken) in [
            ("W12-3-0-USD", true),
            ("a/b", true),
            (&"x".repeat(35), true),
            (&"x".repeat(36), false),
            ("", false),
            ("/a", false),
            ("a/", false),
            ("a//b", false),
            ("a b", false),
            ("a_b", false),
            ("ä", false),
            ("a\n", false),
        ] {
            assert_eq!(PaymentId::new(text).is_ok(), taken, "{text:?}");
        }
    }

    #[test]
    fn an_obligation_has_one_end_to_end_id() {
        let currency = "USD".parse().expect("ISO 4217");
        let owed = |payer, payee| Owed {
            currency,
            payer: PartnerId(payer),
            payee: PartnerId(payee),
            amount: Micros(1),
        };
        let id = |window, owed| PaymentId::of(WindowId(window), &owed);
        assert_eq!(id(12, owed(3, 0)).expect("short").as_str(), "W12-3-0-USD");
        let ids = [id(12, owed(3, 0)), id(12, owed(0, 3)), id(1, owed(23, 0)), id(123, owed(3, 0))];
        let distinct: std::collections::HashSet<_> = ids.iter().flatten().collect();
        assert_eq!(distinct.len(), ids.len());
        assert_eq!(id(i32::MAX, owed(i32::MAX, i32::MAX)), Err(InvalidId));
    }
}
