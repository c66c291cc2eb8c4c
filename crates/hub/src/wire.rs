//! Partners and terms as the contract has them; the other direction is `parse/`.

use std::collections::BTreeMap;

use entente_api::{
    identity,
    partner::{self as api, PartnerState},
    types::Money,
};
use entente_ledger::Funding;
use entente_loyalty::{
    Agreement, EarnCategory, EarnRounding, EarnRule, ExchangeRate, Meter, Partner, PartnerCode,
    Terms,
};
use entente_store::security::{Operator, RegisteredKey};

use crate::parse::wire_timestamp;

/// A brand.
#[must_use]
pub(crate) fn partner(partner: &Partner) -> api::Partner {
    let state = if partner.suspended { PartnerState::Suspended } else { PartnerState::Active };
    api::Partner {
        code: partner.code.to_string(),
        display_name: partner.display_name.clone(),
        state: state.into(),
        created_at: Some(wire_timestamp(partner.created_at)),
        testing: partner.testing,
    }
}

/// A registered key.
#[must_use]
pub(crate) fn key(key: &RegisteredKey) -> identity::Key {
    identity::Key {
        kid: key.kid.clone(),
        owner: key.owner.clone(),
        jwk: key.jwk.clone(),
        registered_at: Some(wire_timestamp(key.registered_at)),
        revoked_at: key.revoked_at.map(wire_timestamp),
    }
}

/// An operator.
#[must_use]
pub(crate) fn operator(operator: &Operator) -> identity::Operator {
    identity::Operator {
        name: operator.name.clone(),
        roles: operator.roles.clone(),
        created_at: Some(wire_timestamp(operator.created_at)),
    }
}

/// A version of a partner's terms.
#[must_use]
pub(crate) fn terms(partner: &PartnerCode, terms: &Terms) -> api::Terms {
    api::Terms {
        partner: partner.to_string(),
        version: terms.version.0,
        effective_from: Some(wire_timestamp(terms.effective_from)),
        effective_to: terms.effective_to.map(wire_timestamp),
        agreement: Some(agreement(&terms.agreement)),
    }
}

pub(crate) fn agreement(agreement: &Agreement) -> api::Agreement {
    let caps = agreement.net_debit_caps.iter();
    api::Agreement {
        currency: agreement.currency.to_string(),
        categories: agreement.categories.iter().map(category).collect(),
        rounding: rounding(agreement.rounding).into(),
        max_points_per_operation: agreement.max_points_per_operation.map(|points| points.0),
        max_points_per_member_year: agreement.max_points_per_member_year.map(|points| points.0),
        issue_price_micros: agreement.issue_price.0,
        reimbursement_micros: agreement.reimbursement.0,
        point_value_micros: agreement.point_value.0,
        hub_fee_basis_points: agreement.hub_fee_basis_points,
        funding: funding(agreement.funding).into(),
        lot_life_days: agreement.lot_life_days,
        hold_life_seconds: agreement.hold_life_seconds,
        late_limit_days: agreement.late_limit_days,
        net_debit_caps: caps
            .map(|(currency, cap)| Money { currency: currency.to_string(), micros: cap.0 })
            .collect(),
        exchange_in: agreement.exchange_in.as_ref().map(exchange_rate),
        exchange_out: agreement.exchange_out.as_ref().map(exchange_rate),
        claim_limit_days: agreement.claim_limit_days,
        gifts: agreement.gifts.as_ref().map(|gifts| api::Gifts {
            max_points_per_operation: gifts.max_points_per_operation.0,
            max_points_per_member_month: gifts.max_points_per_member_month.0,
        }),
        accepts_donations: agreement.accepts_donations,
        prepaid: agreement.prepaid,
        limits: limits(&agreement.limits),
    }
}

fn limits(limits: &BTreeMap<Meter, i64>) -> Option<api::Limits> {
    let mut wire = api::Limits::default();
    for (meter, most) in limits {
        *limit(&mut wire, *meter) = Some(*most);
    }
    (!limits.is_empty()).then_some(wire)
}

/// The field of a meter, which is called like it.
pub(crate) const fn limit(limits: &mut api::Limits, meter: Meter) -> &mut Option<i64> {
    match meter {
        Meter::MemberOperations => &mut limits.member_operations_per_hour,
        Meter::MemberPointsEarned => &mut limits.member_points_earned_per_day,
        Meter::MemberForeignPointsBurned => &mut limits.member_foreign_points_burned_per_day,
        Meter::MemberPointsGiven => &mut limits.member_points_given_per_day,
        Meter::Operations => &mut limits.operations_per_hour,
        Meter::PointsIssued => &mut limits.points_issued_per_hour,
        Meter::ForeignPointsBurnedHour => &mut limits.foreign_points_burned_per_hour,
        Meter::ForeignPointsBurnedDay => &mut limits.foreign_points_burned_per_day,
        Meter::MemberPointsBurnedElsewhere => &mut limits.member_points_burned_elsewhere_alert,
    }
}

fn exchange_rate(rate: &ExchangeRate) -> api::ExchangeRate {
    api::ExchangeRate {
        give: rate.give,
        receive: rate.receive,
        minimum: rate.minimum.0,
        increment: rate.increment.0,
        exact_increments: rate.exact_increments,
        bonus: rate.bonus.map(|bonus| api::ExchangeBonus {
            threshold: bonus.threshold.0,
            points: bonus.points.0,
        }),
    }
}

fn category(category: &EarnCategory) -> api::EarnCategory {
    let rule = |rule: &EarnRule| api::EarnRule {
        minimum_spend_micros: rule.minimum_spend.0,
        points: rule.points,
        per_spend_micros: rule.per_spend.0,
    };
    let rules = category.rules.iter().map(rule).collect();
    api::EarnCategory { category: category.category.clone(), rules }
}

const fn rounding(rounding: EarnRounding) -> api::EarnRounding {
    match rounding {
        EarnRounding::Down => api::EarnRounding::Down,
        EarnRounding::HalfUp => api::EarnRounding::HalfUp,
    }
}

const fn funding(funding: Funding) -> api::Funding {
    match funding {
        Funding::AtIssue => api::Funding::AtIssue,
        Funding::AtRedemption => api::Funding::AtRedemption,
    }
}
