//! Who decides, and the trail of it: an event in the transaction of what it tells of. It names the
//! proposal, whose reason and act stay with the proposal: they may be personal, and a trail is for ever.

use entente_identity::Thumbprint;
use entente_store::{StoreError, proposals::Proposal, security::SecurityEventKind};
use serde_json::json;
use sqlx::PgConnection;

use super::wire;
use crate::{
    caller::OperatorName,
    security::{self, Actor},
};

/// An operator, and the certificate in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct By {
    /// Who.
    pub operator: OperatorName,
    /// From which certificate.
    pub certificate: Option<Thumbprint>,
}

impl By {
    /// The same, for the events of what is done.
    pub(super) fn actor(&self) -> Actor {
        let Self { operator, certificate } = self;
        Actor { name: format!("operator/{operator}"), certificate: *certificate }
    }
}

/// Records that somebody proposed, approved or ended what a proposal is now.
pub(super) async fn record(
    connection: &mut PgConnection,
    kind: SecurityEventKind,
    by: &By,
    proposal: &Proposal,
) -> Result<(), StoreError> {
    let made = &proposal.made;
    let state = match &proposal.decision {
        Some(decision) => wire::state_name(wire::ended(decision.end.kind())),
        None => "OPEN",
    };
    let details = json!({
        "act": wire::kind_name(made.kind),
        "state": state,
        "proposed_by": format!("operator/{}", made.proposed_by),
    });
    let subject = format!("proposal/{}", made.id.0);
    security::record(connection, kind, &by.actor(), &subject, &details).await
}
