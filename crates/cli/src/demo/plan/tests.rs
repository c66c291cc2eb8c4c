//! The plan is large, whole, and the same each time.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

const SIZE: Size = Size { seed: 2026, members: 500, visits: 5_500 };

fn steps(plan: &Plan) -> impl Iterator<Item = &Step> {
    plan.phases.iter().flat_map(|phase| phase.first.iter().chain(phase.lanes.iter().flatten()))
}

#[test]
fn the_same_seed_is_the_same_plan() {
    let (one, two) = (Plan::new(SIZE).expect("a plan"), Plan::new(SIZE).expect("a plan"));
    assert!(steps(&one).eq(steps(&two)));
    let other = Plan::new(Size { seed: 7, ..SIZE }).expect("a plan");
    assert!(!steps(&one).eq(steps(&other)));
}

#[test]
fn the_month_has_all_that_it_should() {
    let plan = Plan::new(SIZE).expect("a plan");
    let mut stories: BTreeMap<Story, usize> = BTreeMap::new();
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for step in steps(&plan) {
        *stories.entry(step.story).or_default() += 1;
        if let Expected::Refused(expected) = step.expected {
            *reasons.entry(expected[0].as_str_name()).or_default() += 1;
        }
    }
    let operations: usize =
        stories.iter().filter(|(story, _)| story.is_operation()).map(|(_, count)| count).sum();
    assert!(operations >= 5_000, "{operations}");
    assert_eq!(stories[&Story::Enrolled], 500);
    for story in [
        Story::Linked,
        Story::LateEarn,
        Story::BurnElsewhere,
        Story::PartCapture,
        Story::Void,
        Story::Refund,
        Story::RefundWithDebt,
        Story::GiveBack,
    ] {
        assert!(stories.get(&story).is_some_and(|&count| count >= 10), "{story:?}: {stories:?}");
    }
    assert_eq!(reasons.len(), 19, "{reasons:?}");
    assert_eq!(plan.predictions.len(), 500);
}

#[test]
fn a_request_id_is_used_once_unless_reuse_is_the_point() {
    let plan = Plan::new(SIZE).expect("a plan");
    let mut seen = BTreeSet::new();
    for step in steps(&plan) {
        let id = match &step.command {
            Command::Earn(request) => &request.request_id,
            Command::Burn(request) => &request.request_id,
            Command::Authorize(request) => &request.request_id,
            Command::Capture(request) => &request.request_id,
            Command::Void(request) => &request.request_id,
            Command::Reverse(request) => &request.request_id,
            _ => continue,
        };
        let reuse =
            step.expected == Expected::Refused(&[entente_api::error::ErrorReason::RequestIdReused]);
        assert_ne!(seen.insert(id), reuse, "{step:?}");
    }
}

#[test]
fn nobody_has_less_than_nothing_or_debt_beside_points() {
    for seed in 0..5 {
        let plan = Plan::new(Size { seed, members: 40, visits: 900 }).expect("a plan");
        for step in steps(&plan) {
            if let Expected::Balances(balances) = &step.expected {
                assert!(balances.available >= 0 && balances.held >= 0, "{step:?}");
                assert!(balances.debt == 0 || balances.available == 0, "{step:?}");
            }
        }
    }
}

#[test]
fn time_goes_forward() {
    let plan = Plan::new(SIZE).expect("a plan");
    assert!(plan.phases.is_sorted_by_key(|phase| phase.at));
    assert!(plan.step_count() > 6_000);
}
