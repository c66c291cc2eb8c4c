//! Exchanges and gifts as people write them.

use entente_api::partner::{ExchangeBonus, ExchangeRate, Gifts};
use serde::{Deserialize, Serialize};

/// So many points received for so many given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExchangeFile {
    /// For so many,
    give: i64,
    /// so many.
    receive: i64,
    /// The least that one exchange may give.
    #[serde(default = "one")]
    minimum: i64,
    /// Whole multiples of it are converted.
    #[serde(default = "one")]
    increment: i64,
    /// Whether the rest is refused, not left.
    #[serde(default)]
    exact_increments: bool,
    /// What is received on top.
    #[serde(skip_serializing_if = "Option::is_none")]
    bonus: Option<BonusFile>,
}

/// What a large exchange gives on top.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BonusFile {
    /// For every so many given,
    threshold: i64,
    /// so many.
    points: i64,
}

/// How much members may give to each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GiftsFile {
    /// In one gift.
    max_points_per_operation: i64,
    /// One member in a month.
    max_points_per_member_month: i64,
}

const fn one() -> i64 {
    1
}

impl ExchangeFile {
    pub(super) fn into_api(self) -> ExchangeRate {
        ExchangeRate {
            give: self.give,
            receive: self.receive,
            minimum: self.minimum,
            increment: self.increment,
            exact_increments: self.exact_increments,
            bonus: self
                .bonus
                .map(|BonusFile { threshold, points }| ExchangeBonus { threshold, points }),
        }
    }

    pub(super) fn from_api(rate: &ExchangeRate) -> Self {
        Self {
            give: rate.give,
            receive: rate.receive,
            minimum: rate.minimum,
            increment: rate.increment,
            exact_increments: rate.exact_increments,
            bonus: rate
                .bonus
                .as_ref()
                .map(|bonus| BonusFile { threshold: bonus.threshold, points: bonus.points }),
        }
    }
}

impl GiftsFile {
    pub(super) fn into_api(self) -> Gifts {
        let Self { max_points_per_operation, max_points_per_member_month } = self;
        Gifts { max_points_per_operation, max_points_per_member_month }
    }

    pub(super) fn from_api(gifts: &Gifts) -> Self {
        let Gifts { max_points_per_operation, max_points_per_member_month } = *gifts;
        Self { max_points_per_operation, max_points_per_member_month }
    }
}
