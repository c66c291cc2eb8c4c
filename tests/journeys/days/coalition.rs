//! A coalition made up by dice: currencies, fundings, prices, fees, rules of earning, lives of lots.

use std::collections::BTreeMap;

use entente_client::api::partner as api;
use entente_ledger::{Currency, Funding, Micros, PartnerId, Points, TermsVersion};
use entente_loyalty::{
    Agreement, Catalogue, EarnCategory, EarnRounding, EarnRule, Gifts, Partner, Terms,
};
use entente_testkit::{cast::category, morning};
use jiff::{SignedDuration, Timestamp};
use rand::{RngExt as _, rngs::StdRng};

/// Brands by number, from 0; in the ledger they count from 1.
#[derive(Debug)]
pub(super) struct Coalition {
    pub(super) brands: Vec<Brand>,
    pub(super) members: usize,
}

/// One brand's versions of its agreement, oldest first, each with the time from which it is in force.
#[derive(Debug)]
pub(super) struct Brand {
    pub(super) versions: Vec<(Timestamp, Agreement)>,
}

/// How the coalition funds its points.
#[derive(Debug, Clone, Copy)]
enum Style {
    All(Funding),
    Mixed,
}

impl Coalition {
    /// One of any kind, in which terms change and points expire.
    pub(super) fn any(dice: &mut StdRng) -> Self {
        let style = match dice.random_range(0..3) {
            0 => Style::All(Funding::AtIssue),
            1 => Style::All(Funding::AtRedemption),
            _ => Style::Mixed,
        };
        let count = dice.random_range(2..=5);
        let brands = (0..count).map(|_| Brand::any(dice, style)).collect();
        Self { brands, members: dice.random_range(1..=4) }
    }

    /// One of three brands of one version each, in which nothing ends by itself.
    pub(super) fn lasting(dice: &mut StdRng) -> Self {
        let mut brands: Vec<_> = (0..3).map(|_| Brand::any(dice, Style::Mixed)).collect();
        for brand in &mut brands {
            brand.versions.truncate(1);
            for (_, agreement) in &mut brand.versions {
                (agreement.lot_life_days, agreement.hold_life_seconds) = (365, 604_800);
            }
        }
        Self { brands, members: 3 }
    }

    /// Whose terms say what at a time: the version's place.
    pub(super) fn version_at(&self, brand: usize, at: Timestamp) -> usize {
        let versions = &self.brands[brand].versions;
        versions.iter().rposition(|(from, _)| *from <= at).expect("the first is old")
    }

    pub(super) fn agreement(&self, (brand, version): (usize, usize)) -> &Agreement {
        &self.brands[brand].versions[version].1
    }

    pub(super) fn currencies(&self) -> BTreeMap<String, Currency> {
        let versions = self.brands.iter().flat_map(|brand| &brand.versions);
        versions.map(|(_, terms)| (terms.currency.to_string(), terms.currency)).collect()
    }

    pub(super) fn catalogue(&self) -> Catalogue {
        let partners = (1..).zip(&self.brands).map(|(number, brand)| brand.partner(number));
        Catalogue::new(1, partners.collect())
    }
}

impl Brand {
    fn any(dice: &mut StdRng, style: Style) -> Self {
        let first = (at_hours(-24), agreement(dice, style));
        let mut versions = vec![first];
        if dice.random_bool(0.3) {
            let later = agreement(dice, style);
            versions.push((at_hours(dice.random_range(1..60)), later));
        }
        Self { versions }
    }

    fn partner(&self, number: i32) -> Partner {
        let id = PartnerId(number);
        let ends = self.versions.iter().skip(1).map(|(from, _)| Some(*from)).chain([None]);
        let terms = self.versions.iter().zip(ends).zip(1..);
        let terms = terms.map(|(((effective_from, agreement), effective_to), version)| Terms {
            partner: id,
            version: TermsVersion(version),
            effective_from: *effective_from,
            effective_to,
            agreement: agreement.clone(),
        });
        Partner {
            id,
            code: format!("brand-{number}").parse().expect("a code"),
            display_name: String::new(),
            suspended: false,
            testing: false,
            created_at: at_hours(-24),
            terms: terms.collect(),
        }
    }
}

/// So many hours after the first morning.
fn at_hours(hours: i64) -> Timestamp {
    morning() + SignedDuration::from_hours(hours)
}

fn agreement(dice: &mut StdRng, style: Style) -> Agreement {
    let code = ["EUR", "USD", "JPY", "KWD"][dice.random_range(0..4)];
    // A yen is little: prices in it are of the same worth.
    let worth = if code == "JPY" { 100 } else { 1 };
    let rule = |dice: &mut StdRng, minimum: i64| EarnRule {
        minimum_spend: Micros(minimum * worth),
        points: dice.random_range(0..=7),
        per_spend: Micros(dice.random_range(1..=3_000_000) * worth),
    };
    let mut rules = vec![rule(dice, 0)];
    if dice.random_bool(0.5) {
        rules.push(rule(dice, 50_000_000));
    }
    let most = dice.random_bool(0.2).then(|| Points(dice.random_range(1..=300)));
    let funding = match style {
        Style::All(funding) => funding,
        Style::Mixed if dice.random_bool(0.5) => Funding::AtIssue,
        Style::Mixed => Funding::AtRedemption,
    };
    Agreement {
        currency: code.parse().expect("ISO 4217"),
        categories: vec![EarnCategory { category: "*".to_owned(), rules }],
        rounding: if dice.random_bool(0.5) { EarnRounding::Down } else { EarnRounding::HalfUp },
        max_points_per_operation: most,
        max_points_per_member_year: None,
        issue_price: Micros(dice.random_range(1..=30_000) * worth),
        reimbursement: Micros(dice.random_range(1..=30_000) * worth),
        point_value: Micros(0),
        hub_fee_basis_points: if dice.random_bool(0.6) { dice.random_range(0..=700) } else { 0 },
        funding,
        prepaid: false,
        lot_life_days: if dice.random_bool(0.5) { dice.random_range(1..=2) } else { 365 },
        hold_life_seconds: dice.random_range(3_600..=100_000),
        late_limit_days: 7,
        net_debit_caps: BTreeMap::new(),
        exchange_in: None,
        exchange_out: None,
        claim_limit_days: 0,
        gifts: Some(Gifts {
            max_points_per_operation: Points(1_000_000),
            max_points_per_member_month: Points(100_000_000),
        }),
        accepts_donations: false,
        limits: BTreeMap::new(),
    }
}

/// The same, as an operator publishes it.
pub(super) fn told(agreement: &Agreement) -> api::Agreement {
    let rules: Vec<_> = agreement.categories[0]
        .rules
        .iter()
        .map(|rule| (rule.minimum_spend.0, rule.points, rule.per_spend.0))
        .collect();
    let rounding = match agreement.rounding {
        EarnRounding::Down => api::EarnRounding::Down,
        EarnRounding::HalfUp => api::EarnRounding::HalfUp,
    };
    let funding = match agreement.funding {
        Funding::AtIssue => api::Funding::AtIssue,
        Funding::AtRedemption => api::Funding::AtRedemption,
    };
    let gifts = agreement.gifts.map(|gifts| api::Gifts {
        max_points_per_operation: gifts.max_points_per_operation.0,
        max_points_per_member_month: gifts.max_points_per_member_month.0,
    });
    api::Agreement {
        currency: agreement.currency.to_string(),
        categories: vec![category("*", &rules)],
        rounding: rounding.into(),
        max_points_per_operation: agreement.max_points_per_operation.map(|most| most.0),
        issue_price_micros: agreement.issue_price.0,
        reimbursement_micros: agreement.reimbursement.0,
        hub_fee_basis_points: agreement.hub_fee_basis_points,
        funding: funding.into(),
        lot_life_days: agreement.lot_life_days,
        hold_life_seconds: agreement.hold_life_seconds,
        late_limit_days: agreement.late_limit_days,
        gifts,
        ..api::Agreement::default()
    }
}
