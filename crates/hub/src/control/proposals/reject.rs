//! The end of a proposal without effect: rejected by another, or withdrawn by who made it.

use std::sync::Arc;

use entente_api::proposal::{RejectRequest, RejectResponse};
use entente_ledger::RequestId;
use entente_loyalty::Catalogue;
use entente_store::{
    StoreError,
    control::{Control, NoHeads},
    proposals::{self, Decision, End, Proposal},
    security::SecurityEventKind,
};

use super::{By, proposal_unknown, subject, trail, undecided, wire};
use crate::{
    control::{Answer, Controls, Write},
    error::Refused,
    personal::Vault,
};

/// Ends a proposal.
#[derive(Debug, Clone)]
pub struct Reject {
    /// The proposal.
    pub proposal: RequestId,
    /// Who ends it.
    pub by: By,
    /// Why.
    pub reason: String,
    /// How that is kept, if it is about a member.
    pub vault: Option<Arc<Vault>>,
}

impl Write for Reject {
    type Request = RejectRequest;
    type Locks = NoHeads;

    fn take(&mut self, controls: &Controls) {
        self.vault = Some(Arc::clone(controls.vault()));
    }

    async fn act(
        &self,
        control: &mut Control<NoHeads>,
        _: &Catalogue,
    ) -> Result<Result<Answer<Self::Request>, Refused>, StoreError> {
        let Some(proposal) = proposals::lock(control.connection(), self.proposal).await? else {
            return Ok(Err(proposal_unknown()));
        };
        let now = control.now();
        if let Err(refused) = undecided(&proposal, now) {
            return Ok(Err(refused));
        }
        let ended = if proposal.made.proposed_by == self.by.operator.as_str() {
            End::Withdrawn
        } else {
            End::Rejected
        };
        let vault = self.vault.as_ref().expect("whoever runs a write gives it the vault");
        let end = ended(subject::words(vault, &proposal, &self.reason));
        let decision = Decision { decided_by: self.by.operator.to_string(), decided_at: now, end };
        proposals::decide(control.connection(), self.proposal, &decision).await?;
        let decided = Proposal { decision: Some(decision), ..proposal };
        let connection = control.connection();
        trail::record(connection, SecurityEventKind::Rejected, &self.by, &decided).await?;
        let proposal = Some(wire::summary(&decided, now));
        Ok(Ok(Answer::of(RejectResponse { proposal, replayed: false })))
    }
}
