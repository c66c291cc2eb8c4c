//! `entente bench`, for a second of each scenario on a ledger with some history: what it tells is there, and
//! really happened.

use std::process::{Command, Stdio};

use serde_json::Value;

const SMALL: [&str; 23] = [
    "bench",
    "--seconds",
    "1",
    "--warm-up",
    "0",
    "--members",
    "24",
    "--history",
    "3000",
    "--partners",
    "3",
    "--connections",
    "3",
    "--in-flight",
    "24",
    "--lines",
    "16",
    "--pgbench-scale",
    "1",
    "--pgbench-clients",
    "4",
    "--output",
    "json",
];

#[test]
fn what_a_bench_tells_really_happened() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let output = Command::new(env!("CARGO_BIN_EXE_entente"))
        .args(SMALL)
        .env("ENTENTE_HOME", home.path())
        .stdin(Stdio::null())
        .output()
        .expect("the binary runs");
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{log}", String::from_utf8_lossy(&output.stdout));
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report in JSON");

    for key in [
        "unary_earn_per_s",
        "stream_earn_per_s",
        "mixed_per_s",
        "hot_partner_per_s",
        "hot_capped_partner_per_s",
        "p99_ms_at_50pct",
        "p99_ms_at_80pct",
        "batch_size_mean",
        "roundtrips_per_batch",
        "pgbench_tps",
    ] {
        let told = report[key].as_f64().unwrap_or_else(|| panic!("no {key}: {report:#}"));
        // A machine that is busy elsewhere may answer little within the span; it answers afterwards.
        assert!(told >= 0.0, "{key}: {report:#}");
    }
    for (name, scenario) in report["scenarios"].as_object().expect("scenarios") {
        assert!(scenario["operations"].as_u64() > Some(0), "{name}: {report:#}");
        assert_eq!(scenario["unknown_outcomes"], 0, "{name}: {report:#}");
        assert!(scenario["latency_us"]["p50"].is_u64(), "{name}: {report:#}");
    }
    // Copied, closed, and verified with all the rest.
    assert_eq!(report["history"], 3_000, "{report:#}");
    assert!(report["database_bytes"].as_u64() > Some(3_000 * 500), "{report:#}");
    let (told, found) = (&report["ledger"]["acknowledged"], &report["ledger"]["found"]);
    for amount in ["issued", "redeemed"] {
        assert_eq!(told[amount], found[amount], "{amount}: {report:#}");
    }
    // The hub announces the terms of each of the three partners, and those that cap one of them, by an
    // operation of its own.
    let own = found["operations"].as_u64().zip(told["operations"].as_u64());
    assert!(own.is_some_and(|(found, told)| (told..=told + 4).contains(&found)), "{report:#}");
    assert_eq!(report["ledger"]["invariants_broken"], 0, "{report:#}");
    assert_eq!(report["good"], true, "{report:#}");
    assert!(!home.path().join("bench").exists(), "nothing is left");
}
