//! Migrations have each a number of their own, and are never edited once merged.

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::digest::{SHA256, digest};

use crate::files::{self, Source};

const LIST: &str = "migrations/SHA256SUMS";

#[test]
fn migrations_have_numbers_of_their_own_and_say_their_reason() {
    let (mut found, mut numbers) = (Vec::new(), BTreeSet::new());
    for source in migrations() {
        let name = source.path.trim_start_matches("migrations/");
        let number = name.split_once('_').map(|(number, _)| number);
        let number =
            number.filter(|digits| digits.len() == 4).and_then(|digits| digits.parse::<u16>().ok());
        match number {
            Some(number) if numbers.insert(number) => {}
            Some(_) => found.push(format!("{} has the number of another one", source.path)),
            None => found.push(format!("{} should begin with four digits", source.path)),
        }
        if !source.text.starts_with("-- ") {
            found.push(format!("{} does not begin with its reason", source.path));
        }
    }
    files::assert_none("migrations out of order", &found);
}

#[test]
fn no_migration_is_edited_once_merged() {
    let text = files::read(LIST);
    let listed: BTreeMap<&str, &str> = text
        .lines()
        .filter_map(|line| line.split_once("  "))
        .map(|(sum, name)| (name, sum))
        .collect();
    let mut found = Vec::new();
    for source in migrations() {
        let name = source.path.trim_start_matches("migrations/");
        let sum = sha256(&source.text);
        match listed.get(name) {
            Some(known) if *known == sum => {}
            Some(_) => found.push(format!("{name} was edited: write another migration instead")),
            None => found.push(format!("{name} is new: add the line `{sum}  {name}` to {LIST}")),
        }
    }
    for name in listed.keys().filter(|name| !migrations().iter().any(|file| file.is(name))) {
        found.push(format!("{name} is gone"));
    }
    files::assert_none("migrations that are not as they were merged", &found);
}

fn migrations() -> Vec<Source> {
    let ours = |source: &Source| source.path.starts_with("migrations/") && source.is(".sql");
    let migrations: Vec<Source> = files::all().into_iter().filter(ours).collect();
    assert!(!migrations.is_empty(), "no migration was found");
    migrations
}

fn sha256(text: &str) -> String {
    let sum = digest(&SHA256, text.as_bytes());
    sum.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}
