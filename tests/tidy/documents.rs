//! Documents do not drift: every path, test and link that they name exists.

use std::path::Path;

use crate::files::{self, Source};

/// Where a path in a document may begin, besides the document's own folder.
const BASES: [&str; 3] = ["", "crates/", "proto/entente/"];
const ENDINGS: [&str; 9] =
    [".rs", ".proto", ".sql", ".md", ".toml", ".py", ".sh", ".yaml", ".service"];

#[test]
fn every_path_that_a_document_names_exists() {
    let mut found = Vec::new();
    for source in documents() {
        for (line, name) in quoted(&source.text) {
            if looks_like_path(name) && !exists(&source, name) {
                found.push(format!("{}:{line}: {name}", source.path));
            }
        }
        for (line, target) in links(&source.text) {
            let file = target.split('#').next().unwrap_or_default();
            let outside = target.starts_with("http") || file.is_empty() || target.contains("::");
            if !outside && !exists(&source, file) {
                found.push(format!("{}:{line}: {target}", source.path));
            }
        }
    }
    files::assert_none("paths that do not exist", &found);
}

#[test]
fn every_test_that_a_document_names_exists() {
    let code = files::rust();
    let mut found = Vec::new();
    for source in documents() {
        for (line, name) in quoted(&source.text) {
            let test = name.rsplit("::").next().unwrap_or_default();
            if looks_like_test(test) && !code.iter().any(|file| declares(&file.text, test)) {
                found.push(format!("{}:{line}: {test}", source.path));
            }
        }
    }
    files::assert_none("tests that do not exist", &found);
}

#[test]
fn the_readme_names_the_two_commands() {
    let readme = files::read("README.md");
    for command in ["cargo run --release -- demo", "cargo test --workspace"] {
        assert!(readme.lines().any(|line| line == command), "README.md does not show `{command}`");
    }
}

#[test]
fn the_readme_gives_every_invariant_a_test() {
    let readme = files::read("README.md");
    let names = ["Balanced", "Conserved", "Once", "Append-only", "Acknowledged is durable"];
    let more = ["One window", "Settled to zero", "Never in the caller's favor", "Nobody else's"];
    for name in names.into_iter().chain(more).chain(["Bounded"]) {
        let row = readme.lines().find(|line| line.contains(&format!("**{name}**")));
        let row = row.unwrap_or_else(|| panic!("README.md does not list the invariant {name}"));
        let proven = row.split('`').skip(1).step_by(2).any(looks_like_test);
        assert!(proven, "README.md names no test for the invariant {name}");
    }
}

#[test]
fn every_value_metric_and_scope_is_on_the_page_of_the_configuration() {
    let page = files::read("docs/configuration.md");
    let mut names = Vec::new();
    for source in files::rust() {
        let of_config = source.path.starts_with("crates/hub/src/config/");
        for line in source.text.lines() {
            let value = line.strip_prefix("    pub ").and_then(|field| field.split_once(": "));
            let value = value.filter(|(name, _)| of_config && !name.contains(' '));
            names.extend(value.map(|(name, _)| name.to_owned()));
            let metric = line.split("\"entente_").nth(1).filter(|_| line.contains("metrics::"));
            let metric = metric.and_then(|rest| rest.split('"').next());
            let metric = metric.filter(|rest| !rest.is_empty());
            names.extend(metric.map(|rest| format!("entente_{rest}")));
        }
    }
    let scopes = files::read("crates/hub/src/authorization/scope.rs");
    let named =
        scopes.lines().filter_map(|line| line.trim().split_once(" = \"")?.1.strip_suffix("\";"));
    names.extend(named.map(str::to_owned));
    assert!(names.len() > 90, "{names:?}");
    // Tables are told as such.
    let absent = |name: &&String| {
        !page.contains(&format!("`{name}`")) && !page.contains(&format!("`[{name}]`"))
    };
    let absent: Vec<_> = names.iter().filter(absent).cloned().collect();
    files::assert_none(
        "values, metrics and scopes that docs/configuration.md does not have",
        &absent,
    );
}

fn documents() -> Vec<Source> {
    files::all().into_iter().filter(|source| source.is(".md")).collect()
}

/// What stands in backticks on one line, outside of fences.
fn quoted(text: &str) -> Vec<(usize, &str)> {
    let mut fenced = false;
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            found.extend(line.split('`').skip(1).step_by(2).map(|name| (number + 1, name)));
        }
    }
    found
}

/// The targets of links, `[text](target)`.
fn links(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let targets = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        found.extend(targets.map(|target| (number + 1, target)));
    }
    found
}

fn looks_like_path(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    let folders = ["crates/", "proto/", "migrations/", "tests/", "deploy/", "docs/", "examples/"];
    let known = folders.iter().chain(&[".ci/", "src/"]).any(|folder| name.starts_with(folder));
    let file = ENDINGS.iter().any(|ending| name.ends_with(ending)) && !name.starts_with('.');
    name.chars().all(plain) && !name.starts_with('/') && (known || file)
}

fn exists(document: &Source, name: &str) -> bool {
    let root = files::root();
    let folder = root.join(&document.path);
    let folder = folder.parent().unwrap_or(Path::new("/"));
    folder.join(name).exists()
        || folder.join("src").join(name).exists()
        || BASES.iter().any(|base| root.join(base).join(name).exists())
}

/// Names of tests are claims, so they are long.
fn looks_like_test(name: &str) -> bool {
    let lower = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    // Metrics have such names too.
    name.chars().all(lower) && name.matches('_').count() >= 3 && !name.starts_with("entente_")
}

fn declares(text: &str, test: &str) -> bool {
    text.contains(&format!("fn {test}(")) || text.contains(&format!("fn {test}<"))
}
