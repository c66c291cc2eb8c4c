//! What holds of any window, whatever happened in it.

use std::collections::{BTreeMap, BTreeSet};

use entente_ledger::{
    Account, AmountKind, Currency, Micros, PartnerId, Points, PositionAmount, PositionKey,
};
use proptest::prelude::*;

use crate::{Closing, Party, bilateral_nets, close};

fn currencies() -> impl Strategy<Value = Currency> {
    prop::sample::select(vec!["EUR", "USD", "JPY", "KWD"])
        .prop_map(|code| code.parse().expect("ISO 4217"))
}

fn kinds() -> impl Strategy<Value = AmountKind> {
    use AmountKind::{DebtRepaid, Fee, FeeRefunded, Issue, IssueCancelled, Redemption};
    prop::sample::select(vec![Issue, IssueCancelled, Redemption, Fee, FeeRefunded, DebtRepaid])
}

/// The hub and five partners; a position of a partner with itself is a memo.
pub(crate) fn positions() -> impl Strategy<Value = Vec<(PositionKey, PositionAmount)>> {
    let position = (currencies(), 0..6_i32, 0..6_i32, kinds(), 0..40_000_000_000_i64).prop_map(
        |(currency, payer, payee, kind, micros)| {
            let (payer, payee) = (PartnerId(payer), PartnerId(payee));
            let amount = PositionAmount { points: Points(1), micros: Micros(micros) };
            (PositionKey { currency, payer, payee, kind }, amount)
        },
    );
    prop::collection::vec(position, 0..60)
}

fn sum(amounts: impl Iterator<Item = Micros>) -> i64 {
    amounts.map(|micros| micros.0).fold(0, |sum, micros| sum.checked_add(micros).expect("small"))
}

/// What the window did to a partner's clearing account, the remainders counted: debits less credits.
fn cleared(positions: &[(PositionKey, PositionAmount)], closing: &Closing, party: Party) -> i64 {
    let Party { partner, currency } = party;
    let (mut debits, mut credits) = (Vec::new(), Vec::new());
    for (key, amount) in positions.iter().filter(|(key, _)| key.currency == currency) {
        if key.payer == partner && key.payee != partner {
            debits.push(amount.micros);
        }
        if key.payee == partner && key.payer != partner {
            credits.push(amount.micros);
        }
    }
    for transfer in closing.remainders.iter().filter(|transfer| transfer.currency == currency) {
        if transfer.debit() == Account::Clearing(partner) {
            debits.push(Micros(transfer.amount()));
        }
        if transfer.credit() == Account::Clearing(partner) {
            credits.push(Micros(transfer.amount()));
        }
    }
    sum(debits.into_iter()).checked_sub(sum(credits.into_iter())).expect("small")
}

proptest! {
    #[test]
    fn the_nets_of_a_window_sum_to_zero_in_every_currency(positions in positions()) {
        let closing = close(positions).expect("small");
        for nets in [&closing.nets, &closing.exact] {
            let currencies: BTreeSet<_> = nets.keys().map(|party| party.currency).collect();
            for currency in currencies {
                let of = nets.iter().filter(|(party, _)| party.currency == currency);
                prop_assert_eq!(sum(of.map(|(_, net)| *net)), 0, "{}", currency);
            }
        }
    }

    #[test]
    fn the_bilateral_nets_of_a_party_add_up_to_its_multilateral_net(positions in positions()) {
        let closing = close(positions).expect("small");
        let mut added: BTreeMap<Party, Vec<Micros>> = BTreeMap::new();
        for net in bilateral_nets(&closing.totals).expect("small") {
            let party = |partner| Party { partner, currency: net.currency };
            added.entry(party(net.payer)).or_default().push(net.amount);
            let received = net.amount.negated().expect("small");
            added.entry(party(net.payee)).or_default().push(received);
        }
        for (party, net) in &closing.nets {
            let bilateral = added.get(party).cloned().unwrap_or_default();
            prop_assert_eq!(sum(bilateral.into_iter()), net.0, "{:?}", party);
        }
    }

    #[test]
    fn remainders_bring_each_clearing_account_to_its_rounded_net(positions in positions()) {
        let closing = close(positions.clone()).expect("small");
        for partner in 1..6 {
            for code in ["EUR", "USD", "JPY", "KWD"] {
                let currency: Currency = code.parse().expect("ISO 4217");
                let party = Party { partner: PartnerId(partner), currency };
                let net = closing.nets.get(&party).copied().unwrap_or_default();
                prop_assert_eq!(cleared(&positions, &closing, party), net.0, "{:?}", party);
                prop_assert_eq!(currency.rounded(net), Ok(net), "what is paid can be paid");
            }
        }
    }

    #[test]
    fn obligations_are_what_partners_pay_and_receive(positions in positions()) {
        let closing = close(positions).expect("small");
        let mut owed = closing.nets.clone();
        owed.retain(|party, net| party.partner != PartnerId::HUB && !net.is_zero());
        let obligations: BTreeMap<_, _> =
            closing.obligations.iter().map(|o| (o.party, o.net)).collect();
        prop_assert_eq!(obligations, owed);
    }
}
