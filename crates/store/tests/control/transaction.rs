//! Heads, epochs, clocks and request ids.

use std::time::Duration;

use entente_ledger::{PartnerId, RequestId};
use entente_store::{
    Outcome, RequestRow, StoreError, catalogue::catalogue_epoch, clock, control::Control,
};
use entente_testkit::{Blow, Database, Network, morning};
use jiff::ToSpan;
use tokio::time::timeout;
use uuid::Uuid;

use crate::Ledger;

fn row(answer: &[u8]) -> RequestRow {
    let outcome = Outcome {
        method: 40,
        fields: b"fields".to_vec(),
        refused: false,
        answer: answer.to_vec(),
        place: None,
    };
    let (partner, request_id) = (PartnerId::HUB, RequestId(Uuid::from_u128(7)));
    RequestRow { partner, request_id, outcome, receipt: None }
}

#[tokio::test]
async fn all_heads_are_held_until_the_end() {
    let ledger = Ledger::fresh().await;
    let control = Control::begin(&ledger.pool).await.expect("heads");
    assert!(control.heads().is_sorted_by_key(|head| head.cell));
    assert_eq!(control.heads().len(), usize::try_from(control.ledger().cell_count).expect("few"));
    let second = timeout(Duration::from_millis(200), Control::begin(&ledger.pool)).await;
    assert!(second.is_err(), "two held the heads at once");
    control.rollback().await.expect("a rollback");
    Control::begin(&ledger.pool).await.expect("free heads");
}

#[tokio::test]
async fn a_write_without_heads_waits_for_nobody() {
    let ledger = Ledger::fresh().await;
    let held = Control::begin(&ledger.pool).await.expect("heads");
    let light = Control::begin_without_heads(&ledger.pool);
    let light = timeout(Duration::from_secs(10), light).await.expect("no wait").expect("begun");
    assert_eq!(light.now(), held.now());
    light.commit().await.expect("a commit");
}

#[tokio::test]
async fn a_request_id_has_one_outcome_for_ever() {
    let ledger = Ledger::fresh().await;
    let (first, second) = (row(b"first"), row(b"second"));
    let mut control = Control::begin(&ledger.pool).await.expect("heads");
    let (partner, request_id) = (first.partner, first.request_id);
    assert_eq!(control.outcome(partner, request_id).await.expect("a read"), None);
    control.record(&first).await.expect("a free id");
    control.commit().await.expect("a commit");

    let mut control = Control::begin_without_heads(&ledger.pool).await.expect("begun");
    let claimed = control.record(&second).await.expect_err("the id is taken");
    assert!(matches!(claimed, StoreError::Claimed) && claimed.is_transient());
    control.rollback().await.expect("a way back");

    let mut control = Control::begin_without_heads(&ledger.pool).await.expect("begun");
    let outcome = control.outcome(partner, request_id).await.expect("a read");
    assert_eq!(outcome, Some(first.outcome));
}

#[tokio::test]
async fn of_two_that_claim_one_id_at_once_the_second_learns_of_the_first() {
    let ledger = Ledger::fresh().await;
    let mut first = Control::begin_without_heads(&ledger.pool).await.expect("begun");
    let mut second = Control::begin_without_heads(&ledger.pool).await.expect("begun");
    first.record(&row(b"first")).await.expect("a free id");
    let waiting = tokio::spawn(async move { second.record(&row(b"second")).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!waiting.is_finished(), "the second did not wait for the first");
    first.commit().await.expect("a commit");
    let claimed = waiting.await.expect("no panic").expect_err("the id is taken");
    assert!(matches!(claimed, StoreError::Claimed));
}

#[tokio::test]
async fn the_epoch_rises_in_every_head_with_the_commit() {
    let ledger = Ledger::fresh().await;
    let mut control = Control::begin(&ledger.pool).await.expect("heads");
    let before = control.catalogue_epoch();
    let raised = control.raise_epoch().await.expect("an epoch");
    assert_eq!((raised, control.catalogue_epoch()), (before + 1, before + 1));
    assert_eq!(catalogue_epoch(&ledger.pool).await.expect("a read"), before);
    control.commit().await.expect("a commit");
    let control = Control::begin(&ledger.pool).await.expect("heads");
    assert!(control.heads().iter().all(|head| head.catalogue_epoch == before + 1));
}

#[tokio::test]
async fn an_advanced_clock_is_the_time_of_every_head_and_has_its_months() {
    let ledger = Ledger::fresh().await;
    let years_later = morning() + (24 * 900).hours();
    let mut control = Control::begin(&ledger.pool).await.expect("heads");
    assert_eq!(control.now(), morning());
    control.advance_clock(years_later).await.expect("a clock");
    control.commit().await.expect("a commit");
    let (kind, now) = clock::read(&ledger.pool).await.expect("a read");
    assert!(kind.simulation && now == years_later);
    let control = Control::begin(&ledger.pool).await.expect("heads");
    assert!(control.heads().iter().all(|head| head.last_time == years_later));
    let months: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM pg_class WHERE relname IN ('operations_2028_08', 'transfers_2028_08')",
    )
    .fetch_one(&ledger.pool)
    .await
    .expect("a read");
    assert_eq!(months, 2);
}

#[tokio::test]
async fn real_time_comes_from_the_database_and_never_runs_back() {
    let database = Database::fresh_in_real_time().await;
    let owner = database.owner_pool().await;
    let pool = database.runtime_pool().await;
    let control = Control::begin(&pool).await.expect("heads");
    assert!(!control.ledger().simulation && control.now() > morning());
    control.rollback().await.expect("a rollback");
    sqlx::query("UPDATE cells SET last_time = '2999-01-01Z' WHERE cell = 3")
        .execute(&owner)
        .await
        .expect("a head of the future");
    let control = Control::begin(&pool).await.expect("heads");
    assert_eq!(control.now().to_string(), "2999-01-01T00:00:00Z");
}

/// More connections than can be asked one after another in the time that a caller waits for one.
#[tokio::test]
async fn a_pool_whose_connections_have_all_fallen_silent_opens_new_ones() {
    const CONNECTIONS: u32 = 10;
    let database = Database::fresh().await;
    let url = database.runtime_url();
    let (_, rest) = url.rsplit_once('@').expect("a user");
    let (server, _) = rest.split_once('/').expect("a database");
    let network = Network::to(server.parse().expect("an address")).await;
    let url = url.replace(server, &network.address().to_string());
    let pool = entente_store::connect(&url, CONNECTIONS).await.expect("a pool");
    let mut used = Vec::new();
    for _ in 0..CONNECTIONS {
        used.push(pool.acquire().await.expect("a connection"));
    }
    for mut connection in used {
        sqlx::query("SELECT 1").execute(&mut *connection).await.expect("an answer");
    }
    // Those that have rested for a second are asked whether they live.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    network.strike(Blow::Silence);
    let mut connection = pool.acquire().await.expect("a new connection");
    sqlx::query("SELECT 1").execute(&mut *connection).await.expect("an answer");
}
