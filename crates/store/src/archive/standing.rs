//! Which months there are, how far each is on its way out, and what keeps one in the ledger.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::PgConnection;

use super::Month;
use crate::{StoreError, clock};

/// How far a month is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Part of the ledger.
    Kept,
    /// Out of the ledger; its tables are in the database.
    Detached,
    /// In its files alone.
    Dropped,
}

/// What a file of a month has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchivedTable {
    /// `operations` or `transfers`.
    pub name: String,
    /// Its rows,
    pub row_count: i64,
    /// its bytes,
    pub byte_count: i64,
    /// and their digest.
    pub sha256: Vec<u8>,
}

/// A month, with its tables where it is archived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchivedMonth {
    /// Which.
    pub month: Month,
    /// How far it is.
    pub standing: Standing,
    /// By name.
    pub tables: Vec<ArchivedTable>,
}

/// Every month that has tables, or had, the earliest first.
pub async fn months(connection: &mut PgConnection) -> Result<Vec<ArchivedMonth>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT COALESCE(a.month, p.month) AS "month!: jiff_sqlx::Date",
                  a.month IS NOT NULL AS "archived!", a.dropped_at IS NOT NULL AS "dropped!"
           FROM archived_months a
           FULL JOIN (
               SELECT to_date(right(c.relname::text, 7), 'YYYY_MM') AS month
               FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
               WHERE i.inhparent = 'operations'::regclass
           ) p ON p.month = a.month
           ORDER BY 1"#
    );
    let rows = rows.fetch_all(&mut *connection).await?;
    let mut tables = tables(connection).await?;
    let months = rows.into_iter().map(|row| {
        let month = Month::of(row.month.to_jiff());
        let standing = match (row.archived, row.dropped) {
            (false, _) => Standing::Kept,
            (true, false) => Standing::Detached,
            (true, true) => Standing::Dropped,
        };
        let tables = tables.remove(&month).unwrap_or_default();
        ArchivedMonth { month, standing, tables }
    });
    Ok(months.collect())
}

/// The tables of all archived months, by name.
async fn tables(
    connection: &mut PgConnection,
) -> Result<BTreeMap<Month, Vec<ArchivedTable>>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT month AS "month: jiff_sqlx::Date", name, row_count, byte_count, sha256
           FROM archived_tables ORDER BY name"#
    );
    let mut tables: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for row in rows.fetch_all(connection).await? {
        let (name, row_count, byte_count) = (row.name, row.row_count, row.byte_count);
        let table = ArchivedTable { name, row_count, byte_count, sha256: row.sha256 };
        tables.entry(Month::of(row.month.to_jiff())).or_default().push(table);
    }
    Ok(tables)
}

/// Why a month has to stay; nothing where it can go. A window's lines are needed until what is owed for it
/// is paid, nobody can object to it any more, and every objection and break of it is answered.
pub async fn obstacles(
    connection: &mut PgConnection,
    month: Month,
) -> Result<Vec<String>, StoreError> {
    let (_, now) = clock::read(&mut *connection).await?;
    if now < month.end() {
        return Ok(vec![format!("{month} is not over")]);
    }
    let earlier = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM operations WHERE posted_at < $1) AS "earlier!""#,
        month.start().to_sqlx() as _
    );
    if earlier.fetch_one(&mut *connection).await? {
        return Ok(vec!["the months before it go first".to_owned()]);
    }
    windows(connection, month, now).await
}

async fn windows(
    connection: &mut PgConnection,
    month: Month,
    now: Timestamp,
) -> Result<Vec<String>, StoreError> {
    let rows = sqlx::query_scalar!(
        r#"SELECT format('window %s %s', COALESCE(w.name, w.window_id::text), o.obstacle)
                      AS "obstacle!"
           FROM windows w
           CROSS JOIN LATERAL (SELECT CASE
               WHEN w.closed_at IS NULL THEN 'is open'
               WHEN NOT w.testing AND NOT EXISTS (
                   SELECT FROM window_states s
                   WHERE s.window_id = w.window_id AND s.partner_id = 0 AND s.state = 4)
                   THEN 'is not settled'
               WHEN w.objection_until > $3 THEN 'can be objected to'
               WHEN EXISTS (SELECT FROM disputes d
                            WHERE d.window_id = w.window_id AND d.answered_at IS NULL)
                   THEN 'has an unanswered dispute'
               WHEN EXISTS (
                   SELECT FROM (
                       SELECT DISTINCT ON (partner_id) reconciliation_id FROM reconciliations r
                       WHERE r.window_id = w.window_id
                       ORDER BY partner_id, made_at DESC, entry DESC
                   ) latest
                   JOIN breaks b USING (reconciliation_id) WHERE b.state IN (1, 2, 3))
                   THEN 'has an open break'
           END AS obstacle) o
           WHERE o.obstacle IS NOT NULL
             AND w.window_id IN (SELECT window_id FROM operations
                                 WHERE posted_at >= $1 AND posted_at < $2)
           ORDER BY abs(w.window_id)"#,
        month.start().to_sqlx() as _,
        month.end().to_sqlx() as _,
        now.to_sqlx() as _
    );
    Ok(rows.fetch_all(connection).await?)
}
