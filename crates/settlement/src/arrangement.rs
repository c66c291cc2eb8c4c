//! How a coalition settles: its netting, when its windows close, for how long partners may object, and
//! which accounts are paid.

use std::collections::BTreeMap;

use entente_ledger::PartnerId;
use jiff::{civil::Time, tz::TimeZone};

use crate::{Calendar, Cycle, Netting, NoSuchDay, iso20022::BankParty};

/// What two operators arrange for everybody, until they arrange it anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrangement {
    /// Who pays whom.
    pub netting: Netting,
    /// When windows close by themselves; without one, by hand alone.
    pub schedule: Option<Schedule>,
    /// For how many days after a close its partners may object.
    pub objection_days: u16,
    /// The accounts of partners and of the hub, as far as they are known.
    pub accounts: BTreeMap<PartnerId, BankParty>,
}

/// A calendar by the name of its time zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// The zone's name: `Europe/Berlin`.
    pub zone: String,
    /// The time of day there.
    pub cut_off: Time,
    /// How often.
    pub cycle: Cycle,
}

impl Schedule {
    /// The calendar, with the zone's rules.
    pub fn calendar(&self, rules: TimeZone) -> Result<Calendar, NoSuchDay> {
        Calendar::new(rules, self.cut_off, self.cycle)
    }
}

/// What holds until operators arrange anything: each partner settles with the hub, windows close by
/// hand, and five days are for objections.
impl Default for Arrangement {
    fn default() -> Self {
        Self {
            netting: Netting::Multilateral,
            schedule: None,
            objection_days: 5,
            accounts: BTreeMap::new(),
        }
    }
}
