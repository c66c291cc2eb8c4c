//! What is told of a run: a line for each scenario, and a table in Markdown at the end.

use std::{fmt::Write as _, io::Write as _, time::Duration};

/// What was seen in a scenario that held.
#[derive(Debug, Default)]
pub(crate) struct Row {
    /// What was done, and how often.
    pub(crate) done: String,
    /// Operations whose outcome is known.
    pub(crate) operations: u64,
    /// How many of them were unknown in between.
    pub(crate) unknown: u64,
    /// How long until the next operation was acknowledged, each time.
    pub(crate) back_after: Vec<Duration>,
    /// What else was seen.
    pub(crate) seen: String,
}

/// All rows of a run.
#[derive(Debug, Default)]
pub(crate) struct Table(Vec<(String, Duration, Option<Row>)>);

const HEAD: &str = "\
| scenario | done | operations | unknown in between | lost | twice | back after: median, longest | seen | took |
|---|---|---|---|---|---|---|---|---|
";

impl Table {
    /// Adds a scenario; without a row, it failed.
    pub(crate) fn add(&mut self, name: &str, took: Duration, row: Option<Row>) {
        self.0.push((name.replace('_', " "), took, row));
    }

    /// Whether none failed.
    pub(crate) fn is_good(&self) -> bool {
        self.0.iter().all(|(_, _, row)| row.is_some())
    }

    /// Prints it.
    pub(crate) fn print(&self) {
        let mut text = format!("\n{HEAD}");
        for (name, took, row) in &self.0 {
            let took = took.as_secs_f64();
            // Writing to a string cannot fail.
            let _ = match row {
                Some(Row { done, operations, unknown, back_after, seen }) => writeln!(
                    text,
                    "| {name} | {done} | {operations} | {unknown} | 0 | 0 | {} | {seen} | {took:.0} s |",
                    spread(back_after),
                ),
                None => writeln!(text, "| {name} | failed | | | | | | | {took:.0} s |"),
            };
        }
        say(&text);
    }
}

/// The median and the longest of some times.
pub(crate) fn spread(times: &[Duration]) -> String {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    match (sorted.get(sorted.len() / 2), sorted.last()) {
        (Some(median), Some(longest)) => {
            format!("{:.2} s, {:.2} s", median.as_secs_f64(), longest.as_secs_f64())
        }
        _ => String::new(),
    }
}

/// Prints text at once, whatever captures what tests print.
pub(crate) fn say(text: &str) {
    // Nobody to read it is no fault of what is tested.
    let _ = std::io::stdout().write_all(text.as_bytes());
}
