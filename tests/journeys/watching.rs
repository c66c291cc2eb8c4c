//! Watchers that are killed, that stall and that change hubs, beside writers at full load.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    time::Duration,
};

use entente_client::{
    Client, Refusal,
    api::{
        error::ErrorReason,
        event::{
            Event, WatchRequest, event::What, event_service_client::EventServiceClient,
            watch_response::What as Sent,
        },
    },
};
use entente_hub::config::Limits;
use entente_testkit::{
    TestHub,
    cast::{HARBOR, earn, enrol},
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::task::JoinHandle;

use crate::{
    events::{from, lively, lively_within, next, resumed},
    wire::Wire,
};

const MEMBERS: usize = 24;

/// How many operations are watched; a longer run by `ENTENTE_WATCHED_OPERATIONS`.
#[expect(clippy::disallowed_methods, reason = "a test's length is chosen from outside")]
fn operation_count() -> usize {
    let chosen = env::var("ENTENTE_WATCHED_OPERATIONS").ok();
    chosen.map_or(1_500, |count| count.parse().expect("a number"))
}

/// What a reader keeps of what it was told: each event once.
#[derive(Default)]
struct Book {
    ids: BTreeSet<String>,
    numbers: BTreeMap<i32, i64>,
    requests: BTreeSet<String>,
    /// The cell as it was told, and the request id.
    told: Vec<(i32, String)>,
    repeated: usize,
}

impl Book {
    fn note(&mut self, event: Event) {
        if !self.ids.insert(event.id) {
            self.repeated += 1;
            return;
        }
        let key = event.order_key.expect("every event has one");
        let last = self.numbers.insert(key.cell, key.number);
        assert!(last.is_none_or(|last| last <= key.number), "out of order in cell {}", key.cell);
        let Some(What::Operation(operation)) = event.what else { panic!("an earn") };
        self.told.push((key.cell, operation.request_id.clone()));
        assert!(self.requests.insert(operation.request_id), "told twice under two ids");
    }

    /// What was told is in the order of the ledger, cell by cell.
    async fn assert_in_order(&self, hub: &TestHub) {
        let pool = hub.database().owner_pool().await;
        let rows: Vec<(String, i16, i64)> =
            sqlx::query_as("SELECT request_id::text, cell, seq FROM operations")
                .fetch_all(&pool)
                .await
                .unwrap();
        pool.close().await;
        let places: BTreeMap<_, _> =
            rows.into_iter().map(|(id, cell, seq)| (id, (cell, seq))).collect();
        let mut last = BTreeMap::new();
        for (key, id) in &self.told {
            let (cell, seq) = places[id];
            if let Some((before, number)) = last.insert(key, (cell, seq)) {
                assert_eq!(before, cell, "one key for one cell");
                assert!(number < seq, "out of order in cell {cell}");
            }
        }
        let cells: BTreeSet<_> = last.values().map(|(cell, _)| cell).collect();
        assert_eq!(cells.len(), last.len(), "one cell for one key");
    }
}

/// Writes by several callers at once, as fast as it goes; answers the ids of what was accepted.
fn write(clients: Vec<Client>, count: usize) -> JoinHandle<BTreeSet<String>> {
    tokio::spawn(async move {
        let callers = (0..16_usize).map(|caller| {
            let client = clients[caller % clients.len()].clone();
            tokio::spawn(async move {
                let mut ids = Vec::new();
                for n in (caller..count).step_by(16) {
                    let request = earn(&format!("guest-{}", n % MEMBERS), 1_000_000, "EUR");
                    ids.push(request.request_id.clone());
                    client.earn(request).await.expect("an earn");
                }
                ids
            })
        });
        let mut ids = BTreeSet::new();
        for caller in callers.collect::<Vec<_>>() {
            ids.extend(caller.await.expect("a caller"));
        }
        ids
    })
}

async fn with_members(hub: &TestHub) -> Client {
    let harbor = hub.partner(HARBOR).await;
    for n in 0..MEMBERS {
        enrol(&harbor, &format!("guest-{n}")).await;
    }
    harbor
}

fn operations(request: WatchRequest) -> WatchRequest {
    WatchRequest { kinds: vec![1], ..request }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_killed_and_resumed_at_random_misses_nothing_beside_a_writer() {
    let count = operation_count();
    let hub = lively().await;
    let other = hub.another().await;
    let here = with_members(&hub).await;
    let there = hub.partner_at(HARBOR, other.addresses().partners).await;
    let mut dice = StdRng::seed_from_u64(7);
    let mut book = Book::default();
    let mut watch = here.watch(operations(from(None))).await.unwrap();
    // Writers at both hubs, and a reader that goes from one to the other.
    let writing = write(vec![here.clone(), there.clone()], count);
    let mut kills = 0;
    while book.requests.len() < count {
        for _ in 0..dice.random_range(1..count / 10) {
            if book.requests.len() == count {
                break;
            }
            book.note(next(&mut watch).await);
        }
        // Killed after it has dealt with an event, and before it has kept where it was.
        let token = watch.resume_token().unwrap().to_owned();
        if book.requests.len() < count && dice.random_bool(0.5) {
            book.note(next(&mut watch).await);
        }
        drop(watch);
        kills += 1;
        let client = if dice.random_bool(0.5) { &here } else { &there };
        watch = client.watch(operations(resumed(&token))).await.unwrap();
    }
    assert_eq!(book.requests, writing.await.unwrap());
    book.assert_in_order(&hub).await;
    assert!(kills > 5 && book.repeated > 0, "{kills} kills, {} repeated", book.repeated);
    drop(watch);
    other.drain().await;
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_stalls_is_ended_and_resumes_without_a_gap() {
    let hub = lively_within(Limits { stream_unread_ms: 200, ..Limits::default() }).await;
    let harbor = with_members(&hub).await;
    let channel = Wire::partner_with_small_windows(&hub, HARBOR).await.channel();
    let mut service = EventServiceClient::new(channel);
    let mut stream = service.watch(operations(from(None))).await.unwrap().into_inner();
    let count = 2_000;
    let written = write(vec![harbor.clone(), hub.partner(HARBOR).await], count).await.unwrap();
    // More than fits between hub and reader waits unread for longer than is allowed.
    tokio::time::sleep(Duration::from_millis(600)).await;
    let (mut book, mut token) = (Book::default(), String::new());
    let status = loop {
        match stream.message().await {
            Ok(Some(response)) => {
                token = response.resume_token;
                if let Some(Sent::Event(event)) = response.what {
                    book.note(event);
                }
            }
            Ok(None) => panic!("an unread stream does not end well"),
            Err(status) => break status,
        }
    };
    assert_eq!(Refusal::from_status(&status).reason, ErrorReason::StreamUnread, "{status:?}");
    assert!(book.requests.len() < count, "all of it was read");

    let mut watch = harbor.watch(operations(resumed(&token))).await.unwrap();
    while book.requests.len() < count {
        book.note(next(&mut watch).await);
    }
    assert_eq!(book.requests, written);
    book.assert_in_order(&hub).await;
    assert_eq!(book.repeated, 0, "a token behind an event does not repeat it");
    hub.close().await;
}
