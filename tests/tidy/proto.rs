//! The contract is a document: every element has a comment that begins with its name, every call says
//! who may make it and what a retry does, every reason that a comment names exists.

use crate::files::{self, Source};

/// A named element of a proto file, with the comment right above it.
struct Element {
    name: String,
    is_call: bool,
    line: usize,
    comment: String,
}

#[test]
fn every_element_has_a_comment_that_begins_with_its_name() {
    let mut found = Vec::new();
    for source in contract() {
        for element in elements(&source.text) {
            let begins = element.comment.strip_prefix(element.name.as_str());
            if !begins.is_some_and(|rest| rest.starts_with([' ', ':'])) {
                found.push(format!("{}:{}: {}", source.path, element.line, element.name));
            }
        }
    }
    files::assert_none("elements whose comment does not begin with their name", &found);
}

#[test]
fn every_call_says_who_makes_it_and_what_a_retry_does() {
    let mut found = Vec::new();
    for source in contract() {
        for call in elements(&source.text).into_iter().filter(|element| element.is_call) {
            let caller = call.comment.contains("perators") || call.comment.contains("artners");
            if !caller || !call.comment.contains("retry") {
                found.push(format!("{}:{}: {}", source.path, call.line, call.name));
            }
        }
    }
    files::assert_none("calls that do not say who may make them, or what a retry does", &found);
}

#[test]
fn every_reason_that_a_comment_names_is_published() {
    let all = contract();
    let known: Vec<String> =
        all.iter().flat_map(|source| elements(&source.text)).map(|element| element.name).collect();
    let codes = ["INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "ALREADY_EXISTS"];
    let others = ["PERMISSION_DENIED", "FAILED_PRECONDITION", "NOT_FOUND"];
    let mut found = Vec::new();
    for source in &all {
        for element in elements(&source.text) {
            for word in shouted(&element.comment) {
                let reason = format!("ERROR_REASON_{word}");
                let exists = known.iter().any(|name| *name == word || *name == reason);
                if !exists && !codes.contains(&word) && !others.contains(&word) {
                    found.push(format!("{}:{}: {word}", source.path, element.line));
                }
            }
        }
    }
    files::assert_none("reasons that do not exist", &found);
}

fn contract() -> Vec<Source> {
    let ours = |source: &Source| source.path.starts_with("proto/entente/") && source.is(".proto");
    let contract: Vec<Source> = files::all().into_iter().filter(ours).collect();
    assert!(contract.len() > 5, "the contract was not found");
    contract
}

fn elements(text: &str) -> Vec<Element> {
    let mut found = Vec::new();
    let mut comment = String::new();
    for (number, line) in text.lines().enumerate() {
        let code = line.trim();
        if let Some(words) = code.strip_prefix("//") {
            if !comment.is_empty() {
                comment.push(' ');
            }
            comment.push_str(words.trim());
            continue;
        }
        if let Some((name, is_call)) = named(code) {
            let comment = comment.clone();
            found.push(Element { name: name.to_owned(), is_call, line: number + 1, comment });
        }
        comment.clear();
    }
    found
}

/// The name that a line declares, and whether it is a call's.
fn named(code: &str) -> Option<(&str, bool)> {
    let word = |text: &'_ str| text.len() - text.trim_start_matches(is_name).len();
    for keyword in ["message ", "enum ", "service ", "oneof ", "rpc "] {
        if let Some(rest) = code.strip_prefix(keyword) {
            return Some((&rest[..word(rest)], keyword == "rpc "));
        }
    }
    let statement = ["syntax", "package", "import", "option", "reserved"];
    if statement.iter().any(|keyword| code.starts_with(keyword)) {
        return None;
    }
    let (before, after) = code.split_once(" = ")?;
    let numbered = after.starts_with(|c: char| c.is_ascii_digit());
    let name = before.rsplit(' ').next()?;
    (numbered && name.chars().all(is_name)).then_some((name, false))
}

/// The words of a comment in capitals, with an underscore.
fn shouted(comment: &str) -> impl Iterator<Item = &str> {
    comment
        .split(|c: char| !is_name(c))
        .filter(|word| word.trim_matches('_').contains('_'))
        .filter(|word| word.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}
