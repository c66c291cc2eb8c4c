//! What became of the lines: a file of those that were refused, and a summary.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufWriter, Write as _},
    path::Path,
};

use anyhow::Context as _;
use entente_client::{EarnOutcome, Error};
use serde_json::{Value, json};

use crate::output::{Table, count, points};

/// Counts, and the file of refusals while it is written.
pub(super) struct Tally {
    file: csv::Writer<BufWriter<File>>,
    summary: Summary,
}

/// What became of all lines.
#[derive(Debug, Default)]
pub(super) struct Summary {
    earned: u64,
    replayed: u64,
    points: i64,
    refused: u64,
    unknown: u64,
    /// How many lines were refused for each reason.
    reasons: BTreeMap<String, u64>,
}

impl Tally {
    /// Begins the file of refusals. One of an earlier run is written over.
    pub(super) fn create(path: &Path) -> anyhow::Result<Self> {
        let file = File::create(path).with_context(|| path.display().to_string())?;
        let mut file = csv::Writer::from_writer(BufWriter::new(file));
        file.write_record(["line", "request_id", "reason", "message"])?;
        Ok(Self { file, summary: Summary::default() })
    }

    /// A line that could not be sent.
    pub(super) fn unreadable(&mut self, line: u64, bad: &str) -> anyhow::Result<()> {
        self.summary.refused += 1;
        self.refused(line, "", "MALFORMED", bad)
    }

    /// What the hub said of a line.
    pub(super) fn outcome(&mut self, line: u64, outcome: EarnOutcome) -> anyhow::Result<()> {
        let EarnOutcome { request_id, result, .. } = outcome;
        match result {
            Ok(earned) => {
                self.summary.earned += 1;
                self.summary.replayed += u64::from(earned.replayed);
                let points = earned.operation.map_or(0, |operation| operation.points);
                self.summary.points = self.summary.points.saturating_add(points);
                Ok(())
            }
            Err(Error::Refused(refusal)) => {
                self.summary.refused += 1;
                let reason = refusal.reason_name();
                let text = refusal.to_string();
                let said = text.strip_prefix(reason).and_then(|text| text.strip_prefix(": "));
                self.refused(line, &request_id, reason, said.unwrap_or(&text))
            }
            Err(error) => {
                self.summary.unknown += 1;
                self.refused(line, &request_id, "UNKNOWN", &error.to_string())
            }
        }
    }

    fn refused(&mut self, line: u64, id: &str, reason: &str, said: &str) -> anyhow::Result<()> {
        *self.summary.reasons.entry(reason.to_owned()).or_default() += 1;
        self.file.write_record([&line.to_string(), id, reason, said])?;
        Ok(())
    }

    /// Ends the file.
    pub(super) fn finish(self) -> anyhow::Result<Summary> {
        let mut file = self.file.into_inner().map_err(csv::IntoInnerError::into_error)?;
        file.flush()?;
        Ok(self.summary)
    }
}

impl Summary {
    /// How many lines were refused, and of how many the outcome is unknown.
    pub(super) const fn counts(&self) -> (u64, u64) {
        (self.refused, self.unknown)
    }

    pub(super) fn json(&self, refused: &Path) -> Value {
        json!({
            "lines": self.lines(),
            "earned": self.earned,
            "replayed": self.replayed,
            "points": self.points,
            "refused": self.refused,
            "unknown": self.unknown,
            "reasons": self.reasons,
            "refused_file": refused,
        })
    }

    pub(super) fn text(&self, refused: &Path) -> String {
        let mut table = Table::new(&["", ">lines"]);
        table.row(["earned".to_owned(), count(self.earned)]);
        table.row(["  of these replayed".to_owned(), count(self.replayed)]);
        for (reason, lines) in &self.reasons {
            table.row([reason.clone(), count(*lines)]);
        }
        table.row(["in all".to_owned(), count(self.lines())]);
        let told = if self.reasons.is_empty() {
            "no line was refused".to_owned()
        } else {
            format!("the refused lines are in {}", refused.display())
        };
        format!("{}\n\n{} points; {told}", table.text(""), points(self.points))
    }

    const fn lines(&self) -> u64 {
        self.earned + self.refused + self.unknown
    }
}
