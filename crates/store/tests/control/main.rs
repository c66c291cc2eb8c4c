//! The control transaction and what it writes, against a real PostgreSQL, as the role of a hub.

mod catalogue;
mod exposure;
mod feed;
mod members;
mod plans;
mod proposals;
mod security;
mod told;
mod transaction;
mod webhooks;

use std::collections::BTreeMap;

use entente_ledger::{Funding, Micros, PartnerId, Points, TermsVersion};
use entente_loyalty::{
    Agreement, EarnCategory, EarnRounding, EarnRule, ExchangeBonus, ExchangeRate, Gifts, Meter,
    Terms,
};
use entente_store::{catalogue::insert_partner, control::Control};
use entente_testkit::{Database, morning};
use sqlx::PgPool;

/// A ledger of one test.
struct Ledger {
    // Dropped last: the pool is on it.
    pool: PgPool,
    database: Database,
}

impl Ledger {
    async fn fresh() -> Self {
        let database = Database::fresh().await;
        Self { pool: database.runtime_pool().await, database }
    }

    async fn partner(&self, code: &str) -> PartnerId {
        let mut control = Control::begin(&self.pool).await.expect("heads");
        let code = code.parse().expect("a code");
        let partner =
            insert_partner(control.connection(), &code, "A brand", morning(), false).await;
        control.raise_epoch().await.expect("an epoch");
        control.commit().await.expect("a commit");
        partner.expect("a partner").expect("a free code")
    }
}

/// Harbor Hotels' first terms, with something in every field.
fn terms(partner: PartnerId, version: i32) -> Terms {
    let rule = |minimum, points| EarnRule {
        minimum_spend: Micros(minimum),
        points,
        per_spend: Micros(1_000_000),
    };
    let category = |name: &str, rules| EarnCategory { category: name.to_owned(), rules };
    let eur = "EUR".parse().expect("ISO 4217");
    let usd = "USD".parse().expect("ISO 4217");
    let agreement = Agreement {
        currency: eur,
        categories: vec![
            category("*", vec![rule(0, 1)]),
            category("room", vec![rule(0, 1), rule(100_000_000, 2)]),
        ],
        rounding: EarnRounding::HalfUp,
        max_points_per_operation: Some(Points(5_000)),
        max_points_per_member_year: None,
        issue_price: Micros(10_000),
        reimbursement: Micros(7_000),
        point_value: Micros(0),
        hub_fee_basis_points: 150,
        funding: Funding::AtRedemption,
        lot_life_days: 365,
        hold_life_seconds: 3_600,
        late_limit_days: 7,
        net_debit_caps: BTreeMap::from([(eur, Micros(30_000_000_000)), (usd, Micros(0))]),
        exchange_in: Some(ExchangeRate {
            give: 3,
            receive: 1,
            minimum: Points(3_000),
            increment: Points(3),
            exact_increments: true,
            bonus: Some(ExchangeBonus { threshold: Points(60_000), points: Points(5_000) }),
        }),
        exchange_out: Some(ExchangeRate {
            give: 1,
            receive: 2,
            minimum: Points(1),
            increment: Points(1),
            exact_increments: false,
            bonus: None,
        }),
        claim_limit_days: 90,
        gifts: Some(Gifts {
            max_points_per_operation: Points(5_000),
            max_points_per_member_month: Points(20_000),
        }),
        accepts_donations: true,
        prepaid: false,
        limits: Meter::ALL.into_iter().zip(1..).collect(),
    };
    let (version, effective_from) = (TermsVersion(version), morning());
    Terms { partner, version, effective_from, effective_to: None, agreement }
}
