#![doc = include_str!("../README.md")]

pub mod clock;
pub mod control;
mod error;

pub use clock::LedgerKind;
pub use error::{StoreError, sqlstate_class};
