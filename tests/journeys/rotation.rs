//! Certificates and lists that are changed under load: no call and no stream fails.

use std::{
    env,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use entente_client::{
    Client, Error, Resume, Retry,
    api::{event::WatchRequest, settlement::ListWindowsRequest},
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
use tokio::{
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use crate::wire::{operator, partner};

/// So short that every rotation meets connections that end.
const AGE_MS: u64 = 100;

/// Who is at work: two that earn call by call, one in a stream, one that watches, an operator that reads.
const CALLERS: usize = 5;

/// Between two calls of a caller.
const PACE: Duration = Duration::from_millis(3);

/// How long an attempt may take, and anything else: far more than it needs, since on a machine that does
/// much else a call may wait for its turn at every step.
const ATTEMPT: Duration = Duration::from_secs(30);
const PATIENCE: Duration = Duration::from_mins(3);

/// How many rotations; a longer run by `ENTENTE_ROTATIONS`.
#[expect(clippy::disallowed_methods, reason = "a test's length is chosen from outside")]
fn rotation_count() -> usize {
    let chosen = env::var("ENTENTE_ROTATIONS").ok();
    chosen.map_or(12, |count| count.parse().expect("a number"))
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

    /// Counts an answer; `false` when it was the last.
    async fn more(&self, caller: usize) -> bool {
        self.answered[caller].fetch_add(1, Ordering::Relaxed);
        sleep(PACE).await;
        !self.stop.load(Ordering::Relaxed)
    }
}

async fn client(hub: &TestHub, who: &Identity) -> Client {
    let address = match who {
        Identity::Operator(_) => hub.operator_address(),
        _ => hub.partner_address(),
    };
    // As a partner has it, with patience for a machine that does much else.
    let retry = Retry { deadline: PATIENCE, attempt_deadline: ATTEMPT, ..Retry::default() };
    Client::connect(hub.options(who, address).retry(retry)).await.unwrap()
}

async fn earns(caller: usize, client: Client, load: Arc<Load>) {
    loop {
        client.earn(earn("guest", 1_000_000, "EUR")).await.expect("no call fails");
        if !load.more(caller).await {
            return;
        }
    }
}

async fn streams(caller: usize, client: Client, load: Arc<Load>) {
    let (mut sink, mut outcomes) =
        client.earn_stream(Resume { silence: ATTEMPT, patience: PATIENCE, ..Resume::default() });
    loop {
        sink.send(earn("guest", 1_000_000, "EUR")).await.expect("no stream ends");
        let outcome = outcomes.next().await.expect("no stream fails").expect("every line has one");
        outcome.result.expect("no line fails");
        if !load.more(caller).await {
            break;
        }
    }
    sink.finish();
    assert!(outcomes.next().await.expect("no stream fails").is_none(), "it ends after its lines");
}

async fn watches(caller: usize, client: Client, load: Arc<Load>) {
    let mut watch = client.watch(WatchRequest::default()).await.expect("no call fails");
    loop {
        watch.next().await.expect("no stream fails");
        if !load.more(caller).await {
            return;
        }
    }
}

async fn reads(caller: usize, client: Client, load: Arc<Load>) {
    loop {
        client.list_windows(ListWindowsRequest::default()).await.expect("no call fails");
        if !load.more(caller).await {
            return;
        }
    }
}

/// Renews the certificates of hub, partner and operator, and revokes those before at once: also those
/// of connections on which somebody is speaking, or shaking hands.
async fn rotate(hub: &TestHub, rotation: usize) {
    let (directory, now) = (hub.trust_domain(), cast::real_now());
    let (harbor, ops) = (partner(HARBOR), operator());
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
    for who in [&Identity::Hub, &harbor, &ops] {
        directory.revoke(who, Which::Before, Reason::Superseded, now).unwrap();
    }
    if changes {
        directory.retire_authority(&harbor, now).unwrap();
    }
    hub.reload().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_call_fails_while_certificates_and_lists_are_changed() {
    let limits = Limits { connection_age_ms: AGE_MS, ..Limits::default() };
    let hub = TestHub::within(limits).await;
    let (harbor, ops) = (partner(HARBOR), operator());
    enrol(&client(&hub, &harbor).await, "guest").await;
    let (load, mut callers) = (Arc::new(Load::default()), JoinSet::new());
    callers.spawn(reads(0, client(&hub, &ops).await, Arc::clone(&load)));
    callers.spawn(earns(1, client(&hub, &harbor).await, Arc::clone(&load)));
    callers.spawn(earns(2, client(&hub, &harbor).await, Arc::clone(&load)));
    callers.spawn(streams(3, client(&hub, &harbor).await, Arc::clone(&load)));
    callers.spawn(watches(4, client(&hub, &harbor).await, Arc::clone(&load)));

    for rotation in 0..rotation_count() {
        rotate(&hub, rotation).await;
        let before = load.answered();
        // Nobody sleeps through a rotation, so that each call and stream meets the next one.
        let answered = async {
            let waits = || load.answered().iter().zip(before).any(|(now, before)| *now == before);
            while waits() && callers.try_join_next().map(Result::unwrap).is_none() {
                sleep(PACE).await;
            }
        };
        timeout(PATIENCE, answered).await.expect("everybody is answered after each rotation");
    }
    load.stop.store(true, Ordering::Relaxed);
    // The watcher waits for one more event.
    client(&hub, &harbor).await.earn(earn("guest", 1_000_000, "EUR")).await.unwrap();
    while let Some(ended) = callers.join_next().await {
        ended.unwrap();
    }
    hub.close().await;
}

/// Forwards to an address; the first connection is told of, and waits until it may go on.
async fn gate(to: SocketAddr) -> (SocketAddr, oneshot::Receiver<()>, oneshot::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let ((arrived, waits), (go, opened)) = (oneshot::channel(), oneshot::channel::<()>());
    tokio::spawn(async move {
        let mut first = Some((arrived, opened));
        while let Ok((mut from, _)) = listener.accept().await {
            if let Some((arrived, opened)) = first.take() {
                arrived.send(()).unwrap();
                opened.await.unwrap();
            }
            let mut to = TcpStream::connect(to).await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut from, &mut to).await });
        }
    });
    (address, waits, go)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_revoked_during_its_handshake_gives_way_to_the_next() {
    let hub = TestHub::with_cast().await;
    enrol(&hub.partner(HARBOR).await, "guest").await;
    let (address, arrived, go) = gate(hub.partner_address()).await;
    let options = hub.options(&partner(HARBOR), address);
    let connecting = tokio::spawn(Client::connect(options));
    // The files have been read by the time the gate is reached.
    arrived.await.unwrap();
    rotate(&hub, 0).await;
    go.send(()).unwrap();
    let client = connecting.await.unwrap().unwrap();
    client.earn(earn("guest", 1_000_000, "EUR")).await.expect("one attempt is enough");
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_revoked_under_a_connection_gives_way_to_the_next() {
    let hub = TestHub::with_cast().await;
    let client = hub.partner(HARBOR).await;
    enrol(&client, "guest").await;
    let (mut sink, mut outcomes) = client.earn_stream(Resume::default());
    let mut watch = client.watch(WatchRequest::default()).await.unwrap();
    for rotation in 0..2 {
        rotate(&hub, rotation).await;
        client.earn(earn("guest", 1_000_000, "EUR")).await.expect("one attempt is enough");
        sink.send(earn("guest", 1_000_000, "EUR")).await.unwrap();
        let outcome = outcomes.next().await.unwrap().expect("every line has one");
        outcome.result.expect("it is earned");
        watch.next().await.expect("it goes on");
    }
    // Without another certificate nothing helps.
    let (directory, harbor) = (hub.trust_domain(), partner(HARBOR));
    directory.revoke(&harbor, Which::Current, Reason::KeyCompromise, cast::real_now()).unwrap();
    hub.reload().await;
    let refused = client.earn(earn("guest", 1_000_000, "EUR")).await.expect_err("it is revoked");
    assert!(matches!(refused, Error::Refused(_) | Error::Transport(_)), "{refused}");
    let ended = async { while watch.next().await.is_ok() {} };
    timeout(PATIENCE, ended).await.expect("a watcher is told");
    sink.send(earn("guest", 1_000_000, "EUR")).await.unwrap();
    timeout(PATIENCE, outcomes.next()).await.expect("in time").expect_err("a stream ends");
    hub.close().await;
}

fn thumbprint(directory: &DomainDirectory, who: &Identity) -> Thumbprint {
    Thumbprint::of(&read_certificates(&directory.certificate(who)).unwrap()[0])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_certificate_is_shown_before_anybody_refuses_the_one_before() {
    let hub = TestHub::with_cast().await;
    let (client, harbor) = (hub.partner(HARBOR).await, partner(HARBOR));
    enrol(&client, "guest").await;
    let (directory, old) = (hub.trust_domain(), thumbprint(&hub.trust_domain(), &harbor));
    directory.renew(&harbor, None, None, cast::real_now()).unwrap();
    let end = Instant::now() + PATIENCE;
    while hub.hub().open().count(|info| info.thumbprint == old) > 0 {
        assert!(Instant::now() < end, "the client goes on with its old certificate");
        client.earn(earn("guest", 1_000_000, "EUR")).await.expect("no call fails");
        sleep(Duration::from_millis(50)).await;
    }
    client.earn(earn("guest", 1_000_000, "EUR")).await.expect("no call fails");
    hub.close().await;
}
