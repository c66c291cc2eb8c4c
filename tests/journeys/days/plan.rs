//! What happens on a random day, before anybody knows what of it is possible: amounts are shares of
//! what is there, and what is undone is one of what was done so far.

use rand::{RngExt as _, rngs::StdRng};

use super::coalition::Coalition;

/// One thing that happens.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    /// So many seconds pass.
    Wait(i64),
    /// A member buys for so many micros.
    Earn { brand: usize, member: usize, spend: i64 },
    /// A member spends a share, in percent, of what it has.
    Burn { brand: usize, member: usize, percent: i64 },
    /// Sets it aside.
    Authorize { brand: usize, member: usize, percent: i64 },
    /// Spends a share of what one of the holds has, or all.
    Capture { which: usize, percent: Option<i64> },
    /// Lets one of the holds go.
    Void { which: usize },
    /// Refunds a share of one of the purchases, or the rest.
    RefundEarn { which: usize, percent: Option<i64> },
    /// Gives back a share of one of the burns and captures, or the rest.
    RefundBurn { which: usize, percent: Option<i64> },
    /// Gives a share to another member.
    Give { brand: usize, member: usize, to: usize, percent: i64 },
    /// The window closes.
    Close,
}

/// Up to so many steps, of which the last is a close.
pub(super) fn any(dice: &mut StdRng, coalition: &Coalition, most: usize) -> Vec<Step> {
    let count = dice.random_range(8..=most);
    let mut steps: Vec<_> = (0..count).map(|_| step(dice, coalition)).collect();
    steps.push(Step::Close);
    steps
}

fn step(dice: &mut StdRng, coalition: &Coalition) -> Step {
    let brand = dice.random_range(0..coalition.brands.len());
    let member = dice.random_range(0..coalition.members);
    let percent = dice.random_range(1..=100);
    let which = dice.random_range(0..1_000);
    let part = dice.random_bool(0.7).then_some(percent);
    match dice.random_range(0..100) {
        0..32 => Step::Earn { brand, member, spend: dice.random_range(10_000..=400_000_000) },
        32..50 => Step::Burn { brand, member, percent },
        50..58 => Step::Authorize { brand, member, percent },
        58..65 => Step::Capture { which, percent: part },
        65..68 => Step::Void { which },
        68..76 => Step::RefundEarn { which, percent: part },
        76..84 => Step::RefundBurn { which, percent: part },
        84..88 => {
            Step::Give { brand, member, to: dice.random_range(0..coalition.members), percent }
        }
        88..98 => Step::Wait(dice.random_range(60..=40_000)),
        _ => Step::Close,
    }
}
