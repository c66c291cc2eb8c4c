//! What closing a window settles, and what it leaves.

use entente_ledger::{AmountKind, Funding, Micros, PartnerId};
use entente_loyalty::Agreement;
use entente_settlement::Party;
use entente_store::settlement::{WindowChoice, computed_exposures, list_windows, position};

use crate::cast::{GROCER, HARBOR, Ledger, ROVER, agreement, busy, close_window, currency, uneven};

fn party(partner: PartnerId, code: &str) -> Party {
    Party { partner, currency: currency(code) }
}

/// E3: everything is settled at redemption, and the member's oldest points are Harbor's.
#[tokio::test]
async fn issuers_pay_the_redeemer_and_the_fee_in_its_currency() {
    let rover = agreement("USD", Funding::AtRedemption);
    let ledger = Ledger::with([
        agreement("EUR", Funding::AtRedemption),
        Agreement { reimbursement: Micros(8_000), hub_fee_basis_points: 200, ..rover },
        agreement("USD", Funding::AtRedemption),
    ])
    .await;
    let member = ledger.member(1).await;
    ledger.earn(HARBOR, member, 5_000).await;
    ledger.earn(ROVER, member, 3_000).await;
    ledger.earn(GROCER, member, 2_000).await;
    let authorized = ledger.authorize(ROVER, member, 6_500).await;
    let pool = &ledger.pool;
    let reserved = computed_exposures(pool, None).await.expect("exposures");
    assert_eq!(reserved[&party(HARBOR, "USD")], Micros(40_800_000));
    assert_eq!(reserved[&party(ROVER, "USD")], Micros(240_000));
    ledger.capture(&authorized, 6_500).await;
    let closed = close_window(pool, "2026-03").await.expect("a close");
    let net = |partner| closed.nets[&party(partner, "USD")];
    assert_eq!(net(HARBOR), Micros(40_800_000));
    assert_eq!(net(ROVER), Micros(-39_760_000));
    assert_eq!(net(PartnerId::HUB), Micros(-1_040_000));
}

#[tokio::test]
async fn a_name_that_is_closed_answers_its_totals_again() {
    let ledger = Ledger::with(uneven()).await;
    busy(&ledger).await;
    let pool = &ledger.pool;
    let first = close_window(pool, "2026-03").await.expect("a close");
    let again = close_window(pool, "2026-03").await.expect("a close");
    assert!(first.done.is_some() && again.done.is_none());
    assert_eq!((first.window, first.nets), (again.window, again.nets));
    let windows = list_windows(pool, false, None, 10).await.expect("windows");
    let names: Vec<_> = windows.iter().map(|window| window.name.as_deref()).collect();
    assert_eq!(names, [None, Some("2026-03")]);
}

#[tokio::test]
async fn twenty_closes_at_once_close_one_window() {
    let ledger = Ledger::with(uneven()).await;
    busy(&ledger).await;
    let closes: Vec<_> = (0..20)
        .map(|_| {
            let pool = ledger.pool.clone();
            tokio::spawn(async move { close_window(&pool, "2026-03").await })
        })
        .collect();
    let mut first = 0;
    for close in closes {
        let closed = close.await.expect("a task").expect("a close");
        first += u32::from(closed.done.is_some());
    }
    assert_eq!(first, 1);
}

#[tokio::test]
async fn rounded_nets_sum_to_zero_and_what_rounding_moved_is_in_the_window() {
    let ledger = Ledger::with(uneven()).await;
    busy(&ledger).await;
    let pool = &ledger.pool;
    let open = position(pool, &WindowChoice::Open, None).await.expect("read").expect("a window");
    let closed = close_window(pool, "2026-03").await.expect("a close");
    for code in ["EUR", "USD"] {
        let of = |party: &&Party| party.currency == currency(code);
        let sum: i64 = closed.nets.keys().filter(of).map(|party| closed.nets[party].0).sum();
        assert_eq!(sum, 0, "{code}");
    }
    let choice = WindowChoice::Closed("2026-03".to_owned());
    let after = position(pool, &choice, None).await.expect("read").expect("a window");
    assert_eq!(after.nets, closed.nets);
    let mut gross = after.gross.clone();
    gross.retain(|key, _| key.kind != AmountKind::Rounding);
    assert_eq!(gross, open.gross, "nothing else moved");
    for (party, net) in closed.nets.iter().filter(|(party, _)| party.partner != PartnerId::HUB) {
        let rounding: i64 = after
            .gross
            .iter()
            .filter(|(key, _)| key.kind == AmountKind::Rounding && key.currency == party.currency)
            .map(|(key, amount)| match party.partner {
                partner if partner == key.payer => amount.micros.0,
                partner if partner == key.payee => -amount.micros.0,
                _ => 0,
            })
            .sum();
        assert_eq!(open.nets[party].0 + rounding, net.0, "{party:?}");
    }
}

#[tokio::test]
async fn a_partner_sees_its_own_side_alone() {
    let ledger = Ledger::with(uneven()).await;
    busy(&ledger).await;
    let own = position(&ledger.pool, &WindowChoice::Open, Some(ROVER)).await.expect("read");
    let own = own.expect("a window");
    assert!(own.gross.keys().all(|key| key.payer == ROVER || key.payee == ROVER));
    assert!(!own.nets.is_empty() && own.nets.keys().all(|party| party.partner == ROVER));
    assert!(own.exposures.keys().all(|party| party.partner == ROVER));
    let all = position(&ledger.pool, &WindowChoice::Open, None).await.expect("read");
    let all = all.expect("a window");
    for (party, net) in &own.nets {
        assert_eq!(all.nets[party], *net, "the same as operators see");
    }
}

#[tokio::test]
async fn an_unknown_window_has_no_position() {
    let ledger = Ledger::with(uneven()).await;
    let choice = WindowChoice::Closed("1999-12".to_owned());
    assert_eq!(position(&ledger.pool, &choice, None).await.expect("read"), None);
}
