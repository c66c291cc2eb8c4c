#![doc = include_str!("../README.md")]

pub mod cast;
mod hub;
mod postgres;
mod proxy;

pub use hub::{OPERATOR, TestHub};
pub use postgres::{Database, morning};
pub use proxy::Proxy;
