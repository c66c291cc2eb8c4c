//! What differs between an operation and the line that it was matched with.

use entente_ledger::Overflow;

use super::{BreakKind, Delta, Line, Operation, Rules, Standing, Texts};

/// What differs in one pair. Amounts differ in one way, the first that applies; a member or a time that
/// differs is a break of its own, and explains no amount.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Differences {
    pub(super) amounts: Option<(BreakKind, Delta)>,
    pub(super) member: bool,
    pub(super) timing: bool,
}

/// Compares a pair.
pub(super) fn compare(
    (operation, hub): (&Operation, Texts<'_>),
    (line, file): (&Line, Texts<'_>),
    rules: &Rules,
) -> Result<Differences, Overflow> {
    let delta = Delta::between(operation.counted(), line.counted())?;
    let kind = amounts(operation, line, &delta);
    let member = !hub.member.is_empty() && !file.member.is_empty() && hub.member != file.member;
    let timing = operation.counts() && is_off(operation, line, rules);
    Ok(Differences { amounts: kind.map(|kind| (kind, delta)), member, timing })
}

/// How the amounts differ. What the hub refused, or has in another window, is not a wrong amount.
fn amounts(operation: &Operation, line: &Line, delta: &Delta) -> Option<BreakKind> {
    if delta.is_zero() {
        return None;
    }
    let reversed = operation.standing == Standing::Reversed;
    Some(match operation.standing {
        Standing::RefusedLate => BreakKind::LateRejected,
        Standing::Refused => BreakKind::Status,
        Standing::Posted | Standing::Reversed if !operation.in_window => BreakKind::Timing,
        Standing::Posted | Standing::Reversed => {
            let (hub, file) = (operation.counted(), line.counted());
            let both_pay = !hub.1.micros.is_zero() && !file.1.micros.is_zero();
            if reversed || line.status != super::LineStatus::Posted {
                BreakKind::Status
            } else if both_pay && hub.1.currency != file.1.currency {
                BreakKind::Currency
            } else if hub.0 != file.0 {
                BreakKind::Amount
            } else {
                BreakKind::Rate
            }
        }
    })
}

/// Whether the line is dated outside of the window, and not by the operation's own times: what came
/// late bears an earlier date on both sides.
fn is_off(operation: &Operation, line: &Line, rules: &Rules) -> bool {
    let own = |when: super::When| {
        line.when.apart(when).is_some_and(|apart_s| apart_s <= rules.clock_tolerance_s)
    };
    let inside = line.when.touches(rules.opened_at, rules.closed_at);
    !inside && !own(operation.activity) && !own(operation.posted)
}
