//! Partners are not all written in Rust: grpcio against the protos alone earns, burns, reverses,
//! reads, and sees rich errors, over real mutual TLS.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};

use entente_client::api::member::ListOperationsRequest;
use entente_testkit::{TestHub, cast::HARBOR};
use tokio::{io::AsyncWriteExt as _, process::Command};

/// Set where this test must not be skipped.
const REQUIRED: &str = "ENTENTE_REQUIRE_PYTHON";

fn script() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    root.join("examples/python/first_earn.py").canonicalize().expect("the example is there")
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
    let asked = python(&["-c", "import grpc, grpc_tools"]).await;
    let available = asked.is_some_and(|output| output.status.success());
    #[expect(clippy::disallowed_methods, reason = "the one place that asks for it")]
    let required = std::env::var_os(REQUIRED).is_some();
    assert!(available || !required, "{REQUIRED} is set: pip install grpcio grpcio-tools");
    if !available {
        // Past the capture of the test harness, which hides what passing tests print.
        let said = "SKIPPED: the Python journey, for python3 has no grpcio and grpcio-tools\n";
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
    let address = format!("localhost:{}", hub.partner_address().port());
    let certificates = hub.trust_domain().folder().to_owned();
    let (script, certificates) = (script(), certificates.display().to_string());
    let script = script.display().to_string();
    let arguments =
        [&script, "--hub", &address, "--certificates", &certificates, "--partner", HARBOR];
    let output = python(&arguments).await.expect("python3 runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}{errors}");
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
