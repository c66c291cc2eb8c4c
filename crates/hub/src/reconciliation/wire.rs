//! Reports and breaks as the contract has them. No member is named: a row and a request id are enough to
//! find one, and a reference would outlive its link.

use entente_api::{
    settlement::{
        self as api, BreakKind as ApiKind, BreakState as ApiState, HubSide, HubStanding,
        Reconciliation, RecordKind, RecordLine, RecordStatus, UnreadableRow,
    },
    types,
};
use entente_loyalty::Catalogue;
use entente_settlement::{
    Money,
    reconcile::{
        Break, BreakKind, BreakState, ControlTotals, Kind, Line, LineStatus, Operation, Standing,
        Texts,
    },
};
use entente_store::settlement::reconciliation::{BreakTotal, Kept, KeptBreak, NewBreak};
use jiff::{SignedDuration, Timestamp};
use prost::Message;

use crate::{error::RpcError, parse::wire_timestamp};

/// Whose break it is, of which window.
pub(super) struct Whose {
    pub(super) window: String,
    pub(super) partner: String,
}

/// A report.
pub(super) fn report(
    kept: &Kept,
    totals: &[BreakTotal],
    catalogue: &Catalogue,
) -> Result<Reconciliation, RpcError> {
    let found = &kept.found;
    let partner = catalogue.partner(found.partner).map(|partner| partner.code.to_string());
    let partner = partner.ok_or_else(|| RpcError::fault("a partner is not in the catalogue"))?;
    let difference = found.hub.minus(&found.file).map_err(RpcError::internal)?;
    let difference =
        api::ControlTotals { count: kept.break_count.into(), ..control_totals(&difference) };
    let unreadable = found.unreadable.iter();
    let unreadable = unreadable
        .map(|bad| UnreadableRow { row: bad.row.into(), reason: bad.reason.clone() })
        .collect();
    Ok(Reconciliation {
        reconciliation: found.id.to_string(),
        window: kept.window_name.clone(),
        partner,
        file_name: found.file_name.clone(),
        file_sha256: found.file_sha256.clone(),
        reading: found.reading.clone(),
        made_by: found.made_by.clone(),
        made_at: Some(wire_timestamp(kept.made_at)),
        with_money: found.with_money,
        hub: Some(control_totals(&found.hub)),
        file: Some(control_totals(&found.file)),
        difference: Some(difference),
        stated: found.stated.as_ref().map(control_totals),
        breaks: totals.iter().map(break_total).collect(),
        unreadable,
        already: false,
        superseded: kept.superseded,
    })
}

/// A break that was found, to be kept.
pub(super) fn new_break(found: &Break<'_>) -> NewBreak {
    let hub = found.operation.map(|(operation, texts)| hub_side(&operation, texts));
    let line = found.line.map(|(line, texts)| record_line(&line, texts));
    let first = |when: entente_settlement::reconcile::When| Some(when.seconds()?.0);
    let since = found
        .operation
        .and_then(|(operation, _)| first(operation.activity).or_else(|| first(operation.posted)));
    let since = since.or_else(|| found.line.and_then(|(line, _)| first(line.when)));
    let sides = api::Break { hub, line, ..api::Break::default() };
    NewBreak { kind: found.kind, delta: found.delta, since, sides: sides.encode_to_vec() }
}

/// A break that is kept.
pub(super) fn kept_break(kept: KeptBreak, whose: &Whose) -> Result<api::Break, RpcError> {
    let sides = api::Break::decode(kept.sides.as_slice()).map_err(RpcError::internal)?;
    Ok(api::Break {
        reconciliation: kept.reconciliation.to_string(),
        number: kept.number,
        kind: kind(kept.kind).into(),
        points: kept.points.0,
        money: kept.money.into_iter().map(money).collect(),
        since: Some(wire_timestamp(kept.since)),
        state: state(kept.state).into(),
        owner: kept.owner.unwrap_or_default(),
        changed_at: kept.changed_at.map(wire_timestamp),
        window: whose.window.clone(),
        partner: whose.partner.clone(),
        ..sides
    })
}

fn control_totals(totals: &ControlTotals) -> api::ControlTotals {
    let amounts = totals.money.iter();
    let amounts = amounts.map(|(currency, micros)| Money { currency: *currency, micros: *micros });
    api::ControlTotals {
        count: i64::try_from(totals.count).unwrap_or(i64::MAX),
        points: totals.points.0,
        money: amounts.map(money).collect(),
        unreadable_count: i64::try_from(totals.unreadable).unwrap_or(i64::MAX),
    }
}

fn break_total(total: &BreakTotal) -> api::BreakTotal {
    api::BreakTotal {
        kind: kind(total.kind).into(),
        state: state(total.state).into(),
        owner: total.owner.clone().unwrap_or_default(),
        count: total.count,
        points: total.points.0,
        money: total.money.iter().copied().map(money).collect(),
        oldest_since: Some(wire_timestamp(total.oldest_since)),
    }
}

fn hub_side(operation: &Operation, texts: Texts<'_>) -> HubSide {
    let first = |when: entente_settlement::reconcile::When| when.seconds().map(|span| span.0);
    let standing = match operation.standing {
        Standing::Posted | Standing::Reversed => HubStanding::Posted,
        Standing::Refused => HubStanding::Refused,
        Standing::RefusedLate => HubStanding::RefusedLate,
    };
    HubSide {
        request_id: operation.request_id.0.to_string(),
        receipt_reference: texts.receipt.to_owned(),
        corrects_request_id: operation.corrects.map(|id| id.0.to_string()).unwrap_or_default(),
        kind: record_kind(operation.kind).into(),
        standing: standing.into(),
        in_window: operation.in_window,
        points: operation.points.0,
        amount: Some(money(operation.money)),
        posted_at: first(operation.posted).map(wire_timestamp),
        activity_at: first(operation.activity).map(wire_timestamp),
    }
}

fn record_line(line: &Line, texts: Texts<'_>) -> RecordLine {
    let status = match line.status {
        LineStatus::Posted => RecordStatus::Posted,
        LineStatus::Reversed => RecordStatus::Reversed,
        LineStatus::Refused => RecordStatus::Refused,
    };
    let seconds = line.when.seconds();
    let until = seconds.filter(|(from, last)| from != last).and_then(|(_, last)| after(last));
    RecordLine {
        row: line.row.into(),
        request_id: line.request_id.map(|id| id.0.to_string()).unwrap_or_default(),
        receipt_reference: texts.receipt.to_owned(),
        member: String::new(),
        kind: line.kind.map_or(RecordKind::Unspecified, record_kind).into(),
        status: status.into(),
        points: line.points.0,
        amount: Some(money(line.money)),
        happened_from: seconds.map(|(from, _)| wire_timestamp(from)),
        happened_until: until.map(wire_timestamp),
    }
}

/// The second after.
fn after(last: Timestamp) -> Option<Timestamp> {
    last.checked_add(SignedDuration::from_secs(1)).ok()
}

fn money(money: Money) -> types::Money {
    types::Money { currency: money.currency.to_string(), micros: money.micros.0 }
}

const fn record_kind(kind: Kind) -> RecordKind {
    match kind {
        Kind::Earn => RecordKind::Earn,
        Kind::EarnReversed => RecordKind::EarnReversed,
        Kind::Burn => RecordKind::Burn,
        Kind::BurnRefunded => RecordKind::BurnRefunded,
        Kind::Exchange => RecordKind::Exchange,
        Kind::Gift => RecordKind::Gift,
        Kind::Donation => RecordKind::Donation,
        // Corrections of the hub are no operations of a partner.
        Kind::Adjustment => RecordKind::Unspecified,
    }
}

const fn kind(kind: BreakKind) -> ApiKind {
    match kind {
        BreakKind::MissingAtHub => ApiKind::MissingAtHub,
        BreakKind::MissingAtPartner => ApiKind::MissingAtPartner,
        BreakKind::Amount => ApiKind::Amount,
        BreakKind::Rate => ApiKind::Rate,
        BreakKind::Timing => ApiKind::Timing,
        BreakKind::DuplicateInFile => ApiKind::DuplicateInFile,
        BreakKind::Status => ApiKind::Status,
        BreakKind::Member => ApiKind::Member,
        BreakKind::LateRejected => ApiKind::LateRejected,
        BreakKind::Currency => ApiKind::Currency,
    }
}

const fn state(state: BreakState) -> ApiState {
    match state {
        BreakState::Open => ApiState::Open,
        BreakState::Assigned => ApiState::Assigned,
        BreakState::Agreed => ApiState::Agreed,
        BreakState::Rejected => ApiState::Rejected,
        BreakState::Adjusted => ApiState::Adjusted,
        BreakState::WrittenOff => ApiState::WrittenOff,
    }
}
