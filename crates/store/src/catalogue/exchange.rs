//! The rates of exchanges between a partner's own points and shared points, in and out of rows.

use std::collections::BTreeMap;

use entente_ledger::{PartnerId, Points, TermsVersion};
use entente_loyalty::{ExchangeBonus, ExchangeRate, Terms};
use sqlx::PgConnection;

use super::Key;
use crate::{StoreError, codes::inconsistent};

const IN: i16 = 1;
const OUT: i16 = 2;

/// What a version agrees in each direction.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Exchanges {
    /// The partner's own points for shared points.
    pub(super) inward: Option<ExchangeRate>,
    /// Shared points for the partner's own points.
    pub(super) outward: Option<ExchangeRate>,
}

pub(super) async fn load(
    connection: &mut PgConnection,
) -> Result<BTreeMap<Key, Exchanges>, StoreError> {
    let rows = sqlx::query!(
        "SELECT partner_id, version, direction, give, receive, minimum, increment,
                exact_increments, bonus_threshold, bonus_points
         FROM terms_exchange"
    );
    let mut found = BTreeMap::<Key, Exchanges>::new();
    for row in rows.fetch_all(connection).await? {
        let bonus = row.bonus_threshold.zip(row.bonus_points);
        let rate = ExchangeRate {
            give: row.give,
            receive: row.receive,
            minimum: Points(row.minimum),
            increment: Points(row.increment),
            exact_increments: row.exact_increments,
            bonus: bonus.map(|(threshold, points)| ExchangeBonus {
                threshold: Points(threshold),
                points: Points(points),
            }),
        };
        let key = (PartnerId(row.partner_id), TermsVersion(row.version));
        let exchanges = found.entry(key).or_default();
        match row.direction {
            IN => exchanges.inward = Some(rate),
            OUT => exchanges.outward = Some(rate),
            other => return Err(inconsistent("terms_exchange", "direction", other)),
        }
    }
    Ok(found)
}

pub(super) async fn insert(connection: &mut PgConnection, terms: &Terms) -> Result<(), StoreError> {
    let agreement = &terms.agreement;
    for (direction, rate) in [(IN, agreement.exchange_in), (OUT, agreement.exchange_out)] {
        let Some(rate) = rate else { continue };
        sqlx::query!(
            "INSERT INTO terms_exchange (partner_id, version, direction, give, receive, minimum,
                                         increment, exact_increments, bonus_threshold, bonus_points)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            terms.partner.0,
            terms.version.0,
            direction,
            rate.give,
            rate.receive,
            rate.minimum.0,
            rate.increment.0,
            rate.exact_increments,
            rate.bonus.map(|bonus| bonus.threshold.0),
            rate.bonus.map(|bonus| bonus.points.0)
        )
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}
