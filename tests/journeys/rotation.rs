//! Certificates and lists that are changed under load: no call fails.

use std::{
    env,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use entente_client::{
    Client, Options, Retry,
    api::{points::EarnRequest, settlement::ListWindowsRequest},
};
use entente_hub::config::Limits;
use entente_identity::{
    Identity, Thumbprint,
    pem::read_certificates,
    pki::{DomainDirectory, Reason, Which},
};
use entente_testkit::{
    TestHub,
    cast::{self, HARBOR, earn, enrol},
};
use tokio::{task::JoinSet, time::Instant};

use crate::wire::{operator, partner};

/// So short that every rotation meets connections that end.
const AGE_MS: u64 = 100;

/// Three that earn, and one that reads.
const CALLERS: usize = 4;

/// How long clients may take to change over: far more than they need.
const PATIENCE: Duration = Duration::from_secs(30);

/// How many rotations; a longer run by `ENTENTE_ROTATIONS`.
#[expect(clippy::disallowed_methods, reason = "a test's length is chosen from outside")]
fn rotation_count() -> usize {
    let chosen = env::var("ENTENTE_ROTATIONS").ok();
    chosen.map_or(4, |count| count.parse().expect("a number"))
}

/// What callers share.
#[derive(Default)]
struct Load {
    stop: AtomicBool,
    /// Of each caller.
    answered: [AtomicUsize; CALLERS],
}

impl Load {
    fn answered(&self) -> [usize; CALLERS] {
        self.answered.each_ref().map(|count| count.load(Ordering::Relaxed))
    }
}

fn thumbprint(directory: &DomainDirectory, who: &Identity) -> Thumbprint {
    Thumbprint::of(&read_certificates(&directory.certificate(who)).unwrap()[0])
}

async fn client(hub: &TestHub, who: &Identity) -> Client {
    let address = match who {
        Identity::Operator(_) => hub.operator_address(),
        _ => hub.partner_address(),
    };
    // With patience for a machine that does much else.
    let (deadline, attempt_deadline) = (PATIENCE * 2, PATIENCE / 2);
    let retry = Retry { deadline, attempt_deadline, attempts: 12, ..Retry::default() };
    let options: Options = hub.options(who, address).retry(retry);
    Client::connect(options).await.unwrap()
}

/// Earns until it is stopped; every request has an id of its own, and every answer is the first.
async fn earns(caller: usize, client: Client, load: Arc<Load>) {
    while !load.stop.load(Ordering::Relaxed) {
        let request: EarnRequest = earn("guest", 1_000_000, "EUR");
        client.earn(request).await.expect("no call fails");
        load.answered[caller].fetch_add(1, Ordering::Relaxed);
    }
}

async fn reads(caller: usize, client: Client, load: Arc<Load>) {
    while !load.stop.load(Ordering::Relaxed) {
        client.list_windows(ListWindowsRequest::default()).await.expect("no call fails");
        load.answered[caller].fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until nobody is connected by a certificate, twice in a row: somebody may be shaking hands.
async fn left(hub: &TestHub, old: Thumbprint) {
    let (end, mut absent) = (Instant::now() + PATIENCE, 0);
    while absent < 2 {
        assert!(Instant::now() < end, "a client goes on with its old certificate");
        tokio::time::sleep(Duration::from_millis(AGE_MS / 2)).await;
        let count = hub.hub().open().count(|info| info.thumbprint == old);
        absent = if count == 0 { absent + 1 } else { 0 };
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_call_fails_while_certificates_and_lists_are_changed() {
    let limits = Limits { connection_age_ms: AGE_MS, ..Limits::default() };
    let hub = TestHub::within(limits).await;
    let directory = hub.trust_domain();
    let (harbor, ops) = (partner(HARBOR), operator());
    enrol(&client(&hub, &harbor).await, "guest").await;
    let (load, mut callers) = (Arc::new(Load::default()), JoinSet::new());
    for caller in 1..CALLERS {
        callers.spawn(earns(caller, client(&hub, &harbor).await, Arc::clone(&load)));
    }
    callers.spawn(reads(0, client(&hub, &ops).await, Arc::clone(&load)));

    for rotation in 0..rotation_count() {
        let now = cast::real_now();
        let old = [&harbor, &ops].map(|who| thumbprint(&directory, who));
        directory.renew(&Identity::Hub, None, None, now).unwrap();
        // A CA now and then: the next one signs, the one before is good until all have changed.
        let changes = rotation % 5 == 2;
        if changes {
            directory.change_authority(&harbor, now).unwrap();
            hub.reload().await;
        }
        for who in [&harbor, &ops] {
            directory.renew(who, None, None, now).unwrap();
        }
        hub.reload().await;
        let before = load.answered();
        for old in old {
            left(&hub, old).await;
        }
        for who in [&harbor, &ops] {
            directory.revoke(who, Which::Before, Reason::Superseded, now).unwrap();
        }
        if changes {
            directory.retire_authority(&harbor, now).unwrap();
        }
        hub.reload().await;
        // Nobody sleeps through a rotation, so that each call meets the next one.
        let answered = async {
            let waits = || load.answered().iter().zip(before).any(|(now, before)| *now == before);
            while waits() && callers.try_join_next().map(Result::unwrap).is_none() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, answered).await.expect("calls are answered meanwhile");
    }
    load.stop.store(true, Ordering::Relaxed);
    while let Some(ended) = callers.join_next().await {
        ended.unwrap();
    }
    hub.close().await;
}
