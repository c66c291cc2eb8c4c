//! Links, wallets, and lists of operations.

use std::time::Duration;

use entente_ledger::{Cell, MemberId, PartnerId};
use entente_store::{
    control::Control,
    member::{
        ListedOperation, NewLink, TakenLink, insert_link, insert_wallet, operations_of_member,
        operations_of_partner, taken_links,
    },
    personal::{Lookup, SealedReference},
};
use entente_testkit::morning;
use uuid::Uuid;

use crate::Ledger;

fn guest(number: u128) -> MemberId {
    MemberId(Uuid::from_u128(number))
}

/// A reference, as if it were sealed.
fn sealed(reference: &str, member: MemberId) -> SealedReference {
    let mut lookup = [0; 32];
    lookup[..reference.len()].copy_from_slice(reference.as_bytes());
    SealedReference { lookup: Lookup(lookup), sealed: vec![7; 92], sealed_for: member }
}

fn link(partner: PartnerId, reference: &SealedReference, member: MemberId) -> NewLink<'_> {
    let (cell, link_token, linked_at) = (member.cell(8), Uuid::from_u128(1), morning());
    let burns_others_from = None;
    NewLink { partner, reference, member, cell, link_token, linked_at, burns_others_from }
}

#[tokio::test]
async fn a_reference_and_a_member_are_linked_once() {
    let ledger = Ledger::fresh().await;
    let harbor = ledger.partner("harbor-hotels").await;
    let rover = ledger.partner("rover-rides").await;
    for (partner, reference, member, is_new) in [
        (harbor, "guest-1", guest(1), true),
        (harbor, "guest-1", guest(1), false),
        (harbor, "guest-1", guest(2), false),
        (harbor, "guest-9", guest(1), false),
        (harbor, "guest-2", guest(2), true),
        (rover, "guest-1", guest(1), true),
    ] {
        let sealed = sealed(reference, member);
        let inserted = insert_link(&ledger.pool, &link(partner, &sealed, member)).await;
        assert_eq!(inserted.expect("no fault"), is_new, "{partner} {reference} {member:?}");
    }
    let first = sealed("guest-1", guest(1)).lookup;
    let mut taken = taken_links(&ledger.pool, harbor, &first, guest(2)).await.expect("a read");
    taken.sort_by_key(|taken| taken.member);
    let expected = [(true, guest(1)), (false, guest(2))]
        .map(|(same_reference, member)| TakenLink { same_reference, member });
    assert_eq!(taken, expected);
}

#[tokio::test]
async fn of_two_enrolments_of_one_reference_at_once_one_makes_the_member() {
    let ledger = Ledger::fresh().await;
    let harbor = ledger.partner("harbor-hotels").await;
    let mut first = Control::begin_without_heads(&ledger.pool).await.expect("begun");
    let member = guest(1);
    let own = sealed("guest", member);
    let inserted = insert_link(first.connection(), &link(harbor, &own, member)).await;
    assert!(inserted.expect("no fault"));
    insert_wallet(first.connection(), member, member.cell(8), &[7; 60]).await.expect("a wallet");
    let pool = ledger.pool.clone();
    let second = tokio::spawn(async move {
        let other = sealed("guest", guest(2));
        insert_link(&pool, &link(harbor, &other, guest(2))).await.expect("no fault")
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!second.is_finished(), "the second did not wait for the first");
    first.commit().await.expect("a commit");
    assert!(!second.await.expect("no panic"));
}

/// Twenty operations of two partners and two members in two cells, some refused, some at the same
/// time.
async fn post_operations(ledger: &Ledger) {
    sqlx::query(
        "INSERT INTO operations (cell, seq, posted_at, window_id, partner_id, request_id, member_id,
                                 kind, points, receipt_reference, prior_period, refused)
         SELECT n % 2, n, timestamptz '2026-03-02 08:00Z' + (n / 5) * interval '20 days', 1,
                1 + n % 3 / 2, ('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid,
                ('00000000-0000-0000-0000-' || lpad((n % 2)::text, 12, '0'))::uuid,
                1, 1, '', false, n % 7 = 0
         FROM generate_series(1, 20) AS n",
    )
    .execute(&ledger.pool)
    .await
    .expect("operations");
    sqlx::query(
        "INSERT INTO requests (partner_id, request_id, method, fields, refused, answer, cell, seq)
         SELECT partner_id, request_id, 1, '', refused, seq::text::bytea, cell, seq
         FROM operations",
    )
    .execute(&ledger.pool)
    .await
    .expect("requests");
}

fn numbers(listed: &[ListedOperation]) -> Vec<i64> {
    let number = |listed: &ListedOperation| {
        let text = String::from_utf8(listed.answer.clone()).expect("ASCII");
        assert_eq!(text, listed.place.seq.0.to_string());
        listed.place.seq.0
    };
    listed.iter().map(number).collect()
}

#[tokio::test]
async fn a_partners_operations_are_listed_page_by_page_without_gap_or_repeat() {
    let ledger = Ledger::fresh().await;
    post_operations(&ledger).await;
    let all = operations_of_partner(&ledger.pool, PartnerId(1), None, 1_000).await.expect("a list");
    let newest_first = |a: &ListedOperation, b: &ListedOperation| {
        let key = |listed: &ListedOperation| {
            (listed.place.posted_at, listed.place.cell, listed.place.seq)
        };
        key(a) > key(b)
    };
    assert!(all.is_sorted_by(newest_first));
    let mut listed = numbers(&all);
    for size in [1, 2, 3, 100] {
        let (mut pages, mut after) = (Vec::new(), None);
        loop {
            let page = operations_of_partner(&ledger.pool, PartnerId(1), after, size).await;
            let page = page.expect("a page");
            let Some(last) = page.last() else { break };
            after = Some(last.place);
            pages.extend(numbers(&page));
        }
        assert_eq!(pages, listed, "pages of {size}");
    }
    listed.sort_unstable();
    let own = |n: &i64| 1 + n % 3 / 2 == 1 && n % 7 != 0;
    assert_eq!(listed, (1..=20).filter(own).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_members_operations_are_its_own_at_that_partner() {
    let ledger = Ledger::fresh().await;
    post_operations(&ledger).await;
    let member = (Cell(1), guest(1), morning());
    let (mut pages, mut after) = (Vec::new(), None);
    loop {
        let page = operations_of_member(&ledger.pool, PartnerId(1), member, after, 3).await;
        let page = page.expect("a page");
        let Some(last) = page.last() else { break };
        after = Some(last.place);
        pages.extend(numbers(&page));
    }
    let own = |n: &i64| 1 + n % 3 / 2 == 1 && n % 7 != 0 && n % 2 == 1;
    assert_eq!(pages, (1..=20).rev().filter(own).collect::<Vec<_>>());
}
