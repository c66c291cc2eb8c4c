//! Limits on velocity as people write them.

use entente_api::partner::Limits;
use serde::{Deserialize, Serialize};

/// How much may happen in an hour or a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LimitsFile {
    /// Commands about a member.
    #[serde(skip_serializing_if = "Option::is_none")]
    member_operations_per_hour: Option<i64>,
    /// Points issued to a member.
    #[serde(skip_serializing_if = "Option::is_none")]
    member_points_earned_per_day: Option<i64>,
    /// Points of other issuers that a member burns.
    #[serde(skip_serializing_if = "Option::is_none")]
    member_foreign_points_burned_per_day: Option<i64>,
    /// Points that a member gives away.
    #[serde(skip_serializing_if = "Option::is_none")]
    member_points_given_per_day: Option<i64>,
    /// Commands of the partner.
    #[serde(skip_serializing_if = "Option::is_none")]
    operations_per_hour: Option<i64>,
    /// Points that the partner issues.
    #[serde(skip_serializing_if = "Option::is_none")]
    points_issued_per_hour: Option<i64>,
    /// Points of other issuers that are burned here.
    #[serde(skip_serializing_if = "Option::is_none")]
    foreign_points_burned_per_hour: Option<i64>,
    /// The same in a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    foreign_points_burned_per_day: Option<i64>,
    /// Points of the partner burned by a member elsewhere, of which it is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    member_points_burned_elsewhere_alert: Option<i64>,
}

impl LimitsFile {
    pub(super) const fn into_api(self) -> Limits {
        Limits {
            member_operations_per_hour: self.member_operations_per_hour,
            member_points_earned_per_day: self.member_points_earned_per_day,
            member_foreign_points_burned_per_day: self.member_foreign_points_burned_per_day,
            member_points_given_per_day: self.member_points_given_per_day,
            operations_per_hour: self.operations_per_hour,
            points_issued_per_hour: self.points_issued_per_hour,
            foreign_points_burned_per_hour: self.foreign_points_burned_per_hour,
            foreign_points_burned_per_day: self.foreign_points_burned_per_day,
            member_points_burned_elsewhere_alert: self.member_points_burned_elsewhere_alert,
        }
    }

    pub(super) const fn from_api(limits: &Limits) -> Self {
        Self {
            member_operations_per_hour: limits.member_operations_per_hour,
            member_points_earned_per_day: limits.member_points_earned_per_day,
            member_foreign_points_burned_per_day: limits.member_foreign_points_burned_per_day,
            member_points_given_per_day: limits.member_points_given_per_day,
            operations_per_hour: limits.operations_per_hour,
            points_issued_per_hour: limits.points_issued_per_hour,
            foreign_points_burned_per_hour: limits.foreign_points_burned_per_hour,
            foreign_points_burned_per_day: limits.foreign_points_burned_per_day,
            member_points_burned_elsewhere_alert: limits.member_points_burned_elsewhere_alert,
        }
    }
}

/// What is limited, for people.
pub(crate) fn rows(limits: &Limits) -> impl Iterator<Item = (&'static str, i64)> {
    let rows = [
        ("most operations, a member and hour", limits.member_operations_per_hour),
        ("most points earned, a member and day", limits.member_points_earned_per_day),
        (
            "most points of others burned, a member and day",
            limits.member_foreign_points_burned_per_day,
        ),
        ("most points given, a member and day", limits.member_points_given_per_day),
        ("most operations an hour", limits.operations_per_hour),
        ("most points issued an hour", limits.points_issued_per_hour),
        ("most points of others burned an hour", limits.foreign_points_burned_per_hour),
        ("most points of others burned a day", limits.foreign_points_burned_per_day),
        (
            "told of points burned elsewhere, a member and day",
            limits.member_points_burned_elsewhere_alert,
        ),
    ];
    rows.into_iter().filter_map(|(name, most)| Some((name, most?)))
}
