//! Deliveries: what an attempt came to counts while its lease stands, and undoes no replay.

use entente_ledger::{Cell, Seq};
use entente_store::webhooks::{
    self, Claim, Delivery, DeliveryState, Failed, NewDelivery, Webhook, list_deliveries, read_on,
    replay, replay_dead,
};
use entente_testkit::morning;
use uuid::Uuid;

use crate::Ledger;

const WEBHOOK: Uuid = Uuid::from_u128(0x77);
const EVENTS: [Uuid; 2] = [Uuid::from_u128(0xe1), Uuid::from_u128(0xe2)];
/// How a partner's endpoint failed, by its number in the contract.
const FAILURE: i16 = 5;

/// A webhook with two deliveries that are due.
async fn with_deliveries() -> Ledger {
    let ledger = Ledger::fresh().await;
    let partner = ledger.partner("harbor-hotels").await;
    let webhook = Webhook {
        webhook_id: WEBHOOK,
        partner,
        url: "https://harbor.example/events".to_owned(),
        kinds: Vec::new(),
        created_at: morning(),
    };
    webhooks::insert(&ledger.pool, &webhook, b"first").await.expect("a webhook");
    let delivery = |(event_id, seq)| NewDelivery {
        event_id,
        cell: Cell(0),
        seq: Seq(seq),
        kind: 1,
        event: b"an event".to_vec(),
    };
    let deliveries: Vec<_> = EVENTS.into_iter().zip(1..).map(delivery).collect();
    let cursors = (b"first".as_slice(), b"second".as_slice());
    assert!(read_on(&ledger.pool, WEBHOOK, cursors, &deliveries).await.expect("deliveries"));
    ledger
}

async fn claim(ledger: &Ledger) -> Option<Claim> {
    webhooks::claim(&ledger.pool, WEBHOOK, 64, 120).await.expect("a claim")
}

async fn listed(ledger: &Ledger) -> Vec<Delivery> {
    list_deliveries(&ledger.pool, WEBHOOK, None, None, 10).await.expect("a list")
}

/// Notes that all attempts failed, for the last time or not; says how many were given up.
async fn fail(ledger: &Ledger, claim: &Claim, dead: bool) -> usize {
    let failed = |event_id| Failed {
        event_id,
        failure: FAILURE,
        status: None,
        next_attempt_at: (!dead).then(morning),
    };
    let failed = EVENTS.map(failed);
    let noted = webhooks::failed(&ledger.pool, claim.lease, morning(), &failed).await;
    noted.expect("a note")
}

#[tokio::test]
async fn a_replay_while_the_last_attempt_is_under_way_is_not_lost() {
    let ledger = with_deliveries().await;
    let last = claim(&ledger).await.expect("both are due");
    assert_eq!(claim(&ledger).await, None, "they are leased");
    assert!(replay(&ledger.pool, WEBHOOK, EVENTS[0], morning()).await.expect("a replay"));
    assert_eq!(fail(&ledger, &last, true).await, 1, "the other one is given up");
    let states: Vec<_> =
        listed(&ledger).await.iter().map(|one| (one.state, one.attempts)).collect();
    assert_eq!(states, [(DeliveryState::Pending, 0), (DeliveryState::Dead, 1)]);
    let again = claim(&ledger).await.expect("what was replayed is due at once");
    assert_eq!(again.deliveries.iter().map(|one| one.event_id).collect::<Vec<_>>(), [EVENTS[0]]);

    assert_eq!(replay_dead(&ledger.pool, WEBHOOK, morning(), 10).await.expect("a replay"), 1);
    let third = claim(&ledger).await.expect("the other one is due again");
    assert_eq!(third.deliveries.len(), 1, "the first is under way");
}

#[tokio::test]
async fn what_is_replayed_while_it_is_accepted_is_sent_again() {
    let ledger = with_deliveries().await;
    let first = claim(&ledger).await.expect("both are due");
    assert!(replay(&ledger.pool, WEBHOOK, EVENTS[1], morning()).await.expect("a replay"));
    webhooks::delivered(&ledger.pool, first.lease, &EVENTS).await.expect("a note");
    let left = listed(&ledger).await;
    assert_eq!(left.iter().map(|one| one.event_id).collect::<Vec<_>>(), [EVENTS[1]]);
}

#[tokio::test]
async fn what_came_of_a_lease_that_another_replaced_does_not_count() {
    let ledger = with_deliveries().await;
    let slow = claim(&ledger).await.expect("both are due");
    sqlx::query("UPDATE deliveries SET leased_until = clock_timestamp() - interval '1 second'")
        .execute(&ledger.pool)
        .await
        .expect("it ran out");
    let second = claim(&ledger).await.expect("both are due again");
    assert_ne!(slow.lease, second.lease);
    assert_eq!(fail(&ledger, &slow, true).await, 0);
    webhooks::release(&ledger.pool, slow.lease, &EVENTS).await.expect("a note");
    assert_eq!(claim(&ledger).await, None, "the second is still at them");
    assert_eq!(fail(&ledger, &second, false).await, 0);
    assert!(
        listed(&ledger).await.iter().all(|one| (one.attempts, one.failure) == (1, Some(FAILURE)))
    );
    assert_eq!(claim(&ledger).await.expect("they are due").deliveries.len(), EVENTS.len());
}
