//! `docs/errors.md` is made from the comments of `ErrorReason`, so that the catalogue cannot drift from
//! the contract.

use std::fmt::Write as _;
use std::fs;

use crate::files;

const PROTO: &str = "proto/entente/error/v1/error_reason.proto";
const PAGE: &str = "docs/errors.md";

/// One reason, as its comment tells it: `NAME (CODE, kept): meaning. Cure: what to do.`
pub(crate) struct Reason {
    pub(crate) name: String,
    pub(crate) number: u16,
    pub(crate) code: String,
    pub(crate) kept: bool,
    meaning: String,
    cure: String,
}

#[test]
fn the_error_catalogue_is_what_the_contract_says() {
    let renew = "cargo test -p entente-tests --test tidy -- --ignored renew_the_error_catalogue";
    assert!(files::read(PAGE) == page(), "{PAGE} is not current; run: {renew}");
}

#[test]
#[ignore = "writes docs/errors.md"]
fn renew_the_error_catalogue() {
    fs::write(files::root().join(PAGE), page()).expect("the catalogue can be written");
}

fn page() -> String {
    let mut page = String::from(
        "# Errors\n\n\
         Made from the comments of `proto/entente/error/v1/error_reason.proto`; do not edit.\n\n\
         Every error carries a `google.rpc.ErrorInfo` with the domain `entente` and one of these \
         reasons. They are in order of precedence: a request that could be refused for several \
         reasons is refused for the first of them. **Kept** means that the refusal is the request \
         id's final outcome: the same id answers the same for ever, and a new attempt needs a new \
         id. Where it is not kept, the same id may be sent again.\n\n\
         | reason | code | kept | meaning | what to do |\n|---|---|---|---|---|\n",
    );
    for Reason { name, code, kept, meaning, cure, .. } in reasons() {
        let kept = if kept { "kept" } else { "" };
        writeln!(page, "| `{name}` | `{code}` | {kept} | {meaning} | {cure} |")
            .expect("writing to a string does not fail");
    }
    page
}

/// Every reason, in the order of the contract.
pub(crate) fn reasons() -> Vec<Reason> {
    let text = files::read(PROTO);
    let mut comment = String::new();
    let mut found = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(words) = line.strip_prefix("// ") {
            comment.push_str(words);
            comment.push(' ');
            continue;
        }
        if line.starts_with("ERROR_REASON_") && !line.starts_with("ERROR_REASON_UNSPECIFIED") {
            found.push(reason(comment.trim(), number(line)));
        }
        comment.clear();
    }
    assert!(found.len() > 30, "the reasons were not found");
    found
}

/// The number behind `NAME = `.
fn number(line: &str) -> u16 {
    let number = line.split_once(" = ").and_then(|(_, number)| number.strip_suffix(';'));
    let number = number.and_then(|number| number.parse().ok());
    number.unwrap_or_else(|| panic!("no number: {line}"))
}

fn reason(comment: &str, number: u16) -> Reason {
    let parts = comment.strip_prefix("ERROR_REASON_").and_then(|rest| rest.split_once(" ("));
    let (name, rest) = parts.unwrap_or_else(|| panic!("no code in brackets: {comment}"));
    let (brackets, text) =
        rest.split_once("): ").unwrap_or_else(|| panic!("no meaning: {comment}"));
    let (code, kept) =
        brackets.split_once(", ").unwrap_or_else(|| panic!("kept or not? {comment}"));
    assert!(kept == "kept" || kept == "not kept", "kept or not? {comment}");
    let (meaning, cure) = text.split_once(" Cure: ").unwrap_or((text, ""));
    Reason {
        name: name.to_owned(),
        number,
        code: code.to_owned(),
        kept: kept == "kept",
        meaning: sentence(meaning),
        cure: sentence(cure),
    }
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}
