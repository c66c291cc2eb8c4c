#![doc = include_str!("../README.md")]

pub mod cast;
mod hub;
mod network;
mod postgres;
mod proxy;
mod receiver;
mod signing;

pub use hub::{OPERATOR, SECOND_OPERATOR, TestHub, make_trust_domain};
pub use network::{Blow, Lost, Network};
pub use postgres::{Database, morning};
pub use proxy::Proxy;
pub use receiver::{Received, Receiver, Reply};
pub use signing::{TRUST_DOMAIN, signer, signer_by};
