//! One client over two hubs of a ledger: both are used, either may go away, and a hub whose
//! certificate is revoked is not spoken to.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use entente_client::{
    Client, Error, Options, Resume, Retry, Watched,
    api::{event::WatchRequest, points::EarnRequest},
};
use entente_hub::Hub;
use entente_identity::{
    Identity,
    pki::{Reason, Which},
};
use entente_testkit::{
    Proxy, TestHub,
    cast::{self, HARBOR, balances, earn, enrol},
};
use tokio::time::{Instant, sleep, timeout};

use crate::wire::partner;

/// How long anything may take: far more than it needs.
const PATIENCE: Duration = Duration::from_secs(30);

fn options(hub: &TestHub, endpoints: [SocketAddr; 2]) -> Options {
    let [first, second] = endpoints;
    // As a partner has it.
    hub.options(&partner(HARBOR), first).endpoint(second.to_string()).retry(Retry::default())
}

fn one() -> EarnRequest {
    earn("guest", 1_000_000, "EUR")
}

/// Waits until somebody is connected to a hub.
async fn used(hub: &Hub) {
    let end = Instant::now() + PATIENCE;
    while hub.open().count(|_| true) == 0 {
        assert!(Instant::now() < end, "nobody calls a hub that is there");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Earns call by call and in a stream, and watches, until told to stop; answers how much was earned.
async fn works(client: Client, stop: Arc<AtomicBool>) -> i64 {
    let (mut sink, mut outcomes) = client.earn_stream(Resume::default());
    let mut watch = client.watch(WatchRequest::default()).await.expect("no call fails");
    let (mut earned, mut told) = (0, 0);
    while !stop.load(Ordering::Relaxed) {
        client.earn(one()).await.expect("no call fails");
        sink.send(one()).await.expect("no stream ends");
        let outcome = outcomes.next().await.expect("no stream fails").expect("every line has one");
        outcome.result.expect("no line fails");
        earned += 2;
    }
    let mut seen = BTreeSet::new();
    while told < earned {
        let next = timeout(PATIENCE, watch.next()).await.expect("all are told");
        if let Watched::Event(event) = next.expect("no stream fails") {
            told += i64::from(seen.insert(event.id));
        }
    }
    earned
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_and_streams_go_on_at_the_other_hub_when_one_goes_away() {
    let mut hub = TestHub::with_cast().await;
    let other = hub.another().await;
    let harbor = hub.partner(HARBOR).await;
    enrol(&harbor, "guest").await;
    drop(harbor);
    let proxy = Proxy::to(other.addresses().partners).await;
    let client = Client::connect(options(&hub, [hub.partner_address(), proxy.address()])).await;
    let stop = Arc::new(AtomicBool::new(false));
    let work = tokio::spawn(works(client.unwrap(), Arc::clone(&stop)));
    used(&other).await;
    used(hub.hub()).await;
    // One goes, and comes back; then the other goes.
    other.drain().await;
    let other = hub.another().await;
    proxy.turn_to(other.addresses().partners);
    used(&other).await;
    hub.restart().await;
    sleep(Duration::from_millis(200)).await;
    stop.store(true, Ordering::Relaxed);
    let earned = work.await.expect("no call fails");
    // A point for each euro, each once.
    assert_eq!(balances(&hub.partner(HARBOR).await, "guest").await.available, earned);
    other.drain().await;
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_is_away_from_the_start_is_passed_over() {
    let hub = TestHub::with_cast().await;
    let away = hub.another().await;
    let options = options(&hub, [hub.partner_address(), away.addresses().partners]);
    away.drain().await;
    let client = Client::connect(options).await.expect("one hub is enough");
    enrol(&client, "guest").await;
    for _ in 0..20 {
        client.earn(one()).await.expect("no call fails");
    }
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_whose_certificate_is_revoked_is_left() {
    let hub = TestHub::with_cast().await;
    let (directory, options) =
        (hub.trust_domain(), hub.options(&partner(HARBOR), hub.partner_address()));
    let client = hub.partner(HARBOR).await;
    enrol(&client, "guest").await;
    let revoked =
        directory.revoke(&Identity::Hub, Which::Current, Reason::KeyCompromise, cast::real_now());
    revoked.unwrap();
    let refused = Client::connect(options.clone()).await.expect_err("it is revoked");
    let Error::Transport(refused) = refused else { panic!("{refused}") };
    assert!(refused.problem.contains("Revoked"), "{refused}");
    let left = async { while client.earn(one()).await.is_ok() {} };
    timeout(PATIENCE, left).await.expect("open connections are left, too");
    directory.renew(&Identity::Hub, None, None, cast::real_now()).unwrap();
    hub.reload().await;
    let client = Client::connect(options).await.expect("the next certificate is not");
    client.earn(one()).await.expect("it earns");
    hub.close().await;
}
