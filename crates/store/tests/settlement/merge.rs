//! Merges as rows: what was loaded and written is what a later command finds, and the check finds
//! nothing, whatever was merged and taken back.

use entente_ledger::{MemberId, Micros, Points};
use entente_loyalty::{Refusal, ReversePart};
use entente_store::check;

use super::check::offenders;
use crate::cast::{GROCER, HARBOR, Ledger, ROVER, close_window, currency, uneven};

/// The guest, whom Harbor knows, with 1,000 points of Harbor, and the rider, whom Rover knows, with
/// 300 of Rover and as many of Grocer.
async fn ledger() -> (Ledger, MemberId, MemberId) {
    let ledger = Ledger::with(uneven()).await;
    let guest = ledger.known_at(1, &[HARBOR]).await;
    let rider = ledger.known_at(2, &[ROVER, GROCER]).await;
    ledger.earn(ROVER, rider, 300).await;
    ledger.earn(GROCER, rider, 300).await;
    (ledger, guest, rider)
}

/// Who knows a member, and by which links.
async fn links(ledger: &Ledger, member: MemberId) -> Vec<i32> {
    let links = "SELECT partner_id FROM links WHERE member_id = $1 ORDER BY partner_id";
    sqlx::query_scalar(links).bind(member.0).fetch_all(&ledger.pool).await.expect("links")
}

async fn clean(ledger: &Ledger) {
    let verdicts = check::run(&ledger.pool).await.expect("a check");
    assert_eq!(offenders(&verdicts), Vec::<String>::new());
}

#[tokio::test]
async fn what_a_merge_brought_is_followed_and_goes_back() {
    let (ledger, guest, rider) = ledger().await;
    let stay = ledger.earn(HARBOR, guest, 1_000).await;
    let burned = ledger.burn(ROVER, guest, 400).await;
    let gift = ledger.give(HARBOR, (guest, ledger.member(3).await), 100).await;
    assert_eq!(gift.operation.refusal, None);
    let merged = ledger.merge(guest, rider).await;
    assert_eq!((merged.operation.refusal, merged.operation.points), (None, Points(500)));
    assert_eq!((ledger.has(guest).await, ledger.has(rider).await), ((0, 0, 0), (1_100, 0, 0)));
    assert_eq!((links(&ledger, guest).await, links(&ledger, rider).await), (vec![], vec![1, 2, 3]));
    clean(&ledger).await;

    let back = ledger.reverse(&burned, ReversePart::Points(Points(150))).await;
    assert_eq!((back.operation.refusal, back.wallet.available), (None, Points(1_250)));
    ledger.burn(GROCER, rider, 1_000).await;
    let spend = ReversePart::Spend(Micros(900_000_000), currency("EUR"));
    let clawed = ledger.reverse(&stay, spend).await;
    assert_eq!(clawed.operation.refusal, None);
    assert!(clawed.operation.debt_created.is_positive(), "most of it is spent");
    clean(&ledger).await;

    let undone = ledger.unmerge(rider, guest).await;
    assert_eq!(undone.operation.refusal, None);
    assert_eq!((links(&ledger, guest).await, links(&ledger, rider).await), (vec![1], vec![2, 3]));
    assert_eq!(ledger.has(rider).await.2, 0, "the guest's refund is the guest's debt");
    clean(&ledger).await;
    close_window(&ledger.pool, "2026-03").await.expect("a close");
    clean(&ledger).await;
}

#[tokio::test]
async fn chains_are_loaded_to_their_end_and_taken_back_in_turn() {
    let (ledger, guest, rider) = ledger().await;
    let stay = ledger.earn(HARBOR, guest, 1_000).await;
    let burned = ledger.burn(GROCER, guest, 1_000).await;
    ledger.reverse(&stay, ReversePart::Spend(Micros(200_000_000), currency("EUR"))).await;
    assert_eq!(ledger.has(guest).await, (0, 0, 200));
    let empty = ledger.known_at(4, &[]).await;
    assert_eq!(ledger.merge(guest, empty).await.operation.refusal, None);
    assert_eq!(ledger.has(empty).await, (0, 0, 200), "the debt is carried");
    assert_eq!(ledger.merge(empty, rider).await.operation.refusal, None);
    assert_eq!(ledger.has(rider).await, (400, 0, 0), "and repaid");
    clean(&ledger).await;
    ledger.reverse(&burned, ReversePart::Points(Points(600))).await;
    let clawed = ledger.reverse(&stay, ReversePart::Spend(Micros(300_000_000), currency("EUR")));
    assert_eq!(clawed.await.operation.debt_created, Points::ZERO);
    assert_eq!(ledger.has(rider).await, (700, 0, 0));
    clean(&ledger).await;
    let early = ledger.unmerge(empty, guest).await;
    assert_eq!(early.operation.refusal, Some(Refusal::MergeNotReversible));
    assert_eq!(ledger.unmerge(rider, empty).await.operation.refusal, None);
    assert_eq!((ledger.has(empty).await, ledger.has(rider).await), ((300, 0, 0), (400, 0, 0)));
    assert_eq!(links(&ledger, empty).await, [1]);
    assert_eq!(ledger.unmerge(empty, guest).await.operation.refusal, None);
    assert_eq!((ledger.has(guest).await, ledger.has(empty).await), ((300, 0, 0), (0, 0, 0)));
    assert_eq!(links(&ledger, guest).await, [1]);
    clean(&ledger).await;
}

#[tokio::test]
async fn members_that_one_partner_knows_are_not_merged() {
    let (ledger, guest, _) = ledger().await;
    let other = ledger.known_at(5, &[HARBOR]).await;
    let refused = ledger.merge(guest, other).await;
    assert_eq!(refused.operation.refusal, Some(Refusal::MergeNotAllowed));
    clean(&ledger).await;
}
