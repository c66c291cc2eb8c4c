#![doc = include_str!("../README.md")]

mod binaries;
mod command;
mod connection;
mod embedded;
mod error;
mod fetch;
mod launch;
mod lock;
mod options;
mod place;
mod postmaster;
mod settings;
mod state;
mod user;
mod watchdog;

pub use embedded::{Embedded, Status};
pub use error::Error;
pub use options::{Notice, Options};
