//! What partners are told of a decision beside the answer to its caller.

use entente_loyalty::{Decision, OperationKind, State};
use entente_store::Notice;

use crate::notices::Anchor;

/// The notices of a decision that the state holds already.
pub(super) fn notices(state: &State<'_>, decision: &Decision) -> Vec<Notice> {
    let anchor = Anchor::of(&decision.operation);
    let crossed = decision.crossings.iter().map(|crossing| anchor.cap_threshold(crossing));
    hold_expired(state, decision).into_iter().chain(crossed).collect()
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
