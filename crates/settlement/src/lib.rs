#![doc = include_str!("../README.md")]
#![deny(
    clippy::arithmetic_side_effects,
    clippy::float_arithmetic,
    clippy::as_conversions,
    clippy::integer_division
)]

mod close;
mod money;
mod nets;
#[cfg(test)]
mod properties;
pub mod reconcile;
mod totals;

pub use close::{Closing, Obligation, close};
pub use money::{Money, payable, read_decimal, write_exact};
pub use nets::{BilateralNet, Nets, Party, bilateral_nets, exact_nets, rounded_nets};
pub use totals::{Total, TotalKey, Totals, counts, totals};
