//! Terms as people write them: a TOML file, with amounts as decimals in quotes.

mod exchange;
pub(crate) mod limits;

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use entente_api::partner::{Agreement, EarnCategory, EarnRounding, EarnRule, Funding};
use entente_api::types::Money;
use exchange::{ExchangeFile, GiftsFile};
use limits::LimitsFile;
use serde::{Deserialize, Serialize};

/// Everything agreed with one partner. Prices are per point, in the settlement currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AgreementFile {
    /// The settlement currency.
    pub(crate) currency: String,
    /// Who pays for the points that the partner issues, and when.
    pub(crate) funding: FundingWord,
    /// How an earn's fraction of a point is rounded.
    #[serde(default)]
    pub(crate) rounding: RoundingWord,
    /// What the issuer pays for a point.
    pub(crate) issue_price: Decimal,
    /// What this partner is paid for a point burned here.
    pub(crate) reimbursement: Decimal,
    /// What a point is worth at this partner's till.
    #[serde(default)]
    pub(crate) point_value: Decimal,
    /// The hub's fee.
    #[serde(default)]
    pub(crate) hub_fee_basis_points: i32,
    /// How long points live.
    pub(crate) lot_life_days: i32,
    /// How long an authorization holds.
    pub(crate) hold_life_seconds: i64,
    /// How old an activity may be.
    pub(crate) late_limit_days: i32,
    /// Cuts an earn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_points_per_operation: Option<i64>,
    /// Cuts what a member earns here in a year.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_points_per_member_year: Option<i64>,
    /// What the partner may owe, by currency.
    #[serde(default)]
    pub(crate) net_debit_caps: BTreeMap<String, Decimal>,
    /// How old a claimed purchase may be; 0 for no claims.
    #[serde(default)]
    pub(crate) claim_limit_days: i32,
    /// Whether the partner is a charity.
    #[serde(default)]
    pub(crate) accepts_donations: bool,
    /// Whether the partner issues points that it bought ahead.
    #[serde(default)]
    pub(crate) prepaid: bool,
    /// The partner's own points for shared points.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) exchange_in: Option<ExchangeFile>,
    /// Shared points for the partner's own points.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) exchange_out: Option<ExchangeFile>,
    /// How much members may give to each other here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) gifts: Option<GiftsFile>,
    /// How much may happen in an hour or a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) limits: Option<LimitsFile>,
    /// How purchases earn.
    #[serde(default)]
    pub(crate) categories: Vec<CategoryFile>,
}

/// How one category earns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CategoryFile {
    /// Its name, or `*`.
    pub(crate) category: String,
    /// Its rules.
    pub(crate) rules: Vec<RuleFile>,
}

/// So many points for so much spend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RuleFile {
    /// The least spend.
    #[serde(default)]
    pub(crate) minimum_spend: Decimal,
    /// So many points,
    pub(crate) points: i64,
    /// for so much.
    pub(crate) per_spend: Decimal,
}

/// Who pays, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum FundingWord {
    /// The issuer pays the pool.
    AtIssue,
    /// The issuer pays the redeemer.
    AtRedemption,
}

/// How a fraction is rounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RoundingWord {
    /// It is dropped.
    #[default]
    Down,
    /// Half a point up.
    HalfUp,
}

/// An amount in micros, written as a decimal with at most six places: `"0.0060"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Decimal(pub(crate) i64);

impl TryFrom<String> for Decimal {
    type Error = anyhow::Error;

    fn try_from(text: String) -> anyhow::Result<Self> {
        let (units, fraction) = text.split_once('.').unwrap_or((&text, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if units.is_empty() || !digits(units) || !digits(fraction) || fraction.len() > 6 {
            bail!("{text:?} is no amount; write a decimal with at most six places, as \"0.0060\"");
        }
        let micros = format!("{units}{fraction:0<6}");
        Ok(Self(micros.parse().with_context(|| format!("{text:?} is too large"))?))
    }
}

impl From<Decimal> for String {
    fn from(Decimal(micros): Decimal) -> Self {
        let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

impl AgreementFile {
    /// Reads a file's text.
    pub(crate) fn read(text: &str) -> anyhow::Result<Self> {
        Ok(toml::from_str(text)?)
    }

    /// As the contract has it.
    pub(crate) fn into_api(self) -> Agreement {
        let funding = match self.funding {
            FundingWord::AtIssue => Funding::AtIssue,
            FundingWord::AtRedemption => Funding::AtRedemption,
        };
        let rounding = match self.rounding {
            RoundingWord::Down => EarnRounding::Down,
            RoundingWord::HalfUp => EarnRounding::HalfUp,
        };
        let cap = |(currency, Decimal(micros))| Money { currency, micros };
        Agreement {
            currency: self.currency,
            categories: self.categories.into_iter().map(CategoryFile::into_api).collect(),
            rounding: rounding.into(),
            max_points_per_operation: self.max_points_per_operation,
            max_points_per_member_year: self.max_points_per_member_year,
            issue_price_micros: self.issue_price.0,
            reimbursement_micros: self.reimbursement.0,
            point_value_micros: self.point_value.0,
            hub_fee_basis_points: self.hub_fee_basis_points,
            funding: funding.into(),
            lot_life_days: self.lot_life_days,
            hold_life_seconds: self.hold_life_seconds,
            late_limit_days: self.late_limit_days,
            net_debit_caps: self.net_debit_caps.into_iter().map(cap).collect(),
            exchange_in: self.exchange_in.map(ExchangeFile::into_api),
            exchange_out: self.exchange_out.map(ExchangeFile::into_api),
            claim_limit_days: self.claim_limit_days,
            gifts: self.gifts.map(GiftsFile::into_api),
            accepts_donations: self.accepts_donations,
            prepaid: self.prepaid,
            limits: self.limits.map(LimitsFile::into_api),
        }
    }

    /// As people write it.
    pub(crate) fn from_api(agreement: &Agreement) -> Self {
        Self {
            currency: agreement.currency.clone(),
            funding: match agreement.funding() {
                Funding::AtIssue | Funding::Unspecified => FundingWord::AtIssue,
                Funding::AtRedemption => FundingWord::AtRedemption,
            },
            rounding: match agreement.rounding() {
                EarnRounding::Down | EarnRounding::Unspecified => RoundingWord::Down,
                EarnRounding::HalfUp => RoundingWord::HalfUp,
            },
            issue_price: Decimal(agreement.issue_price_micros),
            reimbursement: Decimal(agreement.reimbursement_micros),
            point_value: Decimal(agreement.point_value_micros),
            hub_fee_basis_points: agreement.hub_fee_basis_points,
            lot_life_days: agreement.lot_life_days,
            hold_life_seconds: agreement.hold_life_seconds,
            late_limit_days: agreement.late_limit_days,
            max_points_per_operation: agreement.max_points_per_operation,
            max_points_per_member_year: agreement.max_points_per_member_year,
            net_debit_caps: agreement
                .net_debit_caps
                .iter()
                .map(|cap| (cap.currency.clone(), Decimal(cap.micros)))
                .collect(),
            claim_limit_days: agreement.claim_limit_days,
            accepts_donations: agreement.accepts_donations,
            prepaid: agreement.prepaid,
            exchange_in: agreement.exchange_in.as_ref().map(ExchangeFile::from_api),
            exchange_out: agreement.exchange_out.as_ref().map(ExchangeFile::from_api),
            gifts: agreement.gifts.as_ref().map(GiftsFile::from_api),
            limits: agreement.limits.as_ref().map(LimitsFile::from_api),
            categories: agreement.categories.iter().map(CategoryFile::from_api).collect(),
        }
    }
}

impl CategoryFile {
    fn into_api(self) -> EarnCategory {
        let rule = |rule: RuleFile| EarnRule {
            minimum_spend_micros: rule.minimum_spend.0,
            points: rule.points,
            per_spend_micros: rule.per_spend.0,
        };
        EarnCategory { category: self.category, rules: self.rules.into_iter().map(rule).collect() }
    }

    fn from_api(category: &EarnCategory) -> Self {
        let rule = |rule: &EarnRule| RuleFile {
            minimum_spend: Decimal(rule.minimum_spend_micros),
            points: rule.points,
            per_spend: Decimal(rule.per_spend_micros),
        };
        Self {
            category: category.category.clone(),
            rules: category.rules.iter().map(rule).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: &str = r#"
        currency = "EUR"
        funding = "at-issue"
        issue_price = "0.0060"
        reimbursement = "0.005"
        lot_life_days = 730
        hold_life_seconds = 86400
        late_limit_days = 7
        net_debit_caps = { EUR = "30000" }
        claim_limit_days = 90
        accepts_donations = true
        prepaid = true
        exchange_out = { give = 1, receive = 2 }
        gifts = { max_points_per_operation = 5000, max_points_per_member_month = 20000 }
        limits = { member_points_earned_per_day = 9000, foreign_points_burned_per_day = 100000 }
        [exchange_in]
        give = 3
        receive = 1
        minimum = 3000
        increment = 3
        exact_increments = true
        bonus = { threshold = 60000, points = 5000 }
        [[categories]]
        category = "room"
        rules = [{ points = 5, per_spend = "1" }]
    "#;

    #[test]
    fn terms_survive_the_way_to_the_contract_and_back() {
        let file = AgreementFile::read(TERMS).expect("terms");
        assert_eq!(file.issue_price, Decimal(6_000));
        let agreement = file.clone().into_api();
        assert_eq!(agreement.net_debit_caps[0].micros, 30_000_000_000);
        assert_eq!(AgreementFile::from_api(&agreement), file);
        let written = toml::to_string(&file).expect("TOML");
        assert_eq!(AgreementFile::read(&written).expect("terms"), file);
    }

    #[test]
    fn the_example_is_what_it_says() {
        let example = include_str!("../../../../examples/terms/harbor-hotels.toml");
        let agreement = AgreementFile::read(example).expect("terms").into_api();
        let inward = agreement.exchange_in.as_ref().expect("points come in");
        assert_eq!((inward.give, inward.receive, inward.minimum), (3, 1, 3_000));
        let never = agreement.categories.iter().find(|found| found.category == "gift-card");
        assert_eq!(never.expect("a category that never earns").rules[0].points, 0);
        assert_eq!((agreement.claim_limit_days, agreement.accepts_donations), (180, false));
    }

    #[test]
    fn an_amount_is_an_exact_decimal() {
        for (text, micros) in [("0.0060", 6_000), ("12", 12_000_000), ("1.000001", 1_000_001)] {
            assert_eq!(Decimal::try_from(text.to_owned()).expect("an amount"), Decimal(micros));
        }
        for text in ["", ".5", "-1", "1e3", "0.0000001", "1,5", "99999999999999"] {
            assert!(Decimal::try_from(text.to_owned()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_misspelled_field_is_an_error() {
        let misspelled = TERMS.replace("late_limit_days", "late_limit");
        assert!(AgreementFile::read(&misspelled).is_err());
    }
}
