//! WebhookService: parse, call, map.

use std::{fmt, sync::Arc};

use entente_api::event::{
    DeleteWebhookRequest, DeleteWebhookResponse, Delivery, DeliveryState, Event,
    ListDeliveriesRequest, ListDeliveriesResponse, ListWebhooksRequest, ListWebhooksResponse,
    RegisterWebhookRequest, RegisterWebhookResponse, ReplayDeliveryRequest, ReplayDeliveryResponse,
    Webhook, webhook_service_server::WebhookService,
};
use entente_ledger::{Cell, Seq};
use entente_store::webhooks::{self, AfterDelivery, ListedWebhook};
use prost::Message;
use sqlx::PgPool;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::{
    authorization::Permit,
    catalogue::CatalogueCache,
    control::{Claim, Controls, DeleteWebhook, RegisterWebhook, ReplayDelivery, webhook_unknown},
    error::RpcError,
    feed::Cursor,
    ids,
    page_token::{Binding, PageTokens},
    parse::{self, wire_timestamp},
    webhooks::Desk,
};

/// WebhookService over control writes and reads.
pub struct Webhooks {
    /// Where writes go.
    pub(crate) controls: Controls,
    /// What webhooks are delivered by.
    pub(crate) desk: Arc<Desk>,
    /// Where webhooks are read.
    pub(crate) pool: PgPool,
    /// Who the partners are.
    pub(crate) catalogue: Arc<CatalogueCache>,
    /// Where lists go on.
    pub(crate) page_tokens: Arc<PageTokens>,
}

impl fmt::Debug for Webhooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Webhooks(..)")
    }
}

/// Where a list of deliveries goes on: after this one.
#[derive(Clone, PartialEq, Message)]
struct After {
    #[prost(int32, tag = "1")]
    cell: i32,
    #[prost(int64, tag = "2")]
    seq: i64,
    #[prost(bytes = "vec", tag = "3")]
    event_id: Vec<u8>,
}

#[tonic::async_trait]
impl WebhookService for Webhooks {
    async fn register_webhook(
        &self,
        request: Request<RegisterWebhookRequest>,
    ) -> Result<Response<RegisterWebhookResponse>, Status> {
        let caller = self.catalogue.caller(Permit::of(&request)?).await?;
        let request = request.into_inner();
        let (id, asked) = parse::webhook::register(&request).map_err(RpcError::from)?;
        let heads = self.desk.feed.heads().await.map_err(RpcError::from)?;
        let register = RegisterWebhook {
            partner: caller.id,
            webhook_id: ids::webhook(),
            url: asked.url,
            kinds: asked.kinds,
            cursor: Cursor::at(&heads).stored().encode_to_vec(),
            allowed: asked.endpoint.is_some_and(|endpoint| self.desk.sender.allows(&endpoint)),
            limit: self.desk.per_partner,
        };
        let claim = Claim::new(caller.id, id, &request);
        let mut response = self.controls.write(claim, register).await?;
        let webhook_id = response.webhook_id.parse().map_err(RpcError::internal)?;
        response.secret = self.desk.key.secret(webhook_id).reveal();
        Ok(Response::new(response))
    }

    async fn list_webhooks(
        &self,
        request: Request<ListWebhooksRequest>,
    ) -> Result<Response<ListWebhooksResponse>, Status> {
        let caller = self.catalogue.caller(Permit::of(&request)?).await?;
        let listed = webhooks::list(&self.pool, caller.id).await.map_err(RpcError::from)?;
        let webhooks = listed.into_iter().map(webhook).collect();
        Ok(Response::new(ListWebhooksResponse { webhooks }))
    }

    async fn delete_webhook(
        &self,
        request: Request<DeleteWebhookRequest>,
    ) -> Result<Response<DeleteWebhookResponse>, Status> {
        let caller = self.catalogue.caller(Permit::of(&request)?).await?;
        let request = request.into_inner();
        let (id, webhook_id) = parse::webhook::delete(&request).map_err(RpcError::from)?;
        let claim = Claim::new(caller.id, id, &request);
        let delete = DeleteWebhook { partner: caller.id, webhook_id };
        Ok(Response::new(self.controls.write(claim, delete).await?))
    }

    async fn list_deliveries(
        &self,
        request: Request<ListDeliveriesRequest>,
    ) -> Result<Response<ListDeliveriesResponse>, Status> {
        let permit = Permit::of(&request)?;
        let caller = self.catalogue.caller(permit).await?;
        let asked = request.get_ref();
        let (webhook_id, state) = parse::webhook::deliveries(asked).map_err(RpcError::from)?;
        let filter = [webhook_id.to_string(), asked.state.to_string()];
        let binding = Binding::new(permit.caller(), "deliveries", &[&filter[0], &filter[1]]);
        let (size, token) = (asked.page_size, &asked.page_token);
        let (size, after) = parse::page::<After>(&self.page_tokens, &binding, size, token)
            .map_err(RpcError::from)?;
        let after = after.as_ref().map(place).transpose()?;
        let known = webhooks::exists(&self.pool, caller.id, webhook_id).await;
        if !known.map_err(RpcError::from)? {
            return Err(RpcError::from(webhook_unknown()).into());
        }
        let listed = webhooks::list_deliveries(&self.pool, webhook_id, state, after, size + 1);
        let mut listed = listed.await.map_err(RpcError::from)?;
        let more = listed.len() > usize::from(size);
        listed.truncate(size.into());
        let last = listed.last().filter(|_| more);
        let next = last.map(|last| self.page_tokens.seal(&binding, &position(last)));
        let deliveries = listed.iter().map(delivery).collect::<Result<_, _>>()?;
        let next_page_token = next.unwrap_or_default();
        Ok(Response::new(ListDeliveriesResponse { deliveries, next_page_token }))
    }

    async fn replay_delivery(
        &self,
        request: Request<ReplayDeliveryRequest>,
    ) -> Result<Response<ReplayDeliveryResponse>, Status> {
        let caller = self.catalogue.caller(Permit::of(&request)?).await?;
        let request = request.into_inner();
        let asked = parse::webhook::replay(&request).map_err(RpcError::from)?;
        let (id, webhook_id, event_id) = asked;
        let claim = Claim::new(caller.id, id, &request);
        let replay = ReplayDelivery { partner: caller.id, webhook_id, event_id };
        Ok(Response::new(self.controls.write(claim, replay).await?))
    }
}

fn webhook(listed: ListedWebhook) -> Webhook {
    let ListedWebhook { webhook, pending, dead } = listed;
    Webhook {
        webhook_id: webhook.webhook_id.to_string(),
        url: webhook.url,
        kinds: webhook.kinds,
        created_at: Some(wire_timestamp(webhook.created_at)),
        pending_count: pending,
        dead_count: dead,
    }
}

fn delivery(listed: &webhooks::Delivery) -> Result<Delivery, RpcError> {
    let event = Event::decode(listed.event.as_slice()).map_err(RpcError::internal)?;
    let state = match listed.state {
        webhooks::DeliveryState::Pending => DeliveryState::Pending,
        webhooks::DeliveryState::Dead => DeliveryState::Dead,
    };
    Ok(Delivery {
        event_id: listed.event_id.to_string(),
        order_key: event.order_key,
        kind: listed.kind,
        state: state.into(),
        attempt_count: listed.attempts,
        since: Some(wire_timestamp(listed.since)),
        next_attempt_at: Some(wire_timestamp(listed.next_attempt_at)),
        last_failure: listed.failure.unwrap_or_default().into(),
        last_status: listed.status.unwrap_or_default().into(),
    })
}

fn position(last: &webhooks::Delivery) -> After {
    let event_id = last.event_id.as_bytes().to_vec();
    After { cell: last.cell.0.into(), seq: last.seq.0, event_id }
}

/// The place that a token seals: the hub wrote it, so it is well formed.
fn place(after: &After) -> Result<AfterDelivery, RpcError> {
    Ok(AfterDelivery {
        cell: Cell(i16::try_from(after.cell).map_err(RpcError::internal)?),
        seq: Seq(after.seq),
        event_id: Uuid::from_slice(&after.event_id).map_err(RpcError::internal)?,
    })
}
