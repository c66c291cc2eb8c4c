//! Commands: what a partner asks for, resolved to a member and to operations of its cell.

use entente_ledger::{Currency, LotId, MemberId, Micros, PartnerId, Points, RequestId, Seq};
use jiff::Timestamp;

use crate::{Catalogue, OperationKind, PartnerCode, burn};

/// A change of points that a partner asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Who asks.
    pub partner: PartnerId,
    /// The caller's id of it.
    pub request_id: RequestId,
    /// Whose points.
    pub member: MemberId,
    /// The partner's own reference of the purchase or sale; empty for none.
    pub receipt_reference: String,
    /// What is asked.
    pub action: Action,
}

impl Command {
    /// The kind of operation that the command becomes.
    #[must_use]
    pub const fn kind(&self) -> OperationKind {
        match self.action {
            Action::Earn(_) => OperationKind::Earn,
            Action::Burn(_) => OperationKind::Burn,
            Action::Authorize(_) => OperationKind::Authorize,
            Action::Capture { .. } => OperationKind::Capture,
            Action::Void { .. } => OperationKind::Void,
            Action::Reverse { .. } => OperationKind::Reverse,
            Action::Exchange(_) => OperationKind::Exchange,
            Action::Transfer { .. } => OperationKind::Transfer,
            Action::Donate { .. } => OperationKind::Donate,
            Action::Merge { .. } => OperationKind::Merge,
            Action::Unmerge { .. } => OperationKind::Unmerge,
        }
    }

    /// The members that must be loaded and brought to now: the command's own first.
    pub fn members(&self) -> impl Iterator<Item = MemberId> {
        let other = match self.action {
            Action::Transfer { to: other, .. }
            | Action::Merge { into: other }
            | Action::Unmerge { from: other } => Some(other),
            _ => None,
        };
        [self.member].into_iter().chain(other.filter(|other| *other != self.member))
    }

    /// How many points it takes of the open lots that come first in burn order: none where it takes what
    /// is held, as many as there may be where only lots say how many. `None` where it takes of none.
    #[must_use]
    pub fn takes(&self, catalogue: &Catalogue, now: Timestamp) -> Option<Points> {
        match &self.action {
            Action::Earn(_)
            | Action::Exchange(ExchangeAmount::In(_))
            | Action::Merge { .. }
            | Action::Unmerge { .. } => None,
            Action::Burn(amount) | Action::Authorize(amount) => {
                let terms = catalogue.partner(self.partner).and_then(|of| of.terms_at(now));
                Some(terms.map_or(Points::ZERO, |terms| burn::asked(&terms.agreement, *amount)))
            }
            Action::Exchange(ExchangeAmount::Out(points))
            | Action::Transfer { points, .. }
            | Action::Donate { points, .. } => Some(*points),
            // What the member no longer has of them is taken of the others.
            Action::Reverse { original: Original { kind: OriginalKind::Earn, .. }, .. } => {
                Some(Points(i64::MAX))
            }
            Action::Capture { .. } | Action::Void { .. } | Action::Reverse { .. } => {
                Some(Points::ZERO)
            }
        }
    }

    /// The operation that the command completes or undoes, if it names one. Its lot, or its hold
    /// with that hold's lots, must be loaded.
    #[must_use]
    pub const fn original(&self) -> Option<&Original> {
        match &self.action {
            Action::Earn(_)
            | Action::Burn(_)
            | Action::Authorize(_)
            | Action::Exchange(_)
            | Action::Transfer { .. }
            | Action::Donate { .. }
            | Action::Merge { .. }
            | Action::Unmerge { .. } => None,
            Action::Capture { original, .. }
            | Action::Void { original }
            | Action::Reverse { original, .. } => Some(original),
        }
    }
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Credit points for a purchase.
    Earn(Bought),
    /// Spend points at once.
    Burn(BurnAmount),
    /// Set points aside.
    Authorize(BurnAmount),
    /// Spend points that are set aside.
    Capture {
        /// What the request id names.
        original: Original,
        /// How many, more than 0; all when absent.
        points: Option<Points>,
    },
    /// Release points that are set aside.
    Void {
        /// What the request id names.
        original: Original,
    },
    /// Undo an earn, a burn or a capture.
    Reverse {
        /// What the request id names.
        original: Original,
        /// How much of it.
        part: ReversePart,
    },
    /// Turn the partner's own points into shared points, or back.
    Exchange(ExchangeAmount),
    /// Give points to another member.
    Transfer {
        /// Who receives them.
        to: MemberId,
        /// How many, more than 0.
        points: Points,
    },
    /// Give points to a charity.
    Donate {
        /// Its code.
        charity: PartnerCode,
        /// How many, more than 0.
        points: Points,
    },
    /// Make one member of two: the command's own is absorbed.
    Merge {
        /// Who is kept.
        into: MemberId,
    },
    /// Take a merge back: the command's own member is who was kept.
    Unmerge {
        /// Who was absorbed.
        from: MemberId,
    },
}

/// A purchase that earns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bought {
    /// What was paid, more than 0,
    pub spend: Micros,
    /// in this currency.
    pub currency: Currency,
    /// The part of `spend` that was paid in points; the rest alone earns.
    pub paid_in_points: Micros,
    /// What was bought.
    pub category: String,
    /// When; now when absent.
    pub activity_at: Option<Timestamp>,
    /// Whether the member missed it, and the partner claims it now.
    pub retro_claim: bool,
}

impl Bought {
    /// The money part, which earns; `None` when the amounts are no purchase.
    #[must_use]
    pub fn money(&self) -> Option<Micros> {
        let paid = Micros::ZERO..=self.spend;
        let is_purchase = self.spend.is_positive() && paid.contains(&self.paid_in_points);
        is_purchase.then(|| self.spend.minus(self.paid_in_points).ok()).flatten()
    }
}

/// How many points to exchange, more than 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExchangeAmount {
    /// So many of the partner's own points, for shared points.
    In(Points),
    /// So many shared points, for the partner's own points.
    Out(Points),
}

/// How much to spend or to set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BurnAmount {
    /// So many points, more than 0.
    Points(Points),
    /// As many points as are worth so much at the till, rounded up.
    Value(Micros, Currency),
}

/// How much of an operation to undo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReversePart {
    /// All that is left.
    Rest,
    /// So much of an earn's spend, more than 0.
    Spend(Micros, Currency),
    /// So many of a burn's or a capture's points, more than 0.
    Points(Points),
}

/// An operation of the caller that a command completes or undoes, in the member's cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Original {
    /// Its number.
    pub seq: Seq,
    /// Its request id.
    pub request_id: RequestId,
    /// What it is.
    pub kind: OriginalKind,
}

/// What an original operation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OriginalKind {
    /// An earn: its lot is the one that it opened.
    Earn,
    /// A burn: its hold is named by itself.
    Burn,
    /// An authorization: its hold is named by itself.
    Authorize,
    /// A capture of the hold that this operation authorized.
    Capture {
        /// The authorization.
        authorized_by: Seq,
    },
    /// Anything else, and whatever was finally refused.
    Other,
}

impl Original {
    /// The lot that the operation opened, if it is an earn.
    #[must_use]
    pub const fn lot(&self) -> Option<LotId> {
        match self.kind {
            OriginalKind::Earn => Some(LotId { opened_by: self.seq, ordinal: 0 }),
            OriginalKind::Burn
            | OriginalKind::Authorize
            | OriginalKind::Capture { .. }
            | OriginalKind::Other => None,
        }
    }

    /// The hold behind the operation, if there is one.
    #[must_use]
    pub const fn hold(&self) -> Option<Seq> {
        match self.kind {
            OriginalKind::Burn | OriginalKind::Authorize => Some(self.seq),
            OriginalKind::Capture { authorized_by } => Some(authorized_by),
            OriginalKind::Earn | OriginalKind::Other => None,
        }
    }
}
