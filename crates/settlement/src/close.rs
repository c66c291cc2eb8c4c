//! What closing a window comes to: totals, obligations, and the remainders that rounding leaves.

use entente_ledger::{
    Account, AmountKind, InvalidTransfer, Micros, Overflow, PartnerId, PositionAmount, PositionKey,
    Transfer,
};

use crate::{Nets, Party, Totals, exact_nets, rounded_nets, totals};

/// A payment that settles a window: one per partner and currency, to or from the hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Obligation {
    /// The partner and the currency.
    pub party: Party,
    /// Positive: the partner pays the hub; negative: it receives. Never 0.
    pub net: Micros,
}

/// What a window comes to when it closes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    /// Gross totals, each rounded once.
    pub totals: Totals,
    /// What each party comes to before rounding.
    pub exact: Nets,
    /// What each party pays or receives.
    pub nets: Nets,
    /// How each partner settles it.
    pub obligations: Vec<Obligation>,
    /// Each partner's remainders of rounding against the rounding account, one transfer per partner
    /// and currency. With them, what the window did to a partner's clearing account is its net.
    pub remainders: Vec<Transfer>,
}

/// Closes a window by its positions. They may come in parts, one per cell.
pub fn close(
    positions: impl IntoIterator<Item = (PositionKey, PositionAmount)>,
) -> Result<Closing, Overflow> {
    let totals = totals(positions)?;
    let (exact, nets) = (exact_nets(&totals)?, rounded_nets(&totals)?);
    let mut obligations = Vec::new();
    let mut remainders = Vec::new();
    for (party, net) in nets.iter().filter(|(party, _)| party.partner != PartnerId::HUB) {
        if !net.is_zero() {
            obligations.push(Obligation { party: *party, net: *net });
        }
        let before = exact.get(party).copied().unwrap_or_default();
        remainders.extend(remainder(*party, net.minus(before)?)?);
    }
    Ok(Closing { totals, exact, nets, obligations, remainders })
}

/// Moves what rounding adds to what a partner owes, or takes from it; none when it is nothing.
fn remainder(party: Party, added: Micros) -> Result<Option<Transfer>, Overflow> {
    let clearing = Account::Clearing(party.partner);
    let (accounts, amount) = if added.is_positive() {
        ((clearing, Account::Rounding), added)
    } else {
        ((Account::Rounding, clearing), added.negated()?)
    };
    match Transfer::money(AmountKind::Rounding, accounts, amount, party.currency) {
        Ok(transfer) => Ok(Some(transfer)),
        Err(InvalidTransfer::NotPositive) => Ok(None),
        // Two accounts that both hold money are always a transfer.
        Err(InvalidTransfer::SameAccount | InvalidTransfer::WrongUnit) => Err(Overflow),
    }
}

#[cfg(test)]
mod tests {
    use entente_ledger::{Currency, Points};

    use super::*;

    const HUB: PartnerId = PartnerId::HUB;
    const HARBOR: PartnerId = PartnerId(1);
    const ROVER: PartnerId = PartnerId(2);
    const GROCER: PartnerId = PartnerId(3);

    fn currency(code: &str) -> Currency {
        code.parse().expect("ISO 4217")
    }

    /// Points at a price in micros.
    fn owed(
        (payer, payee): (PartnerId, PartnerId),
        kind: AmountKind,
        (points, price): (i64, i64),
    ) -> (PositionKey, PositionAmount) {
        let key = PositionKey { currency: currency("USD"), payer, payee, kind };
        let micros = Points(points).at(Micros(price)).expect("small");
        (key, PositionAmount { points: Points(points), micros })
    }

    fn nets(closing: &Closing, code: &str) -> Vec<(PartnerId, i64)> {
        let of = |party: &&Party| party.currency == currency(code);
        closing.nets.keys().filter(of).map(|party| (party.partner, closing.nets[party].0)).collect()
    }

    #[test]
    fn settlement_at_issue_goes_through_the_pool() {
        use AmountKind::{Issue, Redemption};
        let closing = close([
            owed((HARBOR, HUB), Issue, (120_000, 10_000)),
            owed((ROVER, HUB), Issue, (80_000, 12_000)),
            owed((GROCER, HUB), Issue, (50_000, 11_000)),
            owed((HUB, HARBOR), Redemption, (60_000, 7_000)),
            owed((HUB, ROVER), Redemption, (20_000, 6_500)),
            owed((HUB, GROCER), Redemption, (40_000, 7_200)),
        ]);
        let closing = closing.expect("small");
        let expected = [
            (HUB, -1_872_000_000),
            (HARBOR, 780_000_000),
            (ROVER, 830_000_000),
            (GROCER, 262_000_000),
        ];
        assert_eq!(nets(&closing, "USD"), expected);
        assert!(closing.remainders.is_empty());
        assert_eq!(closing.obligations.len(), 3);
    }

    #[test]
    fn settlement_at_redemption_goes_from_issuer_to_redeemer() {
        use AmountKind::{Fee, Redemption};
        let fee = |payer, micros| owed((payer, HUB), Fee, (1, micros));
        let closing = close([
            owed((HARBOR, ROVER), Redemption, (5_000, 8_000)),
            owed((ROVER, ROVER), Redemption, (1_500, 8_000)),
            fee(HARBOR, 800_000),
            fee(ROVER, 240_000),
        ]);
        let closing = closing.expect("small");
        let expected = [(HUB, -1_040_000), (HARBOR, 40_800_000), (ROVER, -39_760_000)];
        assert_eq!(nets(&closing, "USD"), expected);
    }

    #[test]
    fn each_partner_of_a_rounded_total_posts_its_remainder() {
        let closing = close([
            owed((HARBOR, ROVER), AmountKind::Redemption, (1, 8_000)),
            owed((GROCER, HUB), AmountKind::Fee, (1, 4_999)),
        ]);
        let closing = closing.expect("small");
        assert_eq!(
            nets(&closing, "USD"),
            [(HUB, 0), (HARBOR, 10_000), (ROVER, -10_000), (GROCER, 0)]
        );
        let moved: Vec<_> =
            closing.remainders.iter().map(|t| (t.debit(), t.credit(), t.amount())).collect();
        let expected = [
            (Account::Clearing(HARBOR), Account::Rounding, 2_000),
            (Account::Rounding, Account::Clearing(ROVER), 2_000),
            (Account::Rounding, Account::Clearing(GROCER), 4_999),
        ];
        assert_eq!(moved, expected);
        let owing: Vec<_> = closing.obligations.iter().map(|o| o.party.partner).collect();
        assert_eq!(owing, [HARBOR, ROVER], "a net of 0 obliges nobody");
    }
}
