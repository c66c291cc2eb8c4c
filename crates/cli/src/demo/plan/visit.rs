//! A visit: a member comes to a brand, and buys, burns or books.

use super::author::{Author, Earned};
use super::followup::{End, FollowUp};
use super::mishap;
use crate::demo::cast::Brand;
use crate::demo::oracle::worth;

/// How a brand's members behave. Amounts in units of its currency, times in hours.
struct Habits {
    /// What is bought, from how much to how much, and how often of a hundred.
    purchases: &'static [(&'static str, i64, i64, i64)],
    /// How many of a hundred visits burn, when there is enough to burn.
    burns: i64,
    /// How many of a hundred burns begin as an authorization.
    holds: i64,
    /// The fewest points that are burned at once, and the most.
    burn_points: (i64, i64),
    /// How many of a hundred purchases are reported late, and how late at most.
    late: (i64, i64),
    /// How many of a hundred purchases are refunded, and after how long at most.
    refunds: (i64, i64),
}

const fn habits(brand: Brand) -> Habits {
    match brand {
        Brand::Harbor => Habits {
            purchases: &[("room", 80, 900, 60), ("dining", 15, 140, 40)],
            burns: 30,
            holds: 80,
            burn_points: (1_000, 12_000),
            late: (12, 13 * 24),
            refunds: (6, 6 * 24),
        },
        Brand::Rover => Habits {
            purchases: &[("ride", 6, 60, 80), ("airport", 28, 95, 20)],
            burns: 22,
            holds: 45,
            burn_points: (150, 3_000),
            late: (10, 6 * 24),
            refunds: (4, 48),
        },
        Brand::Grocer => Habits {
            purchases: &[("groceries", 8, 220, 85), ("fuel", 20, 90, 15)],
            burns: 20,
            holds: 15,
            burn_points: (100, 2_500),
            late: (6, 2 * 24),
            refunds: (8, 5 * 24),
        },
    }
}

/// Writes one visit.
pub(super) fn visit(author: &mut Author) {
    let last = i64::try_from(author.members.len() - 1).unwrap_or(i64::MAX);
    let member = usize::try_from(author.dice.between(0, last)).unwrap_or_default();
    if author.dice.percent(3) {
        return mishap::next(author, member);
    }
    let linked = author.members[member].linked.clone();
    let brand = author.dice.pick(&linked);
    let habits = habits(brand);
    let enough = author.members[member].wallet.available >= habits.burn_points.0;
    if enough && author.dice.percent(habits.burns) {
        spend(author, member, brand, &habits);
    } else {
        buy(author, member, brand, &habits);
    }
}

fn buy(author: &mut Author, member: usize, brand: Brand, habits: &Habits) {
    let mut roll = author.dice.between(1, 100);
    let mut bought = habits.purchases[0];
    for purchase in habits.purchases {
        if roll <= purchase.3 {
            bought = *purchase;
            break;
        }
        roll -= purchase.3;
    }
    let (category, least, most, _) = bought;
    let spend = author.dice.money(least, most);
    let late = author.dice.percent(habits.late.0);
    let hours_late = if late { author.dice.between(2, habits.late.1 - 1) } else { 0 };
    let earn = author.earn(member, brand, (category, spend), hours_late);
    if author.dice.percent(habits.refunds.0) {
        regret(author, member, brand, habits, earn);
    }
}

/// The purchase will be refunded, now and then after its points are spent.
fn regret(author: &mut Author, member: usize, brand: Brand, habits: &Habits, earn: Earned) {
    let hours = author.dice.between(4, habits.refunds.1);
    let spent_before = author.dice.percent(30);
    if spent_before {
        author.later(hours - 2, FollowUp::SpendAll { member });
    }
    let whole = spent_before || author.dice.percent(40);
    author.later(hours, FollowUp::Refund { member, brand, earn: Box::new(earn), whole });
}

fn spend(author: &mut Author, member: usize, brand: Brand, habits: &Habits) {
    let available = author.members[member].wallet.available;
    let (least, most) = habits.burn_points;
    let points = author.dice.between(least, most.min(available));
    if author.dice.percent(habits.holds) {
        return hold(author, member, brand, points);
    }
    let agreement = author.agreement(brand, author.now());
    // A value in whole cents that is worth no more points than were meant.
    let value = points * agreement.point_value_micros / 10_000 * 10_000;
    let by_value = value > 0 && author.dice.percent(50);
    let (points, value) = if by_value {
        (worth(author.agreement(brand, author.now()), value), Some(value))
    } else {
        (points, None)
    };
    let burn = author.burn(member, brand, points, value);
    if author.dice.percent(5) {
        let (hours, points) = (author.dice.between(2, 72), author.dice.between(1, points));
        author.later(hours, FollowUp::GiveBack { member, brand, burn, points });
    }
}

fn hold(author: &mut Author, member: usize, brand: Brand, points: i64) {
    let life_hours = author.agreement(brand, author.now()).hold_life_seconds / 3_600;
    let authorization = author.authorize(member, brand, points);
    let end = match author.dice.between(1, 100) {
        1..=52 => End::Capture,
        53..=80 => End::PartCapture,
        81..=94 => End::Void,
        _ => End::Expired,
    };
    let hours = match end {
        End::Expired => life_hours + author.dice.between(1, 12),
        End::Capture | End::PartCapture | End::Void => author.dice.between(1, life_hours * 2 / 3),
    };
    author.later(hours, FollowUp::EndHold { member, brand, authorization, points, end });
}
