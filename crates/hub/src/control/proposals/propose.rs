//! A proposal: it is written down, and nothing else happens.

use std::sync::Arc;

use entente_api::proposal::{ProposeRequest, ProposeResponse};
use entente_ledger::RequestId;
use entente_loyalty::Catalogue;
use entente_store::{
    StoreError,
    control::{Control, NoHeads},
    erasing,
    proposals::{self, NewProposal, Proposal},
    security::SecurityEventKind,
};
use jiff::SignedDuration;
use sqlx::PgConnection;

use super::{By, Subject, subject, trail, wire};
use crate::{
    control::{Answer, Controls, Write},
    error::Refused,
    personal::{Unreadable, Vault},
};

/// Proposes an act.
#[derive(Debug, Clone)]
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
    /// The member that it is about.
    pub about: Option<Subject>,
    /// How that is kept.
    pub vault: Option<Arc<Vault>>,
}

impl Write for Propose {
    type Request = ProposeRequest;
    type Locks = NoHeads;

    fn take(&mut self, controls: &Controls) {
        self.vault = Some(Arc::clone(controls.vault()));
    }

    async fn act(
        &self,
        control: &mut Control<NoHeads>,
        catalogue: &Catalogue,
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
            sealed: None,
            member: None,
            proposed_by: self.by.operator.to_string(),
            proposed_at: now,
            expires_at,
        };
        let made = self.without_the_member(control.connection(), catalogue, made).await?;
        proposals::forget_ended(control.connection(), now).await?;
        let proposal = Proposal { made, decision: None };
        proposals::insert(control.connection(), &proposal.made).await?;
        let connection = control.connection();
        trail::record(connection, SecurityEventKind::Proposed, &self.by, &proposal).await?;
        let proposal = Some(wire::summary(&proposal, now));
        Ok(Ok(Answer::of(ProposeResponse { proposal, replayed: false })))
    }
}

impl Propose {
    /// The proposal with what it says about a member sealed.
    async fn without_the_member(
        &self,
        connection: &mut PgConnection,
        catalogue: &Catalogue,
        made: NewProposal,
    ) -> Result<NewProposal, StoreError> {
        let Some(about) = &self.about else { return Ok(made) };
        let vault = self.vault.as_ref().expect("whoever runs a write gives it the vault");
        let malformed = |_| Unreadable::of("proposals", self.id.0);
        erasing::nobody_meanwhile(&mut *connection).await?;
        let member = subject::member(connection, catalogue, vault, about).await?;
        Ok(NewProposal {
            sealed: Some(
                subject::seal(vault, self.id, &made.act, &made.reason).map_err(malformed)?,
            ),
            act: subject::redacted(&made.act).map_err(malformed)?,
            reason: String::new(),
            member: member.map(|(_, member)| member),
            ..made
        })
    }
}
