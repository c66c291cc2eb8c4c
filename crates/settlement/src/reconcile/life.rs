//! The life of a break: who owns it, what was agreed, how it ended. Each step says who, when and why.
//!
//! ```text
//! OPEN -> ASSIGNED -> AGREED -> ADJUSTED
//!            |  ^        `----> WRITTEN_OFF
//!            v  |
//!          REJECTED
//! ```
//! ASSIGNED may be assigned again, also to the same owner, which is how people comment; and AGREED go back
//! to it. ADJUSTED and WRITTEN_OFF are the end.

use entente_ledger::RequestId;
use jiff::Timestamp;

/// The longest reason that a step may have, in characters.
const LONGEST_REASON: usize = 500;

/// After so many steps nobody is assigned any more, so that the life ends by what is left.
const MOST_STEPS: usize = 200;

/// Where a break stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BreakState {
    /// Found, and nobody's.
    Open,
    /// Somebody looks into it.
    Assigned,
    /// Both sides agree what is right.
    Agreed,
    /// An adjustment corrected it: the end.
    Adjusted,
    /// The hub's side stands; the partner may bring it up again.
    Rejected,
    /// It is borne as it is: the end.
    WrittenOff,
}

impl BreakState {
    /// The state's name on screens, in files and on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "OPEN",
            Self::Assigned => "ASSIGNED",
            Self::Agreed => "AGREED",
            Self::Adjusted => "ADJUSTED",
            Self::Rejected => "REJECTED",
            Self::WrittenOff => "WRITTEN_OFF",
        }
    }

    /// Whether nobody has to do anything with it: it is corrected, borne, or the hub's side stands.
    #[must_use]
    pub const fn is_resolved(self) -> bool {
        matches!(self, Self::Rejected | Self::Adjusted | Self::WrittenOff)
    }

    /// Whether nothing follows.
    #[must_use]
    pub const fn is_end(self) -> bool {
        matches!(self, Self::Adjusted | Self::WrittenOff)
    }
}

/// What is done with a break.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// It gets an owner, or another one.
    Assign {
        /// Who looks into it from now on.
        owner: String,
    },
    /// Both sides agree what is right.
    Agree,
    /// The hub's side stands.
    Reject,
    /// An approved adjustment corrected it.
    Adjust {
        /// The adjustment's operation.
        operation: RequestId,
    },
    /// It is borne as it is. Another identity than the one that proposed it says so.
    WriteOff {
        /// Who proposed it.
        proposed_by: String,
    },
}

impl Resolution {
    /// Where it leads.
    #[must_use]
    pub const fn to(&self) -> BreakState {
        match self {
            Self::Assign { .. } => BreakState::Assigned,
            Self::Agree => BreakState::Agreed,
            Self::Reject => BreakState::Rejected,
            Self::Adjust { .. } => BreakState::Adjusted,
            Self::WriteOff { .. } => BreakState::WrittenOff,
        }
    }
}

/// One step of a break's life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What was done.
    pub resolution: Resolution,
    /// Who did it.
    pub who: String,
    /// When.
    pub when: Timestamp,
    /// Why.
    pub why: String,
}

/// Why a step was refused, in order of precedence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StepRefused {
    /// Nobody said who, or why; or the reason is too long.
    #[error("a step says who and why, in at most {LONGEST_REASON} characters")]
    Unexplained,
    /// The step is dated before the one that it follows.
    #[error("a step is not earlier than the one before it")]
    BackInTime,
    /// The state does not allow it.
    #[error("a break that is {} cannot become {}", from.name(), to.name())]
    NotAllowed {
        /// Where the break stands.
        from: BreakState,
        /// What was asked for.
        to: BreakState,
    },
    /// There are too many already to assign anybody.
    #[error("a break that has {MOST_STEPS} steps is assigned no more")]
    TooManySteps,
    /// A write-off needs two identities.
    #[error("{0} proposed it, so another one writes off")]
    SelfApproval(String),
}

/// A break's steps so far. It begins with none, which is OPEN.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct BreakLife {
    steps: Vec<Step>,
}

impl BreakLife {
    /// The life that these steps tell, each checked as when it was taken.
    pub fn of(steps: impl IntoIterator<Item = Step>) -> Result<Self, StepRefused> {
        steps.into_iter().try_fold(Self::default(), Self::then)
    }

    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> BreakState {
        self.steps.last().map_or(BreakState::Open, |step| step.resolution.to())
    }

    /// Who looks into it, or did last.
    #[must_use]
    pub fn owner(&self) -> Option<&str> {
        self.steps.iter().rev().find_map(|step| match &step.resolution {
            Resolution::Assign { owner } => Some(owner.as_str()),
            _ => None,
        })
    }

    /// All steps, the first first.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Takes a step.
    pub fn then(mut self, step: Step) -> Result<Self, StepRefused> {
        self.check(&step)?;
        self.steps.push(step);
        Ok(self)
    }

    fn check(&self, step: &Step) -> Result<(), StepRefused> {
        let owned = !matches!(&step.resolution, Resolution::Assign { owner } if owner.is_empty());
        let explained = !step.who.is_empty() && !step.why.trim().is_empty() && owned;
        if !explained || step.why.chars().count() > LONGEST_REASON {
            return Err(StepRefused::Unexplained);
        }
        if self.steps.last().is_some_and(|last| step.when < last.when) {
            return Err(StepRefused::BackInTime);
        }
        let (from, to) = (self.state(), step.resolution.to());
        if !allowed(from, to) {
            return Err(StepRefused::NotAllowed { from, to });
        }
        if to == BreakState::Assigned && self.steps.len() >= MOST_STEPS {
            return Err(StepRefused::TooManySteps);
        }
        match &step.resolution {
            Resolution::WriteOff { proposed_by } if *proposed_by == step.who => {
                Err(StepRefused::SelfApproval(step.who.clone()))
            }
            _ => Ok(()),
        }
    }
}

const fn allowed(from: BreakState, to: BreakState) -> bool {
    use BreakState::{Adjusted, Agreed, Assigned, Open, Rejected, WrittenOff};
    match from {
        Open | Rejected => matches!(to, Assigned),
        Assigned => matches!(to, Assigned | Agreed | Rejected),
        Agreed => matches!(to, Assigned | Adjusted | WrittenOff),
        Adjusted | WrittenOff => false,
    }
}

#[cfg(test)]
mod tests {
    use BreakState::{Adjusted, Agreed, Assigned, Open, Rejected, WrittenOff};

    use super::*;

    const ALL: [BreakState; 6] = [Open, Assigned, Agreed, Adjusted, Rejected, WrittenOff];

    fn step(to: BreakState, who: &str, second: i64) -> Step {
        let operation = RequestId(entente_ledger_uuid());
        let resolution = match to {
            Open | Assigned => Resolution::Assign { owner: "analyst".to_owned() },
            Agreed => Resolution::Agree,
            Rejected => Resolution::Reject,
            Adjusted => Resolution::Adjust { operation },
            WrittenOff => Resolution::WriteOff { proposed_by: "first".to_owned() },
        };
        let when = Timestamp::from_second(second).expect("in range");
        Step { resolution, who: who.to_owned(), when, why: "the receipt says so".to_owned() }
    }

    fn entente_ledger_uuid() -> uuid::Uuid {
        uuid::Uuid::from_u128(7)
    }

    /// A life that stands here.
    fn life(state: BreakState) -> BreakLife {
        let path: &[BreakState] = match state {
            Open => &[],
            Assigned => &[Assigned],
            Agreed => &[Assigned, Agreed],
            Rejected => &[Assigned, Rejected],
            Adjusted => &[Assigned, Agreed, Adjusted],
            WrittenOff => &[Assigned, Agreed, WrittenOff],
        };
        let who = |to: &BreakState| if *to == WrittenOff { "second" } else { "first" };
        BreakLife::of(path.iter().map(|to| step(*to, who(to), 1))).expect("allowed")
    }

    #[test]
    fn a_break_takes_the_steps_that_are_allowed_and_no_other() {
        let steps = [
            (Open, Assigned),
            (Assigned, Assigned),
            (Assigned, Agreed),
            (Assigned, Rejected),
            (Agreed, Assigned),
            (Agreed, Adjusted),
            (Agreed, WrittenOff),
            (Rejected, Assigned),
        ];
        for from in ALL {
            for to in ALL.into_iter().filter(|to| *to != Open) {
                let then = life(from).then(step(to, "second", 2));
                let expected = steps.contains(&(from, to));
                assert_eq!(then.is_ok(), expected, "{} to {}", from.name(), to.name());
                assert_eq!(from.is_end(), !steps.iter().any(|(other, _)| *other == from));
            }
        }
    }

    #[test]
    fn a_write_off_needs_another_identity_than_its_proposal() {
        let refused = life(Agreed).then(step(WrittenOff, "first", 2));
        assert_eq!(refused, Err(StepRefused::SelfApproval("first".to_owned())));
        assert!(life(Agreed).then(step(WrittenOff, "second", 2)).is_ok());
    }

    #[test]
    fn a_step_says_who_and_why_and_goes_forward_in_time() {
        let nobody = step(Assigned, "", 2);
        let silent = Step { why: "  ".to_owned(), ..step(Assigned, "first", 2) };
        let endless = Step { why: "x".repeat(501), ..step(Assigned, "first", 2) };
        let unowned = Resolution::Assign { owner: String::new() };
        let unowned = Step { resolution: unowned, ..step(Assigned, "first", 2) };
        for bad in [nobody, silent, endless, unowned] {
            assert_eq!(life(Open).then(bad), Err(StepRefused::Unexplained));
        }
        assert_eq!(life(Assigned).then(step(Agreed, "first", 0)), Err(StepRefused::BackInTime));
    }

    #[test]
    fn a_life_that_has_become_too_long_can_still_end() {
        let assigned = (0..200).map(|_| step(Assigned, "first", 1));
        let long = BreakLife::of(assigned).expect("allowed");
        let more = long.clone().then(step(Assigned, "first", 2));
        assert_eq!(more, Err(StepRefused::TooManySteps));
        let agreed = long.then(step(Agreed, "first", 2)).expect("allowed");
        assert!(agreed.then(step(WrittenOff, "second", 3)).is_ok());
    }

    #[test]
    fn the_owner_is_the_one_assigned_last() {
        let other = Resolution::Assign { owner: "other".to_owned() };
        let life = life(Assigned).then(Step { resolution: other, ..step(Assigned, "first", 2) });
        let life = life.and_then(|life| life.then(step(Agreed, "first", 3))).expect("allowed");
        assert_eq!(life.owner(), Some("other"));
        assert_eq!(life.steps().len(), 3);
        assert_eq!(BreakLife::default().owner(), None);
    }
}
