//! Rows as events of the contract.

use entente_api::{
    event::{
        BurnedElsewhere, CapThreshold, Event, FloatThreshold, HoldExpired, PointsExpiring,
        RefusedRequest, TermsInForce, WindowClosed, event::What,
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

use super::names::Names;
use crate::{parse::wire_timestamp, posting::wire_kind};

/// The event of an operation; none for a second leg, which the first tells of.
pub(super) fn of_operation(
    names: Names<'_>,
    fed: FedOperation,
) -> Result<Option<Event>, DecodeError> {
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
    Ok(Some(event(names, (fed.place, None), what)))
}

/// The event of a notice; none for one of a kind that nobody asked for.
pub(super) fn of_notice(names: Names<'_>, fed: &FedNotice) -> Result<Option<Event>, DecodeError> {
    let Some(body) = fed.body.as_deref() else { return Ok(None) };
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
        NoticeKind::BurnedElsewhere => {
            let burned = BurnedElsewhere::decode(body)?;
            What::BurnedElsewhere(BurnedElsewhere { member_token, ..burned })
        }
        NoticeKind::FloatThreshold => What::FloatThreshold(FloatThreshold::decode(body)?),
    };
    Ok(Some(event(names, (fed.place, Some(fed.ordinal)), what)))
}

fn event(names: Names<'_>, (place, ordinal): (FeedPlace, Option<i16>), what: What) -> Event {
    Event {
        id: names.id(place, ordinal).to_string(),
        order_key: Some(names.order_key(place)),
        posted_at: Some(wire_timestamp(place.posted_at)),
        what: Some(what),
    }
}

fn token(link_token: Option<Uuid>) -> String {
    link_token.map(|token| token.to_string()).unwrap_or_default()
}
