//! Stretches of cells: what a window's operations moved is read cell by cell, in order of number, so that each
//! transfer is met once, whoever posted it. The numbers of a cell grow with the time of posting, and the
//! index that finds them is the primary key, in whatever order the rows lie.

use entente_ledger::{PartnerId, WindowId};
use futures::{Stream, TryStreamExt as _};
use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx;
use sqlx::{
    Decode, PgConnection, PgPool, Postgres, Type,
    error::BoxDynError,
    postgres::{PgTypeInfo, PgValueRef},
};

use crate::StoreError;

/// Operations of all cells that one statement reads at most: for so long it keeps a connection, which others
/// wait for.
const STRETCH: i64 = 8_192;

/// What is left of a cell: the numbers after one, up to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) cell: i16,
    pub(super) after: i64,
    pub(super) until: i64,
}

/// A transfer that may concern the partner: as its payer, payee or issuer, or as what members donate.
#[derive(Debug)]
pub(super) struct Transfer {
    pub(super) cell: i16,
    pub(super) seq: i64,
    pub(super) posted_at: jiff_sqlx::Timestamp,
    pub(super) kind: i16,
    pub(super) issuer: Option<i32>,
    pub(super) payer: i32,
    pub(super) payee: i32,
    pub(super) currency: Code,
    /// Points, or micros of the currency where it has no price.
    pub(super) amount: i64,
    /// Of points.
    pub(super) price: Option<i64>,
}

/// The three letters of a currency, without a text of their own for each row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Code(pub(super) [u8; 3]);

/// The numbers of a window in each cell: those of operations that were posted in its time.
pub(super) async fn of_window(
    pool: &PgPool,
    (opened_at, closed_at): (Timestamp, Timestamp),
) -> Result<Vec<Left>, StoreError> {
    // What a close rounds is posted when it closes.
    let end = closed_at + SignedDuration::from_micros(1);
    let (after, until) = (last_before(pool, opened_at).await?, last_before(pool, end).await?);
    let cells = after.into_iter().zip(until);
    Ok(cells.map(|((cell, after), (_, until))| Left { cell, after, until }).collect())
}

/// For each cell, in order, the number just before that of the first operation at a time or later. It is searched
/// by halves: a look at all that was posted since would be longer the older the window.
async fn last_before(pool: &PgPool, time: Timestamp) -> Result<Vec<(i16, i64)>, StoreError> {
    let rows = sqlx::query!(
        r#"WITH RECURSIVE search (cell, low, high, next) AS (
               SELECT cell, 0::bigint, seq, NULL::bigint FROM cells
               UNION ALL
               SELECT s.cell, CASE WHEN found.is_before THEN found.seq ELSE s.low END,
                      CASE WHEN found.is_before THEN s.high ELSE (s.low + s.high + 1) / 2 - 1 END,
                      CASE WHEN NOT found.is_before THEN found.seq END
               FROM search s
               LEFT JOIN LATERAL (
                   SELECT o.seq, o.posted_at < $1 AS is_before FROM operations o
                   WHERE o.cell = s.cell AND o.seq >= (s.low + s.high + 1) / 2
                   ORDER BY o.seq LIMIT 1
               ) found ON true
               WHERE s.low < s.high
           )
           SELECT cell AS "cell!", COALESCE(min(next) - 1, max(low)) AS "seq!"
           FROM search GROUP BY cell"#,
        time.to_sqlx() as _
    );
    let rows = rows.fetch_all(pool).await?;
    let mut numbers: Vec<_> = rows.into_iter().map(|row| (row.cell, row.seq)).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// Takes the next stretch up to the given numbers, in as many cells as there are; `None` where all is taken.
pub(super) fn next(left: &mut [Left], until: &[i64]) -> Option<Vec<Left>> {
    let step = i64::try_from(left.len()).map_or(1, |cells| (STRETCH / cells.max(1)).max(1));
    let mut taken = Vec::with_capacity(left.len());
    for (left, until) in left.iter_mut().zip(until) {
        let until = left.until.min(*until).min(left.after.saturating_add(step));
        if left.after < until {
            taken.push(Left { until, ..*left });
            left.after = until;
        }
    }
    (!taken.is_empty()).then_some(taken)
}

/// The transfers of a stretch that may concern a partner, without those of merges, and of gifts only those
/// that it pays: the giver's leg.
pub(super) fn transfers<'c>(
    connection: &'c mut PgConnection,
    (partner, window): (PartnerId, WindowId),
    (opened_at, closed_at): (Timestamp, Timestamp),
    stretch: &[Left],
) -> impl Stream<Item = Result<Transfer, StoreError>> + use<'c> {
    let cells: Vec<i16> = stretch.iter().map(|left| left.cell).collect();
    let (after, until): (Vec<i64>, Vec<i64>) =
        stretch.iter().map(|left| (left.after, left.until)).unzip();
    sqlx::query_as!(
        Transfer,
        r#"SELECT t.cell, t.seq, t.posted_at AS "posted_at: jiff_sqlx::Timestamp", t.kind, t.issuer,
                  t.payer, t.payee, t.currency AS "currency: Code", t.amount,
                  CASE WHEN t.in_points THEN t.price_micros END AS price
           FROM UNNEST($1::smallint[], $2::bigint[], $3::bigint[]) AS stretch (cell, after, until)
           JOIN transfers t ON t.cell = stretch.cell AND t.seq > stretch.after
               AND t.seq <= stretch.until
           WHERE t.posted_at BETWEEN $4 AND $5 AND t.window_id = $6
             AND (t.payer = $7 OR t.payee = $7 OR t.issuer = $7 OR t.credit_kind = 5)
             AND (t.kind <> 12 OR t.payer = $7) AND t.kind <> 13"#,
        &cells,
        &after,
        &until,
        opened_at.to_sqlx() as _,
        closed_at.to_sqlx() as _,
        window.0,
        partner.0
    )
    .fetch(connection)
    .map_err(StoreError::from)
}

impl Type<Postgres> for Code {
    fn type_info() -> PgTypeInfo {
        <str as Type<Postgres>>::type_info()
    }

    fn compatible(info: &PgTypeInfo) -> bool {
        <str as Type<Postgres>>::compatible(info)
    }
}

impl<'r> Decode<'r, Postgres> for Code {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        Ok(Self(<&str as Decode<Postgres>>::decode(value)?.as_bytes().try_into()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_taken_once_in_stretches_that_are_not_too_long() {
        let cell = |cell, after, until| Left { cell, after, until };
        let step = STRETCH / 3;
        let mut left = [cell(0, 10, 20 + 5 * step), cell(1, 0, 3), cell(2, 7, 7)];
        assert_eq!(next(&mut left, &[20, 0, 9]), Some(vec![cell(0, 10, 20)]));
        assert_eq!(next(&mut left, &[20, 0, 9]), None, "up to the last of a page");
        let all = [i64::MAX; 3];
        assert_eq!(next(&mut left, &all), Some(vec![cell(0, 20, 20 + step), cell(1, 0, 3)]));
        let (mut from, mut count) = (20 + step, 0);
        while let Some(taken) = next(&mut left, &all) {
            let [Left { cell: 0, after, until }] = taken[..] else { panic!("{taken:?}") };
            assert!(after == from && until - after <= step);
            (from, count) = (until, count + 1);
        }
        assert_eq!((from, count), (20 + 5 * step, 4));
    }
}
