//! Decisions: the operation that a command becomes, with its transfers.

use entente_ledger::{
    Cell, Currency, MemberId, Micros, PartnerId, Points, RequestId, Seq, TermsVersion, Transfer,
    Wallet, WindowId,
};
use jiff::Timestamp;

use crate::{BurnedElsewhere, Crossing, FloatCrossing, FloatMove, PartnerCode, Refusal};

/// What an operation did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OperationKind {
    /// Credited points for a purchase.
    Earn,
    /// Spent points at once.
    Burn,
    /// Set points aside.
    Authorize,
    /// Spent points that were set aside.
    Capture,
    /// Released points that were set aside.
    Void,
    /// Undid an earn, a burn or a capture.
    Reverse,
    /// Ended a lot or a hold at its time.
    Expire,
    /// Corrected amounts.
    Adjust,
    /// Turned a partner's own points into shared points, or back.
    Exchange,
    /// Gave points to another member.
    Transfer,
    /// Gave points to a charity.
    Donate,
    /// Told partners something; it moved nothing.
    Announce,
    /// Made one member of two; also the kept member's part in what undoes an operation of the other.
    Merge,
    /// Took a merge back.
    Unmerge,
}

impl OperationKind {
    /// Whether a cap may refuse it. What completes or undoes is never refused for one: the goods
    /// are already handed over.
    #[must_use]
    pub const fn is_capped(self) -> bool {
        match self {
            Self::Earn | Self::Burn | Self::Authorize | Self::Exchange | Self::Donate => true,
            Self::Capture
            | Self::Void
            | Self::Reverse
            | Self::Expire
            | Self::Adjust
            | Self::Transfer
            | Self::Announce
            | Self::Merge
            | Self::Unmerge => false,
        }
    }
}

impl OperationKind {
    /// Whether limits on velocity count it, and may refuse it: what is asked for anew. What completes
    /// or undoes is neither.
    #[must_use]
    pub const fn is_limited(self) -> bool {
        self.is_capped() || matches!(self, Self::Transfer)
    }
}

/// The part of an operation that fell on one lot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Portion {
    /// The lot's issuer.
    pub issuer: PartnerId,
    /// How many points of it.
    pub points: Points,
    /// When the lot expires.
    pub expires_at: Timestamp,
}

/// Which points an exchange gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExchangeDirection {
    /// The partner's own, for shared points.
    In,
    /// Shared points, for the partner's own.
    Out,
}

/// What an exchange did to the partner's own points, which the partner itself keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exchanged {
    /// Which points were given.
    pub direction: ExchangeDirection,
    /// How many of its own points the partner takes from the member, or owes it.
    pub own_points: Points,
    /// How many of the points offered are off the increment and stay unconverted.
    pub left: Points,
}

/// One accepted or finally refused command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// The cell that numbers it.
    pub cell: Cell,
    /// Its number there.
    pub seq: Seq,
    /// Whose command; the hub for expiries.
    pub partner: PartnerId,
    /// The caller's id of it; derived for the hub's own.
    pub request_id: RequestId,
    /// Whose points.
    pub member: MemberId,
    /// What it did, or was asked to do.
    pub kind: OperationKind,
    /// By the ledger's clock.
    pub posted_at: Timestamp,
    /// The window it falls in.
    pub window: WindowId,
    /// When an earn's purchase happened.
    pub activity_at: Option<Timestamp>,
    /// The version of the partner's terms that priced it.
    pub terms_version: Option<TermsVersion>,
    /// Credited, spent, held, released or taken back; never negative.
    pub points: Points,
    /// An earn's purchase, or the part of it that a reversal refunds.
    pub spend: Option<(Micros, Currency)>,
    /// What burned or held points are worth at the till.
    pub value: Option<(Micros, Currency)>,
    /// An earn's category.
    pub category: String,
    /// The part of an earn's purchase that was paid in points.
    pub paid_in_points: Option<(Micros, Currency)>,
    /// Whether an earn is a missed purchase that the partner claimed.
    pub retro_claim: bool,
    /// The partner's own reference.
    pub receipt_reference: String,
    /// What an exchange did to the partner's own points.
    pub exchange: Option<Exchanged>,
    /// Of a transfer or a merge: the other member. Of the leg of a reversal that was followed: whose
    /// operation it undoes.
    pub counterparty: Option<MemberId>,
    /// Of a donation: the charity, as it was named.
    pub charity: Option<PartnerCode>,
    /// What it completes or undoes: its number in the cell and its request id.
    pub original: Option<(Seq, RequestId)>,
    /// When an authorization ends by itself.
    pub hold_expires_at: Option<Timestamp>,
    /// The part of a clawback that the member no longer had.
    pub debt_created: Points,
    /// Points that went to repay debts.
    pub debt_repaid: Points,
    /// Whether the activity lies before the window.
    pub prior_period: bool,
    /// The lots touched, in the order used.
    pub portions: Vec<Portion>,
    /// Why it was finally refused; then it has no effect.
    pub refusal: Option<Refusal>,
}

impl Operation {
    /// The receipt that it credited, which credits nothing else of the partner.
    #[must_use]
    pub fn credited_receipt(&self) -> Option<&str> {
        let credits = self.kind == OperationKind::Earn && self.refusal.is_none();
        Some(self.receipt_reference.as_str()).filter(|receipt| credits && !receipt.is_empty())
    }
}

/// What a command becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// Its operation.
    pub decision: Decision,
    /// The other member's leg, an operation of the same request: the receiver's of a transfer, the
    /// kept one's of a merge, and where the points are now of what is undone at a merged member.
    pub received: Option<Decision>,
}

/// An operation, its transfers, and what the member has after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The operation.
    pub operation: Operation,
    /// Its transfers, in the order that the story tells.
    pub transfers: Vec<Transfer>,
    /// The member's wallet after it.
    pub wallet: Wallet,
    /// The shares of net debit caps that it crossed.
    pub crossings: Vec<Crossing>,
    /// What it drew from blocks of its partner's float, or returned to them.
    pub float_moves: Vec<FloatMove>,
    /// The shares of a float that are left, and no more.
    pub float_crossings: Vec<FloatCrossing>,
    /// The issuers to tell that a member burned many of their points elsewhere.
    pub burned_elsewhere: Vec<BurnedElsewhere>,
}
