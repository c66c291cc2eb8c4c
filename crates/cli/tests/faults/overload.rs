//! Ten times as many callers as a hub can serve: what it cannot take it puts off, what it takes it serves,
//! its memory stays, and a partner that does not flood does not notice. Once by callers who come again
//! when they are told to, once by callers who come again at once.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use entente_client::{Client, Error, api::error::ErrorReason};
use entente_testkit::cast::{self, HARBOR, earn, enrol};
use tokio::task::JoinSet;

use crate::{
    request::{Doubt, Outcome, judged},
    stage::{Stage, partner},
    table::Row,
    verify,
    world::World,
};

/// Calls at once that keep the hub busy, and how many times that a flood has.
const BUSY: usize = 64;
const TIMES: usize = 10;

/// What waits at most, far less than what comes.
const QUEUES: &str = "[posting]\nqueue = 128\nbatch = 64\n";

/// Over as many members the flood is spread.
const MEMBERS: usize = 40;

/// What flooders do when they are put off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manners {
    /// They wait for as long as RetryInfo says.
    Polite,
    /// They send the next request at once.
    Rude,
}

/// What flooders see, and what it cost the hub.
#[derive(Debug, Default)]
struct Seen {
    posted: AtomicU64,
    unknown: AtomicU64,
    wrong: Mutex<Vec<String>>,
    /// How long it took to be put off.
    put_off: Mutex<Vec<Duration>>,
    /// Milliseconds of processors.
    cost: AtomicU64,
}

/// One partner floods, another calls as it always does.
pub(crate) async fn ten_times_what_a_hub_can_serve(world: &World) -> Result<Row> {
    let mut stage = Stage::build(world, QUEUES).await?;
    let [harbor, rover, _] = stage.brands().await?;
    for member in 0..MEMBERS {
        enrol(&harbor, &format!("guest-{member}")).await;
    }
    enrol(&rover, "rider").await;
    let mut clients = Vec::new();
    for _ in 0..TIMES {
        let options = stage.options(&partner(HARBOR)?, &[stage.front.address()])?;
        clients.push(Client::connect(options).await?);
    }
    let time = world.settings.flood;
    // The first flood warms up what memory holds anyway.
    let peak = flood(&mut stage, &clients[..1], (BUSY, Manners::Rude), time).await?;
    let before = stage.hub().memory_kib();
    let honest = Honest::start(rover);
    let polite = flood(&mut stage, &clients, (BUSY * TIMES, Manners::Polite), time).await?;
    let rude = flood(&mut stage, &clients, (BUSY * TIMES, Manners::Rude), time).await?;
    let (honest_calls, honest_put_off) = honest.stop().await?;
    let after = stage.hub().memory_kib();
    let moment = Instant::now();
    harbor.earn(earn("guest-0", 1_000_000, "EUR")).await.context("it is over")?;
    let back_after = vec![moment.elapsed()];
    ensure!(polite.delays().len() + rude.delays().len() > 0, "nobody was put off");
    let pool = verify::pool(&stage.ledger.owner_url).await?;
    verify::invariants(&pool).await?;
    pool.close().await;
    stage.end().await?;
    let mib =
        |kib: Option<u64>| kib.map_or_else(|| "?".to_owned(), |kib| (kib / 1_024).to_string());
    let seen = format!(
        "{} a second with {BUSY} callers; with {TIMES} times as many: {}, {}; \
         a partner that does not flood made {honest_calls} calls, {honest_put_off} put off; memory {} to {} MiB",
        peak.posted() / time.as_secs().max(1),
        polite.told("who wait as they are told", &peak),
        rude.told("who come again at once", &peak),
        mib(before),
        mib(after),
    );
    let done = format!("{} callers for {} s, twice, queues of 128", BUSY * TIMES, time.as_secs());
    let operations = peak.posted() + polite.posted() + rude.posted() + honest_calls + 1;
    let unknown = [&peak, &polite, &rude].iter().map(|seen| get(&seen.unknown)).sum();
    Ok(Row { done, operations, unknown, back_after, seen })
}

/// So many callers, each sending its next request when the last is answered, however.
async fn flood(
    stage: &mut Stage<'_>,
    clients: &[Client],
    (callers, manners): (usize, Manners),
    time: Duration,
) -> Result<Arc<Seen>> {
    let (seen, end) = (Arc::new(Seen::default()), Instant::now() + time);
    let before = stage.hub().processor_time();
    let mut flooding = JoinSet::new();
    for caller in 0..callers {
        let (client, seen) = (clients[caller % clients.len()].clone(), Arc::clone(&seen));
        let member = format!("guest-{}", caller % MEMBERS);
        flooding.spawn(async move {
            while Instant::now() < end {
                let told = seen.call(&client, &member).await;
                if manners == Manners::Polite {
                    tokio::time::sleep_until((Instant::now() + told).min(end).into()).await;
                }
            }
        });
    }
    while let Some(ended) = flooding.join_next().await {
        ended?;
    }
    let wrong = locked(&seen.wrong).join("; ");
    ensure!(wrong.is_empty(), "{wrong}");
    if let (Some(before), Some(after)) = (before, stage.hub().processor_time()) {
        seen.cost.store((after - before) * 10, Ordering::Relaxed);
    }
    Ok(seen)
}

impl Seen {
    /// Calls once; how long to wait before the next.
    async fn call(&self, client: &Client, member: &str) -> Duration {
        let sent = Instant::now();
        let Err(error) = client.earn(earn(member, 1_000_000, "EUR")).await else {
            self.posted.fetch_add(1, Ordering::Relaxed);
            return Duration::ZERO;
        };
        match judged(&error) {
            Outcome::Open(Doubt::PutOff) => locked(&self.put_off).push(sent.elapsed()),
            Outcome::Open(_) | Outcome::Refused(ErrorReason::DeadlinePassed) => {
                self.unknown.fetch_add(1, Ordering::Relaxed);
            }
            other => locked(&self.wrong).push(format!("{other:?}")),
        }
        retry_after(&error)
    }

    fn posted(&self) -> u64 {
        get(&self.posted)
    }

    /// How long it took to be put off, the shortest first.
    fn delays(&self) -> Vec<Duration> {
        let mut delays = locked(&self.put_off).clone();
        delays.sort_unstable();
        delays
    }

    /// Compared with as many callers as can be served, each of whose calls cost what it cost there.
    fn told(&self, who: &str, peak: &Self) -> String {
        let (posted, delays) = (self.posted(), self.delays());
        let micros = |millis: u64, calls: u64| millis * 1_000 / calls.max(1);
        let each = micros(get(&peak.cost), peak.posted());
        let refusals = get(&self.cost).saturating_sub(posted * each / 1_000);
        let count = u64::try_from(delays.len()).unwrap_or(u64::MAX);
        format!(
            "{} % of it by callers {who}, {count} put off after {} ms (median), each for {} µs of the hub's \
             processors where a call takes {each}",
            posted * 100 / peak.posted().max(1),
            delays.get(delays.len() / 2).copied().unwrap_or_default().as_millis(),
            micros(refusals, count),
        )
    }
}

fn retry_after(error: &Error) -> Duration {
    error.refusal().and_then(|refusal| refusal.retry_after).unwrap_or_default()
}

fn get(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

fn locked<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A partner with one call at a time.
#[derive(Debug)]
struct Honest {
    stop: Arc<AtomicBool>,
    calling: tokio::task::JoinHandle<Result<(u64, u64)>>,
}

impl Honest {
    fn start(client: Client) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let calling = tokio::spawn(async move {
            let (mut calls, mut put_off) = (0, 0);
            while !stopped.load(Ordering::Relaxed) || calls == 0 {
                let request = cast::earn("rider", 1_000_000, "USD");
                match client.earn(request).await {
                    Ok(_) => calls += 1,
                    // A machine that is all but dead keeps the hub from its security epoch.
                    Err(error) if matches!(judged(&error), Outcome::Open(_)) => put_off += 1,
                    Err(error) => return Err(error).context("it does not flood"),
                }
            }
            Ok((calls, put_off))
        });
        Self { stop, calling }
    }

    async fn stop(self) -> Result<(u64, u64)> {
        self.stop.store(true, Ordering::Relaxed);
        self.calling.await?
    }
}
