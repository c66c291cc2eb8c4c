//! The courier: looks again and again which webhooks have something to read or to send, and visits
//! each of them in a task of its own, so that a slow endpoint holds up nobody else.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use entente_store::{
    StoreError,
    feed::FeedHeads,
    sweep,
    webhooks::{self, StandingWebhook},
};
use jiff::SignedDuration;
use prost::Message as _;
use tokio::{
    sync::{Semaphore, watch},
    task::{Id, JoinSet},
    time::Instant,
};
use uuid::Uuid;

use super::{measure, visit, visit::Desk};
use crate::{
    feed::{Cursor, StoredCursor},
    workers::Worker,
};

/// How many webhooks are visited at the same time.
const VISITS: usize = 256;
/// How long dead deliveries are kept, by the ledger's clock.
const KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);
/// How often they are looked for, and how many are forgotten then.
const PRUNE_EVERY: Duration = Duration::from_mins(1);
const PRUNED: i64 = 10_000;

/// Delivers events to webhooks. Any number of hubs may: a cursor moves once, and what is claimed by
/// one is not sent by another.
pub(crate) struct Courier {
    desk: Arc<Desk>,
    every: Duration,
    places: Arc<Semaphore>,
    visits: JoinSet<(Uuid, Progress)>,
    visited: HashMap<Id, Uuid>,
    resting: HashMap<Uuid, Progress>,
    turn: usize,
    pruned: Option<Instant>,
}

/// What this hub knows of a webhook between two visits.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// The cursor as it is stored.
    pub(super) stored: Vec<u8>,
    /// The cursor; where nothing happened, it is ahead of the stored one.
    pub(super) cursor: Option<Cursor>,
    /// When it was last stored.
    pub(super) written: Option<Instant>,
    /// How many visits in a row met an endpoint that accepted nothing.
    pub(super) streak: u32,
    /// Before when the next visit would be too soon.
    pub(super) not_before: Option<Instant>,
}

impl Progress {
    /// Brings it to what is stored; whether something may be unread. Nothing is read from a cursor
    /// that is none of this ledger.
    fn catch_up(&mut self, webhook: &StandingWebhook, heads: &FeedHeads) -> bool {
        if self.cursor.is_none() || self.stored != webhook.cursor {
            let stored = StoredCursor::decode(webhook.cursor.as_slice()).ok();
            self.cursor = stored.and_then(|stored| Cursor::of(&stored, heads));
            self.stored.clone_from(&webhook.cursor);
            self.written = None;
            if self.cursor.is_none() {
                let webhook_id = webhook.webhook.webhook_id;
                tracing::error!(%webhook_id, "the cursor of a webhook cannot be used");
            }
        }
        self.cursor.as_ref().is_some_and(|cursor| cursor.is_behind(heads))
    }

    fn may_go(&self) -> bool {
        self.not_before.is_none_or(|not_before| not_before <= Instant::now())
    }
}

impl Courier {
    /// A courier of a ledger.
    pub(crate) fn new(desk: Arc<Desk>, every: Duration) -> Self {
        measure::describe();
        Self {
            desk,
            every,
            places: Arc::new(Semaphore::new(VISITS)),
            visits: JoinSet::new(),
            visited: HashMap::new(),
            resting: HashMap::new(),
            turn: 0,
            pruned: None,
        }
    }

    /// Takes note of visits that ended. One that panicked leaves nothing: the next begins afresh.
    fn reap(&mut self) {
        while let Some(ended) = self.visits.try_join_next_with_id() {
            match ended {
                Ok((task, (webhook_id, progress))) => {
                    self.visited.remove(&task);
                    self.resting.insert(webhook_id, progress);
                }
                Err(error) => {
                    tracing::error!(%error, "a visit of a webhook failed");
                    self.visited.remove(&error.id());
                }
            }
        }
    }

    fn visit(
        &mut self,
        webhook: StandingWebhook,
        heads: &FeedHeads,
        stopping: &watch::Receiver<bool>,
    ) {
        let webhook_id = webhook.webhook.webhook_id;
        let mut progress = self.resting.remove(&webhook_id).unwrap_or_default();
        let behind = progress.catch_up(&webhook, heads);
        if !(behind || webhook.due) || !progress.may_go() {
            self.resting.insert(webhook_id, progress);
            return;
        }
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            self.resting.insert(webhook_id, progress);
            return;
        };
        let (desk, stopping, every) = (Arc::clone(&self.desk), stopping.clone(), self.every);
        let task = self.visits.spawn(async move {
            let _place = place;
            let progress = visit::run(&desk, &webhook.webhook, progress, stopping, every).await;
            (webhook_id, progress)
        });
        self.visited.insert(task.id(), webhook_id);
    }

    async fn prune(&mut self) -> Result<(), StoreError> {
        if self.pruned.is_some_and(|last| last.elapsed() < PRUNE_EVERY) {
            return Ok(());
        }
        let now = sweep::now(&self.desk.pool).await?;
        if let Ok(before) = now.checked_sub(KEPT) {
            webhooks::prune(&self.desk.pool, before, PRUNED).await?;
        }
        self.pruned = Some(Instant::now());
        Ok(())
    }
}

impl Worker for Courier {
    const NAME: &'static str = "courier";

    fn every(&self) -> Duration {
        self.every
    }

    async fn round(&mut self, stopping: &watch::Receiver<bool>) -> Result<(), StoreError> {
        self.reap();
        let mut standing = webhooks::standing(&self.desk.pool).await?;
        let known: HashSet<_> = standing.iter().map(|one| one.webhook.webhook_id).collect();
        self.resting.retain(|webhook_id, _| known.contains(webhook_id));
        measure::standing(standing.len());
        if standing.is_empty() {
            return Ok(());
        }
        let heads = self.desk.feed.heads().await?;
        // Where there are more than places, each is first at some time.
        self.turn = (self.turn + 1) % standing.len();
        standing.rotate_left(self.turn);
        let busy: HashSet<_> = self.visited.values().copied().collect();
        for webhook in standing {
            if !busy.contains(&webhook.webhook.webhook_id) && !*stopping.borrow() {
                self.visit(webhook, &heads, stopping);
            }
        }
        self.prune().await
    }

    /// Visits look at `stopping` themselves, and give back what they have not sent.
    async fn end(&mut self) {
        while self.visits.join_next().await.is_some() {}
    }
}
