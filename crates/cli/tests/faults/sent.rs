//! What callers keep of their commands and of the answers, until the ledger is replayed. Small: millions
//! of them are kept at once.

use entente_client::api::{
    error::ErrorReason,
    types::{Balances, Operation},
};
use entente_loyalty::Decision;
use uuid::Uuid;

/// A command, and what its caller was told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sent {
    pub(crate) id: Uuid,
    /// Who sent it.
    pub(crate) brand: u8,
    pub(crate) asked: Asked,
    pub(crate) told: Told,
}

/// What was asked. What it completes or undoes is named by its place among the member's commands.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Asked {
    Earn { micros: i64 },
    Burn { points: i64 },
    Authorize { points: i64 },
    Capture { of: u32, points: i64 },
    Void { of: u32 },
    Reverse { of: u32 },
}

/// What was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    Posted(Figures),
    Refused(ErrorReason),
}

/// The points of an answer: what moved, and what the member has after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Figures {
    points: u32,
    debt_created: u32,
    debt_repaid: u32,
    available: u32,
    held: u32,
    debt: u32,
}

impl Figures {
    /// As the hub answered them.
    pub(crate) fn told(operation: &Operation, balances: Balances) -> Self {
        Self {
            points: small(operation.points),
            debt_created: small(operation.debt_created),
            debt_repaid: small(operation.debt_repaid),
            available: small(balances.available),
            held: small(balances.held),
            debt: small(balances.debt),
        }
    }

    /// As they are decided.
    pub(crate) fn decided(Decision { operation, wallet, .. }: &Decision) -> Self {
        Self {
            points: small(operation.points.0),
            debt_created: small(operation.debt_created.0),
            debt_repaid: small(operation.debt_repaid.0),
            available: small(wallet.available.0),
            held: small(wallet.held.0),
            debt: small(wallet.debt.0),
        }
    }
}

/// What members of a scenario have fits by far; what does not is no figure of it.
fn small(points: i64) -> u32 {
    u32::try_from(points).unwrap_or(u32::MAX)
}
