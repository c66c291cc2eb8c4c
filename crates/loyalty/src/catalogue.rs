//! The catalogue: every partner and its terms, as of one epoch.

use std::{collections::HashMap, fmt, str::FromStr};

use entente_ledger::{PartnerId, TermsVersion};
use jiff::Timestamp;

use crate::Terms;

/// What names a partner everywhere outside the ledger: `harbor-hotels`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PartnerCode(String);

impl PartnerCode {
    /// The code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PartnerCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for PartnerCode {
    type Err = String;

    fn from_str(code: &str) -> Result<Self, String> {
        let good = (2..=31).contains(&code.len())
            && code.starts_with(|c: char| c.is_ascii_lowercase())
            && code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !good {
            return Err("2 to 31 characters: a letter, then letters, digits and hyphens, all \
                        lower case"
                .to_owned());
        }
        if matches!(code, "hub" | "coalition") {
            return Err(format!("{code} is reserved"));
        }
        Ok(Self(code.to_owned()))
    }
}

/// A brand, with its terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partner {
    /// Its number in the ledger.
    pub id: PartnerId,
    /// What names it outside.
    pub code: PartnerCode,
    /// For people.
    pub display_name: String,
    /// Whether operators suspended it.
    pub suspended: bool,
    /// Whether it tests: its operations are in testing windows, and are never settled.
    pub testing: bool,
    /// When it was created.
    pub created_at: Timestamp,
    /// Its versions, oldest first; they never overlap.
    pub terms: Vec<Terms>,
}

impl Partner {
    /// The version in force at `at`.
    #[must_use]
    pub fn terms_at(&self, at: Timestamp) -> Option<&Terms> {
        self.terms.iter().rev().find(|terms| terms.in_force(at))
    }

    /// A version by its number.
    #[must_use]
    pub fn terms_version(&self, version: TermsVersion) -> Option<&Terms> {
        self.terms.iter().find(|terms| terms.version == version)
    }
}

/// Every partner and its terms. A writer reloads it when the ledger's epoch is newer.
#[derive(Debug, Default, Clone)]
pub struct Catalogue {
    /// Raised by every change.
    pub epoch: i64,
    partners: HashMap<PartnerId, Partner>,
    by_code: HashMap<PartnerCode, PartnerId>,
}

impl Catalogue {
    /// The catalogue of an epoch.
    #[must_use]
    pub fn new(epoch: i64, partners: Vec<Partner>) -> Self {
        let by_code = partners.iter().map(|p| (p.code.clone(), p.id)).collect();
        let partners = partners.into_iter().map(|p| (p.id, p)).collect();
        Self { epoch, partners, by_code }
    }

    /// A partner by its number.
    #[must_use]
    pub fn partner(&self, id: PartnerId) -> Option<&Partner> {
        self.partners.get(&id)
    }

    /// A partner by its code.
    #[must_use]
    pub fn by_code(&self, code: &str) -> Option<&Partner> {
        let code: PartnerCode = code.parse().ok()?;
        self.by_code.get(&code).and_then(|id| self.partners.get(id))
    }

    /// Whether a partner tests.
    #[must_use]
    pub fn is_testing(&self, id: PartnerId) -> bool {
        self.partner(id).is_some_and(|partner| partner.testing)
    }

    /// Whether some version of a partner's terms is prepaid.
    #[must_use]
    pub fn is_prepaid(&self, id: PartnerId) -> bool {
        let partner = self.partner(id);
        partner.is_some_and(|partner| partner.terms.iter().any(|terms| terms.agreement.prepaid))
    }

    /// Every partner, in no order.
    pub fn partners(&self) -> impl Iterator<Item = &Partner> {
        self.partners.values()
    }
}
