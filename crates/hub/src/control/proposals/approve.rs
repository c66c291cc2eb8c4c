//! An approval:
//!
//! 1. lock the proposal; 2. refuse its proposer, and what is decided or too late; 3. run the act;
//! 4. note who approved it and what the act answered, or for what it was refused for good.

use std::sync::Arc;

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
    security::SecurityEventKind,
};
use jiff::Timestamp;
use prost::Message;

use super::{Act, By, proposal_unknown, subject, trail, undecided, wire};
use crate::{
    caller::OperatorName,
    control::{Answer, Controls, Locks, Write},
    error::Refused,
    personal::Vault,
};

/// Who approves what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// The proposal.
    pub proposal: RequestId,
    /// Who.
    pub by: By,
}

/// Applies an act that somebody else proposed.
#[derive(Debug, Clone)]
pub struct Approve<A> {
    /// Who approves which proposal.
    pub approval: Approval,
    /// Its act.
    pub act: A,
    /// How members are found.
    pub vault: Arc<Vault>,
}

impl<A: Act> Write for Approve<A> {
    type Request = ApproveRequest;
    type Locks = A::Locks;

    fn take(&mut self, controls: &Controls) {
        self.act.take(controls);
    }

    /// A refusal of the act that is kept commits with the proposal's end.
    async fn act(
        &self,
        control: &mut Control<A::Locks>,
        catalogue: &Catalogue,
    ) -> Result<Result<Answer<Self::Request>, Refused>, StoreError> {
        let Approval { proposal: id, by } = &self.approval;
        let Some(proposal) = proposals::lock(control.connection(), *id).await? else {
            return Ok(Err(proposal_unknown()));
        };
        if let Err(refused) = approvable(&proposal, &by.operator, control.now()) {
            return Ok(Err(refused));
        }
        if let (Some(about), None) = (self.act.about(), proposal.made.member) {
            let connection = control.connection();
            let member = subject::member(&mut *connection, catalogue, &self.vault, &about).await?;
            if let Some((_, member)) = member {
                proposals::note_member(connection, *id, member).await?;
            }
        }
        match self.act.act(control, catalogue).await? {
            Ok(Answer { response, place }) => {
                let applied = A::applied(response);
                let end = End::Applied(applied.encode_to_vec());
                let decided = decide(control, by, proposal, end).await?;
                let mut proposal = wire::summary(&decided, control.now());
                proposal.applied = Some(applied);
                let response = ApproveResponse { proposal: Some(proposal), replayed: false };
                Ok(Ok(Answer { response, place }))
            }
            Err(refused) => {
                if refused.is_kept() {
                    decide(control, by, proposal, End::Refused(refused.encoded())).await?;
                }
                Ok(Err(refused))
            }
        }
    }
}

/// Ends a proposal by its approval, and answers it as it is then.
async fn decide<L: Locks>(
    control: &mut Control<L>,
    by: &By,
    proposal: Proposal,
    end: End,
) -> Result<Proposal, StoreError> {
    let (decided_by, decided_at) = (by.operator.to_string(), control.now());
    let decision = Decision { decided_by, decided_at, end };
    let connection = control.connection();
    proposals::decide(&mut *connection, proposal.made.id, &decision).await?;
    let decided = Proposal { decision: Some(decision), ..proposal };
    trail::record(connection, SecurityEventKind::Approved, by, &decided).await?;
    Ok(decided)
}

fn approvable(proposal: &Proposal, approver: &OperatorName, now: Timestamp) -> Result<(), Refused> {
    if proposal.made.proposed_by == approver.as_str() {
        let message = "who proposed an act does not approve it";
        return Err(Refused::new(ErrorReason::OwnProposal, message));
    }
    undecided(proposal, now)
}
