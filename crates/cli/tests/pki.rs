//! The life of a trust domain by its commands alone: what they write, what they print, and that no
//! key is ever printed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

struct Pki {
    folder: PathBuf,
    /// Everything that was ever printed.
    printed: String,
}

impl Pki {
    /// Runs a command; whether it succeeded, and what it said.
    fn run(&mut self, arguments: &[&str]) -> (bool, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_entente"))
            .arg("pki")
            .args(arguments)
            .arg("--certificates")
            .arg(&self.folder)
            .stdin(Stdio::null())
            .output()
            .expect("the binary runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        self.printed.push_str(&text);
        (output.status.success(), text)
    }

    fn done(&mut self, arguments: &[&str]) -> String {
        let (succeeded, text) = self.run(arguments);
        assert!(succeeded, "{arguments:?}: {text}");
        text
    }

    /// The state of each thing listed.
    fn states(&mut self) -> Vec<(String, String)> {
        let listed: Value =
            serde_json::from_str(&self.done(&["list", "--output", "json"])).expect("JSON");
        let text = |one: &Value, field: &str| one[field].as_str().expect("text").to_owned();
        let listed = listed.as_array().expect("a list").iter();
        listed.map(|one| (text(one, "subject"), text(one, "state"))).collect()
    }
}

/// Every line of every key below a folder.
fn keys(folder: &Path, lines: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            keys(&path, lines);
        } else if path.extension().is_some_and(|extension| extension == "key") {
            let text = fs::read_to_string(&path).expect("a key");
            lines.extend(text.lines().filter(|line| !line.starts_with('-')).map(str::to_owned));
        }
    }
}

#[test]
fn a_trust_domain_lives_by_its_commands_and_no_key_is_printed() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let mut pki = Pki { folder: home.path().join("certs"), printed: String::new() };
    let mut secrets = Vec::new();
    let folder = pki.folder.clone();
    for command in [
        &["init"][..],
        &["partner-ca", "harbor-hotels"],
        &["issue", "harbor-hotels"],
        &["renew", "harbor-hotels"],
        &["revoke", "harbor-hotels", "--before", "--reason", "superseded"],
        &["renew", "operator/ops", "--days", "30"],
        &["revoke", "operator/ops", "--before"],
        &["renew", "hub"],
        &["revoke", "hub", "--before"],
        &["crl", "operators"],
        &["change-ca", "harbor-hotels"],
        &["renew", "harbor-hotels"],
        &["retire-ca", "harbor-hotels"],
        &["change-ca", "hub"],
        &["change-ca", "operators"],
        &["list"],
        &["list", "--within", "31"],
    ] {
        pki.done(command);
        keys(&folder, &mut secrets);
    }
    let states = pki.states();
    let of = |subject: &str| {
        let found = states.iter().filter(|(listed, _)| listed == subject);
        found.map(|(_, state)| state.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(of("hub before"), ["REVOKED"], "{states:?}");
    assert_eq!(of("operator/ops before"), ["REVOKED"], "{states:?}");
    assert_eq!(of("partner/harbor-hotels"), ["valid"], "{states:?}");
    assert_eq!(of("operators CA before"), ["valid"], "{states:?}");

    for refused in [
        &["change-ca", "hub"][..],
        &["retire-ca", "harbor-hotels"],
        &["renew", "nobody-here"],
        &["revoke", "harbor-hotels", "--serial", "not hexadecimal"],
        &["revoke", "harbor-hotels", "--file", folder.join("hub.pem").to_str().expect("a path")],
        &["revoke", "harbor-hotels", "--file", folder.join("hub.key").to_str().expect("a path")],
        &["renew", "hub", "--request", folder.join("hub.key").to_str().expect("a path")],
        &["issue", "rover-rides", "--request", folder.join("hub.key").to_str().expect("a path")],
    ] {
        assert!(!pki.run(refused).0, "{refused:?}");
    }
    assert!(!secrets.is_empty());
    for secret in secrets.iter().filter(|line| line.len() > 8) {
        assert!(!pki.printed.contains(secret), "a line of a key was printed");
    }
    assert!(!pki.printed.contains("PRIVATE KEY-----"), "{}", pki.printed);
}
