//! What scripts rely on: each command against a hub that is up, its answer as JSON, its exit code.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use serde_json::{Value, json};

/// A demo that keeps its hub up.
struct Served {
    hub: Child,
    home: PathBuf,
    report: Value,
}

impl Served {
    fn start(home: &Path) -> Self {
        let mut hub = entente()
            .args(["demo", "--members", "12", "--operations", "60", "--serve", "--output", "json"])
            .env("ENTENTE_HOME", home)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary runs");
        let lines = BufReader::new(hub.stdout.take().expect("it is piped")).lines();
        let mut document = String::new();
        for line in lines {
            let line = line.expect("text");
            document.push_str(&line);
            if line == "}" {
                break;
            }
        }
        let report = serde_json::from_str(&document).expect("a report in JSON");
        Self { hub, home: home.to_owned(), report }
    }

    /// Runs a command as somebody; answers its exit code and what it printed.
    fn run(&self, who: &str, arguments: &[&str]) -> (i32, Value) {
        let listener = if who.starts_with("operator/") { "operator" } else { "partner" };
        let endpoint = self.report[format!("{listener}_endpoint")].as_str().expect("an endpoint");
        let output = entente()
            .args(arguments)
            .args(["--as", who, "--endpoint", endpoint, "--output", "json"])
            .env("ENTENTE_CERTIFICATES", self.home.join("demo/certs"))
            .output();
        read(&output.expect("the binary runs"))
    }

    fn done(&self, who: &str, arguments: &[&str]) -> Value {
        let (code, answer) = self.run(who, arguments);
        assert_eq!(code, 0, "{arguments:?}");
        answer
    }

    fn stop(mut self) {
        let hub = self.hub.id().to_string();
        Command::new("kill").args(["-TERM", &hub]).status().expect("kill runs");
        assert!(self.hub.wait().expect("it ends").success(), "a drained hub ends well");
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It has ended already, unless the test failed.
        let _ = self.hub.kill();
        let _ = self.hub.wait();
    }
}

fn entente() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_entente"));
    command.stdin(Stdio::null());
    command
}

/// The last JSON document of several, as a statement has one a line.
fn read(output: &Output) -> (i32, Value) {
    let text = String::from_utf8_lossy(&output.stdout);
    let documents = serde_json::Deserializer::from_str(&text).into_iter::<Value>();
    let last = documents.last().map_or(Value::Null, |document| document.expect("JSON"));
    (output.status.code().unwrap_or(-1), last)
}

#[test]
fn a_script_reads_answers_and_exit_codes() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let served = Served::start(home.path());
    let ops = "operator/ops";

    let partners = served.done(ops, &["partner", "list"]);
    assert_eq!(partners.as_array().map(Vec::len), Some(3));
    let nets = served.done(ops, &["settle", "close", "2026-03"]);
    assert_eq!(nets["already_closed"], true);
    assert_eq!(nets["nets"], served.report["nets"]);
    let closing = served.done("rover-rides", &["settle", "statement", "2026-03"]);
    assert!(closing["line_count"].is_i64(), "{closing}");
    let terms = served.done("harbor-hotels", &["terms", "in-force", "harbor-hotels"]);
    assert_eq!(terms["version"], 2);
    let ledger = served.done(ops, &["ledger", "get"]);
    assert_eq!(ledger["simulation"], true);
    assert_eq!(ledger["now"], "2026-04-01T00:00:00Z");

    served.watches();
    served.refusals(ops);
    served.suspends(ops);
    served.takes_two();
    served.earns();
    served.checks();
    served.away();
    served.stop();
    let cleaned = entente().args(["demo", "--clean"]).env("ENTENTE_HOME", home.path()).status();
    assert!(cleaned.expect("the binary runs").success());
}

impl Served {
    fn refusals(&self, ops: &str) {
        let refused: [(&str, &[&str]); 4] = [
            ("harbor-hotels", &["member", "balance", "nobody"]),
            ("harbor-hotels", &["partner", "get", "rover-rides"]),
            (ops, &["ledger", "advance-clock", "2026-03-01"]),
            (ops, &["settle", "statement", "1999", "--partner", "rover-rides"]),
        ];
        for (who, arguments) in refused {
            assert_eq!(self.run(who, arguments).0, 3, "{arguments:?}");
        }
    }

    fn watches(&self) {
        let history = ["watch", "--from", "2026-03-01", "--until-caught-up"];
        let state = self.home.join("resume");
        let state = state.to_str().expect("a plain path");
        let kept = [history.as_slice(), &["--state", state]].concat();
        let last = self.done("harbor-hotels", &kept);
        assert!(last["id"].is_string() && last["number"].is_i64(), "{last}");
        assert_eq!(self.done("harbor-hotels", &kept), Value::Null, "all of it was told");
        let windows = [history.as_slice(), &["--kind", "window-closed"]].concat();
        let closed = self.done("rover-rides", &windows);
        assert_eq!(
            (&closed["event"], &closed["what"]["window"]),
            (&"window-closed".into(), &"2026-03".into())
        );
        // A state is good for its partner alone.
        assert_eq!(self.run("rover-rides", &kept).0, 3);
    }

    /// A file with a mark, other delimiters and line ends, and lines that are refused here or there.
    fn earns(&self) {
        let file = self.home.join("purchases.csv");
        let text = "\u{feff}member_reference;spend;category;note\r\n\
                    guest-0001;120,50;room;\"a; b\"\r\n\
                    nobody;1;room;\r\n\
                    guest-0001;ten;room;\r\n\
                    \r\n\
                    guest-0002;80.00;room;\r\n\
                    guest-0001;1";
        fs::write(&file, text).expect("a file");
        let path = file.to_str().expect("a path in UTF-8");
        let earn = ["earn", path, "--currency", "EUR"];
        for replayed in [0, 2] {
            let (code, told) = self.run("harbor-hotels", &earn);
            assert_eq!(code, 3, "{told:#}");
            assert_eq!((&told["earned"], &told["replayed"]), (&json!(2), &json!(replayed)));
            assert_eq!(told["reasons"], json!({ "MALFORMED": 2, "MEMBER_UNKNOWN": 1 }));
            let refused = fs::read_to_string(format!("{path}.refused.csv")).expect("a file");
            let lines: Vec<_> = refused.lines().filter_map(|line| line.split_once(',')).collect();
            let numbers: Vec<_> = lines.iter().map(|(number, _)| *number).collect();
            assert_eq!(numbers, ["line", "3", "4", "7"], "{refused}");
            assert!(lines[3].1.contains("the file ends in the middle"), "{refused}");
        }
        assert_eq!(self.run("harbor-hotels", &["earn", path]).0, 1, "there is no currency");
    }

    /// New terms are proposed by one operator, and applied by another.
    fn takes_two(&self) {
        let (ops, other) = ("operator/ops", "operator/ops-2");
        assert_eq!(self.report["four_eyes"]["proposed_by"], "ops");
        assert_eq!(self.report["four_eyes"]["approved_by"], "ops-2");
        let file = Path::new(env!("CARGO_MANIFEST_DIR"));
        let file = file.join("../../examples/terms/harbor-hotels.toml");
        let publish = ["terms", "publish", "harbor-hotels", file.to_str().expect("a path")];
        let publish = [&publish[..], &["--from", "2026-06-01", "--reason", "summer"]].concat();
        let [first, second] = [(); 2].map(|()| self.done(ops, &publish));
        assert_eq!((&first["state"], &first["kind"]), (&json!("open"), &json!("publish terms")));
        let id = |proposal: &Value| proposal["proposal"].as_str().expect("an id").to_owned();
        let (first, second) = (id(&first), id(&second));
        let shown = self.done(other, &["proposal", "show", &first]);
        assert_eq!(shown["act"]["publish_terms"]["effective_from"], "2026-06-01T00:00:00Z");
        assert_eq!(self.run(ops, &["proposal", "approve", &first]).0, 3, "its own");
        let approved = self.done(other, &["proposal", "approve", &first]);
        assert_eq!(approved["applied"]["publish_terms"]["version"], 3, "{approved}");
        let reject = ["proposal", "reject", &second, "--reason", "once is enough"];
        assert_eq!(self.done(other, &reject)["state"], "rejected");
        let open = self.done(other, &["proposal", "list", "--state", "open"]);
        assert_eq!(open, json!([]));
        let applied = self.done(ops, &["proposal", "list", "--state", "applied"]);
        assert_eq!(applied[0]["proposal"], first.as_str());
    }

    fn suspends(&self, ops: &str) {
        let id = "3f0a8a52-7b3e-4d53-9e1c-5a8b77f46d1f";
        for _ in 0..2 {
            let suspend = ["partner", "suspend", "rover-rides", "--request-id", id];
            assert_eq!(self.done(ops, &suspend)[0]["state"], "suspended");
        }
        assert_eq!(self.done(ops, &["partner", "resume", "rover-rides"])[0]["state"], "active");
    }

    fn checks(&self) {
        let mut check = entente();
        check.args(["check", "--demo", "--output", "json"]).env("ENTENTE_HOME", &self.home);
        let (code, verdicts) = read(&check.output().expect("the binary runs"));
        assert_eq!(code, 0, "{verdicts:#}");
        assert_eq!(verdicts.as_array().map(Vec::len), Some(10));
        check.env("ENTENTE_HOME", self.home.join("elsewhere"));
        assert_eq!(read(&check.output().expect("the binary runs")).0, 1);
    }

    fn away(&self) {
        let run = |arguments: &[&str]| {
            let mut command = entente();
            command.args(arguments).env("ENTENTE_CERTIFICATES", self.home.join("demo/certs"));
            read(&command.output().expect("the binary runs")).0
        };
        // Port 1 is nobody's.
        assert_eq!(run(&["partner", "list", "--endpoint", "https://127.0.0.1:1"]), 4);
        assert_eq!(run(&["partner", "list", "--as", "operator/nobody"]), 1);
        assert_eq!(run(&["partner", "frobnicate"]), 2);
    }
}
