//! Four eyes: a sensitive act is proposed by one operator and applied when another approves it.
//!
//! An approval locks the proposal and runs the act's own write in its transaction, under the locks
//! that the act asks for, so that the act is applied exactly once, and only with the record of who
//! proposed and who approved it.

mod act;
mod approve;
mod propose;
mod reject;
mod subject;
mod trail;
mod wire;

use entente_api::error::ErrorReason;
use entente_store::proposals::Proposal;
use jiff::Timestamp;

pub use act::{Act, AnyAct};
pub use approve::{Approval, Approve};
pub use propose::Propose;
pub use reject::Reject;
pub(crate) use subject::opened;
pub use subject::{About, Subject};
pub use trail::By;
pub(crate) use wire::{in_full, in_list};

use crate::error::Refused;

/// The refusal of an id that names no proposal.
#[must_use]
pub(crate) fn proposal_unknown() -> Refused {
    Refused::new(ErrorReason::ProposalUnknown, "there is no proposal by this id")
}

/// Whether somebody can still decide on a proposal.
fn undecided(proposal: &Proposal, now: Timestamp) -> Result<(), Refused> {
    if proposal.is_open(now) {
        return Ok(());
    }
    let Some(decision) = &proposal.decision else {
        let message = "nobody approved the proposal in time";
        return Err(Refused::new(ErrorReason::ProposalExpired, message));
    };
    let state = wire::state_name(wire::ended(decision.end.kind()));
    let message = "somebody has decided on the proposal before";
    Err(Refused::new(ErrorReason::ProposalNotOpen, message).with("state", state))
}
