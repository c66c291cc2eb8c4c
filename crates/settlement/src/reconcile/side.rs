//! What the two sides say: an operation of the hub, and a line of the partner's record.
//!
//! Amounts have one sign on both sides: points are positive when a member gets them, negative when they
//! are taken; money is positive when the partner pays, negative when it receives.

use entente_ledger::{Points, RequestId};
use jiff::Timestamp;

use crate::Money;

/// What an operation did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Points for a purchase.
    Earn,
    /// An earn taken back, in whole or in part.
    EarnReversed,
    /// Points spent: a burn or a capture.
    Burn,
    /// Spent points given back.
    BurnRefunded,
    /// A partner's own points against shared ones, either way.
    Exchange,
    /// Points from one member to another.
    Gift,
    /// Points for a charity.
    Donation,
    /// A correction by the hub.
    Adjustment,
}

/// How an operation stands at the hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Standing {
    /// It is posted.
    Posted,
    /// It is posted, and what was reversed of it is already taken off its amounts.
    Reversed,
    /// The hub refused it for good.
    Refused,
    /// The hub refused it for good because it came too late.
    RefusedLate,
}

/// How a line stands at the partner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LineStatus {
    /// It counts.
    Posted,
    /// The partner took it back: it counts nothing.
    Reversed,
    /// The partner knows that it was refused: it counts nothing.
    Refused,
}

/// The hub's side: one operation of the partner, in one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation {
    /// The operation.
    pub request_id: RequestId,
    /// The operation that it reverses, for one that is a reversal.
    pub corrects: Option<RequestId>,
    /// What it did.
    pub kind: Kind,
    /// How it stands.
    pub standing: Standing,
    /// Whether it is in the window that is reconciled. One of another window counts nothing here; it
    /// is given so that a line is not taken for unknown to the hub.
    pub in_window: bool,
    /// The points it moved.
    pub points: Points,
    /// The money it moved.
    pub money: Money,
    /// When it was posted.
    pub posted: When,
    /// When what it is about happened; unknown where it has no time of its own.
    pub activity: When,
}

/// The partner's side: one line of its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// The line's number in the file.
    pub row: u32,
    /// The request id, where the partner keeps it.
    pub request_id: Option<RequestId>,
    /// What it did, where the partner says.
    pub kind: Option<Kind>,
    /// How it stands.
    pub status: LineStatus,
    /// The points.
    pub points: Points,
    /// The money; 0 where the file tells none.
    pub money: Money,
    /// When it happened or was booked.
    pub when: When,
}

/// What both sides tell in text; empty for unknown. The member is named in one vocabulary on both
/// sides: by the partner's own reference, or by the token of the link.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Texts<'t> {
    /// The partner's receipt reference.
    pub receipt: &'t str,
    /// The member.
    pub member: &'t str,
}

/// An instant or a span of time such as a day, to the second; or unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct When {
    from_s: i64,
    span_s: u32,
}

impl When {
    /// Nobody said.
    pub const UNKNOWN: Self = Self { from_s: i64::MIN, span_s: 0 };

    /// At an instant.
    #[must_use]
    pub fn at(instant: Timestamp) -> Self {
        Self { from_s: instant.as_second(), span_s: 0 }
    }

    /// At some time of `[from, until)`, as a line that names a day says.
    #[must_use]
    pub fn between(from: Timestamp, until: Timestamp) -> Self {
        let from_s = from.as_second();
        let span = until.as_second().saturating_sub(from_s).saturating_sub(1);
        Self { from_s, span_s: u32::try_from(span).unwrap_or_default() }
    }

    /// Whether anybody said.
    #[must_use]
    pub const fn is_known(self) -> bool {
        self.from_s != i64::MIN
    }

    /// The first and the last second that it can be; `None` when nobody said.
    #[must_use]
    pub fn seconds(self) -> Option<(Timestamp, Timestamp)> {
        let second = |second| Timestamp::from_second(second).ok();
        if self.is_known() { second(self.from_s).zip(second(self.last_s())) } else { None }
    }

    /// The first second, for putting in order.
    pub(super) const fn first_s(self) -> i64 {
        self.from_s
    }

    /// The last second that it can be.
    pub(super) fn last_s(self) -> i64 {
        self.from_s.saturating_add(i64::from(self.span_s))
    }

    /// Whether it can lie in `[from, until)`. What is unknown can.
    pub(super) fn touches(self, from: Timestamp, until: Timestamp) -> bool {
        !self.is_known() || (self.last_s() >= from.as_second() && self.from_s < until.as_second())
    }

    /// The seconds between the two, 0 where they overlap; `None` where either is unknown.
    pub(super) fn apart(self, other: Self) -> Option<i64> {
        if !self.is_known() || !other.is_known() {
            return None;
        }
        let after = self.from_s.saturating_sub(other.last_s());
        let before = other.from_s.saturating_sub(self.last_s());
        Some(after.max(before).max(0))
    }
}

impl Operation {
    /// What it counts in the window.
    pub(super) fn counted(&self) -> (Points, Money) {
        let counts = matches!(self.standing, Standing::Posted | Standing::Reversed);
        if counts && self.in_window {
            (self.points, self.money)
        } else {
            (Points::ZERO, Money::nothing(self.money.currency))
        }
    }

    /// Whether it counts in the window.
    pub(super) const fn counts(&self) -> bool {
        self.in_window && matches!(self.standing, Standing::Posted | Standing::Reversed)
    }

    /// When it happened, as far as known.
    pub(super) const fn when(&self) -> When {
        if self.activity.is_known() { self.activity } else { self.posted }
    }
}

impl Line {
    /// What it counts.
    pub(super) fn counted(&self) -> (Points, Money) {
        match self.status {
            LineStatus::Posted => (self.points, self.money),
            LineStatus::Reversed | LineStatus::Refused => {
                (Points::ZERO, Money::nothing(self.money.currency))
            }
        }
    }

    /// Whether the line can be about an operation of this kind. A file that tells no kinds still has
    /// signs.
    pub(super) fn may_be(&self, operation: &Operation) -> bool {
        match self.kind {
            Some(kind) => kind == operation.kind,
            None => self.points.0.signum().saturating_mul(operation.points.0.signum()) >= 0,
        }
    }
}
