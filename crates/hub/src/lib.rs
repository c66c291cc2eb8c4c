#![doc = include_str!("../README.md")]

pub mod authorization;
pub mod caller;
pub mod catalogue;
pub mod config;
pub mod control;
pub mod deadline;
pub mod edge;
pub mod error;
pub mod feed;
pub mod fingerprint;
pub mod hub;
mod ids;
pub mod key_file;
pub mod ledger;
pub mod method;
mod notices;
pub mod observe;
pub mod page_token;
pub mod parse;
mod plain;
pub mod posting;
pub mod reading;
pub mod rpc;
mod sandbox;
pub mod services;
pub mod settlement;
pub mod streams;
mod thresholds;
pub mod webhooks;
mod wire;
mod workers;

pub use config::Config;
pub use hub::Hub;
pub use ledger::Ledger;
pub use plain::ReadyCheck;
pub use services::Services;
