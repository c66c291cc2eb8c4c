//! What does not fit, and what comes too late, is refused at once, and the same id may be sent again.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use entente_hub::{
    catalogue::CatalogueCache,
    config::PostingLimits,
    control::Ended,
    feed::Heads,
    fingerprint::Fingerprint,
    method::Method,
    posting::{Ask, Posting, Submission, Target},
};
use entente_ledger::{Cell, MemberId, RequestId};
use entente_store::{StoreError, control::Control};
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::stage::{HARBOR, Stage, reason};

/// More than may run and wait together.
const TOO_MANY: usize = 2_000;

#[tokio::test]
async fn control_writes_beyond_those_that_may_wait_are_an_overload() {
    let stage = Stage::empty().await;
    let gate = Arc::new(Semaphore::new(0));
    let mut writes = tokio::task::JoinSet::new();
    for _ in 0..TOO_MANY {
        let (controls, gate) = (stage.controls.clone(), Arc::clone(&gate));
        writes.spawn(async move {
            let once = move || {
                let gate = Arc::clone(&gate);
                async move {
                    let _opened = gate.acquire().await.expect("the gate is never closed");
                    Ok::<_, Ended>(())
                }
            };
            controls.run(once).await.map_err(reason)
        });
    }
    let first = writes.join_next().await.expect("an answer").expect("no panic");
    assert_eq!(first, Err("OVERLOADED".to_owned()));
    gate.add_permits(1);
    let mut done = 0;
    while let Some(answer) = writes.join_next().await {
        match answer.expect("no panic") {
            Ok(()) => done += 1,
            Err(refused) => assert_eq!(refused, "OVERLOADED"),
        }
    }
    assert!(done > 0 && done < TOO_MANY - 1, "{done} were done");
}

/// Somebody holds every head, as a transaction does whose machine is gone.
#[tokio::test]
async fn a_sweep_is_given_up_after_the_time_of_a_transaction() {
    let stage = Stage::empty().await;
    let catalogue = CatalogueCache::load(stage.pool.clone()).await.expect("a catalogue");
    let heads = Heads::load(&stage.pool).await.expect("heads");
    let limits = PostingLimits { transaction_ms: 200, ..PostingLimits::default() };
    let sweeps = Posting::sweeps(&stage.pool, &catalogue, &heads, &limits);
    let held = Control::begin(&stage.pool).await.expect("heads");
    let members = [MemberId(Uuid::from_u128(1))];
    let swept = sweeps.sweep(Cell(0), &members);
    // The database itself would give up the lock after 20 s, with another error.
    let error = swept.await.expect_err("the heads are held");
    assert!(matches!(error, StoreError::Database(sqlx::Error::PoolTimedOut)), "{error:?}");
    held.rollback().await.expect("the heads are free");
    sweeps.sweep(Cell(0), &[]).await.expect("a sweep of nobody");
}

#[tokio::test]
async fn a_command_after_the_drain_is_told_that_the_hub_is_shutting_down() {
    let stage = Stage::empty().await;
    let catalogue = CatalogueCache::load(stage.pool.clone()).await.expect("a catalogue");
    let heads = Heads::load(&stage.pool).await.expect("heads");
    let (posting, tasks) =
        Posting::start(&stage.pool, &catalogue, &heads, &PostingLimits::default());
    assert!(tasks.drained(Duration::from_secs(5)).await);
    let submission = Submission {
        partner: HARBOR,
        request_id: RequestId(Uuid::from_u128(1)),
        fingerprint: Fingerprint { method: Method::Void, fields: Vec::new() },
        receipt_reference: String::new(),
        ask: Ask::Void,
        target: Target::Original(RequestId(Uuid::from_u128(2))),
        deadline: Instant::now() + Duration::from_secs(5),
    };
    let refused = posting.submit(submission).await.map_err(reason);
    assert_eq!(refused, Err("SHUTTING_DOWN".to_owned()));
}
