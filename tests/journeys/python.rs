//! Partners are not all written in Rust: grpcio against the protos alone earns, burns, reverses,
//! streams, exchanges, gives, donates, watches, reads, and sees rich errors, over real mutual TLS.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};

use entente_client::api::{
    member::ListOperationsRequest,
    partner::{Agreement, ExchangeRate},
};
use entente_testkit::{
    TestHub,
    cast::{HARBOR, agreement, publish},
    morning,
};
use tokio::{io::AsyncWriteExt as _, process::Command};

/// Set where this test must not be skipped.
const REQUIRED: &str = "ENTENTE_REQUIRE_PYTHON";

fn script(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/python");
    folder.join(name).canonicalize().expect("the example is there")
}

/// What an example prints that plays Harbor on a hub.
async fn play(hub: &TestHub, name: &str) -> String {
    let address = format!("localhost:{}", hub.partner_address().port());
    let certificates = hub.trust_domain().folder().display().to_string();
    let script = script(name).display().to_string();
    // No caches are left beside the examples.
    let arguments =
        ["-B", &script, "--hub", &address, "--certificates", &certificates, "--partner", HARBOR];
    let output = python(&arguments).await.expect("python3 runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}{errors}");
    said
}

async fn python(arguments: &[&str]) -> Option<Output> {
    let mut command = Command::new("python3");
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(Duration::from_mins(1), command.output()).await;
    output.expect("python3 ends in time").ok()
}

/// What a program of the standard library alone prints, given an input; `None` where there is no
/// Python, which is said.
pub(crate) async fn run(program: &str, input: &str) -> Option<String> {
    let mut command = Command::new("python3");
    command.args(["-c", program]).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let spawned = command.stderr(Stdio::piped()).spawn();
    #[expect(clippy::disallowed_methods, reason = "the test asks for it as the journey below does")]
    let required = std::env::var_os(REQUIRED).is_some();
    assert!(spawned.is_ok() || !required, "{REQUIRED} is set: install python3");
    let Ok(mut child) = spawned else {
        let said = "SKIPPED: a check in Python, for there is no python3\n";
        std::io::stderr().write_all(said.as_bytes()).expect("stderr can be written");
        return None;
    };
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(input.as_bytes()).await.expect("it reads");
    drop(stdin);
    let output = tokio::time::timeout(Duration::from_mins(1), child.wait_with_output()).await;
    let output = output.expect("python3 ends in time").expect("it ran");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{errors}");
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Whether there is a Python to run it with; says so where there is none.
async fn is_available() -> bool {
    let asked = python(&["-c", "import cryptography, grpc, grpc_tools"]).await;
    let available = asked.is_some_and(|output| output.status.success());
    #[expect(clippy::disallowed_methods, reason = "the one place that asks for it")]
    let required = std::env::var_os(REQUIRED).is_some();
    assert!(
        available || !required,
        "{REQUIRED} is set: pip install grpcio grpcio-tools cryptography"
    );
    if !available {
        // Past the capture of the test harness, which hides what passing tests print.
        let said = "SKIPPED: the Python journey, for python3 has no grpcio, grpcio-tools and cryptography\n";
        std::io::stderr().write_all(said.as_bytes()).expect("stderr can be written");
    }
    available
}

#[tokio::test(flavor = "multi_thread")]
async fn a_python_client_earns_burns_reverses_and_reads_by_the_protos_alone() {
    if !is_available().await {
        return;
    }
    let hub = TestHub::with_cast().await;
    let said = play(&hub, "first_earn.py").await;
    for expected in [
        "POINTS_INSUFFICIENT",
        "'available': '200'",
        "REQUEST_ID_REUSED",
        "'field': 'spend'",
        "MALFORMED",
        "('request_id', ",
        "replayed",
        "done",
    ] {
        assert!(said.contains(expected), "{expected} is not in {said}");
    }
    let list = ListOperationsRequest::default();
    let listed = hub.partner(HARBOR).await.list_operations(list).await.unwrap().operations;
    let points: Vec<_> = listed.iter().map(|operation| operation.points).collect();
    assert_eq!(points, [100, 100, 200], "a reversal, a burn and an earn");
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_python_client_streams_exchanges_gives_donates_and_watches() {
    if !is_available().await {
        return;
    }
    let hub = TestHub::with_cast().await;
    let rate = |give, receive, minimum| {
        let (increment, exact_increments) = (1, false);
        Some(ExchangeRate { give, receive, minimum, increment, exact_increments, bonus: None })
    };
    let (exchange_in, exchange_out) = (rate(3, 1, 3_000), rate(1, 2, 1));
    let exchanging = Agreement { exchange_in, exchange_out, ..agreement(HARBOR) };
    publish(&hub.operator().await, HARBOR, morning(), exchanging).await;
    let said = play(&hub, "a_day.py").await;
    for expected in [
        "stream: 49 lines earned, line 21 refused",
        "exchange in: 1000 points",
        "exchange out: 100 points",
        "TRANSFER_TO_SELF",
        "NOT_A_CHARITY",
        "watch: 55 events, once each",
        "done",
    ] {
        assert!(said.contains(expected), "{expected} is not in {said}");
    }
    hub.close().await;
}
