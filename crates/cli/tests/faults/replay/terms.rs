//! The catalogue as the scenario published it: the cast's agreements, read straight into the core.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use entente_client::api::partner as wire;
use entente_ledger::{Funding, Micros, PartnerId, Points, TermsVersion};
use entente_loyalty::{
    Agreement, Catalogue, EarnCategory, EarnRounding, EarnRule, Gifts, Partner, Terms,
};
use entente_testkit::cast::{self, PARTNERS};
use jiff::Timestamp;

/// The whole cast, each by its number in the ledger.
pub(super) fn catalogue(numbers: [PartnerId; PARTNERS.len()]) -> Result<Catalogue> {
    let partners = numbers.into_iter().zip(PARTNERS).map(|(id, code)| {
        let terms = Terms {
            partner: id,
            version: TermsVersion(1),
            effective_from: Timestamp::MIN,
            effective_to: None,
            agreement: agreement(cast::agreement(code))?,
        };
        let code = code.parse().map_err(anyhow::Error::msg)?;
        Ok(Partner {
            id,
            code,
            display_name: String::new(),
            suspended: false,
            testing: false,
            created_at: Timestamp::MIN,
            terms: vec![terms],
        })
    });
    Ok(Catalogue::new(1, partners.collect::<Result<_>>()?))
}

/// What the cast agrees to; nothing that it leaves out.
fn agreement(wire: wire::Agreement) -> Result<Agreement> {
    let plain = wire.net_debit_caps.is_empty()
        && wire.exchange_in.is_none()
        && wire.exchange_out.is_none()
        && wire.limits.is_none()
        && !wire.prepaid;
    ensure!(plain, "the cast agrees to more than is replayed: {wire:?}");
    Ok(Agreement {
        currency: wire.currency.parse()?,
        rounding: match wire.rounding() {
            wire::EarnRounding::HalfUp => EarnRounding::HalfUp,
            _ => EarnRounding::Down,
        },
        max_points_per_operation: wire.max_points_per_operation.map(Points),
        max_points_per_member_year: wire.max_points_per_member_year.map(Points),
        issue_price: Micros(wire.issue_price_micros),
        reimbursement: Micros(wire.reimbursement_micros),
        point_value: Micros(wire.point_value_micros),
        hub_fee_basis_points: wire.hub_fee_basis_points,
        funding: match wire.funding() {
            wire::Funding::AtIssue => Funding::AtIssue,
            wire::Funding::AtRedemption => Funding::AtRedemption,
            wire::Funding::Unspecified => None.context("funding")?,
        },
        prepaid: false,
        lot_life_days: wire.lot_life_days,
        hold_life_seconds: wire.hold_life_seconds,
        late_limit_days: wire.late_limit_days,
        net_debit_caps: BTreeMap::new(),
        exchange_in: None,
        exchange_out: None,
        claim_limit_days: wire.claim_limit_days,
        gifts: wire.gifts.map(|gifts| Gifts {
            max_points_per_operation: Points(gifts.max_points_per_operation),
            max_points_per_member_month: Points(gifts.max_points_per_member_month),
        }),
        accepts_donations: wire.accepts_donations,
        limits: BTreeMap::new(),
        categories: wire.categories.into_iter().map(category).collect(),
    })
}

fn category(wire: wire::EarnCategory) -> EarnCategory {
    let rule = |rule: wire::EarnRule| EarnRule {
        minimum_spend: Micros(rule.minimum_spend_micros),
        points: rule.points,
        per_spend: Micros(rule.per_spend_micros),
    };
    EarnCategory { category: wire.category, rules: wire.rules.into_iter().map(rule).collect() }
}
