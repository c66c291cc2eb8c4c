//! Windows, as rows.

use entente_ledger::WindowId;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::{PgConnection, PgExecutor};

use crate::StoreError;

/// A settlement period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedWindow {
    /// Its number.
    pub id: WindowId,
    /// Given when it closes.
    pub name: Option<String>,
    /// When it began.
    pub opened_at: Timestamp,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
}

/// Windows, newest first: at most `limit` of those before `before`, or of all.
pub async fn list_windows(
    executor: impl PgExecutor<'_>,
    before: Option<WindowId>,
    limit: u16,
) -> Result<Vec<ListedWindow>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT window_id, name, opened_at AS "opened_at: jiff_sqlx::Timestamp",
                  closed_at AS "closed_at: jiff_sqlx::Timestamp"
           FROM windows WHERE window_id < $1 ORDER BY window_id DESC LIMIT $2"#,
        before.map_or(i32::MAX, |window| window.0),
        i64::from(limit)
    );
    let rows = rows.fetch_all(executor).await?;
    let window =
        |row: (i32, Option<String>, jiff_sqlx::Timestamp, Option<jiff_sqlx::Timestamp>)| {
            let (id, name, opened_at, closed_at) = row;
            let closed_at = closed_at.map(jiff_sqlx::Timestamp::to_jiff);
            ListedWindow { id: WindowId(id), name, opened_at: opened_at.to_jiff(), closed_at }
        };
    let windows = rows.into_iter().map(|r| window((r.window_id, r.name, r.opened_at, r.closed_at)));
    Ok(windows.collect())
}

/// The closed window of a name.
pub async fn window_by_name(
    executor: impl PgExecutor<'_>,
    name: &str,
) -> Result<Option<ListedWindow>, StoreError> {
    let row = sqlx::query!(
        r#"SELECT window_id, opened_at AS "opened_at: jiff_sqlx::Timestamp",
                  closed_at AS "closed_at: jiff_sqlx::Timestamp"
           FROM windows WHERE name = $1"#,
        name
    );
    let row = row.fetch_optional(executor).await?;
    Ok(row.map(|row| ListedWindow {
        id: WindowId(row.window_id),
        name: Some(name.to_owned()),
        opened_at: row.opened_at.to_jiff(),
        closed_at: row.closed_at.map(jiff_sqlx::Timestamp::to_jiff),
    }))
}

/// The open window.
pub(super) async fn open_window(executor: impl PgExecutor<'_>) -> Result<ListedWindow, StoreError> {
    let newest = list_windows(executor, None, 1).await?.into_iter().next();
    let open = newest.filter(|window| window.closed_at.is_none());
    open.ok_or_else(|| StoreError::inconsistent("windows", "closed_at", "the newest"))
}

/// Gives a window its name and opens the next, into which every cell's operations fall from now on.
pub(super) async fn name_and_open_next(
    connection: &mut PgConnection,
    (id, next): (WindowId, WindowId),
    name: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE windows SET name = $2, closed_at = $3 WHERE window_id = $1",
        id.0,
        name,
        now.to_sqlx() as _
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "INSERT INTO windows (window_id, opened_at) VALUES ($1, $2)",
        next.0,
        now.to_sqlx() as _
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!("UPDATE cells SET window_id = $1", next.0).execute(connection).await?;
    Ok(())
}
