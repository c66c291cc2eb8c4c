#![doc = include_str!("../README.md")]

pub mod cast;
mod hub;
mod postgres;

pub use hub::{OPERATOR, TestHub};
pub use postgres::{Database, morning};
