//! Terms: one immutable, effective-dated version of everything agreed with one partner.

use std::collections::BTreeMap;

use entente_ledger::{Currency, Funding, Micros, PartnerId, Points, TermsVersion};
use jiff::Timestamp;

use crate::Meter;

/// How an earn's fraction of a point is rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EarnRounding {
    /// The fraction is dropped.
    Down,
    /// To the nearest point, half a point up.
    HalfUp,
}

/// Prices the whole spend when its minimum is the greatest one that is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EarnRule {
    /// The least spend to which it applies; 0 for any.
    pub minimum_spend: Micros,
    /// So many points, 0 or more,
    pub points: i64,
    /// for so much spend; more than 0.
    pub per_spend: Micros,
}

/// How one category earns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EarnCategory {
    /// Its name, or `*` for every category that is not named.
    pub category: String,
    /// Its rules, with different minimums.
    pub rules: Vec<EarnRule>,
}

/// What a large exchange gives on top.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExchangeBonus {
    /// For every full threshold given in one exchange, more than 0,
    pub threshold: Points,
    /// so many points are received on top, more than 0.
    pub points: Points,
}

/// Converts points in one direction, rounded down per exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExchangeRate {
    /// For so many points given, more than 0,
    pub give: i64,
    /// so many are received; more than 0.
    pub receive: i64,
    /// The least that one exchange may give; at least 1.
    pub minimum: Points,
    /// What is converted is a whole multiple of it; at least 1.
    pub increment: Points,
    /// Whether giving no whole multiple is refused; otherwise the rest is left unconverted.
    pub exact_increments: bool,
    /// Received on top.
    pub bonus: Option<ExchangeBonus>,
}

/// How much members may give to each other at a partner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gifts {
    /// In one gift, more than 0.
    pub max_points_per_operation: Points,
    /// One member in a calendar month (UTC), more than 0.
    pub max_points_per_member_month: Points,
}

/// Everything agreed with one partner. Prices are micros per point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreement {
    /// The settlement currency.
    pub currency: Currency,
    /// How purchases earn; none when the partner redeems only.
    pub categories: Vec<EarnCategory>,
    /// Of earns alone.
    pub rounding: EarnRounding,
    /// Cuts an earn.
    pub max_points_per_operation: Option<Points>,
    /// Cuts what a member earns here in a calendar year (UTC) of activity, net of reversals.
    pub max_points_per_member_year: Option<Points>,
    /// What the issuer pays for a point, when it funds at issue.
    pub issue_price: Micros,
    /// What this partner is paid for a point burned here.
    pub reimbursement: Micros,
    /// What a point is worth at this partner's till; 0 for none.
    pub point_value: Micros,
    /// The hub's fee on reimbursements for points burned here, in basis points.
    pub hub_fee_basis_points: i32,
    /// Who pays for the points that this partner issues.
    pub funding: Funding,
    /// Whether it issues what it bought ahead, in blocks at prices of their own; only when it funds at
    /// issue, and then no issue price is paid.
    pub prepaid: bool,
    /// How long points live after they are posted, in days.
    pub lot_life_days: i32,
    /// How long an authorization holds, in seconds.
    pub hold_life_seconds: i64,
    /// How old an activity may be, in days.
    pub late_limit_days: i32,
    /// What the partner may owe, per currency; a currency not named is not capped.
    pub net_debit_caps: BTreeMap<Currency, Micros>,
    /// The partner's own points for shared points; `None` when not agreed.
    pub exchange_in: Option<ExchangeRate>,
    /// Shared points for the partner's own points; `None` when not agreed.
    pub exchange_out: Option<ExchangeRate>,
    /// How old a claimed purchase may be, in days; 0 for no claims.
    pub claim_limit_days: i32,
    /// Gifts between members; `None` when not agreed.
    pub gifts: Option<Gifts>,
    /// Whether the partner is a charity, to which members of others may donate.
    pub accepts_donations: bool,
    /// How much may be counted by a meter in its time, more than 0; one not named is not limited.
    pub limits: BTreeMap<Meter, i64>,
}

/// A version of a partner's agreement, in force from `effective_from` until before `effective_to`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Whose.
    pub partner: PartnerId,
    /// Counts from 1.
    pub version: TermsVersion,
    /// Inclusive.
    pub effective_from: Timestamp,
    /// Exclusive; `None` while no successor is published.
    pub effective_to: Option<Timestamp>,
    /// What is agreed.
    pub agreement: Agreement,
}

impl Terms {
    /// Whether this version is in force at `at`.
    #[must_use]
    pub fn in_force(&self, at: Timestamp) -> bool {
        self.effective_from <= at && self.effective_to.is_none_or(|end| at < end)
    }
}
