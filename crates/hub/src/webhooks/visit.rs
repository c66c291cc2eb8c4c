//! A visit to one webhook:
//!
//! 1. read a page of its partner's events, unless too much is pending already, and make deliveries
//!    of them, in the transaction that moves the cursor; 2. claim what is due, by a lease; 3. send it,
//!    with no transaction open, over a few connections; 4. note what was accepted and what failed;
//! 5. again, while there is more and the endpoint accepts.

use std::{sync::Arc, time::Duration};

use entente_api::event::{DeliveryFailure, Event};
use entente_store::{
    StoreError,
    feed::FeedPlace,
    sweep,
    webhooks::{self, Claimed, Failed, Lease, NewDelivery, Webhook},
};
use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use prost::Message as _;
use sqlx::PgPool;
use tokio::{
    sync::{Semaphore, SemaphorePermit, watch},
    time::Instant,
};
use uuid::Uuid;

use super::{
    courier::Progress,
    endpoint::Endpoint,
    measure,
    message::{self, Message},
    sender::{Failure, Lane, Sender, Signed},
    signature::{Secret, WebhookKey},
};
use crate::{
    config::WebhookSettings,
    error::{Refused, RpcError, chain},
    feed::{Feed, Kinds},
};

/// How many deliveries are claimed at once, over how many connections they are sent, and for how
/// long no other hub touches them.
const CLAIM: i64 = 64;
const LANES: usize = 4;
const LEASE_SECONDS: i32 = 120;
/// How many visits are at the database at the same time.
const AT_ONCE: usize = 4;
/// After how long no more of a claim is begun: an attempt and some slack lie within the lease.
const CLAIM_TIME: Duration = Duration::from_mins(1);
/// How long a visit lasts, and how long it rests at most before the next where nothing is accepted.
const VISIT_TIME: Duration = Duration::from_secs(10);
const LONGEST_REST: Duration = Duration::from_secs(30);
/// How often a cursor is stored where nothing happens.
const STORE_EVERY: Duration = Duration::from_mins(1);
/// How long a delivery is tried, by the ledger's clock.
const TRIED: SignedDuration = SignedDuration::from_hours(3 * 24);
/// How long the first pause between attempts is, and the longest, by the ledger's clock.
const FIRST_PAUSE_SECONDS: i64 = 5;
const LONGEST_PAUSE_SECONDS: i64 = 3_600;

/// What visits need.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) pool: PgPool,
    pub(crate) feed: Feed,
    pub(crate) sender: Sender,
    pub(crate) key: WebhookKey,
    pub(crate) max_pending: u32,
    pub(crate) per_partner: u16,
    /// Room for visits at the database: there are more visits than connections.
    places: Semaphore,
}

/// What became of a claim.
#[derive(Debug, Default)]
struct Outcome {
    delivered: Vec<Uuid>,
    failed: Vec<(Claimed, Failure)>,
    untried: Vec<Uuid>,
}

/// One claim being sent.
struct Sending<'a> {
    sender: &'a Sender,
    endpoint: &'a Endpoint,
    secret: &'a Secret,
    /// When it was claimed: by the database's clock, and by this machine's.
    at: Timestamp,
    began: Instant,
    /// Whether the endpoint accepted nothing when it was visited last.
    failing: bool,
    stopping: watch::Receiver<bool>,
}

/// Visits a webhook while there is something to do, the endpoint accepts it and there is time.
pub(super) async fn run(
    desk: &Desk,
    webhook: &Webhook,
    mut progress: Progress,
    stopping: watch::Receiver<bool>,
    every: Duration,
) -> Progress {
    let until = Instant::now() + VISIT_TIME;
    loop {
        match desk.step(webhook, &mut progress, &stopping).await {
            Ok(true) if Instant::now() < until && progress.streak == 0 && !*stopping.borrow() => {}
            Ok(_) => break,
            Err(error) => {
                log(webhook, &error);
                progress = Progress { streak: progress.streak + 1, ..Progress::default() };
                break;
            }
        }
    }
    progress.not_before = Some(Instant::now() + rest(every, progress.streak));
    progress
}

/// Twice as long after each visit in a row in which nothing was accepted.
fn rest(every: Duration, streak: u32) -> Duration {
    match streak {
        0 => Duration::ZERO,
        streak => every.saturating_mul(1 << streak.min(16)).min(LONGEST_REST),
    }
}

impl Desk {
    pub(crate) fn new(
        pool: PgPool,
        feed: Feed,
        sender: Sender,
        key: WebhookKey,
        settings: &WebhookSettings,
    ) -> Arc<Self> {
        let (max_pending, per_partner) = (settings.max_pending, settings.per_partner);
        let places = Semaphore::new(AT_ONCE);
        Arc::new(Self { pool, feed, sender, key, max_pending, per_partner, places })
    }

    async fn place(&self) -> Result<SemaphorePermit<'_>, Refused> {
        self.places.acquire().await.map_err(|_| Refused::shutting_down())
    }

    /// Reads and sends once; whether there may be more to do.
    async fn step(
        &self,
        webhook: &Webhook,
        progress: &mut Progress,
        stopping: &watch::Receiver<bool>,
    ) -> Result<bool, RpcError> {
        let read = self.read(webhook, progress).await?;
        let sent = self.send(webhook, progress, stopping).await?;
        Ok(read || sent)
    }

    /// Makes deliveries of the next events; whether there may be more.
    async fn read(&self, webhook: &Webhook, progress: &mut Progress) -> Result<bool, RpcError> {
        let Some(cursor) = &progress.cursor else { return Ok(false) };
        if self.feed.is_caught_up(cursor) {
            return Ok(false);
        }
        if self.is_full(webhook).await? {
            return Ok(false);
        }
        let kinds = Kinds::named(&webhook.kinds);
        let kinds = kinds.map_err(|kind| StoreError::inconsistent("webhooks", "kinds", kind))?;
        // No place is held meanwhile: others are at the database while this one waits for its turn.
        let mut page = self.feed.page(webhook.partner, &kinds, cursor).await?;
        let mut deliveries = Vec::with_capacity(page.len());
        while let Some((place, event)) = page.take() {
            deliveries.push(delivery(place, &event)?);
        }
        let end = page.cursor().clone();
        let more = !self.feed.is_caught_up(&end);
        let stored = end.stored().encode_to_vec();
        let resting = deliveries.is_empty()
            && progress.written.is_some_and(|written| written.elapsed() < STORE_EVERY);
        if resting || stored == progress.stored {
            progress.cursor = Some(end);
            return Ok(more);
        }
        let from_to = (progress.stored.as_slice(), stored.as_slice());
        let _place = self.place().await?;
        if webhooks::read_on(&self.pool, webhook.webhook_id, from_to, &deliveries).await? {
            let written = Some(Instant::now());
            let cursor = Some(end);
            *progress = Progress { stored, cursor, written, ..std::mem::take(progress) };
            return Ok(more);
        }
        // Another hub moved it, or it is gone.
        progress.cursor = None;
        Ok(false)
    }

    /// Whether too much is pending already.
    async fn is_full(&self, webhook: &Webhook) -> Result<bool, RpcError> {
        let _place = self.place().await?;
        let most = i64::from(self.max_pending);
        Ok(webhooks::pending(&self.pool, webhook.webhook_id, most).await? >= most)
    }

    /// Sends what is due; whether something was.
    async fn send(
        &self,
        webhook: &Webhook,
        progress: &mut Progress,
        stopping: &watch::Receiver<bool>,
    ) -> Result<bool, RpcError> {
        let claim = {
            let _place = self.place().await?;
            webhooks::claim(&self.pool, webhook.webhook_id, CLAIM, LEASE_SECONDS).await?
        };
        let Some(claim) = claim else { return Ok(false) };
        let began = Instant::now();
        let outcome = match Endpoint::parse(&webhook.url) {
            Ok(endpoint) => {
                let sending = Sending {
                    sender: &self.sender,
                    endpoint: &endpoint,
                    secret: &self.key.secret(webhook.webhook_id),
                    at: claim.at,
                    began,
                    failing: progress.streak > 0,
                    stopping: stopping.clone(),
                };
                sending.all(claim.deliveries).await
            }
            Err(_) => Outcome::all_failed(claim.deliveries, DeliveryFailure::EndpointNotAllowed),
        };
        if !outcome.delivered.is_empty() {
            progress.streak = 0;
        } else if !outcome.failed.is_empty() {
            progress.streak += 1;
        }
        self.note(claim.lease, outcome).await?;
        Ok(true)
    }

    async fn note(&self, lease: Lease, outcome: Outcome) -> Result<(), RpcError> {
        let _place = self.place().await?;
        if !outcome.delivered.is_empty() {
            webhooks::delivered(&self.pool, lease, &outcome.delivered).await?;
        }
        if !outcome.untried.is_empty() {
            webhooks::release(&self.pool, lease, &outcome.untried).await?;
        }
        if outcome.failed.is_empty() {
            return Ok(());
        }
        let now = sweep::now(&self.pool).await?;
        let failed: Vec<_> = outcome.failed.iter().map(|failed| verdict(failed, now)).collect();
        let dead = webhooks::failed(&self.pool, lease, now, &failed).await?;
        if dead > 0 {
            measure::dead(dead);
            tracing::warn!(webhook_id = %lease.webhook_id, dead, "deliveries were given up");
        }
        Ok(())
    }
}

impl Outcome {
    fn all_failed(claimed: Vec<Claimed>, kind: DeliveryFailure) -> Self {
        let failed = claimed.into_iter().map(|claimed| (claimed, Failure::from(kind)));
        Self { failed: failed.collect(), ..Self::default() }
    }

    fn join(mut self, other: Self) -> Self {
        self.delivered.extend(other.delivered);
        self.failed.extend(other.failed);
        self.untried.extend(other.untried);
        self
    }
}

impl Sending<'_> {
    async fn all(&self, deliveries: Vec<Claimed>) -> Outcome {
        let mut lanes: [Vec<Claimed>; LANES] = Default::default();
        for (place, claimed) in deliveries.into_iter().enumerate() {
            lanes[place % LANES].push(claimed);
        }
        let lanes = lanes.into_iter().filter(|lane| !lane.is_empty());
        let outcomes = join_all(lanes.map(|lane| self.lane(lane))).await;
        outcomes.into_iter().fold(Outcome::default(), Outcome::join)
    }

    /// Sends one message after another. Where nobody answers, the rest is not tried: it goes back,
    /// or, where it was so at the last visit too, has failed with it.
    async fn lane(&self, deliveries: Vec<Claimed>) -> Outcome {
        let (mut lane, mut outcome) = (Lane::default(), Outcome::default());
        let mut rest = deliveries.into_iter();
        while let Some(claimed) = rest.next() {
            let sent = if self.began.elapsed() < CLAIM_TIME {
                self.one(&mut lane, &claimed).await
            } else {
                None
            };
            match sent {
                Some(Ok(())) => outcome.delivered.push(claimed.event_id),
                Some(Err(failure)) => {
                    outcome.failed.push((claimed, failure));
                    if failure.status.is_none() && self.failing {
                        outcome.failed.extend(rest.by_ref().map(|claimed| (claimed, failure)));
                    } else if failure.status.is_none() {
                        outcome.untried.extend(rest.by_ref().map(|claimed| claimed.event_id));
                    }
                }
                None => {
                    outcome.untried.push(claimed.event_id);
                    outcome.untried.extend(rest.by_ref().map(|claimed| claimed.event_id));
                }
            }
        }
        outcome
    }

    /// Sends one message; `None` when the hub stops meanwhile.
    async fn one(&self, lane: &mut Lane, claimed: &Claimed) -> Option<Result<(), Failure>> {
        let Some(message) = Message::of(&claimed.event) else {
            tracing::error!(event_id = %claimed.event_id, "an event cannot be written as JSON");
            return Some(Err(DeliveryFailure::Broken.into()));
        };
        let elapsed = SignedDuration::try_from(self.began.elapsed()).unwrap_or_default();
        let timestamp = self.at.checked_add(elapsed).unwrap_or(self.at).as_second();
        let signed = Signed { message: &message, timestamp, secret: self.secret };
        let mut stopping = self.stopping.clone();
        let started = Instant::now();
        let sent = tokio::select! {
            sent = self.sender.send(lane, self.endpoint, &signed) => sent,
            _ = stopping.wait_for(|stopping| *stopping) => return None,
        };
        measure::attempt(sent.as_ref().err().map(|failure| failure.kind), started.elapsed());
        Some(sent)
    }
}

/// When to try again after a failure, or that it was the last one.
fn verdict((claimed, failure): &(Claimed, Failure), now: Timestamp) -> Failed {
    let alive = now.duration_since(claimed.since) < TRIED;
    let pause = pause(claimed.event_id, claimed.attempts);
    Failed {
        event_id: claimed.event_id,
        failure: i32::from(failure.kind).try_into().unwrap_or(i16::MAX),
        status: failure.status.and_then(|status| status.try_into().ok()),
        next_attempt_at: alive.then(|| now.checked_add(pause).unwrap_or(now)),
    }
}

/// 5 seconds, twice as long after each attempt, to an hour; and up to a quarter more, which the
/// event's id chooses, so that not all are tried again at once.
fn pause(event_id: Uuid, attempts: i32) -> SignedDuration {
    let doublings = attempts.clamp(0, 16);
    let seconds = (FIRST_PAUSE_SECONDS << doublings).min(LONGEST_PAUSE_SECONDS);
    let [.., chosen] = event_id.into_bytes();
    SignedDuration::from_millis(seconds * 1_000 + seconds * i64::from(chosen))
}

fn delivery(place: FeedPlace, event: &Event) -> Result<NewDelivery, RpcError> {
    Ok(NewDelivery {
        event_id: event.id.parse().map_err(RpcError::internal)?,
        cell: place.cell,
        seq: place.seq,
        kind: message::kind(event).into(),
        event: event.encode_to_vec(),
    })
}

fn log(webhook: &Webhook, error: &RpcError) {
    let webhook_id = webhook.webhook_id;
    match error {
        RpcError::Fault(fault) => {
            tracing::error!(%webhook_id, error = chain(fault.as_ref()), "a visit failed");
        }
        RpcError::Refused(_) | RpcError::Replayed(_) => {
            tracing::warn!(%webhook_id, "a visit has to wait for the database");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claimed(since: Timestamp, attempts: i32) -> Claimed {
        Claimed { event_id: Uuid::nil(), event: Vec::new(), attempts, since }
    }

    #[test]
    fn a_delivery_is_tried_for_three_days_later_and_later() {
        let since = Timestamp::from_second(1_772_438_400).expect("a time");
        let failure = Failure { kind: DeliveryFailure::Status, status: Some(500) };
        let (mut now, mut attempts) = (since, 0);
        let mut pauses = Vec::new();
        while let Some(next) = verdict(&(claimed(since, attempts), failure), now).next_attempt_at {
            pauses.push(next.duration_since(now).as_secs());
            (now, attempts) = (next, attempts + 1);
        }
        assert_eq!(pauses[..5], [5, 10, 20, 40, 80]);
        assert_eq!((pauses.last(), pauses.is_sorted()), (Some(&3_600), true));
        assert_eq!(
            now.duration_since(since).as_hours(),
            72,
            "an attempt after three days is the last"
        );
    }

    #[test]
    fn a_pause_is_at_most_a_quarter_longer_than_it_has_to_be() {
        let ids = [Uuid::nil(), Uuid::max()].map(|id| pause(id, 99).as_secs());
        assert_eq!(ids, [3_600, 4_518]);
    }

    #[test]
    fn an_endpoint_that_accepts_nothing_is_visited_seldom() {
        let every = Duration::from_millis(500);
        let rests = [0, 1, 2, 9, u32::MAX].map(|streak| rest(every, streak).as_millis());
        assert_eq!(rests, [0, 1_000, 2_000, 30_000, 30_000]);
    }
}
