//! Control totals of one side, and what a break adds to the difference of both.

use std::collections::BTreeMap;

use entente_ledger::{Currency, Micros, Overflow, Points};

use crate::Money;

/// What one side comes to.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct ControlTotals {
    /// How many operations or lines; refused ones and those of other windows are not counted.
    pub count: u64,
    /// How many rows could not be read; what they say is in no sum.
    pub unreadable: u64,
    /// The points of all.
    pub points: Points,
    /// The money of all; a currency that comes to nothing is left out.
    pub money: BTreeMap<Currency, Micros>,
}

impl ControlTotals {
    /// Counts one, with its amounts.
    pub(super) fn count(&mut self, (points, money): (Points, Money)) -> Result<(), Overflow> {
        self.count = self.count.checked_add(1).ok_or(Overflow)?;
        self.points = self.points.plus(points)?;
        add(&mut self.money, money)
    }

    /// These less the others: what there is to explain. Counts are not part of it.
    pub fn minus(&self, other: &Self) -> Result<Self, Overflow> {
        let mut rest = Self { points: self.points.minus(other.points)?, ..Self::default() };
        rest.money.clone_from(&self.money);
        for (currency, micros) in &other.money {
            add(&mut rest.money, Money { currency: *currency, micros: micros.negated()? })?;
        }
        Ok(rest)
    }

    /// Adds what a break explains.
    pub(super) fn add(&mut self, delta: &Delta) -> Result<(), Overflow> {
        self.count = self.count.checked_add(1).ok_or(Overflow)?;
        self.points = self.points.plus(delta.points)?;
        delta.money().try_for_each(|money| add(&mut self.money, money))
    }

    /// Whether the amounts are the same.
    pub(super) fn comes_to(&self, other: &Self) -> bool {
        self.points == other.points && self.money == other.money
    }
}

/// The hub's amounts less the partner's, of one break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delta {
    /// The points.
    pub points: Points,
    money: [Money; 2],
}

impl Delta {
    /// The hub's amounts less the partner's.
    pub(super) fn between(
        (hub_points, hub): (Points, Money),
        (line_points, line): (Points, Money),
    ) -> Result<Self, Overflow> {
        let points = hub_points.minus(line_points)?;
        let money = if hub.currency == line.currency {
            let micros = hub.micros.minus(line.micros)?;
            [Money { micros, ..hub }, Money::nothing(hub.currency)]
        } else {
            [hub, Money { micros: line.micros.negated()?, ..line }]
        };
        Ok(Self { points, money })
    }

    /// The money in each currency; none where it is nothing.
    pub fn money(&self) -> impl Iterator<Item = Money> + use<> {
        self.money.into_iter().filter(|money| !money.micros.is_zero())
    }

    /// Whether it explains nothing.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.points.is_zero() && self.money().next().is_none()
    }

    /// With the amounts of a further operation of the hub. `None` where a third currency comes in.
    pub(super) fn with(&self, points: Points, more: Money) -> Result<Option<Self>, Overflow> {
        let mut sum = Self { points: self.points.plus(points)?, ..*self };
        for money in &mut sum.money {
            if money.currency == more.currency || money.micros.is_zero() {
                let micros = money.micros.plus(more.micros)?;
                *money = Money { micros, ..more };
                return Ok(Some(sum));
            }
        }
        Ok(None)
    }
}

fn add(sums: &mut BTreeMap<Currency, Micros>, money: Money) -> Result<(), Overflow> {
    if money.micros.is_zero() {
        return Ok(());
    }
    let sum = sums.entry(money.currency).or_default();
    *sum = sum.plus(money.micros)?;
    if sum.is_zero() {
        sums.remove(&money.currency);
    }
    Ok(())
}
