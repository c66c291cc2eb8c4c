//! What is agreed with a partner, parsed: every range that the contract states is judged here, and
//! categories, rules and caps come out in order.

use std::{collections::BTreeMap, ops::RangeInclusive};

use entente_api::{partner as api, types::Money};
use entente_ledger::{Currency, Funding, Micros, Points};
use entente_loyalty::{
    Agreement, EarnCategory, EarnRounding, EarnRule, ExchangeBonus, ExchangeRate, Gifts, Meter,
};

use super::{Expected, Violations, category};
use crate::wire;

/// The most categories of an agreement, and the most rules of a category.
const MAX_CATEGORIES: usize = 64;
const MAX_RULES: usize = 16;
/// The most that a number of an exchange rate may be, so that cycles can be computed exactly.
const MAX_RATE: i64 = 1_000_000_000;

impl Violations {
    /// A required agreement; each of its fields is judged.
    pub fn agreement(&mut self, field: &str, wire: Option<&api::Agreement>) -> Option<Agreement> {
        let wire = self.required(field, wire)?;
        let path = |name: &str| format!("{field}.{name}");
        let currency = self.currency(&path("currency"), &wire.currency);
        let categories = self.categories(&path("categories"), &wire.categories);
        let rounding = self.field(&path("rounding"), rounding(wire.rounding));
        let funding = self.field(&path("funding"), funding(wire.funding));
        let caps = self.caps(&path("net_debit_caps"), &wire.net_debit_caps);
        let mut number = |name, value, range| self.number(&path(name), value, range);
        let any = 0..=i64::MAX;
        let max_per_operation = wire.max_points_per_operation;
        let max_per_member_year = wire.max_points_per_member_year;
        number("max_points_per_operation", max_per_operation.unwrap_or_default(), any.clone());
        number("max_points_per_member_year", max_per_member_year.unwrap_or_default(), any.clone());
        number("issue_price_micros", wire.issue_price_micros, any.clone());
        number("reimbursement_micros", wire.reimbursement_micros, any.clone());
        number("point_value_micros", wire.point_value_micros, any);
        number("hub_fee_basis_points", wire.hub_fee_basis_points.into(), 0..=10_000);
        number("lot_life_days", wire.lot_life_days.into(), 1..=36_500);
        number("hold_life_seconds", wire.hold_life_seconds, 1..=31_536_000);
        number("late_limit_days", wire.late_limit_days.into(), 0..=3_650);
        number("claim_limit_days", wire.claim_limit_days.into(), 0..=3_650);
        let exchange_in = self.exchange_rate(&path("exchange_in"), wire.exchange_in.as_ref());
        let exchange_out = self.exchange_rate(&path("exchange_out"), wire.exchange_out.as_ref());
        let gifts = self.gifts(&path("gifts"), wire.gifts.as_ref());
        let limits = self.limits(&path("limits"), wire.limits.as_ref());
        if wire.prepaid && funding.is_some_and(|funding| funding != Funding::AtIssue) {
            self.add(path("prepaid"), "false, where points are not paid for at issue");
        }
        Some(Agreement {
            currency: currency?,
            categories: categories?,
            rounding: rounding?,
            max_points_per_operation: max_per_operation.map(Points),
            max_points_per_member_year: max_per_member_year.map(Points),
            issue_price: Micros(wire.issue_price_micros),
            reimbursement: Micros(wire.reimbursement_micros),
            point_value: Micros(wire.point_value_micros),
            hub_fee_basis_points: wire.hub_fee_basis_points,
            funding: funding?,
            lot_life_days: wire.lot_life_days,
            hold_life_seconds: wire.hold_life_seconds,
            late_limit_days: wire.late_limit_days,
            net_debit_caps: caps?,
            exchange_in,
            exchange_out,
            claim_limit_days: wire.claim_limit_days,
            gifts,
            accepts_donations: wire.accepts_donations,
            prepaid: wire.prepaid,
            limits,
        })
    }

    /// A minimum or an increment of 0 is that of one point.
    fn exchange_rate(
        &mut self,
        field: &str,
        wire: Option<&api::ExchangeRate>,
    ) -> Option<ExchangeRate> {
        let wire = wire?;
        let mut number = |name: &str, value, least| {
            self.number(&format!("{field}.{name}"), value, least..=MAX_RATE);
        };
        number("give", wire.give, 1);
        number("receive", wire.receive, 1);
        number("minimum", wire.minimum, 0);
        number("increment", wire.increment, 0);
        if let Some(bonus) = &wire.bonus {
            number("bonus.threshold", bonus.threshold, 1);
            number("bonus.points", bonus.points, 1);
        }
        Some(ExchangeRate {
            give: wire.give,
            receive: wire.receive,
            minimum: Points(wire.minimum.max(1)),
            increment: Points(wire.increment.max(1)),
            exact_increments: wire.exact_increments,
            bonus: wire.bonus.as_ref().map(|bonus| ExchangeBonus {
                threshold: Points(bonus.threshold),
                points: Points(bonus.points),
            }),
        })
    }

    fn gifts(&mut self, field: &str, wire: Option<&api::Gifts>) -> Option<Gifts> {
        let api::Gifts { max_points_per_operation, max_points_per_member_month } = *wire?;
        let mut number = |name, value| {
            self.number(&format!("{field}.{name}"), value, 1..=i64::MAX);
        };
        number("max_points_per_operation", max_points_per_operation);
        number("max_points_per_member_month", max_points_per_member_month);
        Some(Gifts {
            max_points_per_operation: Points(max_points_per_operation),
            max_points_per_member_month: Points(max_points_per_member_month),
        })
    }

    fn limits(&mut self, field: &str, wire: Option<&api::Limits>) -> BTreeMap<Meter, i64> {
        let mut limits = BTreeMap::new();
        let mut wire = wire.copied().unwrap_or_default();
        for meter in Meter::ALL {
            let Some(most) = *wire::limit(&mut wire, meter) else { continue };
            self.number(&format!("{field}.{}", meter.name()), most, 1..=i64::MAX);
            limits.insert(meter, most);
        }
        limits
    }

    pub(super) fn number(&mut self, field: &str, value: i64, range: RangeInclusive<i64>) {
        if !range.contains(&value) {
            self.add(
                field,
                match range.into_inner() {
                    (0, i64::MAX) => Expected::Borrowed("0 or more"),
                    (1, i64::MAX) => Expected::Borrowed("more than 0"),
                    (least, most) => Expected::Owned(format!("{least} to {most}")),
                },
            );
        }
    }

    fn categories(&mut self, field: &str, wire: &[api::EarnCategory]) -> Option<Vec<EarnCategory>> {
        if wire.len() > MAX_CATEGORIES {
            self.add(field, format!("at most {MAX_CATEGORIES}"));
            return None;
        }
        let mut categories = BTreeMap::new();
        for (index, wire) in wire.iter().enumerate() {
            let field = format!("{field}[{index}]");
            let name = match wire.category.as_str() {
                "*" => Ok("*".to_owned()),
                name => category(name).map_err(|expected| format!("{expected}, or *").into()),
            };
            let name = self.field(&format!("{field}.category"), name);
            let rules = self.rules(&format!("{field}.rules"), &wire.rules);
            if let Some((name, rules)) = name.zip(rules)
                && categories.insert(name, rules).is_some()
            {
                self.add(format!("{field}.category"), "another one in each category");
            }
        }
        let category = |(category, rules)| EarnCategory { category, rules };
        Some(categories.into_iter().map(category).collect())
    }

    fn rules(&mut self, field: &str, wire: &[api::EarnRule]) -> Option<Vec<EarnRule>> {
        if !(1..=MAX_RULES).contains(&wire.len()) {
            self.add(field, format!("1 to {MAX_RULES}"));
            return None;
        }
        let mut rules = BTreeMap::new();
        for (index, wire) in wire.iter().enumerate() {
            let path = |name: &str| format!("{field}[{index}].{name}");
            let mut number = |name, value, least| self.number(&path(name), value, least..=i64::MAX);
            number("minimum_spend_micros", wire.minimum_spend_micros, 0);
            number("points", wire.points, 0);
            number("per_spend_micros", wire.per_spend_micros, 1);
            let rule = EarnRule {
                minimum_spend: Micros(wire.minimum_spend_micros),
                points: wire.points,
                per_spend: Micros(wire.per_spend_micros),
            };
            if rules.insert(rule.minimum_spend, rule).is_some() {
                self.add(path("minimum_spend_micros"), "another one in each rule");
            }
        }
        Some(rules.into_values().collect())
    }

    fn caps(&mut self, field: &str, wire: &[Money]) -> Option<BTreeMap<Currency, Micros>> {
        let mut caps = BTreeMap::new();
        for (index, cap) in wire.iter().enumerate() {
            let path = |name: &str| format!("{field}[{index}].{name}");
            self.number(&path("micros"), cap.micros, 0..=i64::MAX);
            let currency = self.currency(&path("currency"), &cap.currency)?;
            if caps.insert(currency, Micros(cap.micros)).is_some() {
                self.add(path("currency"), "another one in each cap");
            }
        }
        Some(caps)
    }
}

fn rounding(wire: i32) -> Result<EarnRounding, Expected> {
    match api::EarnRounding::try_from(wire) {
        Ok(api::EarnRounding::Unspecified | api::EarnRounding::Down) => Ok(EarnRounding::Down),
        Ok(api::EarnRounding::HalfUp) => Ok(EarnRounding::HalfUp),
        Err(_) => Err(Expected::Borrowed("a value that the contract names")),
    }
}

fn funding(wire: i32) -> Result<Funding, Expected> {
    match api::Funding::try_from(wire) {
        Ok(api::Funding::AtIssue) => Ok(Funding::AtIssue),
        Ok(api::Funding::AtRedemption) => Ok(Funding::AtRedemption),
        Ok(api::Funding::Unspecified) | Err(_) => {
            Err(Expected::Borrowed("FUNDING_AT_ISSUE or FUNDING_AT_REDEMPTION"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(minimum_spend_micros: i64) -> api::EarnRule {
        api::EarnRule { minimum_spend_micros, points: 2, per_spend_micros: 1_000_000 }
    }

    fn category_of(name: &str, rules: Vec<api::EarnRule>) -> api::EarnCategory {
        api::EarnCategory { category: name.to_owned(), rules }
    }

    fn rate(agreement: &mut api::Agreement) -> &mut api::ExchangeRate {
        agreement.exchange_in.as_mut().expect("it is agreed")
    }

    fn eur(micros: i64) -> Money {
        Money { currency: "EUR".to_owned(), micros }
    }

    fn good() -> api::Agreement {
        api::Agreement {
            currency: "EUR".to_owned(),
            categories: vec![
                category_of("room", vec![rule(100_000_000), rule(0)]),
                category_of("*", vec![rule(0)]),
            ],
            rounding: 0,
            max_points_per_operation: Some(5_000),
            max_points_per_member_year: None,
            issue_price_micros: 10_000,
            reimbursement_micros: 7_000,
            point_value_micros: 0,
            hub_fee_basis_points: 10_000,
            funding: api::Funding::AtIssue.into(),
            lot_life_days: 36_500,
            hold_life_seconds: 1,
            late_limit_days: 0,
            net_debit_caps: vec![eur(30_000_000_000), Money { currency: "USD".into(), micros: 0 }],
            exchange_in: Some(api::ExchangeRate {
                give: 3,
                receive: 1,
                minimum: 3_000,
                increment: 0,
                exact_increments: true,
                bonus: Some(api::ExchangeBonus { threshold: 60_000, points: 5_000 }),
            }),
            exchange_out: Some(api::ExchangeRate { give: 1, receive: 2, ..Default::default() }),
            claim_limit_days: 90,
            gifts: Some(api::Gifts {
                max_points_per_operation: 1,
                max_points_per_member_month: i64::MAX,
            }),
            accepts_donations: true,
            prepaid: true,
            limits: Some(api::Limits {
                member_operations_per_hour: Some(1),
                member_points_earned_per_day: Some(2),
                member_foreign_points_burned_per_day: Some(3),
                member_points_given_per_day: Some(4),
                operations_per_hour: Some(5),
                points_issued_per_hour: Some(6),
                foreign_points_burned_per_hour: Some(7),
                foreign_points_burned_per_day: Some(8),
                member_points_burned_elsewhere_alert: Some(9),
            }),
        }
    }

    fn parsed(agreement: &api::Agreement) -> Result<Agreement, String> {
        let mut violations = Violations::default();
        let parsed = violations.agreement("agreement", Some(agreement));
        let refused = violations.none().map_err(|refused| refused.message().to_owned());
        refused.map(|()| parsed.expect("nothing is wrong"))
    }

    #[test]
    fn an_agreement_is_parsed_in_order_and_shown_as_it_is() {
        let agreement = parsed(&good()).expect("a good agreement");
        let names: Vec<_> =
            agreement.categories.iter().map(|found| found.category.as_str()).collect();
        assert_eq!(names, ["*", "room"]);
        let minimums: Vec<_> =
            agreement.categories[1].rules.iter().map(|rule| rule.minimum_spend.0).collect();
        assert_eq!(minimums, [0, 100_000_000]);
        assert_eq!(agreement.rounding, EarnRounding::Down);
        assert_eq!(agreement.net_debit_caps.len(), 2);
        let shown = crate::wire::agreement(&agreement);
        assert_eq!(parsed(&shown), Ok(agreement));
    }

    #[test]
    fn each_field_out_of_its_range_is_named() {
        type Change = fn(&mut api::Agreement);
        let cases: [(&str, Change); 35] = [
            ("currency", |a| a.currency = "EURO".into()),
            ("categories", |a| a.categories = vec![category_of("a", vec![rule(0)]); 65]),
            ("categories[0].category", |a| a.categories[0].category = "Room".into()),
            ("categories[1].category", |a| a.categories[1].category = "room".into()),
            ("categories[0].rules", |a| a.categories[0].rules.clear()),
            ("categories[0].rules", |a| a.categories[0].rules = (0..17).map(rule).collect()),
            ("categories[0].rules[1].minimum_spend_micros", |a| {
                a.categories[0].rules = vec![rule(5), rule(5)];
            }),
            ("categories[1].rules[0].minimum_spend_micros", |a| {
                a.categories[1].rules = vec![rule(-1)];
            }),
            ("categories[0].rules[0].points", |a| a.categories[0].rules[0].points = -1),
            ("categories[0].rules[1].per_spend_micros", |a| {
                a.categories[0].rules[1].per_spend_micros = 0;
            }),
            ("rounding", |a| a.rounding = 3),
            ("max_points_per_operation", |a| a.max_points_per_operation = Some(-1)),
            ("max_points_per_member_year", |a| a.max_points_per_member_year = Some(i64::MIN)),
            ("issue_price_micros", |a| a.issue_price_micros = -1),
            ("reimbursement_micros", |a| a.reimbursement_micros = -1),
            ("point_value_micros", |a| a.point_value_micros = -1),
            ("hub_fee_basis_points", |a| a.hub_fee_basis_points = 10_001),
            ("funding", |a| a.funding = 0),
            ("prepaid", |a| {
                (a.funding, a.prepaid) = (api::Funding::AtRedemption.into(), true);
            }),
            ("lot_life_days", |a| a.lot_life_days = 36_501),
            ("hold_life_seconds", |a| a.hold_life_seconds = 0),
            ("late_limit_days", |a| a.late_limit_days = 3_651),
            ("net_debit_caps[1].currency", |a| a.net_debit_caps = vec![eur(1), eur(2)]),
            ("net_debit_caps[0].micros", |a| a.net_debit_caps[0].micros = -1),
            ("net_debit_caps[0].currency", |a| a.net_debit_caps[0].currency = "E\0R".into()),
            ("claim_limit_days", |a| a.claim_limit_days = 3_651),
            ("exchange_in.give", |a| rate(a).give = 0),
            ("exchange_in.receive", |a| rate(a).receive = -1),
            ("exchange_in.minimum", |a| rate(a).minimum = -1),
            ("exchange_in.increment", |a| rate(a).increment = 1_000_000_001),
            ("exchange_in.bonus.threshold", |a| {
                rate(a).bonus = Some(api::ExchangeBonus { threshold: 0, points: 1 });
            }),
            ("exchange_in.bonus.points", |a| {
                rate(a).bonus = Some(api::ExchangeBonus { threshold: 1, points: 0 });
            }),
            ("gifts.max_points_per_operation, agreement.gifts.max_points_per_member_month", |a| {
                a.gifts = Some(api::Gifts::default());
            }),
            ("limits.operations_per_hour", |a| {
                a.limits = Some(api::Limits { operations_per_hour: Some(0), ..Default::default() });
            }),
            ("limits.member_points_burned_elsewhere_alert", |a| {
                let limits = a.limits.as_mut().expect("it is agreed");
                limits.member_points_burned_elsewhere_alert = Some(-1);
            }),
        ];
        for (field, change) in cases {
            let mut agreement = good();
            change(&mut agreement);
            let expected = format!("the request is malformed: agreement.{field}");
            assert_eq!(parsed(&agreement), Err(expected), "{field}");
        }
    }

    #[test]
    fn an_agreement_is_required() {
        let mut violations = Violations::default();
        assert_eq!(violations.agreement("agreement", None), None);
        assert_eq!(violations.refused().message(), "the request is malformed: agreement");
    }
}
