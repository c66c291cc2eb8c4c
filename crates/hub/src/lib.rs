#![doc = include_str!("../README.md")]

pub mod authorization;
pub mod caller;
pub mod error;
pub mod fingerprint;
pub mod method;
pub mod parse;
