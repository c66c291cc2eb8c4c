//! Proposals as the contract has them.

use entente_api::proposal::{self as api, Act, ActKind, Applied, ProposalState};
use entente_store::proposals::{End, EndKind, Proposal, Words};
use jiff::Timestamp;
use prost::Message;
use tonic_types::pb::Status;

use crate::{error::RpcError, parse::wire_timestamp};

/// A proposal without its act and what the act answered: those of a list have none.
#[must_use]
pub(crate) fn in_list(proposal: &Proposal, now: Timestamp) -> api::Proposal {
    summary(proposal, now)
}

/// A proposal with everything.
pub(crate) fn in_full(proposal: &Proposal, now: Timestamp) -> Result<api::Proposal, RpcError> {
    let mut full = summary(proposal, now);
    let act = Act::decode(proposal.made.act.as_slice()).map_err(RpcError::internal)?;
    full.act = Some(act);
    match proposal.decision.as_ref().map(|decision| &decision.end) {
        Some(End::Applied(encoded)) => {
            let applied = Applied::decode(encoded.as_slice()).map_err(RpcError::internal)?;
            full.applied = Some(applied);
        }
        Some(End::Refused(encoded)) => {
            let refusal = Status::decode(encoded.as_slice()).map_err(RpcError::internal)?;
            full.refusal = Some(refusal);
        }
        Some(End::Rejected(_) | End::Withdrawn(_)) | None => {}
    }
    Ok(full)
}

pub(super) fn summary(proposal: &Proposal, now: Timestamp) -> api::Proposal {
    let made = &proposal.made;
    let decision = proposal.decision.as_ref();
    let reason = decision.and_then(|decision| match &decision.end {
        End::Rejected(Words::Plain(reason)) | End::Withdrawn(Words::Plain(reason)) => {
            Some(reason.clone())
        }
        End::Rejected(Words::Sealed(_))
        | End::Withdrawn(Words::Sealed(_))
        | End::Applied(_)
        | End::Refused(_) => None,
    });
    api::Proposal {
        proposal: made.id.0.to_string(),
        kind: made.kind.into(),
        act: None,
        reason: made.reason.clone(),
        proposed_by: made.proposed_by.clone(),
        proposed_at: Some(wire_timestamp(made.proposed_at)),
        expires_at: Some(wire_timestamp(made.expires_at)),
        state: state(proposal, now).into(),
        decided_by: decision.map(|decision| decision.decided_by.clone()).unwrap_or_default(),
        decided_at: decision.map(|decision| wire_timestamp(decision.decided_at)),
        decision_reason: reason.unwrap_or_default(),
        applied: None,
        refusal: None,
    }
}

fn state(proposal: &Proposal, now: Timestamp) -> ProposalState {
    match &proposal.decision {
        Some(decision) => ended(decision.end.kind()),
        None if proposal.is_open(now) => ProposalState::Open,
        None => ProposalState::Expired,
    }
}

pub(super) const fn ended(kind: EndKind) -> ProposalState {
    match kind {
        EndKind::Applied => ProposalState::Applied,
        EndKind::Refused => ProposalState::Refused,
        EndKind::Rejected => ProposalState::Rejected,
        EndKind::Withdrawn => ProposalState::Withdrawn,
    }
}

/// What an act is, as the trail names it: `PUBLISH_TERMS`.
pub(super) fn kind_name(kind: i16) -> &'static str {
    let name = ActKind::try_from(i32::from(kind)).unwrap_or_default().as_str_name();
    name.strip_prefix("ACT_KIND_").unwrap_or(name)
}

/// A state as refusals name it: `APPLIED`.
pub(super) fn state_name(state: ProposalState) -> &'static str {
    let name = state.as_str_name();
    name.strip_prefix("PROPOSAL_STATE_").unwrap_or(name)
}
