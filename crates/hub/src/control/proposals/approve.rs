//! An approval:
//!
//! 1. lock the proposal; 2. refuse its proposer, and what is decided or too late; 3. run the act;
//! 4. note who approved it and what the act answered, or for what it was refused for good.

use entente_api::{
    error::ErrorReason,
    proposal::{ApproveRequest, ApproveResponse},
};
use entente_ledger::RequestId;
use entente_loyalty::Catalogue;
use entente_store::{
    StoreError,
    control::Control,
    proposals::{self, Decision, End, Proposal},
};
use jiff::Timestamp;
use prost::Message;

use super::{Act, proposal_unknown, undecided, wire};
use crate::{
    caller::OperatorName,
    control::{Answer, Write},
    error::Refused,
};

/// Who approves what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// The proposal.
    pub proposal: RequestId,
    /// Who.
    pub approver: OperatorName,
}

/// Applies an act that somebody else proposed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approve<A> {
    /// Who approves which proposal.
    pub approval: Approval,
    /// Its act.
    pub act: A,
}

impl<A: Act> Write for Approve<A> {
    type Request = ApproveRequest;
    type Locks = A::Locks;

    /// A refusal of the act that is kept commits with the proposal's end.
    async fn act(
        &self,
        control: &mut Control<A::Locks>,
        catalogue: &Catalogue,
    ) -> Result<Result<Answer<Self::Request>, Refused>, StoreError> {
        let Approval { proposal: id, approver } = &self.approval;
        let Some(proposal) = proposals::lock(control.connection(), *id).await? else {
            return Ok(Err(proposal_unknown()));
        };
        if let Err(refused) = approvable(&proposal, approver, control.now()) {
            return Ok(Err(refused));
        }
        let decision =
            |end, decided_at| Decision { decided_by: approver.to_string(), decided_at, end };
        match self.act.act(control, catalogue).await? {
            Ok(Answer { response, place }) => {
                let applied = A::applied(response);
                let decision = decision(End::Applied(applied.encode_to_vec()), control.now());
                proposals::decide(control.connection(), *id, &decision).await?;
                let decided = Proposal { decision: Some(decision), ..proposal };
                let mut proposal = wire::summary(&decided, control.now());
                proposal.applied = Some(applied);
                let response = ApproveResponse { proposal: Some(proposal), replayed: false };
                Ok(Ok(Answer { response, place }))
            }
            Err(refused) => {
                if refused.is_kept() {
                    let decision = decision(End::Refused(refused.encoded()), control.now());
                    proposals::decide(control.connection(), *id, &decision).await?;
                }
                Ok(Err(refused))
            }
        }
    }
}

fn approvable(proposal: &Proposal, approver: &OperatorName, now: Timestamp) -> Result<(), Refused> {
    if proposal.made.proposed_by == approver.as_str() {
        let message = "who proposed an act does not approve it";
        return Err(Refused::new(ErrorReason::OwnProposal, message));
    }
    undecided(proposal, now)
}
