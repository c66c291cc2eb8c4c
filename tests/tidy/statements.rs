//! Statements are written so that they are planned for what they do.

use crate::files;

/// A constant limit has a plan made for the first rows. A check finds none, so the plan would run to its
/// end, on a ledger of any size.
#[test]
fn no_check_is_planned_for_the_first_rows_that_it_finds() {
    let mut found = Vec::new();
    for source in files::rust() {
        let is_check = source.path.starts_with("crates/store/src/check/");
        for (number, line) in source.text.lines().enumerate().filter(|_| is_check) {
            let Some((_, limit)) = line.split_once("LIMIT ") else { continue };
            let ends = line.trim_end().ends_with("\"#");
            if ends && limit.starts_with(|next: char| next.is_ascii_digit()) {
                found.push(format!("{}:{}: {}", source.path, number + 1, line.trim()));
            }
        }
    }
    files::assert_none("constant limits of checks", &found);
}
