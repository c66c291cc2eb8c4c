//! The hub is killed in the middle of the demo, again and again: nothing acknowledged is lost, and
//! nothing happens twice.

use std::{
    path::Path,
    process::{Command, Output, Stdio},
    thread,
    time::Duration,
};

use serde_json::Value;

const PLAY: [&str; 9] =
    ["demo", "--members", "40", "--operations", "900", "--seed", "7", "--output", "json"];

fn entente(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_entente"));
    command.env("ENTENTE_HOME", home).stdin(Stdio::null());
    command
}

fn finished(home: &Path) -> Output {
    entente(home).args(PLAY).output().expect("the binary runs")
}

fn report(output: &Output) -> Value {
    let (shown, log) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{shown}\n{log}");
    serde_json::from_str(&shown).expect("a report in JSON")
}

#[test]
fn a_demo_killed_in_the_middle_ends_as_one_that_was_not() {
    let homes = tempfile::tempdir().expect("a temporary folder");
    let (quiet, killed) = (homes.path().join("quiet"), homes.path().join("killed"));
    let undisturbed = report(&finished(&quiet));

    // The first start makes certificates and a database; the kills are to hit what comes after.
    for wait_ms in [6_000, 2_500, 3_500] {
        let mut hub = entente(&killed)
            .args(PLAY)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary runs");
        thread::sleep(Duration::from_millis(wait_ms));
        // SIGKILL; it may have come to its end by then, which is as good.
        let _ = hub.kill();
        hub.wait().expect("it has ended");
    }
    let recovered = report(&finished(&killed));
    assert_eq!(recovered["good"], Value::Bool(true), "{recovered:#}");
    for told in ["nets", "statements", "balances"] {
        assert_eq!(recovered[told], undisturbed[told], "{told}");
    }

    let replayed = report(&finished(&killed));
    assert_eq!(replayed["nets"], recovered["nets"]);
    assert_eq!(replayed["played"]["writes"], replayed["played"]["replayed"], "{replayed:#}");
    for home in [&quiet, &killed] {
        let cleaned = entente(home).args(["demo", "--clean"]).output().expect("the binary runs");
        assert!(cleaned.status.success());
    }
}
