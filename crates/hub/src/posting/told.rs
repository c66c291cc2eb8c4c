//! What partners are told of a decision beside the answer to its caller.

use std::collections::BTreeMap;

use entente_ledger::{PartnerId, Points};
use entente_loyalty::{Decision, OperationKind, State};
use entente_store::Notice;
use jiff::{civil::Date, tz::Offset};

use crate::notices::Anchor;

/// The notices of a decision that the state holds already.
pub(super) fn notices(state: &State<'_>, decision: &Decision) -> Vec<Notice> {
    let anchor = Anchor::of(&decision.operation);
    let crossed = decision.crossings.iter().map(|crossing| anchor.cap_threshold(crossing));
    let floats = decision.float_crossings.iter();
    let floats = floats.map(|crossing| anchor.float_threshold(crossing));
    let expiring = points_expiring(decision);
    let elsewhere = decision.burned_elsewhere.iter();
    let elsewhere = elsewhere.map(|burned| anchor.burned_elsewhere(*burned));
    let told = hold_expired(state, decision).into_iter().chain(crossed);
    told.chain(floats).chain(expiring).chain(elsewhere).collect()
}

/// An expiry that names an operation ended the hold that it authorized; a lot's names none.
fn hold_expired(state: &State<'_>, decision: &Decision) -> Option<Notice> {
    let operation = &decision.operation;
    if operation.kind != OperationKind::Expire {
        return None;
    }
    let (authorized_by, request_id) = operation.original?;
    let hold = state.members.get(&operation.member)?.holds.get(&authorized_by)?;
    Some(Anchor::of(operation).hold_expired(hold.partner, request_id, operation.points))
}

/// What an announcement lists: one notice for each issuer and day (UTC).
fn points_expiring(decision: &Decision) -> Vec<Notice> {
    let operation = &decision.operation;
    if operation.kind != OperationKind::Announce {
        return Vec::new();
    }
    let mut sums: BTreeMap<(Date, PartnerId), Points> = BTreeMap::new();
    for portion in &operation.portions {
        let day = Offset::UTC.to_datetime(portion.expires_at).date();
        let sum = sums.entry((day, portion.issuer)).or_default();
        sum.0 = sum.0.saturating_add(portion.points.0);
    }
    let anchor = Anchor::of(operation);
    let told = sums.into_iter();
    told.map(|((day, issuer), points)| anchor.points_expiring(issuer, points, day)).collect()
}
