//! The plan of the month: from a seed alone, every command that will be sent, in order, and what
//! its answer has to be. No answer and no clock decides what comes next, so that the same seed
//! sends the same request ids for ever: playing it again replays.

mod author;
mod dice;
mod followup;
mod mishap;
mod setup;
mod step;
mod visit;

use entente_api::types::Balances;
use jiff::Timestamp;

use super::cast::{Brand, HOURS, at_hour, busyness};
use author::Author;

pub(crate) use step::{Caller, Command, Expected, Linked, Step, Story};

/// How large the plan is. Another size is another plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Size {
    /// What everything follows from.
    pub(crate) seed: u64,
    /// How many members there are.
    pub(crate) members: usize,
    /// How often members visit a brand; each visit is one operation or more.
    pub(crate) visits: u64,
}

/// Everything that will be sent.
#[derive(Debug)]
pub(crate) struct Plan {
    /// In order of time.
    pub(crate) phases: Vec<Phase>,
    /// What each member has in the end.
    pub(crate) predictions: Vec<Prediction>,
}

/// What happens at one time of the ledger's clock.
#[derive(Debug)]
pub(crate) struct Phase {
    /// When.
    pub(crate) at: Timestamp,
    /// Sent first, one after another.
    pub(crate) first: Vec<Step>,
    /// Then these, a lane for each member: lanes side by side, the steps of a lane in order.
    pub(crate) lanes: Vec<Vec<Step>>,
}

/// What a member has in the end.
#[derive(Debug)]
pub(crate) struct Prediction {
    /// Who is asked.
    pub(crate) brand: Brand,
    /// The member's reference there.
    pub(crate) reference: String,
    /// What it has.
    pub(crate) balances: Balances,
}

impl Plan {
    /// The plan that follows from a size.
    ///
    /// # Errors
    /// Never, as the tests show: the brands' terms are compiled in.
    pub(crate) fn new(size: Size) -> anyhow::Result<Self> {
        let mut author = Author::new(size)?;
        let mut phases = setup::phases(&mut author);
        let total: u64 = (0..HOURS).map(busyness).sum();
        let mut busy = 0;
        for hour in 0..HOURS {
            author.begin(hour);
            let first = setup::announced(&author);
            followup::due(&mut author);
            let before = size.visits * busy / total;
            busy += busyness(hour);
            for _ in before..size.visits * busy / total {
                visit::visit(&mut author);
            }
            let lanes = author.lanes();
            if !(first.is_empty() && lanes.is_empty()) {
                phases.push(Phase { at: at_hour(hour), first, lanes });
            }
        }
        author.begin(HOURS);
        Ok(Self { phases, predictions: author.predictions() })
    }

    /// How many steps there are.
    pub(crate) fn step_count(&self) -> usize {
        self.phases.iter().map(Phase::step_count).sum()
    }
}

impl Phase {
    /// How many steps there are.
    pub(crate) fn step_count(&self) -> usize {
        self.first.len() + self.lanes.iter().map(Vec::len).sum::<usize>()
    }
}

#[cfg(test)]
mod tests;
