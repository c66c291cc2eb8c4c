//! Reconciliation in the database: the hub's side of a window, streamed; what its operations of other
//! windows say of the lines that are left; and what was found, kept.

mod carry;
mod elsewhere;
mod hub_side;
mod keep;
mod life;
mod list;
mod read;

use std::fmt;

use entente_ledger::{Micros, PartnerId, Points, RequestId, WindowId};
use entente_loyalty::OperationKind;
use entente_settlement::{
    Money,
    reconcile::{BreakKind, BreakState, ControlTotals, Delta, Unreadable},
};
use jiff::Timestamp;
use uuid::Uuid;

pub use elsewhere::{Asked, elsewhere};
pub use hub_side::{HubSide, MemberNames};
pub use keep::keep;
pub use life::{LivingBreak, adjusted_by, find_break, lock_break, take_step};
pub use list::{BeforeBreak, BreakFilter, Listed, Place, list, list_breaks};
pub use read::{breaks, find, is_kept, totals};

/// An operation of a partner, in one currency. In a further currency it moves no points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubRow {
    /// The operation.
    pub request_id: RequestId,
    /// What it did.
    pub kind: OperationKind,
    /// Whether it was refused for good.
    pub refused: bool,
    /// The window that it is in.
    pub window: WindowId,
    /// How many points, never negative.
    pub points: Points,
    /// What the partner pays, or receives where it is negative; `None` where no money moved.
    pub money: Option<Money>,
    /// When it was posted.
    pub posted_at: Timestamp,
    /// When an earn's purchase happened.
    pub activity_at: Option<Timestamp>,
    /// The partner's reference of the purchase.
    pub receipt: String,
    /// The member, as asked for; `None` where the link is gone.
    pub member: Option<String>,
    /// The answer of its request, where it takes that to tell what it did: a reversal, an exchange, a
    /// refusal.
    pub answer: Option<Vec<u8>>,
}

/// What is kept of a reconciliation, beside its breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What names it.
    pub id: Uuid,
    /// Whose record it is.
    pub partner: PartnerId,
    /// Of which window.
    pub window: WindowId,
    /// The file's digest.
    pub file_sha256: Vec<u8>,
    /// What people call it.
    pub file_name: String,
    /// How the caller read it.
    pub reading: String,
    /// Who asked.
    pub made_by: String,
    /// Whether money was compared.
    pub with_money: bool,
    /// What the hub's side comes to.
    pub hub: ControlTotals,
    /// What the partner's side comes to.
    pub file: ControlTotals,
    /// What the partner says that it comes to.
    pub stated: Option<ControlTotals>,
    /// Rows that could not be read.
    pub unreadable: Vec<Unreadable>,
}

/// A reconciliation, as it was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// What was found.
    pub found: Found,
    /// The window's name.
    pub window_name: String,
    /// When, by the ledger's clock.
    pub made_at: Timestamp,
    /// How many breaks it has.
    pub break_count: i32,
    /// How many of them continue one of an earlier report.
    pub carried_count: i64,
    /// Which report it superseded, if it was not the first.
    pub supersedes: Option<Uuid>,
    /// Whether a later record of the window and the partner was reconciled.
    pub superseded: bool,
}

/// What names a break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BreakId {
    /// Which report found it.
    pub reconciliation: Uuid,
    /// Its number there, from 1.
    pub number: i32,
}

/// A break to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBreak {
    /// What kind it is.
    pub kind: BreakKind,
    /// The hub's amounts less the partner's.
    pub delta: Delta,
    /// When what it is about happened; `None` where nobody said.
    pub since: Option<Timestamp>,
    /// Both sides, encoded.
    pub sides: Vec<u8>,
    /// What it is, whichever report found it.
    pub likeness: Uuid,
}

/// A break as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptBreak {
    /// Which report found it.
    pub reconciliation: Uuid,
    /// Its number there.
    pub number: i32,
    /// What kind it is.
    pub kind: BreakKind,
    /// The hub's points less the partner's.
    pub points: Points,
    /// The hub's money less the partner's.
    pub money: Vec<Money>,
    /// When what it is about happened.
    pub since: Timestamp,
    /// Both sides, encoded.
    pub sides: Vec<u8>,
    /// Where it stands.
    pub state: BreakState,
    /// Who looks into it, or did last.
    pub owner: Option<String>,
    /// When its last step was taken.
    pub changed_at: Option<Timestamp>,
    /// The same break of an earlier report, whose life goes on in this one.
    pub continues: Option<BreakId>,
}

/// A break, whose it is and of which window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedBreak {
    /// The break.
    pub kept: KeptBreak,
    /// Whose record it was found by.
    pub partner: PartnerId,
    /// The window's name.
    pub window: String,
}

/// Breaks of one kind that stand alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BreakTotal {
    /// Their kind.
    pub kind: BreakKind,
    /// Where they stand.
    pub state: BreakState,
    /// Who looks into them.
    pub owner: Option<String>,
    /// How many there are.
    pub count: i64,
    /// What they come to.
    pub points: Points,
    /// What they come to, in each currency.
    pub money: Vec<Money>,
    /// When the earliest of what they are about happened.
    pub oldest_since: Timestamp,
}

/// Money of two columns, where there is some.
fn money(
    (currency, micros): (Option<String>, Option<i64>),
    column: &'static str,
) -> Result<Option<Money>, crate::StoreError> {
    let (Some(currency), Some(micros)) = (currency, micros) else { return Ok(None) };
    let currency = crate::codes::currency(&currency, "breaks", column)?;
    Ok(Some(Money { currency, micros: Micros(micros) }))
}

/// As requests name it: the report, a slash, the number.
impl fmt::Display for BreakId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.reconciliation, self.number)
    }
}
