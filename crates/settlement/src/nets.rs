//! Nets: what remains when what a party is owed is taken from what it owes.

use std::collections::BTreeMap;

use entente_ledger::{Currency, Micros, Overflow, PartnerId};

use crate::{Total, TotalKey, Totals};

/// A party in one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Party {
    /// A partner, or the hub.
    pub partner: PartnerId,
    /// The currency.
    pub currency: Currency,
}

/// What each party of a total pays in all; negative where it receives. The parties of a currency
/// come to zero, the hub counted.
pub type Nets = BTreeMap<Party, Micros>;

/// What remains between two parties.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BilateralNet {
    /// The currency.
    pub currency: Currency,
    /// Who pays.
    pub payer: PartnerId,
    /// Who receives.
    pub payee: PartnerId,
    /// How much, more than 0.
    pub amount: Micros,
}

/// The multilateral nets of rounded totals: what a closed window is settled by.
pub fn rounded_nets(totals: &Totals) -> Result<Nets, Overflow> {
    nets(totals, |total| total.rounded)
}

/// The multilateral nets of exact totals: what an open window comes to so far.
pub fn exact_nets(totals: &Totals) -> Result<Nets, Overflow> {
    nets(totals, |total| total.exact)
}

/// The bilateral nets of rounded totals, in order of their parties; pairs that are even are left
/// out. Those of one party add up to its multilateral net.
pub fn bilateral_nets(totals: &Totals) -> Result<Vec<BilateralNet>, Overflow> {
    let mut pairs = BTreeMap::<TotalKey, Micros>::new();
    for (key, total) in totals {
        let TotalKey { currency, payer, payee } = *key;
        let (pair, amount) = if payer < payee {
            (*key, total.rounded)
        } else {
            (TotalKey { currency, payer: payee, payee: payer }, total.rounded.negated()?)
        };
        add(&mut pairs, pair, amount)?;
    }
    let mut nets = Vec::new();
    for (TotalKey { currency, payer, payee }, amount) in pairs {
        if amount.is_positive() {
            nets.push(BilateralNet { currency, payer, payee, amount });
        } else if !amount.is_zero() {
            let (payer, payee, amount) = (payee, payer, amount.negated()?);
            nets.push(BilateralNet { currency, payer, payee, amount });
        }
    }
    Ok(nets)
}

fn nets(totals: &Totals, amount: impl Fn(&Total) -> Micros) -> Result<Nets, Overflow> {
    let mut nets = Nets::new();
    for (TotalKey { currency, payer, payee }, total) in totals {
        let (currency, amount) = (*currency, amount(total));
        add(&mut nets, Party { partner: *payer, currency }, amount)?;
        add(&mut nets, Party { partner: *payee, currency }, amount.negated()?)?;
    }
    Ok(nets)
}

fn add<K: Ord>(sums: &mut BTreeMap<K, Micros>, key: K, amount: Micros) -> Result<(), Overflow> {
    let sum = sums.entry(key).or_default();
    *sum = sum.plus(amount)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use entente_ledger::{AmountKind, Points, PositionAmount, PositionKey};

    use super::*;
    use crate::totals;

    const HARBOR: PartnerId = PartnerId(1);
    const ROVER: PartnerId = PartnerId(2);
    const GROCER: PartnerId = PartnerId(3);

    fn usd() -> Currency {
        "USD".parse().expect("ISO 4217")
    }

    fn unit(units: i64) -> Micros {
        Micros(units.checked_mul(1_000_000).expect("small"))
    }

    /// E4: who owes whom, in whole units.
    fn owed() -> Totals {
        let owed = [
            (HARBOR, ROVER, 40_000),
            (ROVER, HARBOR, 25_000),
            (ROVER, GROCER, 18_000),
            (GROCER, ROVER, 6_000),
            (GROCER, HARBOR, 9_000),
            (HARBOR, GROCER, 4_000),
        ];
        let positions = owed.map(|(payer, payee, units)| {
            let kind = AmountKind::Redemption;
            let key = PositionKey { currency: usd(), payer, payee, kind };
            (key, PositionAmount { points: Points::ZERO, micros: unit(units) })
        });
        totals(positions).expect("small")
    }

    #[test]
    fn between_two_parties_the_greater_side_pays_the_difference() {
        let nets = bilateral_nets(&owed()).expect("small");
        let nets: Vec<_> = nets.iter().map(|net| (net.payer, net.payee, net.amount)).collect();
        let expected = [
            (HARBOR, ROVER, unit(15_000)),
            (GROCER, HARBOR, unit(5_000)),
            (ROVER, GROCER, unit(12_000)),
        ];
        assert_eq!(nets, expected);
    }

    #[test]
    fn over_all_parties_each_pays_or_receives_once() {
        let nets = rounded_nets(&owed()).expect("small");
        let pays = |partner| nets[&Party { partner, currency: usd() }];
        assert_eq!(pays(HARBOR), unit(10_000));
        assert_eq!(pays(ROVER), unit(-3_000));
        assert_eq!(pays(GROCER), unit(-7_000));
    }

    #[test]
    fn even_pairs_have_no_bilateral_net() {
        let mut totals = owed();
        let back = TotalKey { currency: usd(), payer: ROVER, payee: HARBOR };
        totals.insert(back, Total { exact: unit(40_000), rounded: unit(40_000) });
        let nets = bilateral_nets(&totals).expect("small");
        assert!(nets.iter().all(|net| (net.payer, net.payee) != (HARBOR, ROVER)), "{nets:?}");
        assert_eq!(nets.len(), 2);
    }
}
