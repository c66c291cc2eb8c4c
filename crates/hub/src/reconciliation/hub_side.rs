//! Operations of the hub in the matcher's terms. Amounts get their signs here: points are positive when
//! the member gets them, money when the partner pays.

use entente_api::{
    error::ErrorReason,
    points::{ExchangeResponse, ReverseResponse},
    types::ExchangeDirection,
};
use entente_ledger::{Currency, RequestId, WindowId};
use entente_loyalty::OperationKind;
use entente_settlement::{
    Money,
    reconcile::{Kind, Operation, Standing, Texts, When},
};
use entente_store::settlement::reconciliation::HubRow;
use prost::Message;
use tonic_types::{RpcStatusExt, pb};

use crate::{
    error::{RpcError, name},
    parse,
};

/// An operation as the matcher takes it, in the window that is reconciled or in another; `usual` is
/// the currency of what moved no money.
pub(super) fn operation(
    row: &HubRow,
    window: WindowId,
    usual: Currency,
) -> Result<Operation, RpcError> {
    let (kind, sign, corrects) = did(row)?;
    let points =
        if sign < 0 { row.points.negated().map_err(RpcError::internal)? } else { row.points };
    Ok(Operation {
        request_id: row.request_id,
        corrects,
        kind,
        standing: standing(row)?,
        in_window: row.window == window,
        points,
        money: row.money.unwrap_or_else(|| Money::nothing(usual)),
        posted: When::at(row.posted_at),
        activity: row.activity_at.map_or(When::UNKNOWN, When::at),
    })
}

/// What it tells in text.
pub(super) fn texts(row: &HubRow) -> Texts<'_> {
    Texts { receipt: &row.receipt, member: row.member.as_deref().unwrap_or_default() }
}

/// What it did, in which direction, and what it undid.
fn did(row: &HubRow) -> Result<(Kind, i8, Option<RequestId>), RpcError> {
    Ok(match row.kind {
        OperationKind::Earn => (Kind::Earn, 1, None),
        OperationKind::Burn | OperationKind::Capture | OperationKind::Authorize => {
            (Kind::Burn, -1, None)
        }
        OperationKind::Reverse if row.refused => (Kind::EarnReversed, -1, None),
        OperationKind::Reverse => reversal(row)?,
        OperationKind::Exchange if row.refused => (Kind::Exchange, 1, None),
        OperationKind::Exchange => (Kind::Exchange, exchanged(row)?, None),
        OperationKind::Transfer => (Kind::Gift, -1, None),
        OperationKind::Donate => (Kind::Donation, -1, None),
        OperationKind::Void
        | OperationKind::Expire
        | OperationKind::Adjust
        | OperationKind::Announce
        | OperationKind::Merge
        | OperationKind::Unmerge => {
            return Err(RpcError::fault("an operation that no partner records was read"));
        }
    })
}

/// A reversal says what it undid: an earn, of which spend is refunded, or a burn.
fn reversal(row: &HubRow) -> Result<(Kind, i8, Option<RequestId>), RpcError> {
    let answer = ReverseResponse::decode(answer(row)?).map_err(RpcError::internal)?;
    let operation = answer.operation.unwrap_or_default();
    let original = parse::request_id(&operation.original_request_id);
    let original = original.map_err(|_| RpcError::fault("a reversal names no original"))?;
    let (kind, sign) = match operation.spend {
        Some(_) => (Kind::EarnReversed, -1),
        None => (Kind::BurnRefunded, 1),
    };
    Ok((kind, sign, Some(original)))
}

fn exchanged(row: &HubRow) -> Result<i8, RpcError> {
    let answer = ExchangeResponse::decode(answer(row)?).map_err(RpcError::internal)?;
    let exchange = answer.operation.and_then(|operation| operation.exchange).unwrap_or_default();
    match exchange.direction() {
        ExchangeDirection::In => Ok(1),
        ExchangeDirection::Out => Ok(-1),
        ExchangeDirection::Unspecified => Err(RpcError::fault("an exchange has no direction")),
    }
}

/// A refusal's reason says whether it came too late.
fn standing(row: &HubRow) -> Result<Standing, RpcError> {
    if !row.refused {
        return Ok(Standing::Posted);
    }
    let status = pb::Status::decode(answer(row)?).map_err(RpcError::internal)?;
    let reason = status.get_details_error_info().map(|info| info.reason).unwrap_or_default();
    let late = [ErrorReason::ActivityTooOld, ErrorReason::ClaimTooOld].map(name);
    Ok(if late.contains(&reason.as_str()) { Standing::RefusedLate } else { Standing::Refused })
}

fn answer(row: &HubRow) -> Result<&[u8], RpcError> {
    let answer = row.answer.as_deref();
    answer.ok_or_else(|| RpcError::fault("an operation's request keeps no answer"))
}

#[cfg(test)]
mod tests {
    use entente_api::types;
    use entente_ledger::{Micros, Points};
    use jiff::Timestamp;

    use super::*;
    use crate::error::Refused;

    const ID: &str = "7d0c1e1c-6f0b-4d1b-9c59-0d3b1f6f7a10";

    fn row(kind: OperationKind, answer: Option<Vec<u8>>) -> HubRow {
        let usd = "USD".parse().expect("ISO 4217");
        HubRow {
            request_id: RequestId(uuid::Uuid::from_u128(7)),
            kind,
            refused: false,
            window: WindowId(3),
            points: Points(100),
            money: Some(Money { currency: usd, micros: Micros(1_200_000) }),
            posted_at: Timestamp::UNIX_EPOCH,
            activity_at: None,
            receipt: "A1".to_owned(),
            member: None,
            answer,
        }
    }

    fn reversed(spend: Option<types::Money>) -> Vec<u8> {
        let original_request_id = ID.to_owned();
        let operation = types::Operation { original_request_id, spend, ..Default::default() };
        ReverseResponse { operation: Some(operation), ..Default::default() }.encode_to_vec()
    }

    fn exchange(direction: ExchangeDirection) -> Vec<u8> {
        let exchange = types::Exchange { direction: direction.into(), ..Default::default() };
        let operation = types::Operation { exchange: Some(exchange), ..Default::default() };
        ExchangeResponse { operation: Some(operation), ..Default::default() }.encode_to_vec()
    }

    #[test]
    fn points_have_the_sign_of_what_the_member_got() {
        use OperationKind as K;
        let money = types::Money { currency: "USD".to_owned(), micros: 1 };
        let usd = "USD".parse().expect("ISO 4217");
        for (kind, answer, found, points, corrects) in [
            (K::Earn, None, Kind::Earn, 100, false),
            (K::Burn, None, Kind::Burn, -100, false),
            (K::Capture, None, Kind::Burn, -100, false),
            (K::Reverse, Some(reversed(Some(money))), Kind::EarnReversed, -100, true),
            (K::Reverse, Some(reversed(None)), Kind::BurnRefunded, 100, true),
            (K::Exchange, Some(exchange(ExchangeDirection::In)), Kind::Exchange, 100, false),
            (K::Exchange, Some(exchange(ExchangeDirection::Out)), Kind::Exchange, -100, false),
            (K::Transfer, None, Kind::Gift, -100, false),
            (K::Donate, None, Kind::Donation, -100, false),
        ] {
            let operation = operation(&row(kind, answer), WindowId(3), usd).expect("known");
            assert_eq!((operation.kind, operation.points), (found, Points(points)), "{kind:?}");
            assert_eq!(operation.corrects.is_some(), corrects, "{kind:?}");
            assert!(operation.in_window);
        }
    }

    #[test]
    fn a_refusal_that_came_too_late_is_told_from_others() {
        let usd = "USD".parse().expect("ISO 4217");
        for (reason, expected) in [
            (ErrorReason::ActivityTooOld, Standing::RefusedLate),
            (ErrorReason::ClaimTooOld, Standing::RefusedLate),
            (ErrorReason::NoTermsInForce, Standing::Refused),
        ] {
            let answer = Some(Refused::new(reason, "no").encoded());
            let row = HubRow { refused: true, ..row(OperationKind::Earn, answer) };
            let operation = operation(&row, WindowId(4), usd).expect("known");
            assert_eq!((operation.standing, operation.in_window), (expected, false));
        }
    }

    #[test]
    fn a_row_that_says_nothing_of_what_it_did_is_a_fault() {
        let usd = "USD".parse().expect("ISO 4217");
        for kind in [OperationKind::Reverse, OperationKind::Exchange, OperationKind::Void] {
            assert!(operation(&row(kind, None), WindowId(3), usd).is_err(), "{kind:?}");
        }
    }
}
