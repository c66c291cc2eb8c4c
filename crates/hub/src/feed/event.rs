//! Rows as events of the contract.

use entente_api::{
    event::{
        CapThreshold, Event, HoldExpired, OrderKey, PointsExpiring, RefusedRequest, TermsInForce,
        WindowClosed, event::What,
    },
    points::EarnResponse,
};
use entente_store::{
    NoticeKind,
    feed::{FedAnswer, FedNotice, FedOperation, FeedPlace},
};
use prost::{DecodeError, Message};
use tonic_types::pb;
use uuid::Uuid;

use crate::{parse::wire_timestamp, posting::wire_kind};

/// The namespace of the ids of events: that of one is derived from its place.
const EVENTS: Uuid = Uuid::from_u128(0x0b6c_9a51_6d0e_4f0e_9b3c_7a52_e1c4_38d6);

/// The event of an operation; none for a second leg, which the first tells of.
pub(super) fn of_operation(fed: FedOperation) -> Result<Option<Event>, DecodeError> {
    let Some(FedAnswer { refused, answer }) = fed.answer else { return Ok(None) };
    let what = if refused {
        What::Refusal(RefusedRequest {
            request_id: fed.request_id.0.to_string(),
            kind: wire_kind(fed.kind).into(),
            member_token: token(fed.link_token),
            refusal: Some(pb::Status::decode(answer.as_slice())?),
        })
    } else {
        // Every write of points answers in the same fields, whichever it is.
        let answer = EarnResponse::decode(answer.as_slice())?;
        What::Operation(answer.operation.unwrap_or_default())
    };
    Ok(Some(event(fed.place, None, what)))
}

/// The event of a notice.
pub(super) fn of_notice(fed: &FedNotice) -> Result<Event, DecodeError> {
    let body = fed.body.as_slice();
    let member_token = token(fed.link_token);
    let what = match fed.kind {
        NoticeKind::HoldExpired => {
            What::HoldExpired(HoldExpired { member_token, ..HoldExpired::decode(body)? })
        }
        NoticeKind::CapThreshold => What::CapThreshold(CapThreshold::decode(body)?),
        NoticeKind::TermsInForce => What::TermsInForce(TermsInForce::decode(body)?),
        NoticeKind::WindowClosed => What::WindowClosed(WindowClosed::decode(body)?),
        NoticeKind::PointsExpiring => {
            What::PointsExpiring(PointsExpiring { member_token, ..PointsExpiring::decode(body)? })
        }
    };
    Ok(event(fed.place, Some(fed.ordinal), what))
}

fn event(place: FeedPlace, ordinal: Option<i16>, what: What) -> Event {
    Event {
        id: id(place, ordinal).to_string(),
        order_key: Some(OrderKey { cell: place.cell.0.into(), number: place.seq.0 }),
        posted_at: Some(wire_timestamp(place.posted_at)),
        what: Some(what),
    }
}

/// The operation itself has no ordinal, its notices have one each.
fn id(place: FeedPlace, ordinal: Option<i16>) -> Uuid {
    let mut name = [0; 12];
    name[..2].copy_from_slice(&place.cell.0.to_be_bytes());
    name[2..10].copy_from_slice(&place.seq.0.to_be_bytes());
    name[10..].copy_from_slice(&ordinal.unwrap_or(-1).to_be_bytes());
    Uuid::new_v5(&EVENTS, &name)
}

fn token(link_token: Option<Uuid>) -> String {
    link_token.map(|token| token.to_string()).unwrap_or_default()
}
