//! A member as a second opinion knows it: what each step comes to, in points alone.

use entente_client::api::{
    error::ErrorReason,
    points::{
        AuthorizeRequest, BurnRequest, CaptureRequest, EarnRequest, ReverseRequest, VoidRequest,
        authorize_request, burn_request,
    },
    types::Balances,
};
use entente_testkit::cast::money;
use rand::{RngExt as _, rngs::StdRng};
use uuid::Uuid;

use crate::{request::Request, sent::Asked};

/// The currencies of the cast's terms.
const CURRENCIES: [&str; 3] = ["EUR", "USD", "EUR"];

/// What every purchase here is.
pub(crate) const CATEGORY: &str = "stay";

/// Purchases, burns and captures that may still be undone; the oldest are forgotten.
const REMEMBERED: usize = 20;

/// A member, who earns at one brand and spends at two.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) reference: String,
    /// Where the member earns.
    pub(crate) home: usize,
    /// Where it is known too.
    pub(crate) away: usize,
    pub(crate) wallet: Balances,
    /// How many commands have an outcome.
    pub(crate) commands: u32,
    earns: Vec<Posted>,
    burns: Vec<Posted>,
    holds: Vec<Posted>,
}

/// What may be completed or undone.
#[derive(Debug, Clone, Copy)]
struct Posted {
    brand: usize,
    id: Uuid,
    /// Which of the member's commands it is, from 0.
    at: u32,
    points: i64,
}

/// What happens next.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    Earn { points: i64 },
    Burn { brand: usize, points: i64 },
    Authorize { brand: usize, points: i64 },
    Capture { hold: usize, points: i64 },
    Void { hold: usize },
    ReverseEarn { earn: usize },
    ReverseBurn { burn: usize },
}

impl Member {
    /// A member with nothing.
    pub(crate) fn new(reference: String, home: usize, away: usize) -> Self {
        let (earns, burns, holds) = (Vec::new(), Vec::new(), Vec::new());
        let (wallet, commands) = (Balances::default(), 0);
        Self { reference, home, away, wallet, commands, earns, burns, holds }
    }

    /// Something that can be asked now, now and then in vain.
    pub(crate) fn next(&self, rng: &mut StdRng) -> Step {
        let earn = Step::Earn { points: rng.random_range(1..=400) };
        let brand = if rng.random_bool(0.5) { self.home } else { self.away };
        let available = self.wallet.available;
        match rng.random_range(0..100) {
            0..4 => Step::Burn { brand, points: available + rng.random_range(1..=50) },
            4..22 if available > 0 => Step::Burn { brand, points: rng.random_range(1..=available) },
            22..36 if available > 0 && self.holds.len() < 4 => {
                Step::Authorize { brand, points: rng.random_range(1..=available.min(300)) }
            }
            36..46 if !self.holds.is_empty() => {
                let hold = rng.random_range(0..self.holds.len());
                Step::Capture { hold, points: rng.random_range(1..=self.holds[hold].points) }
            }
            46..50 if !self.holds.is_empty() => {
                Step::Void { hold: rng.random_range(0..self.holds.len()) }
            }
            50..56 if !self.earns.is_empty() => {
                Step::ReverseEarn { earn: rng.random_range(0..self.earns.len()) }
            }
            56..60 if !self.burns.is_empty() => {
                Step::ReverseBurn { burn: rng.random_range(0..self.burns.len()) }
            }
            _ => earn,
        }
    }

    /// The request of a step, and whose it is.
    pub(crate) fn request(&self, step: Step, id: Uuid) -> (usize, Request) {
        let (request_id, member_reference) = (id.to_string(), self.reference.clone());
        match step {
            Step::Earn { points } => {
                let spend = money(micros(points), CURRENCIES[self.home]);
                let category = CATEGORY.to_owned();
                let (spend, rest) = (Some(spend), EarnRequest::default());
                let request = EarnRequest { request_id, member_reference, spend, category, ..rest };
                (self.home, Request::Earn(request))
            }
            Step::Burn { brand, points } => {
                let amount = Some(burn_request::Amount::Points(points));
                let rest = BurnRequest::default();
                (brand, Request::Burn(BurnRequest { request_id, member_reference, amount, ..rest }))
            }
            Step::Authorize { brand, points } => {
                let amount = Some(authorize_request::Amount::Points(points));
                let rest = AuthorizeRequest::default();
                let request = AuthorizeRequest { request_id, member_reference, amount, ..rest };
                (brand, Request::Authorize(request))
            }
            Step::Capture { hold, points } => {
                let Posted { brand, id, .. } = self.holds[hold];
                let authorization_request_id = id.to_string();
                let points = Some(points);
                let request = CaptureRequest { request_id, authorization_request_id, points };
                (brand, Request::Capture(request))
            }
            Step::Void { hold } => {
                let Posted { brand, id, .. } = self.holds[hold];
                let authorization_request_id = id.to_string();
                (brand, Request::Void(VoidRequest { request_id, authorization_request_id }))
            }
            Step::ReverseEarn { earn } => reversal(request_id, self.earns[earn]),
            Step::ReverseBurn { burn } => reversal(request_id, self.burns[burn]),
        }
    }

    /// A step as it is kept for a replay.
    pub(crate) fn asked(&self, step: Step) -> Asked {
        match step {
            Step::Earn { points } => Asked::Earn { micros: micros(points) },
            Step::Burn { points, .. } => Asked::Burn { points },
            Step::Authorize { points, .. } => Asked::Authorize { points },
            Step::Capture { hold, points } => Asked::Capture { of: self.holds[hold].at, points },
            Step::Void { hold } => Asked::Void { of: self.holds[hold].at },
            Step::ReverseEarn { earn } => Asked::Reverse { of: self.earns[earn].at },
            Step::ReverseBurn { burn } => Asked::Reverse { of: self.burns[burn].at },
        }
    }

    /// Why a step is refused, if it is.
    pub(crate) fn refusal(&self, step: Step) -> Option<ErrorReason> {
        match step {
            Step::Burn { points, .. } | Step::Authorize { points, .. }
                if points > self.wallet.available =>
            {
                Some(ErrorReason::PointsInsufficient)
            }
            _ => None,
        }
    }

    /// The step is done.
    pub(crate) fn apply(&mut self, step: Step, id: Uuid) {
        let at = self.commands;
        match step {
            Step::Earn { points } => {
                self.receive(points);
                remember(&mut self.earns, Posted { brand: self.home, id, at, points });
            }
            Step::Burn { brand, points } => {
                self.wallet.available -= points;
                remember(&mut self.burns, Posted { brand, id, at, points });
            }
            Step::Authorize { brand, points } => {
                self.wallet.available -= points;
                self.wallet.held += points;
                self.holds.push(Posted { brand, id, at, points });
            }
            Step::Capture { hold, points } => {
                let brand = self.end_hold(hold, points);
                remember(&mut self.burns, Posted { brand, id, at, points });
            }
            Step::Void { hold } => {
                self.end_hold(hold, 0);
            }
            Step::ReverseEarn { earn } => {
                let Posted { points, .. } = self.earns.swap_remove(earn);
                let taken = points.min(self.wallet.available);
                self.wallet.available -= taken;
                self.wallet.debt += points - taken;
            }
            Step::ReverseBurn { burn } => {
                let Posted { points, .. } = self.burns.swap_remove(burn);
                self.receive(points);
            }
        }
    }

    /// Whose hold it was.
    fn end_hold(&mut self, hold: usize, captured: i64) -> usize {
        let Posted { brand, points, .. } = self.holds.swap_remove(hold);
        self.wallet.held -= points;
        self.receive(points - captured);
        brand
    }

    /// Points become available, and repay debt first.
    fn receive(&mut self, points: i64) {
        let repaid = points.min(self.wallet.debt);
        self.wallet.debt -= repaid;
        self.wallet.available += points - repaid;
    }
}

/// What is paid for so many points: a fraction more than they take earns no more.
const fn micros(points: i64) -> i64 {
    points * 1_000_000 + 7
}

fn remember(list: &mut Vec<Posted>, posted: Posted) {
    if list.len() == REMEMBERED {
        list.remove(0);
    }
    list.push(posted);
}

fn reversal(request_id: String, original: Posted) -> (usize, Request) {
    let original_request_id = original.id.to_string();
    let request = ReverseRequest { request_id, original_request_id, part: None };
    (original.brand, Request::Reverse(request))
}
