//! A proposal: it is written down, and nothing else happens.

use entente_api::proposal::{ProposeRequest, ProposeResponse};
use entente_ledger::RequestId;
use entente_loyalty::Catalogue;
use entente_store::{
    StoreError,
    control::{Control, NoHeads},
    proposals::{self, NewProposal, Proposal},
    security::SecurityEventKind,
};
use jiff::SignedDuration;

use super::{By, trail, wire};
use crate::{
    control::{Answer, Write},
    error::Refused,
};

/// Proposes an act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Propose {
    /// The request id, which names the proposal from then on.
    pub id: RequestId,
    /// What the act is, by its number in the contract.
    pub kind: i16,
    /// The act, encoded.
    pub act: Vec<u8>,
    /// Why.
    pub reason: String,
    /// Who.
    pub by: By,
    /// For how long it can be approved.
    pub life: SignedDuration,
}

impl Write for Propose {
    type Request = ProposeRequest;
    type Locks = NoHeads;

    async fn act(
        &self,
        control: &mut Control<NoHeads>,
        _: &Catalogue,
    ) -> Result<Result<Answer<Self::Request>, Refused>, StoreError> {
        let now = control.now();
        let expires_at = now.checked_add(self.life);
        let expires_at =
            expires_at.map_err(|_| StoreError::inconsistent("clock", "now", self.id.0))?;
        let made = NewProposal {
            id: self.id,
            kind: self.kind,
            act: self.act.clone(),
            reason: self.reason.clone(),
            proposed_by: self.by.operator.to_string(),
            proposed_at: now,
            expires_at,
        };
        let proposal = Proposal { made, decision: None };
        proposals::insert(control.connection(), &proposal.made).await?;
        let connection = control.connection();
        trail::record(connection, SecurityEventKind::Proposed, &self.by, &proposal).await?;
        let proposal = Some(wire::summary(&proposal, now));
        Ok(Ok(Answer::of(ProposeResponse { proposal, replayed: false })))
    }
}
