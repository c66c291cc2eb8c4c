//! Holds: points authorized for burning, lot by lot, and what became of them.

use jiff::Timestamp;

use crate::{Funding, LotId, Overflow, PartnerId, Points, RequestId, Seq, TermsVersion};

/// What became of a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HoldState {
    /// Points are set aside.
    Open,
    /// Spent, in full or in part; the rest was released.
    Captured,
    /// Released by its partner.
    Voided,
    /// Released at its time.
    Expired,
}

/// The part of a hold that fell on one lot. Legs are in burn order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HoldLeg {
    /// The lot.
    pub lot: LotId,
    /// The lot's issuer.
    pub issuer: PartnerId,
    /// The lot's funding.
    pub funding: Funding,
    /// The lot's expiry.
    pub expires_at: Timestamp,
    /// The points authorized.
    pub points: Points,
    /// The points captured.
    pub captured: Points,
    /// The captured points given back.
    pub refunded: Points,
}

/// An authorization, named by its operation; a burn makes one that is captured at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// The authorize or burn operation, in the member's cell.
    pub authorized_by: Seq,
    /// Its request id.
    pub request_id: RequestId,
    /// The redeemer.
    pub partner: PartnerId,
    /// The redeemer's terms that price it, also when captured later.
    pub terms_version: TermsVersion,
    /// What became of it.
    pub state: HoldState,
    /// When an open hold ends by itself: due when now is not before it.
    pub expires_at: Timestamp,
    /// The points authorized, lot by lot.
    pub legs: Vec<HoldLeg>,
}

impl Hold {
    /// The points authorized in all.
    pub fn points(&self) -> Result<Points, Overflow> {
        self.legs.iter().try_fold(Points::ZERO, |sum, leg| sum.plus(leg.points))
    }

    /// The captured points that have not been given back.
    pub fn refundable(&self) -> Result<Points, Overflow> {
        self.legs
            .iter()
            .try_fold(Points::ZERO, |sum, leg| sum.plus(leg.captured.minus(leg.refunded)?))
    }
}
