//! Reversals that the partner does not list. The hub books a reversal as an operation of its own; a
//! partner may list it so, or change the line of what it reverses, or not know of it.

use std::collections::HashMap;

use entente_ledger::{Overflow, Points, RequestId};

use super::matcher::Matching;
use super::report::Found;
use super::store::Fate;
use super::{BreakKind, Delta};
use crate::Money;

/// Folds each reversal among the pending into what it reverses; those that are left.
pub(super) fn fold(matching: &mut Matching, pending: Vec<u32>) -> Result<Vec<u32>, Overflow> {
    let corrects = |matching: &Matching, number: u32| {
        let operation = matching.sides.operation(number);
        operation.corrects.filter(|_| operation.counts())
    };
    let (reversals, mut rest): (Vec<_>, Vec<_>) =
        pending.into_iter().partition(|number| corrects(matching, *number).is_some());
    if reversals.is_empty() {
        return Ok(rest);
    }
    let waiting: HashMap<RequestId, u32> =
        rest.iter().map(|number| (matching.sides.operation(*number).request_id, *number)).collect();
    let mut amounts: HashMap<u32, usize> = HashMap::new();
    for (at, found) in matching.breaks.iter().enumerate() {
        let about_amounts = !matches!(found.kind, BreakKind::Member) && !found.delta.is_zero();
        if let Some(line) = found.line.filter(|_| about_amounts) {
            amounts.insert(line, at);
        }
    }
    for number in reversals {
        let original = corrects(matching, number).ok_or(Overflow)?;
        if let Some(line) = line_of(matching, original) {
            fold_into_line(matching, &mut amounts, number, line)?;
        } else if let Some(waiting) = waiting.get(&original).copied() {
            fold_into_operation(matching, number, waiting, &mut rest)?;
        } else {
            rest.push(number);
        }
    }
    matching.breaks.retain(|found| !found.retracted());
    Ok(rest)
}

/// The line that the operation was matched with.
fn line_of(matching: &Matching, id: RequestId) -> Option<u32> {
    let named = matching.index.by_request(&matching.sides, id);
    let line = matching.paired.get(&id).copied().or(named)?;
    (matching.sides.line(line).fate == Fate::Matched).then_some(line)
}

/// The reversed operation has a line. Where the line already counts it so, nothing differs any more;
/// else the partner does not know of the reversal.
fn fold_into_line(
    matching: &mut Matching,
    amounts: &mut HashMap<u32, usize>,
    number: u32,
    line: u32,
) -> Result<(), Overflow> {
    let reversal = *matching.sides.operation(number);
    let (points, money) = reversal.counted();
    let known = amounts.get(&line).copied().and_then(|at| matching.breaks.get_mut(at));
    if let Some(found) = known
        && let Some(sum) = found.delta.with(points, money)?
    {
        let less = sum.points.0.unsigned_abs() < found.delta.points.0.unsigned_abs();
        if sum.is_zero() || less || found.kind == BreakKind::Status {
            found.delta = sum;
            return Ok(());
        }
    }
    let nothing = (Points::ZERO, Money::nothing(money.currency));
    let delta = Delta::between((points, money), nothing)?;
    amounts.insert(line, matching.breaks.len());
    let (operation, line) = (Some(number), Some(line));
    matching.breaks.push(Found { kind: BreakKind::Status, operation, line, delta });
    Ok(())
}

/// The reversed operation has no line either: what is left of it is missing.
fn fold_into_operation(
    matching: &mut Matching,
    number: u32,
    waiting: u32,
    rest: &mut Vec<u32>,
) -> Result<(), Overflow> {
    let (points, money) = matching.sides.operation(number).counted();
    let original = matching.sides.operation_mut(waiting);
    if original.counts() && original.money.currency == money.currency {
        original.points = original.points.plus(points)?;
        original.money.micros = original.money.micros.plus(money.micros)?;
    } else {
        rest.push(number);
    }
    Ok(())
}
