//! Floats of prepaid partners: blocks are bought under all heads, so that no batch draws meanwhile, and
//! read as they stand. A block is an operation of the hub: what it costs is owed in the open window.

use entente_ledger::{
    Account, AmountKind, Currency, Micros, PartnerId, Points, RequestId, Transfer,
};
use entente_loyalty::{BlockId, Exposure, ExposureKey, Mark};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::{PgConnection, PgExecutor, PgPool};

use super::{
    adjust::{self, Adjustment},
    exposures::{Exposures, exposures},
};
use crate::{Place, StoreError, batch::exposure, codes, control::Control};

/// A block to be bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Purchase {
    /// The operators' id of it.
    pub request_id: RequestId,
    /// Who buys,
    pub partner: PartnerId,
    /// in which currency.
    pub currency: Currency,
    /// How many points, more than 0.
    pub points: Points,
    /// What a point costs, more than 0.
    pub price: Micros,
    /// What all of them cost.
    pub amount: Micros,
    /// Whether it is used when the others are empty.
    pub is_reserve: bool,
    /// Whether the partner tests.
    pub testing: bool,
}

/// A block as it was bought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bought {
    /// Its number.
    pub block: BlockId,
    /// The operation, for the request's outcome.
    pub place: Place,
    /// The kept exposures that it moved, as they are now.
    pub exposures: Vec<(ExposureKey, Exposure)>,
}

/// A float as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListedFloat {
    /// Whose.
    pub partner: PartnerId,
    /// In which currency.
    pub currency: Currency,
    /// What is left of the blocks that are no reserve.
    pub left: Points,
    /// What is left of the reserve.
    pub reserve_left: Points,
    /// What was left after the last purchase, the reserve not counted.
    pub level: Points,
    /// What was paid for what is left, the reserve counted.
    pub worth: Micros,
}

/// A block as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListedBlock {
    /// Its number.
    pub block: BlockId,
    /// In which currency.
    pub currency: Currency,
    /// Whether it is used when the others are empty.
    pub is_reserve: bool,
    /// What a point of it cost.
    pub price: Micros,
    /// How many points were bought.
    pub points: Points,
    /// How many of them are not issued.
    pub left: Points,
    /// When.
    pub bought_at: Timestamp,
    /// The request id of the operation that bought it.
    pub request_id: RequestId,
}

/// Floats, their blocks and what their partners owe, at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FloatsRead {
    /// Of one partner, or of all.
    pub floats: Vec<ListedFloat>,
    /// Of one partner.
    pub blocks: Vec<ListedBlock>,
    /// What partners owe, whether they have a float or not.
    pub exposures: Exposures,
}

/// Whether some reserve of a float has points left.
pub async fn has_reserve(
    executor: impl PgExecutor<'_>,
    partner: PartnerId,
    currency: Currency,
) -> Result<bool, StoreError> {
    let found = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM float_blocks
                          WHERE partner_id = $1 AND currency = $2 AND is_reserve AND open)
           AS "found!""#,
        partner.0,
        currency.code()
    );
    Ok(found.fetch_one(executor).await?)
}

/// Buys a block: the partner owes the pool for it. The request's outcome and the commit are the
/// caller's.
///
/// # Errors
/// One that costs nothing is inconsistent: the door refuses it.
pub async fn buy(control: &mut Control, purchase: &Purchase) -> Result<Bought, StoreError> {
    let accounts = (Account::Clearing(purchase.partner), Account::Pool);
    let transfer =
        Transfer::money(AmountKind::Prepaid, accounts, purchase.amount, purchase.currency)
            .map_err(|error| StoreError::inconsistent("transfers", "amount", error))?;
    let (window, transfers) = (control.window_of(purchase.testing).id, &[transfer]);
    let request_id = purchase.request_id;
    let place = adjust::post(control, Adjustment { request_id, window, transfers }).await?;
    adjust::add_to_positions(control.connection(), window, transfers).await?;
    let block = add_block(control, purchase).await?;
    let exposures = raise_exposure(control.connection(), purchase).await?;
    Ok(Bought { block, place, exposures })
}

async fn add_block(control: &mut Control, purchase: &Purchase) -> Result<BlockId, StoreError> {
    let (now, window) = (control.now(), control.window_of(purchase.testing).id);
    let connection = control.connection();
    let (partner, currency) = (purchase.partner.0, purchase.currency.code());
    // The level of a float counts no reserve, and is that of the last purchase.
    let before = sqlx::query!(
        r#"INSERT INTO floats (partner_id, currency, level, told_percent) VALUES ($1, $2, 0, 0)
           ON CONFLICT (partner_id, currency) DO UPDATE SET level = floats.level
           RETURNING (SELECT COALESCE(sum(b.points_left), 0)::bigint FROM float_blocks b
                      WHERE b.partner_id = $1 AND b.currency = $2 AND b.open AND NOT b.is_reserve)
                         AS "left!",
                     (SELECT COALESCE(max(b.block), 0) FROM float_blocks b
                      WHERE b.partner_id = $1 AND b.currency = $2) AS "block!""#,
        partner,
        currency
    )
    .fetch_one(&mut *connection)
    .await?;
    let block = before.block.checked_add(1);
    let block = block.ok_or_else(|| beyond_range("block"))?;
    sqlx::query!(
        "INSERT INTO float_blocks (partner_id, currency, block, request_id, window_id, bought_at,
                                   is_reserve, price_micros, points, points_left, open)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, true)",
        partner,
        currency,
        block,
        purchase.request_id.0,
        window.0,
        now.to_sqlx() as _,
        purchase.is_reserve,
        purchase.price.0,
        purchase.points.0
    )
    .execute(&mut *connection)
    .await?;
    if !purchase.is_reserve {
        let level = Points(before.left).plus(purchase.points);
        let mark = Mark::bought(level.map_err(|_| beyond_range("level"))?);
        sqlx::query!(
            "UPDATE floats SET level = $3, told_percent = $4
             WHERE partner_id = $1 AND currency = $2",
            partner,
            currency,
            mark.level.0,
            i16::from(mark.told)
        )
        .execute(connection)
        .await?;
    }
    Ok(BlockId(block))
}

fn beyond_range(column: &'static str) -> StoreError {
    StoreError::inconsistent("float_blocks", column, "beyond the range")
}

/// It is part of the open window's net at once.
async fn raise_exposure(
    connection: &mut PgConnection,
    purchase: &Purchase,
) -> Result<Vec<(ExposureKey, Exposure)>, StoreError> {
    let rows = sqlx::query!(
        "UPDATE exposures SET owed_micros = owed_micros + $3::bigint
         WHERE partner_id = $1 AND currency = $2
         RETURNING partner_id, currency, owed_micros, told_percent",
        purchase.partner.0,
        purchase.currency.code(),
        purchase.amount.0
    );
    let rows = rows.fetch_all(connection).await?.into_iter();
    rows.map(|row| exposure((row.partner_id, &row.currency), (row.owed_micros, row.told_percent)))
        .collect()
}

/// The floats of a partner with its blocks after one of them, `limit` at most; or of all partners,
/// without blocks.
pub async fn read(
    pool: &PgPool,
    partner: Option<PartnerId>,
    after: Option<(String, BlockId)>,
    limit: i64,
) -> Result<FloatsRead, StoreError> {
    let mut snapshot = pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    let floats = list_floats(&mut *snapshot, partner).await?;
    let blocks = match partner {
        Some(partner) => list_blocks(&mut *snapshot, partner, after, limit).await?,
        None => Vec::new(),
    };
    let exposures = exposures(&mut snapshot, partner).await?;
    snapshot.rollback().await?;
    Ok(FloatsRead { floats, blocks, exposures })
}

/// The floats of one partner, or of all.
pub async fn list_floats(
    executor: impl PgExecutor<'_>,
    partner: Option<PartnerId>,
) -> Result<Vec<ListedFloat>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT f.partner_id, f.currency, f.level,
                  COALESCE(sum(b.points_left) FILTER (WHERE NOT b.is_reserve), 0)::bigint
                      AS "left!",
                  COALESCE(sum(b.points_left) FILTER (WHERE b.is_reserve), 0)::bigint
                      AS "reserve_left!",
                  COALESCE(sum(b.points_left * b.price_micros), 0)::bigint AS "worth!"
           FROM floats f LEFT JOIN float_blocks b
                ON b.partner_id = f.partner_id AND b.currency = f.currency AND b.open
           WHERE $1::integer IS NULL OR f.partner_id = $1
           GROUP BY f.partner_id, f.currency ORDER BY f.partner_id, f.currency"#,
        partner.map(|partner| partner.0)
    );
    let rows = rows.fetch_all(executor).await?.into_iter();
    rows.map(|row| {
        Ok(ListedFloat {
            partner: PartnerId(row.partner_id),
            currency: codes::currency(&row.currency, "floats", "currency")?,
            left: Points(row.left),
            reserve_left: Points(row.reserve_left),
            level: Points(row.level),
            worth: Micros(row.worth),
        })
    })
    .collect()
}

/// The blocks of a partner by currency, newest first, after one of them; `limit` at most.
async fn list_blocks(
    executor: impl PgExecutor<'_>,
    partner: PartnerId,
    after: Option<(String, BlockId)>,
    limit: i64,
) -> Result<Vec<ListedBlock>, StoreError> {
    let (currency, block) = after.map(|(currency, block)| (currency, block.0)).unzip();
    let rows = sqlx::query!(
        r#"SELECT block, currency, is_reserve, price_micros, points, points_left, request_id,
                  bought_at AS "bought_at: jiff_sqlx::Timestamp"
           FROM float_blocks
           WHERE partner_id = $1
             AND ($2::text IS NULL OR currency > $2 OR (currency = $2 AND block < $3))
           ORDER BY currency, block DESC LIMIT $4"#,
        partner.0,
        currency,
        block,
        limit
    );
    let rows = rows.fetch_all(executor).await?.into_iter();
    rows.map(|row| {
        Ok(ListedBlock {
            block: BlockId(row.block),
            currency: codes::currency(&row.currency, "float_blocks", "currency")?,
            is_reserve: row.is_reserve,
            price: Micros(row.price_micros),
            points: Points(row.points),
            left: Points(row.points_left),
            bought_at: row.bought_at.to_jiff(),
            request_id: RequestId(row.request_id),
        })
    })
    .collect()
}
