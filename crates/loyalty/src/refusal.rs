//! Refusals: why a command has no effect, in order of precedence.

use entente_ledger::{Currency, InvalidTransfer, Micros, Overflow, PartnerId, Points, RequestId};
use jiff::Timestamp;

use crate::Meter;

/// Why a command is refused. The order is the order of precedence: a bad command has one answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Refusal {
    /// A partner that tests asked for a refusal; the hub knows what it is called.
    #[error("a partner that tests asked for this refusal")]
    Provoked {
        /// The number of the published reason.
        reason: i32,
    },
    /// Nobody is answered it: more of the member's open lots are to be loaded, and the batch decided
    /// again.
    #[error("more of the member's lots are to be loaded")]
    LotsNotLoaded,
    /// Operators suspended the partner. Not kept. Cure: the same id, once resumed.
    #[error("the partner is suspended")]
    PartnerSuspended,
    /// Another earn of the partner credited the receipt. Cure: none is needed, it was credited.
    #[error("the receipt was credited by another earn")]
    ReceiptCredited {
        /// That earn.
        request_id: RequestId,
    },
    /// The activity is more than five minutes ahead. Cure: correct the time.
    #[error("the activity is more than five minutes ahead of the ledger's clock")]
    ActivityInFuture,
    /// The activity is older than the terms allow. Cure: agree an adjustment.
    #[error("the activity is older than the late limit of {late_limit_days} days")]
    ActivityTooOld {
        /// The limit.
        late_limit_days: i32,
    },
    /// The purchase is older than the terms let a partner claim. Cure: agree an adjustment.
    #[error("a purchase can be claimed for {claim_limit_days} days")]
    ClaimTooOld {
        /// The limit; 0 when the terms know no claims.
        claim_limit_days: i32,
    },
    /// No terms of the partner are in force. Cure: operators publish terms.
    #[error("no terms of the partner are in force at that time")]
    NoTermsInForce,
    /// The money is not in the terms' currency.
    #[error("the terms settle in {currency}")]
    CurrencyNotOfTerms {
        /// The terms' currency.
        currency: Currency,
    },
    /// The terms neither name the category nor price all others.
    #[error("the terms have no such category")]
    CategoryUnknown,
    /// The terms agree no exchange in this direction.
    #[error("the terms agree no exchange in this direction")]
    ExchangeNotAgreed,
    /// Too few points to exchange.
    #[error("an exchange gives at least {minimum} points")]
    ExchangeBelowMinimum {
        /// The least that converts.
        minimum: Points,
    },
    /// The terms ask for whole multiples.
    #[error("an exchange gives a multiple of {increment} points")]
    ExchangeOffIncrement {
        /// Of this.
        increment: Points,
    },
    /// No partner of that code accepts donations now. Cure: name a charity.
    #[error("no partner of this code accepts donations now")]
    NotACharity,
    /// The terms agree on no gifts between members.
    #[error("the terms agree on no transfers between members")]
    TransferNotAgreed,
    /// Giver and receiver are one member.
    #[error("a transfer needs two members")]
    TransferToSelf,
    /// An amount is beyond what one command may move, or what it makes of a balance is beyond the
    /// ledger's range. Cure: correct the amount, or split it.
    #[error("the amount is beyond what the ledger can hold")]
    AmountTooLarge,
    /// More points than the terms let one transfer give. Cure: give at most that.
    #[error("one transfer gives at most {most} points")]
    TransferTooLarge {
        /// The limit.
        most: Points,
    },
    /// The terms give a point no value at this till. Cure: burn by points.
    #[error("the terms give points no value at this partner's till")]
    NothingToBurn,
    /// The operation named is not an authorization.
    #[error("the operation is not an authorization")]
    NotAnAuthorization,
    /// The authorization is already captured.
    #[error("the authorization is already captured")]
    HoldCaptured,
    /// The authorization is already voided.
    #[error("the authorization is already voided")]
    HoldVoided,
    /// The authorization ended by itself.
    #[error("the authorization has expired")]
    HoldExpired,
    /// More points than are held.
    #[error("the authorization holds {held} points")]
    CaptureExceedsHold {
        /// What is held.
        held: Points,
    },
    /// Only earns, burns and captures can be reversed.
    #[error("only earns, burns and captures can be reversed")]
    NotReversible,
    /// The wallets cannot be merged: they are one already, one of them was merged before, a partner
    /// knows both, they stand for too many, or they are of partners that test and of others.
    #[error("these members cannot be merged")]
    MergeNotAllowed,
    /// Points of one of the members are set aside. Cure: another id, once captured or voided.
    #[error("an authorization of one of the members is open")]
    HoldsOpen,
    /// There is no such merge, it is longer ago than a merge can be taken back, or the member that was
    /// kept has itself been merged since.
    #[error("the merge cannot be taken back")]
    MergeNotReversible,
    /// An earn is reversed by spend, a burn or capture by points.
    #[error("an earn is reversed by spend, a burn or a capture by points")]
    ReversalUnitWrong,
    /// More than is left to reverse, in points or in micros.
    #[error("only {rest} is left to reverse")]
    ReversalExceedsRest {
        /// What is left.
        rest: i64,
    },
    /// Too few points are available.
    #[error("the member has {available} points available")]
    PointsInsufficient {
        /// What is available.
        available: Points,
    },
    /// The member was linked at the partner, or merged with another, a short time ago, so that only
    /// points that the partner issued to it can be spent there. Not kept. Cure: spend fewer, or the same id after that time.
    #[error("points of other issuers can be spent here from {until} on")]
    BurnHeldBack {
        /// Until when.
        until: Timestamp,
    },
    /// More points than the terms let the giver still give this month (UTC). Not kept. Cure: give at
    /// most the rest, or the same id next month.
    #[error("the member may give {rest} more points this month")]
    TransferLimitReached {
        /// What is left of the limit.
        rest: Points,
        /// When the next month begins.
        resets_at: Timestamp,
    },
    /// More than the terms allow in an hour or a day (UTC). Not kept. Cure: ask for at most the rest,
    /// or the same id in the next.
    #[error("the terms allow {rest} more by {} until {resets_at}", limit.name())]
    VelocityLimit {
        /// Which limit.
        limit: Meter,
        /// What is left of it: points, or operations.
        rest: i64,
        /// When the next hour or day begins.
        resets_at: Timestamp,
    },
    /// The blocks of the prepaid partner, the reserve counted, have fewer points left. Cure: operators
    /// sell a block; then another id.
    #[error("the float has {left} points left, and {asked} were asked for")]
    FloatExhausted {
        /// What is left in all blocks.
        left: Points,
        /// What was to be issued.
        asked: Points,
    },
    /// A partner that this debits would owe more than its cap.
    #[error("a partner would owe more than its net debit cap")]
    NetDebitCapExceeded {
        /// Which partner; told to that partner alone.
        partner: PartnerId,
        /// In which currency.
        currency: Currency,
        /// Its cap.
        cap: Micros,
    },
}

impl Refusal {
    /// Whether the refusal is the request id's final outcome. Not kept are a suspension, which
    /// operators may end, and what ends by itself: a limit, and a time of holding back.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        !matches!(
            self,
            Self::PartnerSuspended
                | Self::BurnHeldBack { .. }
                | Self::TransferLimitReached { .. }
                | Self::VelocityLimit { .. }
        )
    }
}

impl From<Overflow> for Refusal {
    fn from(Overflow: Overflow) -> Self {
        Self::AmountTooLarge
    }
}

/// Rules book positive amounts between different accounts; only an amount out of range is left.
impl From<InvalidTransfer> for Refusal {
    fn from(_: InvalidTransfer) -> Self {
        Self::AmountTooLarge
    }
}
