//! Which lots are loaded for commands that take points: a few where these give enough, more where they
//! do not, and never all of a member that has very many.

use std::collections::{BTreeMap, BTreeSet};

use entente_ledger::{MemberId, Points};
use entente_store::batch::{Batch, MemberNeeds};

use crate::cast::{HARBOR, Ledger, uneven};

/// How many lots are loaded of each member for so many points, in one batch, and whether these are all.
async fn loaded_of<const N: usize>(
    ledger: &Ledger,
    members: [(MemberId, i64); N],
) -> [(usize, bool); N] {
    let needs: BTreeMap<_, _> = members
        .iter()
        .map(|(member, taken)| {
            let needs = MemberNeeds { taken: Some(Points(*taken)), ..MemberNeeds::default() };
            ((member.cell(8), *member), needs)
        })
        .collect();
    let cells: BTreeSet<_> = needs.keys().map(|(cell, _)| *cell).collect();
    let mut batch = Batch::begin(&ledger.pool).await.expect("a transaction");
    let heads = batch.lock_heads(&cells.into_iter().collect::<Vec<_>>()).await.expect("heads");
    let loaded = batch.load(&needs, heads.now).await.expect("members");
    members.map(|(member, _)| {
        let member = &loaded.members[&member];
        (member.lots.len(), member.lots_until.is_none())
    })
}

async fn loaded(ledger: &Ledger, member: MemberId, taken: i64) -> (usize, bool) {
    loaded_of(ledger, [(member, taken)]).await[0]
}

async fn with_lots(ledger: &Ledger, number: u128, lots: usize) -> MemberId {
    let member = ledger.member(number).await;
    for _ in 0..lots {
        ledger.earn(HARBOR, member, 10).await;
    }
    member
}

#[tokio::test]
async fn as_many_lots_are_loaded_as_the_points_ask_for() {
    let ledger = Ledger::with(uneven()).await;
    let few = with_lots(&ledger, 1, 3).await;
    assert_eq!(loaded(&ledger, few, 10).await, (3, true));

    let some = with_lots(&ledger, 2, 10).await;
    assert_eq!(loaded(&ledger, some, 0).await, (4, false));
    assert_eq!(loaded(&ledger, some, 40).await, (4, false));
    assert_eq!(loaded(&ledger, some, 41).await, (10, true));
    assert_eq!(loaded(&ledger, some, i64::MAX).await, (10, true));

    // What is held cannot be taken.
    ledger.authorize(HARBOR, some, 10).await;
    assert_eq!(loaded(&ledger, some, 30).await, (4, false));
    assert_eq!(loaded(&ledger, some, 31).await, (10, true));

    let many = with_lots(&ledger, 3, 70).await;
    assert_eq!(loaded(&ledger, many, 40).await, (4, false));
    assert_eq!(loaded(&ledger, many, 41).await, (64, false));

    let all = [(few, 0), (some, 31), (many, 40)];
    assert_eq!(loaded_of(&ledger, all).await, [(3, true), (10, true), (4, false)]);
}

#[tokio::test]
async fn a_lot_that_is_used_up_is_none_of_the_next() {
    let ledger = Ledger::with(uneven()).await;
    let guest = with_lots(&ledger, 1, 6).await;
    ledger.burn(HARBOR, guest, 25).await;
    // Whether there is a fifth is found out only where it is needed.
    assert_eq!(loaded(&ledger, guest, 35).await, (4, false));
    assert_eq!(loaded(&ledger, guest, 36).await, (4, true));
}
