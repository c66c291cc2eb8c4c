//! Arrows between crates point one way, as `crates/ARCHITECTURE.md` says.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::files;

/// What each package of ours may use of ours, tests aside.
const ARROWS: [(&str, &[&str]); 11] = [
    ("ledger", &[]),
    ("loyalty", &["ledger"]),
    ("settlement", &["ledger"]),
    ("identity", &[]),
    ("api", &[]),
    ("store", &["ledger", "loyalty", "settlement"]),
    ("hub", &["ledger", "loyalty", "settlement", "store", "identity", "api"]),
    ("client", &["api", "identity"]),
    ("embedded", &[]),
    ("cli", &["hub", "client", "embedded", "identity", "ledger", "settlement", "store", "api"]),
    (
        "testkit",
        &[
            "api",
            "client",
            "embedded",
            "hub",
            "identity",
            "store",
            "ledger",
            "loyalty",
            "settlement",
        ],
    ),
];

/// What a pure crate may not reach: input, output, tasks, randomness.
const PURE: [&str; 3] = ["ledger", "loyalty", "settlement"];
const IMPURE: [&str; 7] = ["tokio", "sqlx", "tonic", "rand", "futures", "tracing", "rustls"];

struct Dependency {
    name: String,
    for_tests: bool,
}

#[test]
fn crates_use_only_what_the_arrows_allow() {
    let allowed: BTreeMap<&str, &[&str]> = ARROWS.into_iter().collect();
    let mut found = Vec::new();
    for (package, dependencies) in packages() {
        let Some(allowed) = allowed.get(package.as_str()) else {
            if package != "tests" {
                found.push(format!("{package}: no arrow is written for it"));
            }
            continue;
        };
        let ours = dependencies.iter().filter(|dependency| !dependency.for_tests);
        for name in ours.filter_map(|dependency| dependency.name.strip_prefix("entente-")) {
            if !allowed.contains(&name) {
                found.push(format!("{package} -> {name}"));
            }
        }
    }
    files::assert_none("arrows that are not allowed", &found);
}

#[test]
fn what_is_for_tests_is_used_by_tests_alone() {
    let mut found = Vec::new();
    for (package, dependencies) in packages() {
        for dependency in dependencies {
            if dependency.name == "entente-testkit" && !dependency.for_tests {
                found.push(format!("{package} -> testkit"));
            }
        }
    }
    files::assert_none("testkit outside of dev-dependencies", &found);
}

#[test]
fn pure_crates_have_no_input_no_output_and_no_tasks() {
    let mut found = Vec::new();
    for (package, dependencies) in packages() {
        let used = dependencies.iter().filter(|dependency| !dependency.for_tests);
        for dependency in used {
            let impure = IMPURE.iter().any(|name| dependency.name.starts_with(name));
            if PURE.contains(&package.as_str()) && impure {
                found.push(format!("{package} -> {}", dependency.name));
            }
        }
    }
    for crate_name in PURE {
        let head = files::read(&format!("crates/{crate_name}/src/lib.rs"));
        for lint in
            ["arithmetic_side_effects", "float_arithmetic", "as_conversions", "integer_division"]
        {
            if !head.contains(&format!("clippy::{lint}")) {
                found.push(format!("crates/{crate_name}/src/lib.rs does not deny {lint}"));
            }
        }
    }
    files::assert_none("impurities", &found);
}

#[test]
fn every_crate_is_held_to_the_lints_and_has_its_readme_as_its_doc() {
    let mut found = Vec::new();
    for (name, _) in ARROWS {
        let manifest = files::read(&format!("crates/{name}/Cargo.toml"));
        // Generated code is held to its own.
        if name != "api" && !manifest.contains("[lints]\nworkspace = true") {
            found.push(format!("crates/{name}/Cargo.toml: no `lints.workspace = true`"));
        }
        let readme = files::read(&format!("crates/{name}/README.md"));
        if !readme.starts_with(&format!("# entente-{name}\n")) {
            found.push(format!("crates/{name}/README.md does not begin with the crate's name"));
        }
        let doc = "#![doc = include_str!(\"../README.md\")]";
        let main = if name == "cli" { "main" } else { "lib" };
        if name != "cli" && !files::read(&format!("crates/{name}/src/{main}.rs")).contains(doc) {
            found.push(format!("crates/{name}/src/lib.rs does not show its README"));
        }
    }
    files::assert_none("crates that are not as the others", &found);
}

/// The workspace's packages, without `entente-`, with what their manifests name.
fn packages() -> Vec<(String, Vec<Dependency>)> {
    let answer = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(files::root())
        .stdin(Stdio::null())
        .output()
        .expect("cargo runs");
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    let metadata: Value = serde_json::from_slice(&answer.stdout).expect("cargo answers JSON");
    let packages: Vec<_> = list(&metadata["packages"]).iter().map(package).collect();
    assert!(packages.len() > 10, "cargo named only {} packages", packages.len());
    packages
}

fn package(value: &Value) -> (String, Vec<Dependency>) {
    let name = text(&value["name"]).trim_start_matches("entente-").to_owned();
    let dependencies = list(&value["dependencies"]).iter().map(|dependency| Dependency {
        name: text(&dependency["name"]).to_owned(),
        for_tests: dependency["kind"] == "dev",
    });
    (name, dependencies.collect())
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("cargo's answer has this list")
}

fn text(value: &Value) -> &str {
    value.as_str().expect("cargo's answer has this text")
}
