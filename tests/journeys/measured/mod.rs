//! What settlement has to do in a given time, on a window of millions of operations: measured on demand,
//! as `docs/benchmarks.md` says, and never in a run of all tests.

mod fill;
mod own_hub;
mod record;

use std::{
    env,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use entente_client::{
    Client,
    api::{
        partner::Funding,
        settlement::{GetStatementRequest, get_statement_response::Part},
    },
};
use entente_identity::{Identity, pki::DomainDirectory};
use entente_testkit::{
    TestHub,
    cast::{self, HARBOR, PARTNERS, ROVER, agreement_in},
};
use serde_json::Value;

use crate::steps::{at, close};
use fill::Filling;
use own_hub::OwnHub;

/// The window.
const NAME: &str = "2026-03-02";

/// Operations of the window; of five, three are Harbor's, one is Rover's, one the grocer's.
#[expect(
    clippy::disallowed_methods,
    reason = "how much is measured is not the hub's configuration"
)]
fn operation_count() -> i64 {
    env::var("ENTENTE_MEASURED_OPERATIONS").map_or(5_000_000, |count| count.parse().unwrap())
}

/// Says what was measured, also where a test's output is caught otherwise.
fn say(what: &str) {
    let mut log = std::io::stderr().lock();
    log.write_all(format!("{what}\n").as_bytes()).unwrap();
}

fn per_second(count: u64, took: Duration) -> u128 {
    u128::from(count) * 1_000_000 / took.as_micros().max(1)
}

/// A window of millions of operations, closed.
async fn closed() -> (TestHub, Filling) {
    let hub = TestHub::start().await;
    let operator = hub.operator().await;
    for partner in PARTNERS {
        cast::onboard(&operator, partner, agreement_in("EUR", Funding::AtIssue)).await;
    }
    let begun = Instant::now();
    let folder = hub.trust_domain().folder().to_owned();
    let filling = Filling::new(hub.database().owner_pool().await, &folder.join("keys"));
    filling.fill(operation_count()).await;
    say(&format!("filled in {:?}", begun.elapsed()));
    hub.advance_to(at("2026-03-02T20:00:00Z")).await;

    let begun = Instant::now();
    let closed = close(&operator, NAME).await;
    say(&format!("closed in {:?}: {} nets", begun.elapsed(), closed.nets.len()));
    (hub, filling)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement of many minutes"]
async fn a_window_of_millions_is_closed_and_told() {
    let (hub, filling) = closed().await;
    let own = OwnHub::start(&hub);
    // The largest one, and one of a partner for which others' operations are most of the window.
    for partner in [HARBOR, HARBOR, ROVER] {
        let name = Identity::Partner(partner.parse().unwrap());
        let client = hub.client(&name, own.partners()).await;
        statement((&client, partner), &own, &filling).await;
    }
    drop(own);
    hub.close_unverified().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement of many minutes"]
async fn a_window_of_millions_is_closed_and_reconciled() {
    let (hub, filling) = closed().await;
    let work = tempfile::tempdir().unwrap();
    let (file, side) = (work.path().join("record.csv"), work.path().join("hub.csv"));
    let planted = record::write(&filling, (&file, &side)).await;
    say(&format!("planted {planted:?}"));
    sort_and_join(work.path());
    let own = OwnHub::start(&hub);
    let (domain, address) = (hub.trust_domain(), format!("https://{}", own.partners()));
    let (before, times) = (own.memory("VmRSS:"), processor_times(&own));
    let begun = Instant::now();
    let found = tokio::task::spawn_blocking(move || reconcile(&file, &address, &domain));
    let found = found.await.unwrap();
    let (took, after) = (begun.elapsed(), processor_times(&own));
    say(&format!(
        "reconciled in {took:?}; the hub's memory: {before} MiB before, at most {} MiB; processor time: hub {:.2} s, command {:.2} s",
        own.memory("VmHWM:"),
        (after.0 - times.0) / 100.0,
        (after.1 - times.1) / 100.0,
    ));
    drop(own);
    assert_eq!(found, planted, "all that was planted is found, and nothing is invented");
    hub.close_unverified().await;
}

/// Reads a partner's statement to its end. The client is this process.
async fn statement((client, partner): (&Client, &str), hub: &OwnHub, filling: &Filling) {
    let database = own_hub::server_of(&filling.pool).await;
    let times = || {
        let client = own_hub::processor_time("self");
        [own_hub::processor_time_of_server(database), hub.processor_time(), client]
    };
    let (begun, before) = (Instant::now(), times());
    let request = GetStatementRequest { window: NAME.to_owned(), ..GetStatementRequest::default() };
    let mut stream = client.get_statement(request).await.unwrap();
    let (mut lines, mut after_lines) = (0, Duration::ZERO);
    while let Some(part) = stream.next().await.unwrap() {
        if let Part::Line(_) = part {
            lines += 1;
            after_lines = begun.elapsed();
        }
    }
    let took = begun.elapsed();
    let after = times();
    let [database, hub_time, client] =
        std::array::from_fn(|of| (after[of] - before[of]) * 10_000_000 / lines.max(1));
    say(&format!(
        "{partner}: {lines} lines in {after_lines:?}: {} lines a second; to its end {took:?}; \
         processor time in ns a line: database {database}, hub {hub_time}, client {client}; the hub's memory: at most {} MiB",
        per_second(lines, after_lines),
        hub.memory("VmHWM:"),
    ));
}

/// Runs the binary, and counts the breaks of each kind in its answer.
fn reconcile(file: &Path, address: &str, domain: &DomainDirectory) -> record::Breaks {
    let output = Command::new(binary())
        .arg("reconcile")
        .arg(file)
        .args(["--window", NAME, "--as", ROVER, "--output", "json", "--endpoint", address])
        .arg("--certificates")
        .arg(domain.folder())
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "reconcile fails");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut breaks = record::Breaks::new();
    for found in report["breaks"].as_array().unwrap() {
        *breaks.entry(found["kind"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    breaks
}

/// The binary that was built beside this test, unless another is named.
#[expect(clippy::disallowed_methods, reason = "which binary is measured is not its configuration")]
fn binary() -> PathBuf {
    if let Ok(named) = env::var("ENTENTE_BINARY") {
        return named.into();
    }
    let test = env::current_exe().unwrap();
    let built = test.ancestors().nth(2).unwrap().join("entente");
    assert!(built.exists(), "cargo build the binary first, in the same profile");
    built
}

/// The yardstick: both sides sorted by receipt and joined, by what every system has.
fn sort_and_join(folder: &Path) {
    let begun = Instant::now();
    let script = "LC_ALL=C sort --parallel=2 -t, -k1,1 record.csv > record.sorted &&
        LC_ALL=C sort --parallel=2 -t, -k1,1 hub.csv > hub.sorted &&
        LC_ALL=C join -t, -a 1 -a 2 record.sorted hub.sorted > joined";
    let ran = Command::new("sh").args(["-c", script]).current_dir(folder).status().unwrap();
    assert!(ran.success(), "sort and join");
    say(&format!("sort and join of the same two files in {:?}", begun.elapsed()));
}

/// Hundredths of a second: the hub's, and those of the commands that were run.
fn processor_times(hub: &OwnHub) -> (f64, f64) {
    let times = [hub.processor_time(), own_hub::processor_time_of_commands()];
    let [hub, commands] = times.map(|hundredths| f64::from(u32::try_from(hundredths).unwrap()));
    (hub, commands)
}
