//! What `docs/errors.md` publishes of each reason, so that tests hold the hub to it and not to its
//! own table; and that each reason is met by some test.

use std::{collections::BTreeMap, fs, path::Path};

use entente_client::{Refusal, api::error::ErrorReason};

/// Reasons that no partner's or operator's input brings about, and the tests that meet them.
const MET_ELSEWHERE: [(&str, &str); 5] = [
    ("SHUTTING_DOWN", "crates/hub/tests/control"),
    ("OVERLOADED", "crates/hub/tests/control"),
    ("CLOCKS_APART", "crates/cli/tests/faults"),
    ("DEADLINE_PASSED", "crates/hub/tests/edge"),
    ("INTERNAL", "crates/hub/tests/edge"),
];

/// The code of a reason, as the catalogue spells it, and whether it is kept.
fn published() -> BTreeMap<&'static str, (&'static str, bool)> {
    let rows = include_str!("../../docs/errors.md").lines();
    let cells = rows.map(|row| row.split('|').map(str::trim).collect::<Vec<_>>());
    let named = cells.filter(|cells| cells.len() > 4 && cells[1].starts_with('`'));
    named
        .map(|cells| (cells[1].trim_matches('`'), (cells[2].trim_matches('`'), cells[3] == "kept")))
        .collect()
}

/// Whether the catalogue says that a reason is its id's final outcome.
pub(crate) fn is_kept(reason: ErrorReason) -> bool {
    published()[name(reason)].1
}

/// Asserts the reason, the one code that goes with it, and exactly this metadata.
pub(crate) fn assert_refused(
    refusal: &Refusal,
    reason: ErrorReason,
    metadata: &[(&str, &str)],
    case: &str,
) {
    assert_eq!(refusal.reason, reason, "{case}: {refusal:?}");
    let code = format!("{:?}", refusal.code).to_uppercase();
    assert_eq!(code, published()[name(reason)].0.replace('_', ""), "{case}");
    let told: Vec<_> =
        refusal.metadata.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(told, metadata, "{case}");
    let kept_and_retried = is_kept(reason) && refusal.retry_after.is_some();
    assert!(!kept_and_retried, "{case}: a final refusal asks for the same id again");
    assert_eq!(refusal.violations.is_empty(), reason != ErrorReason::Malformed, "{case}");
}

fn name(reason: ErrorReason) -> &'static str {
    let full = reason.as_str_name();
    full.strip_prefix("ERROR_REASON_").unwrap_or(full)
}

/// `POINTS_INSUFFICIENT` as `ErrorReason::PointsInsufficient`.
fn in_rust(name: &str) -> String {
    let words = name.split('_').map(|word| {
        let (first, rest) = word.split_at(1);
        format!("{first}{}", rest.to_lowercase())
    });
    format!("::{}", words.collect::<String>())
}

fn sources(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text.push_str(&sources(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            text.push_str(&fs::read_to_string(path).unwrap());
        }
    }
    text
}

#[test]
fn every_published_reason_is_met_by_some_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let journeys = sources(&root.join("journeys"));
    let elsewhere: BTreeMap<_, _> = MET_ELSEWHERE.into_iter().collect();
    let mut unmet = Vec::new();
    for reason in published().into_keys() {
        let met = elsewhere.get(reason).map_or_else(
            || journeys.contains(&in_rust(reason)),
            |folder| sources(&root.join("..").join(folder)).contains(&format!("\"{reason}\"")),
        );
        if !met {
            unmet.push(reason);
        }
    }
    assert!(unmet.is_empty(), "no test meets {unmet:?}");
}
