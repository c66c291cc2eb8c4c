//! Partners and their terms, in and out of rows.

mod announced;
mod exchange;
mod exposure;
mod limits;
mod write;

use std::collections::BTreeMap;

use entente_ledger::{Currency, Micros, PartnerId, Points, TermsVersion};
use entente_loyalty::{
    Agreement, Catalogue, EarnCategory, EarnRounding, EarnRule, Gifts, Meter, Partner, PartnerCode,
    Terms,
};
use sqlx::{PgConnection, PgExecutor};

use crate::{StoreError, codes};
use exchange::Exchanges;

pub use announced::{mark_announced, to_announce};
pub use exposure::track_exposure;
pub use write::{insert_partner, insert_terms, is_suspended, set_suspended};

/// A version's key.
type Key = (PartnerId, TermsVersion);

/// What hangs on a version: its rules by category, its caps by currency, its exchanges, its limits.
#[derive(Default)]
struct Parts {
    categories: BTreeMap<Key, BTreeMap<String, Vec<EarnRule>>>,
    caps: BTreeMap<Key, BTreeMap<Currency, Micros>>,
    exchanges: BTreeMap<Key, Exchanges>,
    limits: BTreeMap<Key, BTreeMap<Meter, i64>>,
}

/// The epoch of the catalogue: raised by every change of it.
pub async fn catalogue_epoch(executor: impl PgExecutor<'_>) -> Result<i64, StoreError> {
    let epoch = sqlx::query_scalar!("SELECT catalogue_epoch FROM cells ORDER BY cell LIMIT 1");
    Ok(epoch.fetch_one(executor).await?)
}

/// Every partner and its terms, the hub itself left out. Outside a transaction under a head, what is
/// loaded may be newer than the epoch that it names, never older: the epoch is read first, and a
/// version before what hangs on it, which was committed with it.
pub async fn load_catalogue(connection: &mut PgConnection) -> Result<Catalogue, StoreError> {
    let epoch = catalogue_epoch(&mut *connection).await?;
    let mut partners = partners(connection).await?;
    let rows = terms_rows(connection).await?;
    let mut parts = Parts {
        categories: categories(connection).await?,
        caps: caps(connection).await?,
        exchanges: exchange::load(connection).await?,
        limits: limits::load(connection).await?,
    };
    for row in rows {
        let terms = row.into_terms(&mut parts)?;
        // A partner that was created after the partners were read comes with the next epoch.
        if let Some(partner) = partners.get_mut(&terms.partner) {
            partner.terms.push(terms);
        }
    }
    Ok(Catalogue::new(epoch, partners.into_values().collect()))
}

async fn partners(
    connection: &mut PgConnection,
) -> Result<BTreeMap<PartnerId, Partner>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT partner_id, code, display_name, suspended, testing,
                  created_at AS "created_at: jiff_sqlx::Timestamp"
           FROM partners WHERE partner_id <> 0"#
    );
    let rows = rows.fetch_all(connection).await?;
    let partner = rows.into_iter().map(|row| {
        let id = PartnerId(row.partner_id);
        let code: Result<PartnerCode, _> = row.code.parse();
        let code = code.map_err(|_| StoreError::inconsistent("partners", "code", id))?;
        let (display_name, suspended, testing) = (row.display_name, row.suspended, row.testing);
        let created_at = row.created_at.to_jiff();
        let terms = Vec::new();
        Ok((id, Partner { id, code, display_name, suspended, testing, created_at, terms }))
    });
    partner.collect()
}

/// A row of `terms`.
struct TermsRow {
    partner_id: i32,
    version: i32,
    effective_from: jiff_sqlx::Timestamp,
    effective_to: Option<jiff_sqlx::Timestamp>,
    currency: String,
    rounding: i16,
    max_points_per_operation: Option<i64>,
    max_points_per_member_year: Option<i64>,
    issue_price_micros: i64,
    reimbursement_micros: i64,
    point_value_micros: i64,
    hub_fee_basis_points: i32,
    funding: i16,
    lot_life_days: i32,
    hold_life_seconds: i64,
    late_limit_days: i32,
    claim_limit_days: i32,
    gift_max_points_per_operation: Option<i64>,
    gift_max_points_per_member_month: Option<i64>,
    accepts_donations: bool,
    prepaid: bool,
}

async fn terms_rows(connection: &mut PgConnection) -> Result<Vec<TermsRow>, StoreError> {
    let rows = sqlx::query_as!(
        TermsRow,
        r#"SELECT partner_id, version, effective_from AS "effective_from: jiff_sqlx::Timestamp",
                  effective_to AS "effective_to: jiff_sqlx::Timestamp", currency, rounding,
                  max_points_per_operation, max_points_per_member_year, issue_price_micros,
                  reimbursement_micros, point_value_micros, hub_fee_basis_points, funding,
                  lot_life_days, hold_life_seconds, late_limit_days, claim_limit_days,
                  gift_max_points_per_operation, gift_max_points_per_member_month,
                  accepts_donations, prepaid
           FROM terms ORDER BY partner_id, effective_from"#
    );
    Ok(rows.fetch_all(connection).await?)
}

impl TermsRow {
    fn into_terms(self, parts: &mut Parts) -> Result<Terms, StoreError> {
        let key = (PartnerId(self.partner_id), TermsVersion(self.version));
        let categories = parts.categories.remove(&key).unwrap_or_default();
        let categories = categories.into_iter();
        let exchanges = parts.exchanges.remove(&key).unwrap_or_default();
        let gifts = self.gift_max_points_per_operation.zip(self.gift_max_points_per_member_month);
        let agreement = Agreement {
            currency: codes::currency(&self.currency, "terms", "currency")?,
            categories: categories
                .map(|(category, rules)| EarnCategory { category, rules })
                .collect(),
            rounding: rounding(self.rounding)?,
            max_points_per_operation: self.max_points_per_operation.map(Points),
            max_points_per_member_year: self.max_points_per_member_year.map(Points),
            issue_price: Micros(self.issue_price_micros),
            reimbursement: Micros(self.reimbursement_micros),
            point_value: Micros(self.point_value_micros),
            hub_fee_basis_points: self.hub_fee_basis_points,
            funding: codes::funding(self.funding)?,
            lot_life_days: self.lot_life_days,
            hold_life_seconds: self.hold_life_seconds,
            late_limit_days: self.late_limit_days,
            net_debit_caps: parts.caps.remove(&key).unwrap_or_default(),
            exchange_in: exchanges.inward,
            exchange_out: exchanges.outward,
            claim_limit_days: self.claim_limit_days,
            gifts: gifts.map(|(operation, month)| Gifts {
                max_points_per_operation: Points(operation),
                max_points_per_member_month: Points(month),
            }),
            accepts_donations: self.accepts_donations,
            prepaid: self.prepaid,
            limits: parts.limits.remove(&key).unwrap_or_default(),
        };
        Ok(Terms {
            partner: key.0,
            version: key.1,
            effective_from: self.effective_from.to_jiff(),
            effective_to: self.effective_to.map(jiff_sqlx::Timestamp::to_jiff),
            agreement,
        })
    }
}

async fn categories(
    connection: &mut PgConnection,
) -> Result<BTreeMap<Key, BTreeMap<String, Vec<EarnRule>>>, StoreError> {
    let rows = sqlx::query!(
        "SELECT partner_id, version, category, minimum_spend_micros, points, per_spend_micros
         FROM terms_rules ORDER BY partner_id, version, category, minimum_spend_micros"
    );
    let mut categories = BTreeMap::<Key, BTreeMap<String, Vec<EarnRule>>>::new();
    for row in rows.fetch_all(connection).await? {
        let key = (PartnerId(row.partner_id), TermsVersion(row.version));
        categories.entry(key).or_default().entry(row.category).or_default().push(EarnRule {
            minimum_spend: Micros(row.minimum_spend_micros),
            points: row.points,
            per_spend: Micros(row.per_spend_micros),
        });
    }
    Ok(categories)
}

async fn caps(
    connection: &mut PgConnection,
) -> Result<BTreeMap<Key, BTreeMap<Currency, Micros>>, StoreError> {
    let rows = sqlx::query!("SELECT partner_id, version, currency, cap_micros FROM terms_caps");
    let mut caps = BTreeMap::<Key, BTreeMap<Currency, Micros>>::new();
    for row in rows.fetch_all(connection).await? {
        let key = (PartnerId(row.partner_id), TermsVersion(row.version));
        let currency = codes::currency(&row.currency, "terms_caps", "currency")?;
        caps.entry(key).or_default().insert(currency, Micros(row.cap_micros));
    }
    Ok(caps)
}

const fn rounding_code(rounding: EarnRounding) -> i16 {
    match rounding {
        EarnRounding::Down => 1,
        EarnRounding::HalfUp => 2,
    }
}

fn rounding(code: i16) -> Result<EarnRounding, StoreError> {
    match code {
        1 => Ok(EarnRounding::Down),
        2 => Ok(EarnRounding::HalfUp),
        other => Err(StoreError::inconsistent("terms", "rounding", other)),
    }
}
