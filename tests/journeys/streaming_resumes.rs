//! Invariant 3 over a stream: its connection is cut at random, and every line has one effect and
//! one outcome, in order. `ENTENTE_STREAM_LINES` says how many lines; 100000 for the long run.

use std::collections::{BTreeMap, BTreeSet};

use entente_client::{
    Client, Resume,
    api::{error::ErrorReason, points::EarnRequest},
};
use entente_testkit::{
    Proxy, TestHub,
    cast::{HARBOR, balances, earn, enrol},
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use crate::wire::partner;

/// How often the connection is cut while outcomes arrive.
const CUTS: usize = 50;

/// How often it is cut after so many bytes, be it in the handshake.
const EARLY_CUTS: usize = 6;

const GUESTS: usize = 50;

#[expect(clippy::disallowed_methods, reason = "the one place that asks how long the run is")]
fn line_count() -> usize {
    let count = std::env::var("ENTENTE_STREAM_LINES").ok();
    count.map_or(3_000, |count| count.parse().unwrap())
}

/// One line in ten is of nobody, and refused.
fn lines(count: usize) -> Vec<EarnRequest> {
    let line = |n: usize| match n % 10 {
        7 => earn("nobody", 1_000_000, "EUR"),
        _ => earn(&format!("guest-{}", n % GUESTS), 1_000_000, "EUR"),
    };
    (0..count).map(line).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_of_a_stream_that_is_cut_fifty_times_is_posted_once_and_answered_in_order() {
    let count = line_count();
    let hub = TestHub::with_cast().await;
    let harbor = hub.partner(HARBOR).await;
    for guest in 0..GUESTS {
        enrol(&harbor, &format!("guest-{guest}")).await;
    }
    let mut dice = StdRng::seed_from_u64(20_260_301);
    // The first connection is made before there is a stream that could resume.
    let early = (0..EARLY_CUTS).map(|_| dice.random_range(1_000..60_000));
    let after_bytes = std::iter::once(100_000).chain(early).collect();
    let proxy = Proxy::cutting(hub.partner_address(), after_bytes).await;
    let mut cuts = BTreeSet::new();
    while cuts.len() < CUTS {
        cuts.insert(dice.random_range(0..count * 4 / 5));
    }
    let options = hub.options(&partner(HARBOR), proxy.address());
    let client = Client::connect(options).await.expect("the proxy lets it through");

    let requests = lines(count);
    let sent: Vec<_> = requests.iter().map(|earn| earn.request_id.clone()).collect();
    // What is unanswered is sent again after each cut: less of it in a short run.
    let resume = Resume { unanswered: (count / 20).min(1_024), ..Resume::default() };
    let (mut sink, mut outcomes) = client.earn_stream(resume);
    let sending = tokio::spawn(async move {
        for earn in requests {
            sink.send(earn).await.unwrap();
        }
    });
    let (mut due, mut cut) = (0, 0);
    let mut expected: BTreeMap<String, i64> = BTreeMap::new();
    for (line, id) in sent.iter().enumerate() {
        let outcome = outcomes.next().await.expect("the stream resumes").expect("an outcome");
        assert_eq!(usize::try_from(outcome.sequence).unwrap(), line + 1);
        assert_eq!(outcome.request_id, *id);
        // Outcomes that were on their way arrive after a cut: the next one is of the next connection.
        due += usize::from(cuts.contains(&line));
        if due > 0 && proxy.accepted() > cut {
            (due, cut) = (due - 1, proxy.accepted());
            proxy.cut();
        }
        match outcome.result {
            Ok(earned) => {
                assert_eq!(earned.operation.unwrap().request_id, *id);
                let available = expected.entry(format!("guest-{}", line % GUESTS)).or_default();
                *available += 1;
                assert_eq!(earned.balances.unwrap().available, *available, "posted in order");
            }
            Err(error) => {
                assert_eq!(line % 10, 7, "{error}");
                assert_eq!(error.refusal().unwrap().reason, ErrorReason::MemberUnknown);
            }
        }
    }
    assert!(outcomes.next().await.unwrap().is_none(), "no line has a second outcome");
    sending.await.unwrap();
    assert!(proxy.cuts() >= CUTS, "only {} cuts", proxy.cuts());
    for (guest, available) in expected {
        assert_eq!(balances(&harbor, &guest).await.available, available, "{guest}");
    }
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_goes_on_at_another_hub_when_its_own_drains() {
    let mut hub = TestHub::with_cast().await;
    let harbor = hub.partner(HARBOR).await;
    enrol(&harbor, "guest").await;
    let other = hub.another().await;
    // A proxy stands for the name under which both hubs are found.
    let proxy = Proxy::to(hub.partner_address()).await;
    let options = hub.options(&partner(HARBOR), proxy.address());
    let client = Client::connect(options).await.unwrap();
    let (mut sink, mut outcomes) = client.earn_stream(Resume::default());
    let half = 1_500;
    for line in 0..2 * half {
        if line == half {
            proxy.turn_to(other.addresses().partners);
            hub.restart().await;
        }
        let sent = sink.send(earn("guest", 1_000_000, "EUR")).await.unwrap();
        if line % 100 == 99 {
            for sequence in sent - 99..=sent {
                let outcome = outcomes.next().await.unwrap().expect("an outcome");
                assert_eq!((outcome.sequence, outcome.result.is_ok()), (sequence, true));
            }
        }
    }
    sink.finish();
    assert!(outcomes.next().await.unwrap().is_none());
    assert_eq!(balances(&hub.partner(HARBOR).await, "guest").await.available, 2 * half);
    other.drain().await;
    hub.close().await;
}
