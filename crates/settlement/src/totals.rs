//! Totals: what one party owes another in one currency, over all kinds, each rounded once.

use std::collections::BTreeMap;

use entente_ledger::{
    AmountKind, Currency, Micros, Overflow, PartnerId, PositionAmount, PositionKey,
};

/// Between whom, in which currency. Pool and fee are one party here, the hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TotalKey {
    /// The currency.
    pub currency: Currency,
    /// Who owes it.
    pub payer: PartnerId,
    /// Who is owed it; never the payer.
    pub payee: PartnerId,
}

/// A gross total.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Total {
    /// The sum of the positions.
    pub exact: Micros,
    /// What can be paid of it: rounded to the currency, half away from zero.
    pub rounded: Micros,
}

/// The gross totals of a window.
pub type Totals = BTreeMap<TotalKey, Total>;

/// Whether a position counts in a total. Memos do not: nobody owes itself. Nor does what a close
/// books itself, nor a payment, which settles an earlier window.
#[must_use]
pub fn counts(key: &PositionKey) -> bool {
    key.payer != key.payee && !matches!(key.kind, AmountKind::Rounding | AmountKind::Payment)
}

/// The totals of a window's positions. A position may come in parts, one per cell. Between two
/// parties both directions are totals of their own: a reversal adds to the opposite one.
pub fn totals(
    positions: impl IntoIterator<Item = (PositionKey, PositionAmount)>,
) -> Result<Totals, Overflow> {
    let mut totals = Totals::new();
    for (key, amount) in positions {
        if counts(&key) && !amount.micros.is_zero() {
            let PositionKey { currency, payer, payee, .. } = key;
            let total = totals.entry(TotalKey { currency, payer, payee }).or_default();
            total.exact = total.exact.plus(amount.micros)?;
        }
    }
    for (key, total) in &mut totals {
        total.rounded = key.currency.rounded(total.exact)?;
    }
    Ok(totals)
}

#[cfg(test)]
mod tests {
    use entente_ledger::Points;

    use super::*;

    const HARBOR: PartnerId = PartnerId(1);
    const ROVER: PartnerId = PartnerId(2);

    fn currency(code: &str) -> Currency {
        code.parse().expect("ISO 4217")
    }

    fn part(
        code: &str,
        (payer, payee): (PartnerId, PartnerId),
        kind: AmountKind,
        micros: i64,
    ) -> (PositionKey, PositionAmount) {
        let key = PositionKey { currency: currency(code), payer, payee, kind };
        (key, PositionAmount { points: Points(1), micros: Micros(micros) })
    }

    #[test]
    fn a_total_is_rounded_once_and_not_its_parts() {
        use AmountKind::{DebtRepaid, Redemption};
        let pair = (HARBOR, ROVER);
        for (code, parts, rounded) in [
            ("USD", [4_000, 4_000], 10_000),
            ("USD", [2_000, 2_000], 0),
            ("USD", [2_500, 2_500], 10_000),
            ("JPY", [499_999, 0], 0),
            ("JPY", [250_000, 250_000], 1_000_000),
            ("KWD", [200, 299], 0),
            ("KWD", [200, 300], 1_000),
        ] {
            let [first, second] = parts;
            let positions =
                [part(code, pair, Redemption, first), part(code, pair, DebtRepaid, second)];
            let totals = totals(positions).expect("small");
            let key = TotalKey { currency: currency(code), payer: HARBOR, payee: ROVER };
            let exact = Micros(first).plus(Micros(second)).expect("small");
            let total = Total { exact, rounded: Micros(rounded) };
            assert_eq!(totals, Totals::from([(key, total)]), "{code} {parts:?}");
        }
    }

    #[test]
    fn both_directions_are_totals_of_their_own() {
        let positions = [
            part("USD", (HARBOR, ROVER), AmountKind::Redemption, 5_000),
            part("USD", (ROVER, HARBOR), AmountKind::RedemptionRefunded, 4_999),
        ];
        let totals = totals(positions).expect("small");
        let rounded: Vec<_> = totals.values().map(|total| total.rounded.0).collect();
        assert_eq!(rounded, [10_000, 0]);
    }

    #[test]
    fn memos_rounding_and_payments_are_in_no_total() {
        let positions = [
            part("USD", (ROVER, ROVER), AmountKind::Redemption, 12_000_000),
            part("USD", (PartnerId::HUB, PartnerId::HUB), AmountKind::Fee, 7),
            part("USD", (HARBOR, PartnerId::HUB), AmountKind::Rounding, 7),
            part("USD", (PartnerId::HUB, HARBOR), AmountKind::Payment, 7),
            part("USD", (HARBOR, PartnerId::HUB), AmountKind::Expired, 0),
        ];
        assert_eq!(totals(positions), Ok(Totals::new()));
    }
}
