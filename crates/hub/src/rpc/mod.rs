//! The services of the contract, each thin: parse, call, map.

mod after;
mod audit;
mod clearing;
mod earn_stream;
mod events;
mod identity;
mod ledger;
mod member;
mod partner;
mod points;
mod proposal;
mod reconciliation;
mod report;
mod settlement;
mod webhook;

pub use audit::Audit;
pub use clearing::Clearing;
pub use events::Events;
pub use identity::{Keys, Operators, Tokens};
pub use ledger::Clock;
pub use member::Members;
pub use partner::Partners;
pub use points::Points;
pub use proposal::Proposals;
pub use reconciliation::Reconciling;
pub use report::Reporting;
pub use settlement::Settlement;
pub use webhook::Webhooks;
