//! Settlement as the contract has it: amounts are never negative, a direction says who pays.

use entente_api::{
    settlement::{
        self as api, AmountKind as ApiKind, CloseWindowResponse, Direction, Exposure,
        GetPositionResponse, Gross, Net, StatementBalance, StatementClosing, StatementElsewhere,
        StatementHeader, StatementLine, StatementTotal,
    },
    types::Money,
};
use entente_ledger::{AmountKind, Currency, Micros, PartnerId};
use entente_loyalty::Partner;
use entente_settlement::{Nets, Party};
use entente_store::{
    LedgerKind,
    settlement::{
        Closed, Exposures, ListedWindow, Position,
        statement::{Elsewhere, Line, Movement, Side, StatementNet},
    },
};
use jiff::Timestamp;
use uuid::Uuid;

use super::{Names, floats, wire_window_state};
use crate::{error::RpcError, parse::wire_timestamp, posting::COALITION};

pub(super) fn window(window: &ListedWindow) -> api::Window {
    api::Window {
        name: window.name.clone().unwrap_or_default(),
        state: wire_window_state(window.state).into(),
        opened_at: Some(wire_timestamp(window.opened_at)),
        closed_at: window.closed_at.map(wire_timestamp),
        testing: window.is_testing(),
        cut_off_at: window.cut_off_at.map(wire_timestamp),
        objection_until: window.objection_until.map(wire_timestamp),
    }
}

pub(super) fn position(
    position: &Position,
    names: &Names,
    now: Timestamp,
) -> Result<GetPositionResponse, RpcError> {
    let gross = position.gross.iter().map(|(key, amount)| {
        Ok(Gross {
            payer: names.of(key.payer)?,
            payee: names.of(key.payee)?,
            kind: kind(key.kind).into(),
            points: amount.points.0,
            amount: Some(money(key.currency, amount.micros)),
        })
    });
    let testing = position.window.is_testing();
    let mut owed = position.exposures.clone();
    owed.retain(|party, _| names.is_testing(party.partner) == testing);
    let mut left = position.floats.clone();
    left.retain(|float| names.is_testing(float.partner) == testing);
    Ok(GetPositionResponse {
        window: Some(window(&position.window)),
        gross: gross.collect::<Result<_, RpcError>>()?,
        nets: nets(&position.nets, names)?,
        exposures: exposures(&owed, names, now)?,
        floats: floats::wire(&left, names)?,
    })
}

/// What partners owe now, with their caps.
pub(super) fn exposures(
    exposures: &Exposures,
    names: &Names,
    now: Timestamp,
) -> Result<Vec<Exposure>, RpcError> {
    let exposure = |(party, owed): (&Party, &Micros)| {
        let (direction, amount) = directed(party.currency, *owed)?;
        let cap = names.cap(party.partner, party.currency, now);
        Ok(Exposure {
            partner: names.of(party.partner)?,
            direction: direction.into(),
            amount: Some(amount),
            cap: cap.map(|cap| money(party.currency, cap)),
        })
    };
    exposures.iter().map(exposure).collect()
}

/// A closed window's totals.
pub(crate) fn closed(closed: &Closed, names: &Names) -> Result<CloseWindowResponse, RpcError> {
    Ok(CloseWindowResponse {
        window: Some(window(&closed.window)),
        nets: nets(&closed.nets, names)?,
        already_closed: closed.done.is_none(),
    })
}

pub(super) fn header(
    partner: &Partner,
    closed: &ListedWindow,
    ledger: LedgerKind,
) -> StatementHeader {
    StatementHeader {
        window: Some(window(closed)),
        partner: partner.code.to_string(),
        display_name: partner.display_name.clone(),
        simulation: ledger.simulation,
    }
}

/// A line of `own`: the brand that issued a single member's points is not told to another. Millions are told
/// at a time, so nothing is formatted that can be copied.
pub(super) fn line(line: Line, own: PartnerId, names: &Names) -> Result<StatementLine, RpcError> {
    let movement = line.movement;
    let counterparty = match movement.counterparty {
        other if other == own || other == PartnerId::HUB => names.of(other)?,
        _ => COALITION.to_owned(),
    };
    Ok(StatementLine {
        request_id: uuid_text(line.request_id.0),
        kind: kind(movement.kind).into(),
        posted_at: Some(wire_timestamp(line.posted_at)),
        activity_at: line.activity_at.map(wire_timestamp),
        member_token: line.link_token.map(uuid_text).unwrap_or_default(),
        receipt_reference: line.receipt_reference,
        points: movement.points.0,
        terms_version: line.terms_version.map(|version| version.0).unwrap_or_default(),
        direction: side(movement.side).into(),
        price: line.price.map(|price| money(movement.currency, price)),
        amount: Some(moved(&movement)),
        counterparty,
        prior_period: line.prior_period,
    })
}

pub(super) fn elsewhere(
    elsewhere: &Elsewhere,
    names: &Names,
) -> Result<StatementElsewhere, RpcError> {
    let movement = &elsewhere.movement;
    Ok(StatementElsewhere {
        counterparty: names.of(movement.counterparty)?,
        day: elsewhere.day.to_string(),
        kind: kind(movement.kind).into(),
        points: movement.points.0,
        direction: side(movement.side).into(),
        amount: Some(moved(movement)),
    })
}

pub(super) fn total(movement: &Movement, names: &Names) -> Result<StatementTotal, RpcError> {
    Ok(StatementTotal {
        counterparty: names.of(movement.counterparty)?,
        kind: kind(movement.kind).into(),
        points: movement.points.0,
        direction: side(movement.side).into(),
        amount: Some(moved(movement)),
    })
}

pub(super) fn balance(net: StatementNet) -> Result<StatementBalance, RpcError> {
    let (direction, amount) = directed(net.currency, net.net)?;
    Ok(StatementBalance { direction: direction.into(), amount: Some(amount) })
}

pub(super) fn closing(net: StatementNet, line_count: i64) -> Result<StatementClosing, RpcError> {
    let (direction, amount) = directed(net.currency, net.net)?;
    Ok(StatementClosing { direction: direction.into(), amount: Some(amount), line_count })
}

fn nets(nets: &Nets, names: &Names) -> Result<Vec<Net>, RpcError> {
    let net = nets.iter().map(|(party, net)| {
        let (direction, amount) = directed(party.currency, *net)?;
        let party = names.of(party.partner)?;
        Ok(Net { party, direction: direction.into(), amount: Some(amount) })
    });
    net.collect()
}

/// What is positive is paid, what is negative is received.
fn directed(currency: Currency, net: Micros) -> Result<(Direction, Money), RpcError> {
    let direction = match net.0 {
        0 => Direction::Even,
        1.. => Direction::Pays,
        _ => Direction::Receives,
    };
    let amount = if net < Micros::ZERO { net.negated() } else { Ok(net) };
    Ok((direction, money(currency, amount.map_err(RpcError::internal)?)))
}

fn moved(movement: &Movement) -> Money {
    money(movement.currency, movement.amount)
}

pub(super) fn money(currency: Currency, micros: Micros) -> Money {
    Money { currency: currency.code().to_owned(), micros: micros.0 }
}

/// As its `Display` has it, without what formatting costs.
fn uuid_text(id: Uuid) -> String {
    id.hyphenated().encode_lower(&mut Uuid::encode_buffer()).to_owned()
}

pub(super) const fn side(side: Side) -> Direction {
    match side {
        Side::Pays => Direction::Pays,
        Side::Receives => Direction::Receives,
        Side::Even => Direction::Even,
    }
}

pub(super) const fn kind(kind: AmountKind) -> ApiKind {
    match kind {
        AmountKind::Issue => ApiKind::Issue,
        AmountKind::IssueCancelled => ApiKind::IssueCancelled,
        AmountKind::Redemption => ApiKind::Redemption,
        AmountKind::RedemptionRefunded => ApiKind::RedemptionRefunded,
        AmountKind::Fee => ApiKind::Fee,
        AmountKind::FeeRefunded => ApiKind::FeeRefunded,
        AmountKind::DebtRepaid => ApiKind::DebtRepaid,
        AmountKind::IssueReinstated => ApiKind::IssueReinstated,
        AmountKind::Expired => ApiKind::Expired,
        AmountKind::Rounding => ApiKind::Rounding,
        AmountKind::Gift => ApiKind::Gift,
        AmountKind::Adjustment => ApiKind::Adjustment,
        AmountKind::Prepaid => ApiKind::Prepaid,
        AmountKind::CurrencySold => ApiKind::CurrencySold,
        AmountKind::CurrencyBought => ApiKind::CurrencyBought,
        AmountKind::ConversionLoss => ApiKind::ConversionLoss,
        AmountKind::ConversionGain => ApiKind::ConversionGain,
        // Payments are in no position, and what merges move is in no statement.
        AmountKind::Payment | AmountKind::Merge => ApiKind::Unspecified,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_direction_says_who_pays_and_the_amount_is_never_negative() {
        let currency = "EUR".parse().expect("ISO 4217");
        for (net, direction, micros) in [
            (780_000_000, Direction::Pays, 780_000_000),
            (-10_000, Direction::Receives, 10_000),
            (0, Direction::Even, 0),
        ] {
            let (found, amount) = directed(currency, Micros(net)).expect("in range");
            assert_eq!((found, amount.micros), (direction, micros));
        }
        assert!(directed(currency, Micros(i64::MIN)).is_err());
    }
}
