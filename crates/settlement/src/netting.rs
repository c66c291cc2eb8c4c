//! Who pays whom for a closed window: gross, bilaterally or over the hub, as a coalition has chosen.

use std::collections::BTreeMap;

use entente_ledger::{Currency, Micros, Overflow, PartnerId};

use crate::{Party, Totals, bilateral_nets, rounded_nets};

/// How a coalition settles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Netting {
    /// Each gross total is paid.
    Gross,
    /// Between two parties, whoever owes more pays the difference.
    Bilateral,
    /// Each partner pays the hub what it owes in all, or receives it from the hub.
    Multilateral,
}

/// What one party pays another for a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owed {
    /// The currency; nothing is ever netted across two.
    pub currency: Currency,
    /// Who pays.
    pub payer: PartnerId,
    /// Who receives.
    pub payee: PartnerId,
    /// How much, more than 0, and as it can be paid.
    pub amount: Micros,
}

/// What is owed for a window with these totals, in order of currency, payer and payee. However it is
/// netted, it comes to the same for each party.
pub fn owed(totals: &Totals, netting: Netting) -> Result<Vec<Owed>, Overflow> {
    let mut owed = match netting {
        Netting::Gross => gross(totals),
        Netting::Bilateral => bilateral(totals)?,
        Netting::Multilateral => multilateral(totals)?,
    };
    owed.sort_unstable();
    Ok(owed)
}

/// What each party pays in all; negative where it receives. Parties that come to nothing are left out.
pub fn comes_to(owed: &[Owed]) -> Result<BTreeMap<Party, Micros>, Overflow> {
    let mut sums = BTreeMap::<Party, Micros>::new();
    for Owed { currency, payer, payee, amount } in owed.iter().copied() {
        for (partner, amount) in [(payer, amount), (payee, amount.negated()?)] {
            let sum = sums.entry(Party { partner, currency }).or_default();
            *sum = sum.plus(amount)?;
        }
    }
    sums.retain(|_, sum| !sum.is_zero());
    Ok(sums)
}

fn gross(totals: &Totals) -> Vec<Owed> {
    let all = totals.iter().map(|(key, total)| Owed {
        currency: key.currency,
        payer: key.payer,
        payee: key.payee,
        amount: total.rounded,
    });
    all.filter(|owed| owed.amount.is_positive()).collect()
}

fn bilateral(totals: &Totals) -> Result<Vec<Owed>, Overflow> {
    let nets = bilateral_nets(totals)?.into_iter().map(|net| Owed {
        currency: net.currency,
        payer: net.payer,
        payee: net.payee,
        amount: net.amount,
    });
    Ok(nets.collect())
}

fn multilateral(totals: &Totals) -> Result<Vec<Owed>, Overflow> {
    let mut owed = Vec::new();
    for (Party { partner, currency }, net) in rounded_nets(totals)? {
        if partner == PartnerId::HUB || net.is_zero() {
            continue;
        }
        let (payer, payee, amount) = if net.is_positive() {
            (partner, PartnerId::HUB, net)
        } else {
            (PartnerId::HUB, partner, net.negated()?)
        };
        owed.push(Owed { currency, payer, payee, amount });
    }
    Ok(owed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Total, TotalKey, close, properties::positions};

    const HARBOR: PartnerId = PartnerId(1);
    const ROVER: PartnerId = PartnerId(2);
    const GROCER: PartnerId = PartnerId(3);

    fn totals(owed: &[(PartnerId, PartnerId, i64)]) -> Totals {
        let currency = "USD".parse().expect("ISO 4217");
        let total = |(payer, payee, units): &(PartnerId, PartnerId, i64)| {
            let amount = Micros(units.checked_mul(1_000_000).expect("small"));
            let key = TotalKey { currency, payer: *payer, payee: *payee };
            (key, Total { exact: amount, rounded: amount })
        };
        owed.iter().map(total).collect()
    }

    fn units(owed: &[Owed]) -> Vec<(PartnerId, PartnerId, i64)> {
        let units = |micros: Micros| micros.0.checked_div(1_000_000).expect("not zero");
        owed.iter().map(|owed| (owed.payer, owed.payee, units(owed.amount))).collect()
    }

    #[test]
    fn one_window_is_settled_in_three_ways() {
        let gross = [
            (HARBOR, ROVER, 40_000),
            (HARBOR, GROCER, 4_000),
            (ROVER, HARBOR, 25_000),
            (ROVER, GROCER, 18_000),
            (GROCER, HARBOR, 9_000),
            (GROCER, ROVER, 6_000),
        ];
        let bilateral = [(HARBOR, ROVER, 15_000), (ROVER, GROCER, 12_000), (GROCER, HARBOR, 5_000)];
        let hub = PartnerId::HUB;
        let multilateral = [(hub, ROVER, 3_000), (hub, GROCER, 7_000), (HARBOR, hub, 10_000)];
        for (netting, expected) in [
            (Netting::Gross, gross.as_slice()),
            (Netting::Bilateral, &bilateral),
            (Netting::Multilateral, &multilateral),
        ] {
            assert_eq!(
                units(&owed(&totals(&gross), netting).expect("small")),
                expected,
                "{netting:?}"
            );
        }
    }

    proptest! {
        /// `PROPTEST_CASES` sets how many windows.
        #[test]
        fn however_it_is_netted_each_party_pays_the_same_and_all_come_to_zero(
            positions in positions(),
        ) {
            let closing = close(positions).expect("small");
            let mut nets = closing.nets.clone();
            nets.retain(|_, net| !net.is_zero());
            for netting in [Netting::Gross, Netting::Bilateral, Netting::Multilateral] {
                let owed = owed(&closing.totals, netting).expect("small");
                let sums = comes_to(&owed).expect("small");
                let zero: i64 = sums.values().map(|sum| sum.0).sum();
                prop_assert_eq!(zero, 0);
                prop_assert_eq!(&sums, &nets, "{:?}", netting);
                for owed in &owed {
                    prop_assert!(owed.amount.is_positive() && owed.payer != owed.payee);
                    prop_assert_eq!(owed.currency.rounded(owed.amount), Ok(owed.amount));
                }
                let mut pairs: Vec<_> = owed.iter().map(|o| (o.currency, o.payer, o.payee)).collect();
                pairs.dedup();
                prop_assert_eq!(pairs.len(), owed.len(), "one payment for each pair");
            }
        }
    }
}
