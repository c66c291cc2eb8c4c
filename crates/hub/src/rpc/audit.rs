//! AuditService: parse, read, map.

use std::sync::Arc;

use entente_api::audit::{
    ListSecurityEventsRequest, ListSecurityEventsResponse, SecurityEvent,
    audit_service_server::AuditService,
};
use entente_store::security::{self, list_events};
use prost::Message;
use sqlx::PgPool;
use tonic::{Request, Response, Status};

use crate::{
    authorization::Permit,
    error::RpcError,
    page_token::{Binding, PageTokens},
    parse,
};

/// AuditService over the trail.
#[derive(Debug)]
pub struct Audit {
    /// Where the trail is read.
    pub pool: PgPool,
    /// Where lists go on.
    pub page_tokens: Arc<PageTokens>,
}

/// Where a list goes on: before this event.
#[derive(Clone, PartialEq, Message)]
struct Before {
    #[prost(int64, tag = "1")]
    number: i64,
}

#[tonic::async_trait]
impl AuditService for Audit {
    async fn list_security_events(
        &self,
        request: Request<ListSecurityEventsRequest>,
    ) -> Result<Response<ListSecurityEventsResponse>, Status> {
        let permit = Permit::of(&request)?;
        let asked = request.get_ref();
        let filter = parse::audit::filter(asked).map_err(RpcError::from)?;
        let binding = Binding::new(permit.caller(), "events", &[&format!("{filter:?}")]);
        let (size, token) = (asked.page_size, &asked.page_token);
        let (size, before) = parse::page::<Before>(&self.page_tokens, &binding, size, token)
            .map_err(RpcError::from)?;
        let before = before.map(|before| before.number);
        let listed = list_events(&self.pool, &filter, before, i64::from(size) + 1).await;
        let mut listed = listed.map_err(RpcError::from)?;
        let more = listed.len() > usize::from(size);
        listed.truncate(size.into());
        let last = listed.last().filter(|_| more);
        let next = last.map(|last| self.page_tokens.seal(&binding, &Before { number: last.id }));
        Ok(Response::new(ListSecurityEventsResponse {
            events: listed.into_iter().map(wire).collect(),
            next_page_token: next.unwrap_or_default(),
        }))
    }
}

fn wire(event: security::SecurityEvent) -> SecurityEvent {
    let certificate = event.certificate.unwrap_or_default();
    SecurityEvent {
        number: event.id,
        at: Some(parse::wire_timestamp(event.at)),
        kind: event.kind.code().into(),
        actor: event.actor,
        certificate_sha256: hex::encode(certificate),
        subject: event.subject,
        details_json: event.details,
    }
}
