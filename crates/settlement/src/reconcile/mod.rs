//! Reconciliation: the hub's operations of a window against a partner's own record of it.
//!
//! The partner's lines come in first, one by one, into a [`Matcher`], which keeps compact records of
//! them and no more. Then the hub's operations stream past: by request id, by receipt, and at the end by
//! member, amount and day. Every amount enters exactly once, the hub's with a plus and the partner's with
//! a minus, and leaves in a pair that agrees or in a break. So the breaks add up to the difference of the
//! totals; [`Report`] cannot be made where they do not.

mod carry;
mod compare;
mod finish;
mod fold;
mod index;
mod life;
mod matcher;
#[cfg(test)]
mod million;
mod nearby;
#[cfg(test)]
mod planted;
mod remedy;
mod report;
mod side;
mod store;
#[cfg(test)]
mod tables;
mod totals;

pub use carry::Earlier;
pub use life::{BreakLife, BreakState, Resolution, Step, StepRefused};
pub use matcher::{Matcher, Matching, NotTaken, Rules};
pub use remedy::{Movement, Remedy, Unlike};
pub use report::{Break, BreakKind, Report, Unexplained, Unreadable};
pub use side::{Kind, Line, LineStatus, Operation, Standing, Texts, When};
pub use totals::{ControlTotals, Delta};
