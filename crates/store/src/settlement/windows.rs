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

impl ListedWindow {
    /// Whether what partners test falls into it. Testing windows are numbered downwards.
    #[must_use]
    pub const fn is_testing(&self) -> bool {
        self.id.0 < 0
    }
}

/// Windows of one kind, newest first: at most `limit` of those before `before`, or of all.
pub async fn list_windows(
    executor: impl PgExecutor<'_>,
    testing: bool,
    before: Option<WindowId>,
    limit: u16,
) -> Result<Vec<ListedWindow>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT window_id, name, opened_at AS "opened_at: jiff_sqlx::Timestamp",
                  closed_at AS "closed_at: jiff_sqlx::Timestamp"
           FROM windows WHERE abs(window_id) < abs($1::integer) AND testing = $3
           ORDER BY abs(window_id) DESC LIMIT $2"#,
        before.map_or(i32::MAX, |window| window.0),
        i64::from(limit),
        testing
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

/// The open window of partners that test, or that of all others.
pub(super) async fn open_window(
    executor: impl PgExecutor<'_>,
    testing: bool,
) -> Result<ListedWindow, StoreError> {
    let newest = list_windows(executor, testing, None, 1).await?.into_iter().next();
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
        "INSERT INTO windows (window_id, opened_at, testing) VALUES ($1, $2, $1 < 0)",
        next.0,
        now.to_sqlx() as _
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "UPDATE cells SET window_id = CASE WHEN $1 < 0 THEN window_id ELSE $1 END,
                          testing_window_id = CASE WHEN $1 < 0 THEN $1 ELSE testing_window_id END",
        next.0
    )
    .execute(connection)
    .await?;
    Ok(())
}
