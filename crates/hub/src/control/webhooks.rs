//! Webhooks: registered, removed, and given again what could not be delivered.

use entente_api::{
    error::ErrorReason,
    event::{
        DeleteWebhookRequest, DeleteWebhookResponse, RegisterWebhookRequest,
        RegisterWebhookResponse, ReplayDeliveryRequest, ReplayDeliveryResponse,
    },
};
use entente_ledger::PartnerId;
use entente_loyalty::Catalogue;
use entente_store::{
    StoreError,
    control::{Control, NoHeads},
    webhooks::{self, Webhook},
};
use uuid::Uuid;

use super::{Answer, Write};
use crate::error::Refused;

/// How many dead deliveries one request has sent again at most.
const REPLAYED: i64 = 10_000;

/// Adds an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisterWebhook {
    /// The partner that calls.
    pub partner: PartnerId,
    /// The id that the webhook gets.
    pub webhook_id: Uuid,
    /// Where it is.
    pub url: String,
    /// The kinds of events; none for all.
    pub kinds: Vec<i32>,
    /// Behind what the partner is told of here, encoded.
    pub cursor: Vec<u8>,
    /// Whether the operators allow it.
    pub allowed: bool,
    /// How many a partner may have.
    pub limit: u16,
}

/// Removes an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteWebhook {
    /// The partner that calls.
    pub partner: PartnerId,
    /// The endpoint.
    pub webhook_id: Uuid,
}

/// Has deliveries sent again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayDelivery {
    /// The partner that calls.
    pub partner: PartnerId,
    /// The endpoint.
    pub webhook_id: Uuid,
    /// The event; `None` for all that are dead.
    pub event_id: Option<Uuid>,
}

impl Write for RegisterWebhook {
    type Request = RegisterWebhookRequest;
    type Locks = NoHeads;

    /// The answer is kept with the request, so it has no secret: who sends it derives that.
    async fn act(
        &self,
        control: &mut Control<NoHeads>,
        _: &Catalogue,
    ) -> Result<Result<Answer<Self::Request>, Refused>, StoreError> {
        if !self.allowed {
            let message =
                "an endpoint is https, at a host that the operators allow, without a user";
            return Ok(Err(Refused::new(ErrorReason::EndpointNotAllowed, message)));
        }
        let created_at = control.now();
        let connection = control.connection();
        if webhooks::count(&mut *connection, self.partner).await? >= i64::from(self.limit) {
            let message = "the partner has as many webhooks as it may have";
            let refused = Refused::new(ErrorReason::TooManyWebhooks, message);
            return Ok(Err(refused.with("limit", self.limit)));
        }
        let webhook = Webhook {
            webhook_id: self.webhook_id,
            partner: self.partner,
            url: self.url.clone(),
            kinds: self.kinds.clone(),
            created_at,
        };
        webhooks::insert(connection, &webhook, &self.cursor).await?;
        let webhook_id = self.webhook_id.to_string();
        let response = RegisterWebhookResponse { webhook_id, ..RegisterWebhookResponse::default() };
        Ok(Ok(Answer::of(response)))
    }
}

impl Write for DeleteWebhook {
    type Request = DeleteWebhookRequest;
    type Locks = NoHeads;

    async fn act(
        &self,
        control: &mut Control<NoHeads>,
        _: &Catalogue,
    ) -> Result<Result<Answer<Self::Request>, Refused>, StoreError> {
        if !webhooks::delete(control.connection(), self.partner, self.webhook_id).await? {
            return Ok(Err(webhook_unknown()));
        }
        Ok(Ok(Answer::of(DeleteWebhookResponse { replayed: false })))
    }
}

impl Write for ReplayDelivery {
    type Request = ReplayDeliveryRequest;
    type Locks = NoHeads;

    async fn act(
        &self,
        control: &mut Control<NoHeads>,
        _: &Catalogue,
    ) -> Result<Result<Answer<Self::Request>, Refused>, StoreError> {
        let now = control.now();
        let connection = control.connection();
        if !webhooks::exists(&mut *connection, self.partner, self.webhook_id).await? {
            return Ok(Err(webhook_unknown()));
        }
        let count = match self.event_id {
            None => webhooks::replay_dead(connection, self.webhook_id, now, REPLAYED).await?,
            Some(event_id) => {
                if !webhooks::replay(connection, self.webhook_id, event_id, now).await? {
                    let message = "the webhook has no delivery of this event";
                    return Ok(Err(Refused::new(ErrorReason::DeliveryUnknown, message)));
                }
                1
            }
        };
        let delivery_count = i64::try_from(count).unwrap_or(REPLAYED);
        Ok(Ok(Answer::of(ReplayDeliveryResponse { delivery_count, replayed: false })))
    }
}

/// The refusal of an id by which the partner has no webhook.
#[must_use]
pub(crate) fn webhook_unknown() -> Refused {
    Refused::new(ErrorReason::WebhookUnknown, "this partner has no webhook by this id")
}
