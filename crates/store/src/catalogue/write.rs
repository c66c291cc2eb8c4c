//! Changes of partners and terms. Each is made under all heads and raises the epoch.

use entente_ledger::PartnerId;
use entente_loyalty::{Agreement, EarnCategory, EarnRule, PartnerCode, Terms};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::{PgConnection, PgExecutor};

use super::{exchange, limits, rounding_code};
use crate::{StoreError, codes};

/// Adds a partner, which tests or does not, for ever; `None` when its code is taken.
pub async fn insert_partner(
    executor: impl PgExecutor<'_>,
    code: &PartnerCode,
    display_name: &str,
    created_at: Timestamp,
    testing: bool,
) -> Result<Option<PartnerId>, StoreError> {
    let id = sqlx::query_scalar!(
        "INSERT INTO partners (code, display_name, created_at, testing) VALUES ($1, $2, $3, $4)
         ON CONFLICT (code) DO NOTHING RETURNING partner_id",
        code.as_str(),
        display_name,
        created_at.to_sqlx() as _,
        testing
    );
    Ok(id.fetch_optional(executor).await?.map(PartnerId))
}

/// Suspends a partner, or resumes it.
pub async fn set_suspended(
    executor: impl PgExecutor<'_>,
    partner: PartnerId,
    suspended: bool,
) -> Result<(), StoreError> {
    sqlx::query!("UPDATE partners SET suspended = $2 WHERE partner_id = $1", partner.0, suspended)
        .execute(executor)
        .await?;
    Ok(())
}

/// Whether a partner is suspended, as the database has it now.
pub async fn is_suspended(
    executor: impl PgExecutor<'_>,
    partner: PartnerId,
) -> Result<bool, StoreError> {
    let suspended =
        sqlx::query_scalar!("SELECT suspended FROM partners WHERE partner_id = $1", partner.0);
    Ok(suspended.fetch_one(executor).await?)
}

/// Publishes a version, and ends the open-ended one before it where the new one begins.
pub async fn insert_terms(connection: &mut PgConnection, terms: &Terms) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE terms SET effective_to = $2 WHERE partner_id = $1 AND effective_to IS NULL",
        terms.partner.0,
        terms.effective_from.to_sqlx() as _
    )
    .execute(&mut *connection)
    .await?;
    insert_version(connection, terms).await?;
    insert_rules(connection, terms).await?;
    insert_caps(connection, terms).await?;
    exchange::insert(connection, terms).await?;
    limits::insert(connection, terms).await
}

async fn insert_version(connection: &mut PgConnection, terms: &Terms) -> Result<(), StoreError> {
    let Agreement { max_points_per_operation, max_points_per_member_year, .. } = terms.agreement;
    let agreement = &terms.agreement;
    sqlx::query!(
        "INSERT INTO terms (partner_id, version, effective_from, effective_to, currency, rounding,
                            max_points_per_operation, max_points_per_member_year,
                            issue_price_micros, reimbursement_micros, point_value_micros,
                            hub_fee_basis_points, funding, lot_life_days, hold_life_seconds,
                            late_limit_days, claim_limit_days, gift_max_points_per_operation,
                            gift_max_points_per_member_month, accepts_donations,
                            prepaid)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
                 $19, $20, $21)",
        terms.partner.0,
        terms.version.0,
        terms.effective_from.to_sqlx() as _,
        terms.effective_to.map(ToSqlx::to_sqlx) as _,
        agreement.currency.code(),
        rounding_code(agreement.rounding),
        max_points_per_operation.map(|points| points.0),
        max_points_per_member_year.map(|points| points.0),
        agreement.issue_price.0,
        agreement.reimbursement.0,
        agreement.point_value.0,
        agreement.hub_fee_basis_points,
        codes::funding_code(agreement.funding),
        agreement.lot_life_days,
        agreement.hold_life_seconds,
        agreement.late_limit_days,
        agreement.claim_limit_days,
        agreement.gifts.map(|gifts| gifts.max_points_per_operation.0),
        agreement.gifts.map(|gifts| gifts.max_points_per_member_month.0),
        agreement.accepts_donations,
        agreement.prepaid
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn insert_rules(connection: &mut PgConnection, terms: &Terms) -> Result<(), StoreError> {
    let rules = |category: &EarnCategory| -> Vec<(String, EarnRule)> {
        category.rules.iter().map(|rule| (category.category.clone(), *rule)).collect()
    };
    let rows: Vec<_> = terms.agreement.categories.iter().flat_map(rules).collect();
    let column = |value: fn(&EarnRule) -> i64| -> Vec<i64> {
        rows.iter().map(|(_, rule)| value(rule)).collect()
    };
    sqlx::query!(
        "INSERT INTO terms_rules (partner_id, version, category, minimum_spend_micros, points,
                                  per_spend_micros)
         SELECT $1, $2, * FROM UNNEST($3::text[], $4::bigint[], $5::bigint[], $6::bigint[])",
        terms.partner.0,
        terms.version.0,
        &rows.iter().map(|(category, _)| category.clone()).collect::<Vec<_>>(),
        &column(|rule| rule.minimum_spend.0),
        &column(|rule| rule.points),
        &column(|rule| rule.per_spend.0)
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn insert_caps(connection: &mut PgConnection, terms: &Terms) -> Result<(), StoreError> {
    let caps = &terms.agreement.net_debit_caps;
    sqlx::query!(
        "INSERT INTO terms_caps (partner_id, version, currency, cap_micros)
         SELECT $1, $2, * FROM UNNEST($3::text[], $4::bigint[])",
        terms.partner.0,
        terms.version.0,
        &caps.keys().map(ToString::to_string).collect::<Vec<_>>(),
        &caps.values().map(|cap| cap.0).collect::<Vec<_>>()
    )
    .execute(connection)
    .await?;
    Ok(())
}
