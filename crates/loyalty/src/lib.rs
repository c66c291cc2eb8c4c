#![doc = include_str!("../README.md")]
#![deny(
    clippy::arithmetic_side_effects,
    clippy::float_arithmetic,
    clippy::as_conversions,
    clippy::integer_division
)]

mod catalogue;
mod command;
mod decision;
mod refusal;
mod state;
mod terms;

pub use catalogue::{Catalogue, Partner, PartnerCode};
pub use command::{Action, BurnAmount, Command, Original, OriginalKind, ReversePart};
pub use decision::{Decision, Operation, OperationKind, Portion};
pub use refusal::Refusal;
pub use state::{Exposure, Member, State, Window};
pub use terms::{Agreement, EarnCategory, EarnRounding, EarnRule, Terms};
