//! Load: many callers, each with members of its own, so that each knows what every answer has to be. A
//! caller leaves no request before its outcome is known: it asks GetOperation, or sends the same again.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use entente_testkit::cast::{self, PARTNERS};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::task::{JoinHandle, JoinSet};
use uuid::{Builder, Uuid};

use crate::{
    member::{Member, Step},
    request::{Doubt, Outcome, Request, asked},
    sent::{Figures, Sent, Told},
    stage::{Brands, PATIENT, Stage},
};

/// How long a request may stay unknown, and a scenario wait: far more than anything needs.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// Who calls.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Crew {
    pub(crate) callers: usize,
    /// Of each caller.
    pub(crate) members: usize,
    pub(crate) seed: u64,
    /// Every call is dropped at a random moment within this time.
    pub(crate) dropped_within: Option<Duration>,
    /// How many operations all together have; without, until they are told to stop.
    pub(crate) operations: Option<u64>,
}

/// Callers at work.
#[derive(Debug)]
pub(crate) struct Load {
    callers: Vec<JoinHandle<Caller>>,
    shared: Arc<Shared>,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) members: Vec<Member>,
    /// What was sent of each member, until it is replayed.
    pub(crate) sent: Vec<Vec<Sent>>,
    /// By brand.
    pub(crate) posted: [Vec<Uuid>; PARTNERS.len()],
    pub(crate) refused: [Vec<Uuid>; PARTNERS.len()],
    pub(crate) tally: Tally,
}

/// What is counted.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Requests that were unknown, or put off, at least once.
    pub(crate) doubted: AtomicU64,
    pub(crate) put_off: AtomicU64,
    pub(crate) unreached: AtomicU64,
    pub(crate) unknown: AtomicU64,
    pub(crate) told_by_get_operation: AtomicU64,
    pub(crate) told_by_retry: AtomicU64,
    pub(crate) replayed: AtomicU64,
}

#[derive(Debug)]
struct Shared {
    brands: Brands,
    stop: AtomicBool,
    left: Option<AtomicU64>,
    begun: Instant,
    /// When the latest request was sent that is acknowledged, in microseconds.
    fresh: AtomicU64,
    tally: Tally,
    wrong: Mutex<Vec<String>>,
}

#[derive(Debug)]
struct Caller {
    shared: Arc<Shared>,
    rng: StdRng,
    members: Vec<Member>,
    /// Of each member.
    sent: Vec<Vec<Sent>>,
    dropped_within: Option<Duration>,
    posted: [Vec<Uuid>; PARTNERS.len()],
    refused: [Vec<Uuid>; PARTNERS.len()],
}

impl Load {
    /// Enrolls the members, and begins.
    pub(crate) async fn start(stage: &Stage<'_>, brands: Brands, crew: Crew) -> Result<Self> {
        let shared = Arc::new(Shared {
            brands,
            stop: AtomicBool::new(false),
            left: crew.operations.map(AtomicU64::new),
            begun: Instant::now(),
            fresh: AtomicU64::new(0),
            tally: Tally::default(),
            wrong: Mutex::default(),
        });
        let mut callers: Vec<_> =
            (0..crew.callers).map(|number| Caller::new(&shared, crew, number)).collect();
        enroll(stage, &callers).await?;
        let callers = callers.drain(..).map(|caller| tokio::spawn(caller.run())).collect();
        Ok(Self { callers, shared })
    }

    /// Waits for the acknowledgement of something that was sent after a moment; how long it took.
    pub(crate) async fn back_since(&self, moment: Instant) -> Result<Duration> {
        let since = micros(moment.duration_since(self.shared.begun));
        while self.shared.fresh.load(Ordering::Relaxed) <= since {
            self.look()?;
            if moment.elapsed() > PATIENCE {
                bail!("nothing is acknowledged for {} s", PATIENCE.as_secs());
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(moment.elapsed())
    }

    /// How many attempts ended without an answer so far.
    pub(crate) fn dropped(&self) -> u64 {
        self.shared.tally.unknown.load(Ordering::Relaxed)
    }

    /// Fails as soon as an answer is wrong.
    pub(crate) fn look(&self) -> Result<()> {
        let wrong = self.shared.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        if wrong.is_empty() { Ok(()) } else { bail!("{}", wrong.join("; ")) }
    }

    /// Lets every caller finish what it began.
    pub(crate) async fn finish(self) -> Result<Done> {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.ended().await
    }

    /// Waits until all operations are done.
    pub(crate) async fn ended(self) -> Result<Done> {
        let Self { callers, shared } = self;
        let mut done = Done {
            members: Vec::new(),
            sent: Vec::new(),
            posted: Default::default(),
            refused: Default::default(),
            tally: Tally::default(),
        };
        for caller in callers {
            let caller = caller.await?;
            done.members.extend(caller.members);
            done.sent.extend(caller.sent);
            for (all, one) in done.posted.iter_mut().zip(caller.posted) {
                all.extend(one);
            }
            for (all, one) in done.refused.iter_mut().zip(caller.refused) {
                all.extend(one);
            }
        }
        let shared = Arc::into_inner(shared).context("no caller is left")?;
        let wrong = shared.wrong.into_inner().unwrap_or_else(PoisonError::into_inner);
        if !wrong.is_empty() {
            bail!("{}", wrong.join("; "));
        }
        done.tally = shared.tally;
        Ok(done)
    }
}

impl Done {
    /// How many outcomes are known.
    pub(crate) fn operations(&self) -> u64 {
        let count: usize = self.posted.iter().chain(&self.refused).map(Vec::len).sum();
        u64::try_from(count).unwrap_or(u64::MAX)
    }
}

impl Tally {
    /// How many requests were unknown in between.
    pub(crate) fn doubted(&self) -> u64 {
        self.doubted.load(Ordering::Relaxed)
    }

    /// How doubts were resolved.
    pub(crate) fn told(&self) -> String {
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        format!(
            "{} told by GetOperation, {} by the same id again, {} of all replayed; attempts: {} unknown, {} not sent, {} put off",
            get(&self.told_by_get_operation),
            get(&self.told_by_retry),
            get(&self.replayed),
            get(&self.unknown),
            get(&self.unreached),
            get(&self.put_off),
        )
    }
}

impl Shared {
    fn stops(&self) -> bool {
        let none_left = self.left.as_ref().is_some_and(|left| {
            let taken =
                left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
            taken.is_err()
        });
        none_left || self.stop.load(Ordering::Relaxed)
    }

    fn is_wrong(&self, what: String) {
        self.stop.store(true, Ordering::Relaxed);
        let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        if wrong.len() < 5 {
            wrong.push(what);
        }
    }
}

impl Caller {
    fn new(shared: &Arc<Shared>, crew: Crew, number: usize) -> Self {
        let home = number % PARTNERS.len();
        let away = (home + 1) % PARTNERS.len();
        let member = |n| Member::new(format!("m-{number}-{n}"), home, away);
        let spread = u64::try_from(number).unwrap_or_default();
        Self {
            shared: Arc::clone(shared),
            rng: StdRng::seed_from_u64(crew.seed.wrapping_add(spread)),
            members: (0..crew.members).map(member).collect(),
            sent: vec![Vec::new(); crew.members],
            dropped_within: crew.dropped_within,
            posted: Default::default(),
            refused: Default::default(),
        }
    }

    async fn run(mut self) -> Self {
        while !self.shared.stops() {
            let member = self.rng.random_range(0..self.members.len());
            let step = self.members[member].next(&mut self.rng);
            let id = Builder::from_random_bytes(self.rng.random()).into_uuid();
            if let Err(wrong) = self.play(member, step, id).await {
                let reference = &self.members[member].reference;
                self.shared.is_wrong(format!("{wrong}: {step:?} of {reference}, {id}"));
                break;
            }
        }
        self
    }

    /// Sends a request until its outcome is known, and compares it with what has to be.
    async fn play(&mut self, member: usize, step: Step, id: Uuid) -> Result<(), String> {
        let (brand, request) = self.members[member].request(step, id);
        let (outcome, sent) = self.outcome(brand, &request, id).await?;
        let known = &mut self.members[member];
        let asked = known.asked(step);
        let told = match (outcome, known.refusal(step)) {
            (Outcome::Posted { operation: Some(operation), balances, .. }, None) => {
                known.apply(step, id);
                self.posted[brand].push(id);
                if balances != Some(known.wallet) {
                    return Err(format!("answered {balances:?} and not {:?}", known.wallet));
                }
                Told::Posted(Figures::told(&operation, known.wallet))
            }
            (Outcome::Refused(reason), Some(expected)) if reason == expected => {
                self.refused[brand].push(id);
                Told::Refused(reason)
            }
            (Outcome::Bad(answer), _) => return Err(answer),
            (other, expected) => return Err(format!("{other:?} and not {expected:?}")),
        };
        known.commands += 1;
        let brand = u8::try_from(brand).unwrap_or(u8::MAX);
        self.sent[member].push(Sent { id, brand, asked, told });
        let sent = micros(sent.duration_since(self.shared.begun));
        self.shared.fresh.fetch_max(sent, Ordering::Relaxed);
        Ok(())
    }

    /// The outcome, and when the attempt began that told it.
    async fn outcome(
        &mut self,
        brand: usize,
        request: &Request,
        id: Uuid,
    ) -> Result<(Outcome, Instant), String> {
        let (begun, shared) = (Instant::now(), Arc::clone(&self.shared));
        let client = &shared.brands[brand];
        let mut doubted = false;
        loop {
            let sent = Instant::now();
            let asks = doubted && self.rng.random_bool(0.5);
            let told = if asks {
                asked(client, &id.to_string()).await
            } else {
                Some(self.attempt(request, brand, begun).await)
            };
            match told {
                // The hub has none: the same request is to be sent again.
                None => {}
                Some(Outcome::Open(doubt)) => {
                    shared.tally.doubt(doubt, !doubted);
                    doubted = true;
                    let pause = self.rng.random_range(5..60);
                    tokio::time::sleep(Duration::from_millis(pause)).await;
                }
                Some(known) => {
                    shared.tally.tell(&known, doubted, asks);
                    return Ok((known, sent));
                }
            }
            if begun.elapsed() > PATIENCE {
                return Err("unknown for ever".to_owned());
            }
        }
    }

    /// One attempt, which is dropped if this load drops calls; not for ever, so that it ends.
    async fn attempt(&mut self, request: &Request, brand: usize, begun: Instant) -> Outcome {
        let client = &self.shared.brands[brand];
        let Some(within) = self.dropped_within.filter(|_| begun.elapsed() < PATIENCE / 10) else {
            return request.send(client).await;
        };
        let moment = within.mul_f64(self.rng.random_range(0.0..1.0));
        let sent = tokio::time::timeout(moment, request.send(client)).await;
        sent.unwrap_or(Outcome::Open(Doubt::Unknown))
    }
}

impl Tally {
    fn doubt(&self, doubt: Doubt, first: bool) {
        let kind = match doubt {
            Doubt::Unreached => &self.unreached,
            Doubt::PutOff => &self.put_off,
            Doubt::Unknown => &self.unknown,
        };
        kind.fetch_add(1, Ordering::Relaxed);
        self.doubted.fetch_add(u64::from(first), Ordering::Relaxed);
    }

    fn tell(&self, known: &Outcome, doubted: bool, asked: bool) {
        let replayed = matches!(known, Outcome::Posted { replayed: true, .. });
        self.replayed.fetch_add(u64::from(replayed && !asked), Ordering::Relaxed);
        let by = if asked { &self.told_by_get_operation } else { &self.told_by_retry };
        by.fetch_add(u64::from(doubted), Ordering::Relaxed);
    }
}

/// Links every member at its home and attaches it away, several at a time.
async fn enroll(stage: &Stage<'_>, callers: &[Caller]) -> Result<()> {
    let operators = stage.operators().await?;
    let mut enrolling = JoinSet::new();
    for caller in callers {
        let (operators, shared) = (operators.clone(), Arc::clone(&caller.shared));
        let members = caller.members.clone();
        enrolling.spawn(async move {
            for Member { reference, home, away, .. } in members {
                cast::enrol(&shared.brands[home].with_retry(PATIENT), &reference).await;
                cast::attach(&operators, PARTNERS[home], &reference, PARTNERS[away]).await;
            }
        });
    }
    while let Some(enrolled) = enrolling.join_next().await {
        enrolled?;
    }
    Ok(())
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
