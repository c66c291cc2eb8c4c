//! Requests about webhooks.

use entente_api::event::{
    DeleteWebhookRequest, DeliveryState as WireState, EventKind, ListDeliveriesRequest,
    RegisterWebhookRequest, ReplayDeliveryRequest,
};
use entente_ledger::RequestId;
use entente_store::webhooks::DeliveryState;
use uuid::Uuid;

use super::{Expected, Violations, request_id};
use crate::{
    error::Refused,
    webhooks::{Endpoint, UrlError},
};

/// An endpoint to be registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedWebhook {
    /// As it was sent.
    pub url: String,
    /// What it leads to; `None` where nobody may register it.
    pub endpoint: Option<Endpoint>,
    /// The kinds of events, each once; none for all.
    pub kinds: Vec<i32>,
}

/// A registration.
pub fn register(request: &RegisterWebhookRequest) -> Result<(RequestId, AskedWebhook), Refused> {
    let mut violations = Violations::default();
    let id = violations.field("request_id", request_id(&request.request_id));
    let endpoint = violations.field("url", endpoint(&request.url));
    let kinds = violations.field("kinds", kinds(&request.kinds));
    match (id, endpoint, kinds) {
        (Some(id), Some(endpoint), Some(kinds)) => {
            Ok((id, AskedWebhook { url: request.url.clone(), endpoint, kinds }))
        }
        _ => Err(violations.refused()),
    }
}

/// A removal.
pub fn delete(request: &DeleteWebhookRequest) -> Result<(RequestId, Uuid), Refused> {
    let mut violations = Violations::default();
    let id = violations.field("request_id", request_id(&request.request_id));
    let webhook_id = violations.field("webhook_id", uuid(&request.webhook_id));
    id.zip(webhook_id).ok_or_else(|| violations.refused())
}

/// A replay: of one event, or of all that are dead.
pub fn replay(request: &ReplayDeliveryRequest) -> Result<(RequestId, Uuid, Option<Uuid>), Refused> {
    let mut violations = Violations::default();
    let id = violations.field("request_id", request_id(&request.request_id));
    let webhook_id = violations.field("webhook_id", uuid(&request.webhook_id));
    let event_id = violations.optional("event_id", &request.event_id, uuid);
    match (id, webhook_id, event_id) {
        (Some(id), Some(webhook_id), Some(event_id)) => Ok((id, webhook_id, event_id)),
        _ => Err(violations.refused()),
    }
}

/// What a list of deliveries is about.
pub fn deliveries(
    request: &ListDeliveriesRequest,
) -> Result<(Uuid, Option<DeliveryState>), Refused> {
    let mut violations = Violations::default();
    let webhook_id = violations.field("webhook_id", uuid(&request.webhook_id));
    let state = match WireState::try_from(request.state) {
        Ok(WireState::Unspecified) => Some(None),
        Ok(WireState::Pending) => Some(Some(DeliveryState::Pending)),
        Ok(WireState::Dead) => Some(Some(DeliveryState::Dead)),
        Err(_) => violations.field("state", Err(Expected::Borrowed("a state of the contract"))),
    };
    webhook_id.zip(state).ok_or_else(|| violations.refused())
}

/// An id that the hub made.
fn uuid(text: &str) -> Result<Uuid, Expected> {
    let hyphenated = text.len() == 36;
    let parsed = Uuid::try_parse(text).ok().filter(|_| hyphenated);
    parsed.ok_or(Expected::Borrowed("an id as the hub told it"))
}

fn endpoint(url: &str) -> Result<Option<Endpoint>, Expected> {
    match Endpoint::parse(url) {
        Ok(endpoint) => Ok(Some(endpoint)),
        Err(UrlError::NotAllowed) => Ok(None),
        Err(UrlError::Malformed) => Err(Expected::Borrowed(
            "an https URL of at most 2048 ASCII characters, with a host, and without a fragment",
        )),
    }
}

fn kinds(named: &[i32]) -> Result<Vec<i32>, Expected> {
    let known =
        |kind: &i32| EventKind::try_from(*kind).is_ok_and(|kind| kind != EventKind::Unspecified);
    if !named.iter().all(known) {
        return Err(Expected::Borrowed("kinds of the contract"));
    }
    let mut kinds = named.to_vec();
    kinds.sort_unstable();
    kinds.dedup();
    Ok(kinds)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "7d0c1e1c-6f0b-4d1b-9c59-0d3b1f6f7a10";

    #[test]
    fn every_malformed_field_of_a_registration_is_named() {
        let request =
            RegisterWebhookRequest { url: "ftp".to_owned(), kinds: vec![0], ..Default::default() };
        let refused = register(&request).expect_err("all is wrong");
        assert_eq!(refused.message(), "the request is malformed: request_id, url, kinds");
    }

    #[test]
    fn kinds_are_named_once_and_an_endpoint_that_nobody_may_use_is_none() {
        let request = RegisterWebhookRequest {
            request_id: ID.to_owned(),
            url: "http://hooks.example.com/".to_owned(),
            kinds: vec![4, 1, 4],
        };
        let (_, asked) = register(&request).expect("a good request");
        assert_eq!((asked.endpoint, asked.kinds), (None, vec![1, 4]));
    }

    #[test]
    fn an_id_is_as_the_hub_told_it() {
        let asked = |webhook_id: &str, event_id: &str| {
            let (webhook_id, event_id) = (webhook_id.to_owned(), event_id.to_owned());
            replay(&ReplayDeliveryRequest { request_id: ID.to_owned(), webhook_id, event_id })
        };
        assert_eq!(asked(ID, "").map(|asked| asked.2), Ok(None));
        assert!(asked(ID, ID).is_ok());
        for (webhook_id, event_id) in [("", ""), ("1", ""), (ID, "1"), (&ID[..35], "")] {
            assert!(asked(webhook_id, event_id).is_err(), "{webhook_id} {event_id}");
        }
    }
}
