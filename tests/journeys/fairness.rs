//! Invariant 10, bounded: one partner that floods the hub is put off by itself, and nobody else is.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use entente_client::{Client, Retry, api::error::ErrorReason};
use entente_hub::config::PostingLimits;
use entente_testkit::{
    TestHub,
    cast::{HARBOR, ROVER, balances, burn, earn, enrol},
};
use tokio::task::JoinSet;

/// Calls of the partner that floods, at once: four times what may wait.
const FLOOD: usize = 64;
/// Calls of the other, one after another.
const CALLS: i64 = 20;

/// Calls as fast as answers come, until told to stop; answers how many were put off.
async fn floods(client: Client, stop: Arc<AtomicBool>, answered: Arc<AtomicUsize>) -> usize {
    let mut put_off = 0;
    while !stop.load(Ordering::Relaxed) {
        match client.earn(earn("guest", 1_000_000, "EUR")).await {
            Ok(_) => {}
            Err(error) => {
                // On a slow machine a call may also take longer than it may.
                if let Some(refusal) = error.refusal() {
                    assert_eq!(refusal.reason, ErrorReason::Overloaded, "{refusal}");
                    assert!(refusal.retry_after.is_some());
                    put_off += 1;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        answered.fetch_add(1, Ordering::Relaxed);
    }
    put_off
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_that_floods_is_put_off_and_an_honest_one_is_served() {
    let small = PostingLimits { writers: 1, queue: 16, batch: 8, ..PostingLimits::default() };
    let hub = TestHub::posting(small).await;
    let (harbor, rover) = (hub.partner(HARBOR).await, hub.partner(ROVER).await);
    enrol(&harbor, "guest").await;
    enrol(&rover, "rider").await;
    // As a partner has it.
    let rover = rover.with_retry(Retry::default());
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut flooding = JoinSet::new();
    for _ in 0..FLOOD {
        flooding.spawn(floods(harbor.clone(), Arc::clone(&stop), Arc::clone(&answered)));
    }
    while answered.load(Ordering::Relaxed) < FLOOD {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for _ in 0..CALLS {
        rover.earn(earn("rider", 2_000_000, "USD")).await.expect("it is served");
        rover.burn(burn("rider", 1)).await.expect("by whatever queue it comes");
    }
    stop.store(true, Ordering::Relaxed);
    let put_off: usize = flooding.join_all().await.into_iter().sum();
    assert!(put_off > 0, "there was no flood");
    assert_eq!(balances(&rover, "rider").await.available, CALLS);
    hub.close().await;
}
