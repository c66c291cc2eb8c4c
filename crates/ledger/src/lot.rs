//! Lots: points of one wallet from one issuer, funded one way, that expire together.

use jiff::Timestamp;

use crate::{Cell, Currency, LotId, MemberId, Micros, Overflow, PartnerId, Points, TermsVersion};

/// Who pays for a lot's points, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Funding {
    /// The issuer pays the pool when points are issued; the pool pays the redeemer.
    AtIssue,
    /// The issuer pays the redeemer when points are burned.
    AtRedemption,
}

/// The purchase that opened a lot, and how much of it has been refunded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purchase {
    /// The category that priced it.
    pub category: String,
    /// What was paid, in the terms' currency.
    pub spend: Micros,
    /// How much of that has been refunded.
    pub spend_reversed: Micros,
    /// When it happened.
    pub activity_at: Timestamp,
    /// What it earned at first.
    pub points_earned: Points,
    /// What clawbacks took of that.
    pub points_clawed: Points,
}

/// How a lot came to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A purchase earned it. It alone counts in yearly caps and can be clawed back.
    Earned(Purchase),
    /// The member gave the issuer's own points for it.
    Exchanged,
    /// Another member gave it, out of this lot of theirs.
    Received {
        /// The giver's cell.
        from: Cell,
        /// The lot there.
        lot: LotId,
    },
    /// It came with the wallet of a member that was merged into this one, out of this lot of it.
    Merged {
        /// That member.
        from: MemberId,
        /// Its cell.
        cell: Cell,
        /// The lot there.
        lot: LotId,
    },
}

/// A lot, as one row: `remaining` counts held points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lot {
    /// Its id among the member's lots.
    pub id: LotId,
    /// Who issued the points.
    pub issuer: PartnerId,
    /// How they are funded, for ever.
    pub funding: Funding,
    /// The issuer's terms that priced them.
    pub terms_version: TermsVersion,
    /// The currency of those terms.
    pub currency: Currency,
    /// When they expire: due when now is not before it.
    pub expires_at: Timestamp,
    /// The points left, held ones counted.
    pub remaining: Points,
    /// The points that open holds set aside.
    pub held: Points,
    /// The points that expired and that no clawback has counted as taken since.
    pub expired: Points,
    /// Whether its end was announced, or was too near for that when it opened.
    pub announced: bool,
    /// How it came to be.
    pub origin: Origin,
}

impl Lot {
    /// What can be burned or taken: what is left and not held.
    pub fn free(&self) -> Result<Points, Overflow> {
        self.remaining.minus(self.held)
    }

    /// The purchase behind it, if it was earned.
    #[must_use]
    pub const fn purchase(&self) -> Option<&Purchase> {
        match &self.origin {
            Origin::Earned(purchase) => Some(purchase),
            Origin::Exchanged | Origin::Received { .. } | Origin::Merged { .. } => None,
        }
    }

    /// Whether the lot's time has come.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        now >= self.expires_at
    }
}
