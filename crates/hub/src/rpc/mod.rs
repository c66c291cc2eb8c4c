//! The services of the contract, each thin: parse, call, map.

mod points;
pub use points::Points;
