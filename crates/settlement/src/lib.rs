#![doc = include_str!("../README.md")]
#![deny(
    clippy::arithmetic_side_effects,
    clippy::float_arithmetic,
    clippy::as_conversions,
    clippy::integer_division
)]

mod arrangement;
mod calendar;
mod close;
mod conversion;
pub mod iso20022;
mod money;
mod nets;
mod netting;
#[cfg(test)]
mod properties;
pub mod reconcile;
pub mod statement;
mod totals;

pub use arrangement::{Arrangement, Schedule};
pub use calendar::{Calendar, CutOff, Cycle, NoSuchDay};
pub use close::{Closing, Obligation, close};
pub use conversion::{Conversion, InvalidConversion, MAX_CONVERTED, Rate};
pub use money::{Money, payable, read_decimal, write_exact};
pub use nets::{BilateralNet, Nets, Party, bilateral_nets, exact_nets, rounded_nets};
pub use netting::{Netting, Owed, comes_to, owed};
pub use totals::{Total, TotalKey, Totals, counts, totals};
