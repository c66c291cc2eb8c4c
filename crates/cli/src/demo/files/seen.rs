//! What was seen while playing: writes, replays, and answers that are not as planned.

use std::time::Duration;

use anyhow::Context as _;
use entente_client::Error;

/// How many surprises are kept whole.
const MOST_SURPRISES: usize = 20;

/// Whether it was replayed, and how many points its operation moved, where it is one.
pub(crate) type Told = Result<(bool, Option<i64>), Error>;

/// What was seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// Writes that were answered.
    pub(crate) writes: u64,
    /// How many of them had been answered by an earlier run.
    pub(crate) replays: u64,
    /// The first answers that differ from the plan.
    pub(crate) surprises: Vec<String>,
    /// How many there were.
    pub(crate) surprise_count: u64,
    /// How long it took.
    pub(crate) took: Duration,
}

impl Seen {
    /// Counts one answer. Only a refusal is an answer; a hub that went away ends the demo.
    pub(crate) fn count(
        &mut self,
        what: &str,
        expected: Option<i64>,
        told: Told,
    ) -> anyhow::Result<()> {
        match told {
            Ok((replayed, found)) => {
                self.writes += 1;
                self.replays += u64::from(replayed);
                if found != expected {
                    self.surprise(format!("{what}: moved {found:?} points, not {expected:?}"));
                }
            }
            Err(Error::Refused(refusal)) => self.surprise(format!("{what}: refused: {refusal}")),
            Err(error) => {
                return Err(error)
                    .context("the demo was interrupted; run it again, and it goes on");
            }
        }
        Ok(())
    }

    fn surprise(&mut self, surprise: String) {
        self.surprise_count += 1;
        if self.surprises.len() < MOST_SURPRISES {
            self.surprises.push(surprise);
        }
    }
}
