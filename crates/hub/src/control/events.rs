//! Security events of links: codes made and tried, links made and removed. They name who acted, and a
//! link by its token or a code by its id; never a reference, and never a code.

use entente_ledger::RequestId;
use entente_store::{StoreError, security::SecurityEventKind};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::security::{Actor, record};

/// A code was made.
pub(super) async fn code_created(
    connection: &mut PgConnection,
    actor: &Actor,
    (id, target): (RequestId, &str),
) -> Result<(), StoreError> {
    let details = serde_json::json!({ "target": target });
    record(connection, SecurityEventKind::LinkCodeCreated, actor, &id.0.to_string(), &details).await
}

/// A code was typed; of a good one the number is still to be matched.
pub(super) async fn code_tried(
    connection: &mut PgConnection,
    actor: &Actor,
    (id, good): (RequestId, bool),
) -> Result<(), StoreError> {
    let details = serde_json::json!({ "tried": "code", "good": good });
    record(connection, SecurityEventKind::LinkCodeTried, actor, &id.0.to_string(), &details).await
}

/// The number of a redeemed code was typed.
pub(super) async fn number_tried(
    connection: &mut PgConnection,
    actor: &Actor,
    (id, good): (RequestId, bool),
) -> Result<(), StoreError> {
    let details = serde_json::json!({ "tried": "number", "good": good });
    record(connection, SecurityEventKind::LinkCodeTried, actor, &id.0.to_string(), &details).await
}

/// A link was made, by a code or by its own brand alone.
pub(super) async fn linked(
    connection: &mut PgConnection,
    actor: &Actor,
    (token, code): (Uuid, Option<RequestId>),
) -> Result<(), StoreError> {
    let details = match code {
        Some(code) => serde_json::json!({ "link_code": code.0.to_string() }),
        None => serde_json::json!({}),
    };
    record(connection, SecurityEventKind::MemberLinked, actor, &token.to_string(), &details).await
}

/// A link was removed.
pub(super) async fn unlinked(
    connection: &mut PgConnection,
    actor: &Actor,
    (token, taken_back): (Uuid, bool),
) -> Result<(), StoreError> {
    let details = serde_json::json!({ "taken_back": taken_back });
    record(connection, SecurityEventKind::MemberUnlinked, actor, &token.to_string(), &details).await
}

/// Two members were merged, by this operation.
pub(super) async fn merged(
    connection: &mut PgConnection,
    actor: &Actor,
    (code, operation): (RequestId, RequestId),
) -> Result<(), StoreError> {
    let details = serde_json::json!({ "operation": operation.0.to_string() });
    record(connection, SecurityEventKind::MembersMerged, actor, &code.0.to_string(), &details).await
}

/// A merge was taken back, by this operation.
pub(super) async fn unmerged(
    connection: &mut PgConnection,
    actor: &Actor,
    (code, operation): (RequestId, RequestId),
) -> Result<(), StoreError> {
    let kind = SecurityEventKind::MembersUnmerged;
    let details = serde_json::json!({ "operation": operation.0.to_string() });
    record(connection, kind, actor, &code.0.to_string(), &details).await
}
