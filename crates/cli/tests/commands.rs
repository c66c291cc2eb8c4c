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
    served.reconciles(ops);
    served.explains();
    served.floats();
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

    /// E8 at the demo's prices: a file of what the statement says, with one break of each kind.
    fn reconciles(&self, ops: &str) {
        let earns = self.home.join("receipts.csv");
        let rows = ["A1", "A2", "A3", "A5", "A6", "A7", "A8"];
        let rows = rows.map(|receipt| format!("guest-0001,250,room,{receipt}\n")).concat();
        let text = format!("member_reference,spend,category,receipt_reference\n{rows}");
        fs::write(&earns, text).expect("a file");
        let path = earns.to_str().expect("a path in UTF-8");
        self.done("harbor-hotels", &["earn", path, "--currency", "EUR"]);
        self.done(ops, &["settle", "close", "E8"]);
        let file = self.home.join("record.csv");
        fs::write(&file, self.record()).expect("a file");
        let path = file.to_str().expect("a path in UTF-8");
        let map = "receipt=Beleg,request_id=Id,points=Punkte,amount=Betrag,date=Tag,status=Status";
        let reconcile = ["reconcile", path, "--window", "E8", "--map", map, "--currency", "EUR"];
        let told = self.done("harbor-hotels", &reconcile);
        let breaks = told["breaks"].as_array().expect("breaks");
        let of = |found: &Value| {
            let receipt = found["receipt_reference"].as_str().expect("a receipt").to_owned();
            (receipt, found["kind"].as_str().expect("a kind").to_owned())
        };
        let mut found: Vec<(String, String)> = breaks.iter().map(of).collect();
        found.sort();
        let expected = [
            ("A2", "AMOUNT"),
            ("A3", "MISSING_AT_PARTNER"),
            ("A4", "MISSING_AT_HUB"),
            ("A5", "TIMING"),
            ("A6", "DUPLICATE_IN_FILE"),
            ("A7", "RATE"),
            ("A8", "STATUS"),
        ];
        let expected = expected.map(|(receipt, kind)| (receipt.to_owned(), kind.to_owned()));
        assert_eq!(found, expected, "{told:#}");
        let sum: i64 = breaks.iter().filter_map(|found| found["points"].as_i64()).sum();
        assert_eq!(told["difference"]["points"], json!(sum));
        let rows: Vec<_> = told["unreadable"].as_array().expect("rows").iter().collect();
        assert_eq!(rows.len(), 3, "a number of another locale, no number, no UTF-8: {rows:?}");
        assert_eq!(
            (&told["already"], &told["file"]["unreadable_count"]),
            (&json!(false), &json!(3))
        );
        assert_eq!(
            self.done(ops, &[&reconcile[..], &["--partner", "harbor-hotels"]].concat())["already"],
            true
        );
        let table = self.printed("harbor-hotels", &reconcile, "table");
        assert!(table.contains("MISSING_AT_HUB") && table.contains("cannot be read"), "{table}");
        let csv = self.printed("harbor-hotels", &reconcile, "csv");
        assert_eq!(csv.lines().count(), 8, "{csv}");
        assert_eq!(
            self.run("rover-rides", &[&reconcile[..], &["--partner", "harbor-hotels"]].concat()).0,
            3
        );
        assert_eq!(
            self.run("harbor-hotels", &["reconcile", path, "--window", "E8"]).0,
            1,
            "no map"
        );
    }

    /// What the statement of the window says, as the partner's own record would, with differences.
    fn record(&self) -> Vec<u8> {
        let statement = self.printed("harbor-hotels", &["settle", "statement", "E8"], "json");
        let lines = serde_json::Deserializer::from_str(&statement).into_iter::<Value>();
        let mut rows = b"Beleg;Id;Punkte;Betrag;Tag;Status\n".to_vec();
        let mut row =
            |receipt: &str, id: &str, points: i64, micros: i64, day: &str, status: &str| {
                let amount = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
                rows.extend(format!("{receipt};{id};{points};{amount};{day};{status}\n").bytes());
            };
        for line in lines.map(|line| line.expect("JSON")) {
            if line["record"] != "line" {
                continue;
            }
            let points = line["points"].as_i64().expect("points");
            let micros = line["amount"].as_str().expect("six decimals").replace('.', "");
            let micros: i64 = micros.parse().expect("micros");
            let (id, price) = (line["request_id"].as_str().expect("an id"), micros / points);
            let day = "2026-04-01";
            match line["receipt_reference"].as_str().unwrap_or_default() {
                "A2" => row("A2", "", points - 45, price * (points - 45), day, ""),
                "A3" => row("A4", "", 60, price * 60, day, ""),
                "A5" => row("A5", "", points, micros, "2026-05-02", "posted"),
                "A6" => {
                    row("A6", "", points, micros, day, "");
                    row("A6", "", points, micros, day, "");
                }
                "A7" => row("A7", "", points, micros - 90_000, day, ""),
                "A8" => row("A8", "", points, micros, day, "Reversed"),
                "" => row("", id, points, micros, day, ""),
                receipt => row(receipt, "", points, micros, day, ""),
            }
        }
        rows.extend(b"B1;;1.200,5;1;;\nB2;;many;1;;\nB\xff;;1;1;;\n");
        rows
    }

    /// A statement is read as it is, and agrees with its own window; its net is explained.
    fn explains(&self) {
        for partner in ["harbor-hotels", "rover-rides", "green-grocer"] {
            for format in ["csv", "json"] {
                let settle = ["settle", "statement", "2026-03"];
                let file = self.home.join(format!("statement.{format}"));
                fs::write(&file, self.printed(partner, &settle, format)).expect("a file");
                let path = file.to_str().expect("a path in UTF-8");
                let told = self.done(partner, &["reconcile", path, "--window", "2026-03"]);
                assert_eq!(told["breaks"], json!([]), "{partner} {format}: {told:#}");
                assert_eq!(told["hub"]["points"], told["file"]["points"]);
                assert_eq!(told["file"]["unreadable_count"], 0);
            }
            let explained = self.done(partner, &["settle", "explain", "2026-03"]);
            for net in explained.as_array().expect("a net for each currency") {
                let sum = |field: &str| -> i64 {
                    let kinds = net["kinds"].as_array().expect("kinds").iter();
                    kinds.filter_map(|kind| kind[field]["micros"].as_i64()).sum()
                };
                let micros = net["amount"]["micros"].as_i64().expect("micros");
                let signed = if net["direction"] == "receives" { -micros } else { micros };
                assert_eq!(sum("pays") - sum("receives"), signed, "{net:#}");
            }
        }
        let listed = self.done("operator/ops", &["breaks", "list", "--window", "E8"]);
        let listed = listed.as_array().expect("breaks");
        assert_eq!(listed.len(), 7);
        let id = listed[0]["break_id"].as_str().expect("an id");
        let (report, number) = id.split_once('/').expect("a report and a number");
        let short = format!("{}/{number}", &report[..8]);
        let assign = ["breaks", "assign", &short, "--to", "ana", "--reason", "looks like a void"];
        let assigned = self.done("operator/ops", &assign);
        assert_eq!(
            (&assigned[0]["state"], &assigned[0]["owner"]),
            (&json!("ASSIGNED"), &json!("ana"))
        );
        let agree = ["breaks", "agree", &short, "--reason", "it is one"];
        assert_eq!(self.done("harbor-hotels", &agree)[0]["owner"], "hub");
        let shown = self.done("operator/ops", &["breaks", "show", &short]);
        assert_eq!(shown["steps"].as_array().map(Vec::len), Some(2));
        let off = ["breaks", "write-off", &short, "--reason", "two cents"];
        assert_eq!(self.done("operator/ops", &off)["kind"], "write off");
        let table = self.printed("operator/ops", &["breaks", "list", "--all"], "table");
        assert!(table.contains(&short) && table.contains("AGE"), "{table}");
        let reports = self.printed("harbor-hotels", &["breaks", "reports"], "table");
        assert!(reports.contains(&report[..8]), "{reports}");
        assert_eq!(self.run("rover-rides", &["breaks", "show", id]).0, 3, "another's");
    }

    /// A prepaid partner buys a block and a reserve, by two operators, and sees what it has.
    fn floats(&self) {
        let (ops, other) = ("operator/ops", "operator/ops-2");
        let (spa, from) = ("lotus-spa", "2026-04-01");
        self.done(ops, &["partner", "create", spa, "Lotus Spa"]);
        let file = self.home.join("lotus-spa.toml");
        let terms = Path::new(env!("CARGO_MANIFEST_DIR"));
        let terms = terms.join("../../examples/terms/harbor-hotels.toml");
        let terms = fs::read_to_string(terms).expect("terms");
        fs::write(&file, format!("prepaid = true\n{terms}")).expect("a file");
        let path = file.to_str().expect("a path in UTF-8");
        let approved = |proposed: &Value| {
            let id = proposed["proposal"].as_str().expect("an id");
            self.done(other, &["proposal", "approve", id])
        };
        let publish = ["terms", "publish", spa, path, "--from", from, "--reason", "a new brand"];
        let applied = approved(&self.done(ops, &publish));
        assert_eq!(applied["applied"]["publish_terms"]["version"], 1, "{applied}");
        let nothing = self.done(ops, &["settle", "float", spa]);
        assert_eq!((&nothing["floats"], &nothing["blocks"]), (&json!([]), &json!([])));

        let buy = ["settle", "buy", spa, "1000000", "0.0060", "EUR", "--reason", "for April"];
        let proposed = self.done(ops, &buy);
        assert_eq!(proposed["state"], "open");
        let asked = json!({ "partner": spa, "currency": "EUR", "points": 1_000_000,
                            "price_micros": 6_000, "is_reserve": false });
        let id = proposed["proposal"].as_str().expect("an id");
        let shown = self.done(other, &["proposal", "show", id]);
        assert_eq!(shown["act"]["buy_block"], asked, "{shown:#}");
        let bought = approved(&proposed)["applied"]["buy_block"].clone();
        assert_eq!(bought["block"]["block"], 1, "{bought:#}");
        assert_eq!(bought["cost"]["micros"], json!(6_000_000_000_i64));
        let reserve =
            ["settle", "buy", spa, "50000", "0.0075", "EUR", "--reserve", "--reason", "x"];
        approved(&self.done(ops, &reserve));
        let own = self.done(ops, &["settle", "float", spa]);
        let float = &own["floats"][0];
        assert_eq!(
            [&float["points_left"], &float["level"], &float["reserve_left"]],
            [&json!(1_000_000), &json!(1_000_000), &json!(50_000)],
            "{own:#}"
        );
        assert_eq!(float["worth"]["micros"], json!(6_375_000_000_i64));
        let blocks = own["blocks"].as_array().expect("blocks");
        let told = blocks.iter().map(|block| {
            let price = block["price"]["micros"].clone();
            json!([block["block"], block["is_reserve"], price, block["points_left"]])
        });
        assert_eq!(
            told.collect::<Vec<_>>(),
            [json!([2, true, 7_500, 50_000]), json!([1, false, 6_000, 1_000_000])]
        );
        assert_eq!(own["exposures"].as_array().map(Vec::len), Some(1), "{own:#}");
        let all = self.done(ops, &["settle", "float"]);
        assert_eq!((&all["floats"][0]["partner"], &all["blocks"]), (&json!(spa), &json!([])));
        let table = self.printed(ops, &["settle", "float", spa], "table");
        assert!(table.contains("1,000,000") && table.contains("reserve"), "{table}");
        assert_eq!(self.run("rover-rides", &["settle", "float", spa]).0, 3, "another's");
        assert_eq!(self.run(ops, &["settle", "buy", spa, "1", "x", "EUR", "--reason", "x"]).0, 1);
    }

    fn printed(&self, who: &str, arguments: &[&str], format: &str) -> String {
        let listener = if who.starts_with("operator/") { "operator" } else { "partner" };
        let endpoint = self.report[format!("{listener}_endpoint")].as_str().expect("an endpoint");
        let output = entente()
            .args(arguments)
            .args(["--as", who, "--endpoint", endpoint, "--output", format])
            .env("ENTENTE_CERTIFICATES", self.home.join("demo/certs"))
            .output();
        String::from_utf8(output.expect("the binary runs").stdout).expect("UTF-8")
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
