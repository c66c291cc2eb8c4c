//! Reports and breaks as the contract has them. No member is named: a row and a request id are enough to
//! find one, and a reference would outlive its link.

use entente_api::{
    settlement::{
        self as api, BreakKind as ApiKind, BreakState as ApiState, BreakStep, HubSide, HubStanding,
        ListedReconciliation, Reconciliation, RecordKind, RecordLine, RecordStatus, UnreadableRow,
    },
    types,
};
use entente_ledger::PartnerId;
use entente_loyalty::Catalogue;
use entente_settlement::{
    Money,
    reconcile::{
        Break, BreakKind, BreakState, ControlTotals, Kind, Line, LineStatus, Operation, Resolution,
        Standing, Step, Texts,
    },
};
use entente_store::{
    StoreError,
    settlement::reconciliation::{BreakTotal, Kept, KeptBreak, Listed, ListedBreak, NewBreak},
};
use jiff::{SignedDuration, Timestamp};
use prost::Message;

use crate::{
    caller::Role,
    error::RpcError,
    parse::wire_timestamp,
    settlement::{HUB, named},
};

use super::record::digested;

/// A report.
pub(super) fn report(
    kept: &Kept,
    totals: &[BreakTotal],
    (catalogue, role): (&Catalogue, Role),
) -> Result<Reconciliation, RpcError> {
    let found = &kept.found;
    let partner = code(catalogue, found.partner)?;
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
        made_by: named(&found.made_by, role),
        made_at: Some(wire_timestamp(kept.made_at)),
        with_money: found.with_money,
        hub: Some(control_totals(&found.hub)),
        file: Some(control_totals(&found.file)),
        difference: Some(difference),
        stated: found.stated.as_ref().map(control_totals),
        breaks: alike(totals, role).iter().map(break_total).collect(),
        unreadable,
        already: false,
        superseded: kept.superseded,
        supersedes: kept.supersedes.map(|id| id.to_string()).unwrap_or_default(),
        carried_count: kept.carried_count,
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
    NewBreak {
        kind: found.kind,
        delta: found.delta,
        since,
        sides: sides.encode_to_vec(),
        likeness: digested([found.likeness().as_bytes()]),
    }
}

/// A report in a list.
pub(super) fn listed(
    listed: Listed,
    (catalogue, role): (&Catalogue, Role),
) -> Result<ListedReconciliation, RpcError> {
    let difference = api::ControlTotals {
        count: listed.break_count.into(),
        points: listed.points.0,
        money: listed.money.into_iter().map(money).collect(),
        unreadable_count: 0,
    };
    Ok(ListedReconciliation {
        reconciliation: listed.id.to_string(),
        window: listed.window,
        partner: code(catalogue, listed.partner)?,
        file_name: listed.file_name,
        made_by: named(&listed.made_by, role),
        made_at: Some(wire_timestamp(listed.place.made_at)),
        difference: Some(difference),
        unresolved_count: listed.unresolved_count,
        superseded: listed.superseded,
    })
}

/// A break, as a caller of a role is told it.
pub(crate) fn wire_break(
    listed: ListedBreak,
    catalogue: &Catalogue,
    role: Role,
) -> Result<api::Break, StoreError> {
    let missing = || StoreError::inconsistent("reconciliations", "partner_id", listed.partner);
    let partner = catalogue.partner(listed.partner).ok_or_else(missing)?.code.to_string();
    kept_break(listed.kept, (&listed.window, &partner), role)
}

/// A step of a break's life.
pub(super) fn step(step: &Step, role: Role) -> BreakStep {
    let mut told = BreakStep {
        to: state(step.resolution.to()).into(),
        actor: named(&step.who, role),
        at: Some(wire_timestamp(step.when)),
        reason: step.why.clone(),
        ..BreakStep::default()
    };
    match &step.resolution {
        Resolution::Assign { owner } => told.owner = shown(owner, role),
        Resolution::Adjust { operation } => told.adjustment = operation.0.to_string(),
        Resolution::WriteOff { proposed_by } => told.proposed_by = named(proposed_by, role),
        Resolution::Agree | Resolution::Reject => {}
    }
    told
}

/// To partners, whoever looks into a break is the hub.
fn shown(owner: &str, role: Role) -> String {
    match role {
        Role::Partner => HUB.to_owned(),
        Role::Operator => owner.to_owned(),
    }
}

/// Totals as a caller of a role is told them: what differs by an owner that is not told is one.
fn alike(totals: &[BreakTotal], role: Role) -> Vec<BreakTotal> {
    let mut told: Vec<BreakTotal> = Vec::new();
    for total in totals {
        let owner = total.owner.as_deref().map(|owner| shown(owner, role));
        let total = BreakTotal { owner, ..total.clone() };
        let key = |total: &BreakTotal| (total.kind, total.state, total.owner.clone());
        match told.iter_mut().find(|one| key(one) == key(&total)) {
            Some(one) => add(one, &total),
            None => told.push(total),
        }
    }
    told
}

fn add(one: &mut BreakTotal, other: &BreakTotal) {
    one.count += other.count;
    one.points.0 = one.points.0.saturating_add(other.points.0);
    one.oldest_since = one.oldest_since.min(other.oldest_since);
    for more in &other.money {
        match one.money.iter_mut().find(|money| money.currency == more.currency) {
            Some(money) => money.micros.0 = money.micros.0.saturating_add(more.micros.0),
            None => one.money.push(*more),
        }
    }
    one.money.retain(|money| !money.micros.is_zero());
}

fn code(catalogue: &Catalogue, partner: PartnerId) -> Result<String, RpcError> {
    let found = catalogue.partner(partner).map(|partner| partner.code.to_string());
    found.ok_or_else(|| RpcError::fault("a partner is not in the catalogue"))
}

/// A break that is kept, of a window and a partner.
pub(super) fn kept_break(
    kept: KeptBreak,
    (window, partner): (&str, &str),
    role: Role,
) -> Result<api::Break, StoreError> {
    let sides = api::Break::decode(kept.sides.as_slice());
    let sides = sides.map_err(|error| StoreError::inconsistent("breaks", "sides", error))?;
    Ok(api::Break {
        reconciliation: kept.reconciliation.to_string(),
        number: kept.number,
        kind: kind(kept.kind).into(),
        points: kept.points.0,
        money: kept.money.into_iter().map(money).collect(),
        since: Some(wire_timestamp(kept.since)),
        state: state(kept.state).into(),
        owner: kept.owner.map(|owner| shown(&owner, role)).unwrap_or_default(),
        changed_at: kept.changed_at.map(wire_timestamp),
        window: window.to_owned(),
        partner: partner.to_owned(),
        continues: kept.continues.map(|id| id.to_string()).unwrap_or_default(),
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
