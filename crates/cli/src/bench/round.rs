//! One playing of a scenario. No two share a request id or a receipt, though all follow from one seed.

use rand::{SeedableRng as _, rngs::StdRng};

use super::args::{BenchArgs, Scenario};
use super::lane::Span;
use super::stage::Stage;

/// A scenario, and which time it is played.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round<'a> {
    /// What was chosen.
    pub(crate) args: &'a BenchArgs,
    /// What it is played on.
    pub(crate) stage: &'a Stage,
    /// What is played.
    pub(crate) scenario: Scenario,
    /// Which time, from 0.
    pub(crate) number: u16,
    /// When it is measured.
    pub(crate) span: Span,
}

impl Round<'_> {
    /// The dice of a caller.
    pub(crate) fn dice(&self, caller: usize) -> StdRng {
        let (scenario, caller) = (self.scenario as u64, u64::try_from(caller).unwrap_or_default());
        let which = scenario << 56 | u64::from(self.number) << 40 | caller;
        StdRng::seed_from_u64(self.args.seed.rotate_left(20) ^ which)
    }

    /// What a caller's receipts begin with.
    pub(crate) fn receipts(&self, caller: usize) -> String {
        format!("{}-{}-{caller}", self.scenario.key(), self.number)
    }
}
