//! Names are the words of the glossary, and say what a thing is.

use crate::files::{self, Source};

/// Endings of type names that say nothing.
const EMPTY_ENDINGS: [&str; 7] =
    ["Manager", "Helper", "Helpers", "Util", "Utils", "Service", "Impl"];
/// Names of files that say nothing.
const EMPTY_FILES: [&str; 8] =
    ["manager", "helper", "helpers", "util", "utils", "common", "misc", "shared"];
/// What the glossary calls by another word, and that word.
const SYNONYMS: [(&str, &str); 7] = [
    ("customer", "member"),
    ("cardholder", "member"),
    ("merchant", "partner"),
    ("tenant", "partner"),
    ("payout", "obligation"),
    ("authorise", "authorize"),
    ("idempotency_key", "request_id"),
];

#[test]
fn no_type_or_file_has_an_empty_name() {
    let mut found = Vec::new();
    for source in files::rust() {
        let stem = source.path.rsplit('/').next().unwrap_or_default().trim_end_matches(".rs");
        if EMPTY_FILES.contains(&stem) {
            found.push(source.path.clone());
        }
        for (number, line) in source.text.lines().enumerate() {
            let Some(name) = declared_type(line) else { continue };
            if EMPTY_ENDINGS.iter().any(|ending| name.ends_with(ending)) {
                found.push(format!("{}:{}: {name}", source.path, number + 1));
            }
        }
    }
    files::assert_none("names that say nothing", &found);
}

#[test]
fn code_and_contract_use_the_words_of_the_glossary() {
    let mut found = Vec::new();
    for source in files::all().iter().filter(|source| is_vocabulary(source)) {
        for (number, line) in source.text.lines().enumerate() {
            let lower = line.to_lowercase();
            for (synonym, word) in SYNONYMS {
                if lower.contains(synonym) {
                    let place = format!("{}:{}", source.path, number + 1);
                    found.push(format!("{place}: `{synonym}` is `{word}` here"));
                }
            }
        }
    }
    files::assert_none("synonyms", &found);
}

#[test]
fn nothing_names_a_place_on_someones_machine() {
    let places = ["home", "Users", "work", "root"].map(|folder| format!("/{folder}/"));
    let mut found = Vec::new();
    for source in files::all() {
        for (number, line) in source.text.lines().enumerate() {
            // Homebrew's own prefix is the same on every machine.
            let line = line.replace("/home/linuxbrew/", "");
            if places.iter().any(|place| begins_path(&line, place)) {
                found.push(format!("{}:{}: {}", source.path, number + 1, line.trim()));
            }
        }
    }
    files::assert_none("absolute paths of one machine", &found);
}

#[test]
fn no_private_key_is_committed() {
    let mut found = Vec::new();
    for source in files::all() {
        let key = source.text.lines().any(|line| {
            line.starts_with("-----BEGIN ") && line.trim_end().ends_with("PRIVATE KEY-----")
        });
        if key || source.is(".key") {
            found.push(source.path);
        }
    }
    files::assert_none("private keys", &found);
}

fn is_vocabulary(source: &Source) -> bool {
    let written = [".rs", ".proto", ".sql", ".py"].iter().any(|ending| source.is(ending));
    written && !source.path.starts_with("tests/tidy/") && !source.path.starts_with("proto/google/")
}

fn declared_type(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace();
    let word = words.find(|word| !word.starts_with("pub"))?;
    let name = ["struct", "enum", "trait", "type"].contains(&word).then(|| words.next())??;
    name.split(|c: char| !c.is_alphanumeric()).next()
}

/// Whether the path begins here: what stands before it is no part of a longer one.
fn begins_path(line: &str, place: &str) -> bool {
    line.match_indices(place).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || "._-~}>/".contains(c))
    })
}
