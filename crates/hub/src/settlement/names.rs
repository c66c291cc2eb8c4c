//! What parties are called outside the ledger.

use std::sync::Arc;

use entente_ledger::{Currency, Micros, PartnerId};
use entente_loyalty::Catalogue;
use jiff::Timestamp;

use crate::error::RpcError;

/// The hub as a party.
pub(crate) const HUB: &str = "hub";

/// The codes of partners, and their caps.
#[derive(Debug, Clone)]
pub(crate) struct Names(Arc<Catalogue>);

impl Names {
    pub(crate) fn new(catalogue: Arc<Catalogue>) -> Self {
        Self(catalogue)
    }

    /// The code of a partner, or `hub`.
    pub(crate) fn of(&self, party: PartnerId) -> Result<String, RpcError> {
        if party == PartnerId::HUB {
            return Ok(HUB.to_owned());
        }
        let partner = self.0.partner(party).map(|partner| partner.code.to_string());
        partner.ok_or_else(|| RpcError::fault("a party is not in the catalogue"))
    }

    /// Whether a partner tests.
    pub(crate) fn is_testing(&self, party: PartnerId) -> bool {
        self.0.is_testing(party)
    }

    /// What a partner may owe by the terms in force.
    pub(crate) fn cap(
        &self,
        party: PartnerId,
        currency: Currency,
        now: Timestamp,
    ) -> Option<Micros> {
        let terms = self.0.partner(party)?.terms_at(now)?;
        terms.agreement.net_debit_caps.get(&currency).copied()
    }
}
