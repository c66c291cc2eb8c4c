//! Messages: an event as JSON, with what it is signed by.
//!
//! The body is the event by the JSON mapping of protobuf, with the names of the contract, and a `kind`
//! beside: whatever the contract adds to events is in it.

use std::sync::LazyLock;

use bytes::Bytes;
use entente_api::{
    DESCRIPTOR_SET,
    event::{Event, EventKind, event::What},
};
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, SerializeOptions};
use serde_json::{Map, Value};

/// What is sent of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The event's id.
    pub id: String,
    /// The event, as JSON.
    pub body: Bytes,
}

impl Message {
    /// The message of an event, as the contract encodes it; `None` when it is none.
    #[must_use]
    pub fn of(encoded: &[u8]) -> Option<Self> {
        let event = Event::decode(encoded).ok()?;
        let mut object = object(encoded)?;
        object.insert("kind".to_owned(), kind(&event).as_str_name().into());
        let body = serde_json::to_vec(&Value::Object(object)).ok()?;
        Some(Self { id: event.id, body: body.into() })
    }
}

/// What an event tells of.
#[must_use]
pub const fn kind(event: &Event) -> EventKind {
    match &event.what {
        None => EventKind::Unspecified,
        Some(What::Operation(_)) => EventKind::Operation,
        Some(What::Refusal(_)) => EventKind::Refusal,
        Some(What::HoldExpired(_)) => EventKind::HoldExpired,
        Some(What::CapThreshold(_)) => EventKind::CapThreshold,
        Some(What::TermsInForce(_)) => EventKind::TermsInForce,
        Some(What::WindowClosed(_)) => EventKind::WindowClosed,
        Some(What::PointsExpiring(_)) => EventKind::PointsExpiring,
        Some(What::BurnedElsewhere(_)) => EventKind::BurnedElsewhere,
        Some(What::FloatThreshold(_)) => EventKind::FloatThreshold,
    }
}

fn object(encoded: &[u8]) -> Option<Map<String, Value>> {
    let event = DynamicMessage::decode(EVENT.clone(), encoded).ok()?;
    let options = SerializeOptions::new().use_proto_field_name(true).skip_default_fields(false);
    match event.serialize_with_options(serde_json::value::Serializer, &options).ok()? {
        Value::Object(object) => Some(object),
        _ => None,
    }
}

static EVENT: LazyLock<MessageDescriptor> = LazyLock::new(|| {
    let pool = DescriptorPool::decode(DESCRIPTOR_SET).expect("the contract was built in");
    pool.get_message_by_name("entente.event.v1.Event").expect("the contract has events")
});

#[cfg(test)]
mod tests {
    use entente_api::{
        error::ErrorReason,
        event::{OrderKey, RefusedRequest},
        types::{Money, Operation, OperationKind},
    };
    use serde_json::json;

    use super::*;
    use crate::error::Refused;

    fn sent(what: What) -> Value {
        let event = Event {
            id: "1e1c8a52-6f0b-5d1b-9c59-0d3b1f6f7a10".to_owned(),
            order_key: Some(OrderKey { cell: 3, number: 1_772_438_400_000_000 }),
            posted_at: Some(prost_types::Timestamp { seconds: 1_772_438_400, nanos: 0 }),
            what: Some(what),
        };
        let message = Message::of(&event.encode_to_vec()).expect("an event");
        assert_eq!(message.id, event.id);
        serde_json::from_slice(&message.body).expect("JSON")
    }

    #[test]
    fn a_message_has_the_events_id_its_order_its_kind_and_what_happened() {
        let operation = Operation {
            kind: OperationKind::Earn.into(),
            points: 378,
            spend: Some(Money { currency: "EUR".to_owned(), micros: 378_000_000 }),
            ..Operation::default()
        };
        let sent = sent(What::Operation(operation));
        assert_eq!(sent["id"], "1e1c8a52-6f0b-5d1b-9c59-0d3b1f6f7a10");
        assert_eq!(sent["kind"], "EVENT_KIND_OPERATION");
        assert_eq!(sent["order_key"], json!({ "cell": 3, "number": "1772438400000000" }));
        assert_eq!(sent["posted_at"], "2026-03-02T08:00:00Z");
        assert_eq!(sent["operation"]["kind"], "OPERATION_KIND_EARN");
        assert_eq!(sent["operation"]["points"], "378");
        assert_eq!(sent["operation"]["spend"], json!({ "currency": "EUR", "micros": "378000000" }));
        assert_eq!(sent["operation"]["debt_repaid"], "0", "what is 0 is said");
    }

    #[test]
    fn a_refusal_is_sent_with_its_details() {
        let refused = Refused::new(ErrorReason::PointsInsufficient, "too few").with("available", 3);
        let status = tonic_types::Status::decode(&*refused.encoded()).expect("a status");
        let sent = sent(What::Refusal(RefusedRequest {
            refusal: Some(status),
            ..RefusedRequest::default()
        }));
        assert_eq!(sent["kind"], "EVENT_KIND_REFUSAL");
        let info = &sent["refusal"]["refusal"]["details"][0];
        assert_eq!(info["@type"], "type.googleapis.com/google.rpc.ErrorInfo");
        assert_eq!(info["reason"], "POINTS_INSUFFICIENT");
        assert_eq!(info["metadata"]["available"], "3");
    }

    #[test]
    fn what_is_no_event_makes_no_message() {
        assert_eq!(Message::of(b"\xff\xff"), None);
    }
}
