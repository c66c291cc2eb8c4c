//! The trail of security events: who did what to whom, from which certificate.

use entente_identity::Thumbprint;
use entente_store::{
    StoreError,
    security::{NewSecurityEvent, SecurityEventKind, record_event},
};
use serde_json::Value;
use sqlx::PgExecutor;

/// Who did something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// `partner/CODE`, `operator/NAME`, `hub`, or `owner` for whoever owns the database.
    pub name: String,
    /// The certificate in use.
    pub certificate: Option<Thumbprint>,
}

impl Actor {
    /// Who does what no certificate is asked for.
    pub(crate) fn without_certificate(name: &str) -> Self {
        Self { name: name.to_owned(), certificate: None }
    }
}

/// Appends an event: in the transaction of what it tells of, where there is one.
pub(crate) async fn record(
    executor: impl PgExecutor<'_>,
    kind: SecurityEventKind,
    by: &Actor,
    subject: &str,
    details: &Value,
) -> Result<(), StoreError> {
    let event = NewSecurityEvent {
        kind,
        actor: &by.name,
        certificate: by.certificate.as_ref().map(Thumbprint::as_bytes),
        subject,
        details: &details.to_string(),
    };
    record_event(executor, &event).await
}
