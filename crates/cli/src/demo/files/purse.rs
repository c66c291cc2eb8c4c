//! Whose points a member has: a second opinion on lots and debts, in points alone. All points live
//! equally long here and none long enough to expire, so the oldest are always burned first.

use std::collections::BTreeMap;

use entente_api::types::Balances;

use crate::demo::cast::Brand;

/// What became of a brand's points.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Credited.
    pub(crate) earned: i64,
    /// Taken back.
    pub(crate) reversed: i64,
    /// Burned, at whatever brand.
    pub(crate) burned: i64,
    /// Burned at this brand, whoever issued them.
    pub(crate) accepted: i64,
    /// Spent on members' debts, of which there are none without a reversal after a burn.
    pub(crate) repaid: i64,
    /// Taken back once, and in members' wallets again because the debt for them was repaid.
    pub(crate) reinstated: i64,
}

/// Every brand's.
pub(crate) type ByBrand = BTreeMap<Brand, Totals>;

/// A member's points, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Purse {
    lots: Vec<Lot>,
    debts: Vec<(Brand, i64)>,
}

#[derive(Clone, Debug)]
struct Lot {
    issuer: Brand,
    row: u64,
    points: i64,
}

impl Totals {
    /// Adds what happened in another time.
    pub(crate) fn add(&mut self, other: &Self) {
        self.earned += other.earned;
        self.reversed += other.reversed;
        self.burned += other.burned;
        self.accepted += other.accepted;
        self.repaid += other.repaid;
        self.reinstated += other.reinstated;
    }

    /// In members' wallets, less what members owe.
    pub(crate) fn outstanding(&self) -> i64 {
        self.earned - self.reversed + self.reinstated - self.burned - self.repaid
    }
}

impl Purse {
    /// As the hub answers it.
    pub(crate) fn balances(&self) -> Balances {
        let debt = self.debts.iter().map(|(_, points)| points).sum();
        Balances { available: self.available(), held: 0, debt }
    }

    /// What can be burned.
    pub(crate) fn available(&self) -> i64 {
        self.lots.iter().map(|lot| lot.points).sum()
    }

    /// A row earns.
    pub(crate) fn earn(&mut self, issuer: Brand, row: u64, points: i64, totals: &mut ByBrand) {
        totals.entry(issuer).or_default().earned += points;
        self.lots.push(Lot { issuer, row, points });
        self.repay(totals);
    }

    /// What a row earned is taken back: from its own lot, then from the brand's other lots; the rest
    /// is owed.
    pub(crate) fn reverse(&mut self, issuer: Brand, row: u64, points: i64, totals: &mut ByBrand) {
        totals.entry(issuer).or_default().reversed += points;
        let own = self.lots.iter_mut().filter(|lot| (lot.issuer, lot.row) == (issuer, row));
        let mut rest = take(own, points, |_, _| {});
        rest = take(self.lots.iter_mut().filter(|lot| lot.issuer == issuer), rest, |_, _| {});
        if rest > 0 {
            self.debts.push((issuer, rest));
            self.repay(totals);
        }
        self.forget_empty();
    }

    /// Points are burned; the caller knows that they are there.
    pub(crate) fn burn(&mut self, at: Brand, points: i64, totals: &mut ByBrand) {
        totals.entry(at).or_default().accepted += points;
        take(self.lots.iter_mut(), points, |issuer, taken| {
            totals.entry(issuer).or_default().burned += taken;
        });
        self.forget_empty();
    }

    /// Whatever there is repays debts, oldest first.
    fn repay(&mut self, totals: &mut ByBrand) {
        for (creditor, debt) in &mut self.debts {
            let mut repaid = 0;
            *debt = take(self.lots.iter_mut(), *debt, |issuer, taken| {
                totals.entry(issuer).or_default().repaid += taken;
                repaid += taken;
            });
            totals.entry(*creditor).or_default().reinstated += repaid;
        }
        self.debts.retain(|(_, debt)| *debt > 0);
        self.forget_empty();
    }

    fn forget_empty(&mut self) {
        self.lots.retain(|lot| lot.points > 0);
    }
}

/// Takes points out of lots, in order; answers how many were not there.
fn take<'a>(
    lots: impl Iterator<Item = &'a mut Lot>,
    points: i64,
    mut each: impl FnMut(Brand, i64),
) -> i64 {
    let mut rest = points;
    for lot in lots {
        let taken = lot.points.min(rest);
        lot.points -= taken;
        rest -= taken;
        each(lot.issuer, taken);
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_points_are_burned_first_whoever_issued_them() {
        let (mut purse, mut totals) = (Purse::default(), ByBrand::new());
        purse.earn(Brand::Harbor, 1, 100, &mut totals);
        purse.earn(Brand::Rover, 1, 50, &mut totals);
        purse.earn(Brand::Harbor, 2, 30, &mut totals);
        purse.burn(Brand::Rover, 120, &mut totals);
        assert_eq!(purse.balances(), Balances { available: 60, held: 0, debt: 0 });
        let (harbor, rover) = (totals[&Brand::Harbor], totals[&Brand::Rover]);
        assert_eq!((harbor.burned, rover.burned, rover.accepted), (100, 20, 120));
        assert_eq!((harbor.outstanding(), rover.outstanding()), (30, 30));
    }

    #[test]
    fn a_reversal_takes_the_brands_other_points_before_it_becomes_a_debt() {
        let (mut purse, mut totals) = (Purse::default(), ByBrand::new());
        purse.earn(Brand::Harbor, 1, 100, &mut totals);
        purse.earn(Brand::Harbor, 2, 40, &mut totals);
        purse.burn(Brand::Rover, 90, &mut totals);
        // 10 of its own and 40 of the other booking; Rover's are spared until it is owed.
        purse.reverse(Brand::Harbor, 1, 100, &mut totals);
        assert_eq!(purse.balances(), Balances { available: 0, held: 0, debt: 50 });
        assert_eq!(totals[&Brand::Harbor].outstanding(), -50);
        purse.earn(Brand::Rover, 1, 70, &mut totals);
        assert_eq!(purse.balances(), Balances { available: 20, held: 0, debt: 0 });
        let (harbor, rover) = (totals[&Brand::Harbor], totals[&Brand::Rover]);
        assert_eq!((rover.repaid, harbor.reinstated), (50, 50));
        assert_eq!((harbor.outstanding(), rover.outstanding()), (0, 20));
    }
}
