#![doc = include_str!("../README.md")]

mod authorized;
mod client;
mod earn_stream;
mod error;
mod hubs;
mod operators;
mod options;
mod reconcile;
mod refusal;
mod retry;
mod rpc;
mod signer;
mod token;
mod watch;

pub use authorized::AuthorizedChannel;
pub use client::Client;
pub use earn_stream::{EarnOutcome, EarnOutcomes, EarnSink, Resume, StreamEnded};
pub use entente_api as api;
pub use entente_identity::jwt::{Consent, SigningKey};
pub use error::{Error, OptionsError, TransportError, UnknownOutcome};
pub use operators::Operators;
pub use options::{Options, Retry};
pub use reconcile::{RecordAnswers, RecordSink};
pub use refusal::{Refusal, Violation};
pub use rpc::StatementStream;
pub use signer::MemberSigner;
pub use token::Assertions;
pub use watch::{Watch, Watched};

/// A new request id: a UUID that says when it was made and is random beyond it (version 7), so that a
/// ledger finds the latest together. Make it once for each command and keep it until the command's outcome
/// is known.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place that makes request ids")]
pub fn new_request_id() -> String {
    uuid::Uuid::now_v7().to_string()
}
