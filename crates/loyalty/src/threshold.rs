//! Thresholds of a net debit cap: shares of it that a partner is told of when what it owes crosses
//! them, upwards or downwards.

use entente_ledger::{Currency, Micros, PartnerId};
use jiff::Timestamp;

use crate::{Catalogue, ExposureKey};

/// The shares, in percent.
pub const THRESHOLDS: [u8; 4] = [50, 80, 95, 100];

/// What a partner owes, and how much it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// What it owes; negative when it is owed.
    pub owed: Micros,
    /// What it may owe; `None` when nothing caps it.
    pub cap: Option<Micros>,
}

/// A share of a cap that was crossed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crossing {
    /// Whose cap,
    pub partner: PartnerId,
    /// in which currency.
    pub currency: Currency,
    /// The share.
    pub percent: u8,
    /// Whether it is reached now, or not any more.
    pub rising: bool,
    /// What is owed now.
    pub owed: Micros,
    /// The cap.
    pub cap: Micros,
}

/// The thresholds that lie between the greatest one that a partner was told of and the one that it
/// is at: the lowest first when rising, the highest first when falling. Where nothing caps the partner
/// any more, nothing is told. What was told stands for what was crossed: a cap changes at a moment at
/// which nothing happens, and is seen by whoever comes next.
pub fn crossings(
    (partner, currency): ExposureKey,
    told: u8,
    standing: Standing,
) -> impl Iterator<Item = Crossing> {
    let reached = standing.reached();
    let rising =
        THRESHOLDS.into_iter().filter(move |percent| told < *percent && *percent <= reached);
    let falling =
        THRESHOLDS.into_iter().rev().filter(move |percent| reached < *percent && *percent <= told);
    let crossed =
        rising.map(|percent| (percent, true)).chain(falling.map(|percent| (percent, false)));
    crossed.filter_map(move |(percent, rising)| {
        let (owed, cap) = (standing.owed, standing.cap?);
        Some(Crossing { partner, currency, percent, rising, owed, cap })
    })
}

impl Standing {
    /// What a partner owes under the terms that are in force at a time.
    #[must_use]
    pub fn at(catalogue: &Catalogue, key: ExposureKey, owed: Micros, now: Timestamp) -> Self {
        Self { owed, cap: cap(catalogue, key, now) }
    }

    /// The greatest threshold that is reached; 0 for none, and where there is no cap.
    #[must_use]
    pub fn reached(self) -> u8 {
        THRESHOLDS.into_iter().filter(|percent| self.reaches(*percent)).max().unwrap_or_default()
    }

    /// Whether so many percent of the cap are owed. Of a cap of 0, whatever is owed is all of it.
    fn reaches(self, percent: u8) -> bool {
        let Some(cap) = self.cap else { return false };
        let share = i128::from(cap.0).saturating_mul(i128::from(percent));
        self.owed.is_positive() && i128::from(self.owed.0).saturating_mul(100) >= share
    }
}

/// The cap of the terms in force.
pub(crate) fn cap(
    catalogue: &Catalogue,
    (partner, currency): ExposureKey,
    now: Timestamp,
) -> Option<Micros> {
    let terms = catalogue.partner(partner)?.terms_at(now)?;
    terms.agreement.net_debit_caps.get(&currency).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(before: (i64, Option<i64>), after: (i64, Option<i64>)) -> Vec<(u8, bool)> {
        let key = (PartnerId(1), "EUR".parse().expect("ISO 4217"));
        let standing =
            |(owed, cap): (i64, Option<i64>)| Standing { owed: Micros(owed), cap: cap.map(Micros) };
        let crossings = crossings(key, standing(before).reached(), standing(after));
        crossings.map(|crossing| (crossing.percent, crossing.rising)).collect()
    }

    #[test]
    fn each_threshold_between_is_told_once_and_in_order() {
        let cap = Some(1_000);
        for (before, after, expected) in [
            (0, 499, vec![]),
            (499, 500, vec![(50, true)]),
            (500, 500, vec![]),
            (0, 1_000, vec![(50, true), (80, true), (95, true), (100, true)]),
            (810, 960, vec![(95, true)]),
            (1_001, 1_000, vec![]),
            (1_000, 999, vec![(100, false)]),
            (960, -5, vec![(95, false), (80, false), (50, false)]),
            (-5, 0, vec![]),
        ] {
            assert_eq!(told((before, cap), (after, cap)), expected, "{before} to {after}");
        }
    }

    #[test]
    fn another_cap_crosses_them_too_and_no_cap_tells_nothing() {
        assert_eq!(told((600, Some(1_000)), (600, Some(700))), [(80, true)]);
        assert_eq!(told((600, Some(1_000)), (600, Some(10_000))), [(50, false)]);
        assert_eq!(told((600, None), (600, Some(1_000))), [(50, true)]);
        assert_eq!(told((600, Some(1_000)), (0, None)), []);
        assert_eq!(told((0, None), (600, None)), []);
    }

    #[test]
    fn a_cap_of_nothing_and_the_largest_amounts_have_thresholds_too() {
        assert_eq!(told((0, Some(0)), (1, Some(0))).len(), 4);
        assert_eq!(told((0, Some(0)), (0, Some(0))), []);
        assert_eq!(told((i64::MAX, Some(i64::MAX)), (i64::MAX - 1, Some(i64::MAX))).len(), 1);
        assert_eq!(told((i64::MIN, Some(i64::MAX)), (i64::MAX, Some(1))).len(), 4);
    }
}
