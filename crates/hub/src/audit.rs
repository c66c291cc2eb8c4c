//! The hub's own entries in the trail of security events: what happens to certificates.

use entente_store::{StoreError, security::SecurityEventKind};
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::sync::mpsc;

use crate::{
    edge::{CertificateEvent, CertificateEvents, What},
    security::{Actor, record},
};

/// Who did it.
const HUB: &str = "hub";

/// Events that wait to be written; what comes while so many wait is in the log alone.
const WAITING: usize = 1_024;

/// Writes what happens to certificates into the trail, as long as somebody may tell it.
pub(crate) fn certificates(pool: PgPool) -> CertificateEvents {
    let (events, waiting) = mpsc::channel(WAITING);
    tokio::spawn(write(pool, waiting));
    CertificateEvents::to(move |event: CertificateEvent| {
        if let Err(error) = events.try_send(event) {
            tracing::error!(%error, "an event of certificates is not in the audit trail");
        }
    })
}

async fn write(pool: PgPool, mut waiting: mpsc::Receiver<CertificateEvent>) {
    while let Some(event) = waiting.recv().await {
        if let Err(error) = written(&pool, &event).await {
            tracing::error!(%error, "an event of certificates is not in the audit trail");
        }
    }
}

async fn written(pool: &PgPool, event: &CertificateEvent) -> Result<(), StoreError> {
    let certificate = match &event.what {
        What::Cut { thumbprint, .. } => Some(*thumbprint),
        _ => None,
    };
    let hub = Actor { name: HUB.to_owned(), certificate };
    for (kind, details) in entries(&event.what) {
        record(pool, kind, &hub, &event.owner, &details).await?;
    }
    Ok(())
}

fn entries(what: &What) -> Vec<(SecurityEventKind, Value)> {
    use SecurityEventKind::{
        CertificateRevoked, CertificatesLoaded, CertificatesRefused, ConnectionCut,
    };
    match what {
        What::Loaded { revoked: 0 } => vec![(CertificatesLoaded, json!({}))],
        What::Loaded { revoked } => vec![
            (CertificatesLoaded, json!({})),
            (CertificateRevoked, json!({ "certificates": revoked })),
        ],
        What::Removed => vec![(CertificatesLoaded, json!({ "removed": true }))],
        What::Kept { problem } => {
            vec![(CertificatesRefused, json!({ "problem": problem, "kept": true }))]
        }
        What::LeftOut { problem } => {
            vec![(CertificatesRefused, json!({ "problem": problem, "kept": false }))]
        }
        What::Cut { count, reason, .. } => {
            vec![(ConnectionCut, json!({ "connections": count, "reason": reason }))]
        }
    }
}
