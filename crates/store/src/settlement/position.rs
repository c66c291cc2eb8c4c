//! Positions of a window, open or closed, and what they come to.

use entente_ledger::{Micros, PartnerId, Points, PositionAmount, PositionKey, Positions, WindowId};
use entente_settlement::{Nets, Total, TotalKey, Totals, exact_nets, rounded_nets, totals};
use sqlx::{PgExecutor, PgPool};

use super::{
    exposures::{Exposures, exposures},
    floats::{ListedFloat, list_floats},
    windows::{ListedWindow, open_window, window_by_name},
};
use crate::{StoreError, codes};

/// Which window is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WindowChoice {
    /// The open one: of a partner that tests, the testing one.
    Open,
    /// The closed one of this name.
    Closed(String),
}

/// What a window comes to, at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The window.
    pub window: ListedWindow,
    /// Exact sums.
    pub gross: Positions,
    /// What each party pays: exact while the window is open, rounded once it is closed.
    pub nets: Nets,
    /// What partners owe now, whichever window is read.
    pub exposures: Exposures,
    /// What prepaid partners have left to issue now.
    pub floats: Vec<ListedFloat>,
}

/// The position of one partner in a window, or of all; `None` when no window has the name. It is
/// read in one snapshot.
pub async fn position(
    pool: &PgPool,
    window: &WindowChoice,
    partner: Option<PartnerId>,
) -> Result<Option<Position>, StoreError> {
    let mut snapshot = pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    let found = match window {
        WindowChoice::Open => {
            let testing = is_testing(&mut *snapshot, partner).await?;
            Some(open_window(&mut *snapshot, testing).await?)
        }
        WindowChoice::Closed(name) => window_by_name(&mut *snapshot, name).await?,
    };
    let Some(window) = found else { return Ok(None) };
    let gross = gross(&mut *snapshot, window.id, partner).await?;
    let mut nets = match window.closed_at {
        None => exact_nets(&window_totals(&gross)?).map_err(|_| beyond_range())?,
        Some(_) => nets_of_totals(&mut *snapshot, window.id).await?,
    };
    nets.retain(|party, _| partner.is_none_or(|partner| party.partner == partner));
    let exposures = exposures(&mut snapshot, partner).await?;
    let floats = list_floats(&mut *snapshot, partner).await?;
    snapshot.rollback().await?;
    Ok(Some(Position { window, gross, nets, exposures, floats }))
}

/// Whether a partner tests; all together do not.
async fn is_testing(
    executor: impl PgExecutor<'_>,
    partner: Option<PartnerId>,
) -> Result<bool, StoreError> {
    let testing = sqlx::query_scalar!(
        "SELECT testing FROM partners WHERE partner_id = $1",
        partner.map(|partner| partner.0)
    );
    Ok(testing.fetch_optional(executor).await?.unwrap_or_default())
}

/// The positions of a window that a partner is part of, or all, summed over cells.
pub(crate) async fn gross(
    executor: impl PgExecutor<'_>,
    window: WindowId,
    partner: Option<PartnerId>,
) -> Result<Positions, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT p.currency, p.payer, p.payee, p.kind, sum(p.points)::bigint AS "points!",
                  sum(p.micros)::bigint AS "micros!"
           FROM cells c JOIN positions p ON p.cell = c.cell AND p.window_id = $1
           WHERE $2::integer IS NULL OR p.payer = $2 OR p.payee = $2
           GROUP BY p.currency, p.payer, p.payee, p.kind"#,
        window.0,
        partner.map(|partner| partner.0)
    );
    let rows = rows.fetch_all(executor).await?;
    rows.into_iter()
        .map(|row| {
            let key = PositionKey {
                currency: codes::currency(&row.currency, "positions", "currency")?,
                payer: PartnerId(row.payer),
                payee: PartnerId(row.payee),
                kind: codes::amount_kind(row.kind)?,
            };
            let amount = PositionAmount { points: Points(row.points), micros: Micros(row.micros) };
            Ok((key, amount))
        })
        .collect()
}

/// The rounded nets of a closed window.
pub(crate) async fn nets_of_totals(
    executor: impl PgExecutor<'_>,
    window: WindowId,
) -> Result<Nets, StoreError> {
    rounded_nets(&totals_of(executor, window).await?).map_err(|_| beyond_range())
}

/// The totals of a closed window, as written when it closed.
pub(crate) async fn totals_of(
    executor: impl PgExecutor<'_>,
    window: WindowId,
) -> Result<Totals, StoreError> {
    let rows = sqlx::query!(
        "SELECT currency, payer, payee, exact_micros, rounded_micros FROM totals
         WHERE window_id = $1",
        window.0
    );
    let rows = rows.fetch_all(executor).await?;
    rows.into_iter()
        .map(|row| {
            let key = TotalKey {
                currency: codes::currency(&row.currency, "totals", "currency")?,
                payer: PartnerId(row.payer),
                payee: PartnerId(row.payee),
            };
            let (exact, rounded) = (Micros(row.exact_micros), Micros(row.rounded_micros));
            Ok((key, Total { exact, rounded }))
        })
        .collect()
}

fn window_totals(gross: &Positions) -> Result<Totals, StoreError> {
    totals(gross.iter().map(|(key, amount)| (*key, *amount))).map_err(|_| beyond_range())
}

fn beyond_range() -> StoreError {
    StoreError::inconsistent("positions", "micros", "beyond the range")
}
