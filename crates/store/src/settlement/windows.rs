//! Windows, as rows.

use entente_ledger::WindowId;
use entente_settlement::Netting;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::{PgConnection, PgExecutor, PgPool};

use super::{
    agreement::{self, WindowState},
    arrangement,
};
use crate::StoreError;

/// Where closed windows are read.
#[derive(Debug, Clone)]
pub struct WindowPools {
    /// What is added up over a window, by plans that follow the statistics.
    pub totals: PgPool,
    /// What is read page by page, in the order of an index: [`crate::connect_in_order`]. By the statistics
    /// of a ledger that was filled a moment ago, to sort all that is left for each page seems as cheap.
    pub pages: PgPool,
}

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
    /// How far it has come.
    pub state: WindowState,
    /// The cut-off of the calendar that closed it, if one did.
    pub cut_off_at: Option<Timestamp>,
    /// Until when its partners may object.
    pub objection_until: Option<Timestamp>,
    /// How it was settled.
    pub netting: Option<Netting>,
}

/// A window as a row has it.
struct Row {
    window_id: i32,
    name: Option<String>,
    opened_at: jiff_sqlx::Timestamp,
    closed_at: Option<jiff_sqlx::Timestamp>,
    cut_off_at: Option<jiff_sqlx::Timestamp>,
    objection_until: Option<jiff_sqlx::Timestamp>,
    netting: Option<i16>,
    state: Option<i16>,
}

impl ListedWindow {
    /// Whether what partners test falls into it. Testing windows are numbered downwards.
    #[must_use]
    pub const fn is_testing(&self) -> bool {
        self.id.0 < 0
    }

    /// Whether its partners may still object.
    #[must_use]
    pub fn is_open_to_objection(&self, now: Timestamp) -> bool {
        self.objection_until.is_some_and(|until| now < until)
    }

    fn read(row: Row) -> Result<Self, StoreError> {
        let at = |at: Option<jiff_sqlx::Timestamp>| at.map(jiff_sqlx::Timestamp::to_jiff);
        Ok(Self {
            id: WindowId(row.window_id),
            name: row.name,
            opened_at: row.opened_at.to_jiff(),
            closed_at: at(row.closed_at),
            state: agreement::window_state(row.state)?,
            cut_off_at: at(row.cut_off_at),
            objection_until: at(row.objection_until),
            netting: row.netting.map(arrangement::netting).transpose()?,
        })
    }
}

/// Windows of one kind, newest first: at most `limit` of those before `before`, or of all.
pub async fn list_windows(
    executor: impl PgExecutor<'_>,
    testing: bool,
    before: Option<WindowId>,
    limit: u16,
) -> Result<Vec<ListedWindow>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT window_id, name, opened_at AS "opened_at: jiff_sqlx::Timestamp",
                  closed_at AS "closed_at: jiff_sqlx::Timestamp",
                  cut_off_at AS "cut_off_at: jiff_sqlx::Timestamp",
                  objection_until AS "objection_until: jiff_sqlx::Timestamp", netting,
                  (SELECT max(s.state) FROM window_states s
                   WHERE s.window_id = w.window_id AND s.partner_id = 0) AS state
           FROM windows w WHERE abs(window_id) < abs($1::integer) AND testing = $3
           ORDER BY abs(window_id) DESC LIMIT $2"#,
        before.map_or(i32::MAX, |window| window.0),
        i64::from(limit),
        testing
    );
    rows.fetch_all(executor).await?.into_iter().map(ListedWindow::read).collect()
}

/// The closed window of a name.
pub async fn window_by_name(
    executor: impl PgExecutor<'_>,
    name: &str,
) -> Result<Option<ListedWindow>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT window_id, name, opened_at AS "opened_at: jiff_sqlx::Timestamp",
                  closed_at AS "closed_at: jiff_sqlx::Timestamp",
                  cut_off_at AS "cut_off_at: jiff_sqlx::Timestamp",
                  objection_until AS "objection_until: jiff_sqlx::Timestamp", netting,
                  (SELECT max(s.state) FROM window_states s
                   WHERE s.window_id = w.window_id AND s.partner_id = 0) AS state
           FROM windows w WHERE name = $1"#,
        name
    );
    row.fetch_optional(executor).await?.map(ListedWindow::read).transpose()
}

/// The name of a closed window.
pub async fn window_name(
    executor: impl PgExecutor<'_>,
    id: WindowId,
) -> Result<String, StoreError> {
    let name = sqlx::query_scalar!("SELECT name FROM windows WHERE window_id = $1", id.0);
    let name = name.fetch_optional(executor).await?.flatten();
    name.ok_or_else(|| StoreError::inconsistent("windows", "name", id.0))
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

/// What a close writes of the window itself.
pub(super) struct Named<'a> {
    pub(super) id: WindowId,
    pub(super) next: WindowId,
    pub(super) name: &'a str,
    pub(super) now: Timestamp,
    pub(super) cut_off_at: Option<Timestamp>,
    pub(super) objection_until: Option<Timestamp>,
    pub(super) netting: Option<Netting>,
    /// When the next one closes.
    pub(super) next_closes_at: Option<Timestamp>,
}

/// Gives a window its name and opens the next, into which every cell's operations fall from now on.
pub(super) async fn name_and_open_next(
    connection: &mut PgConnection,
    named: Named<'_>,
) -> Result<(), StoreError> {
    let now = named.now.to_sqlx();
    sqlx::query!(
        "UPDATE windows SET name = $2, closed_at = $3, closes_at = NULL, cut_off_at = $4,
                            objection_until = $5, netting = $6
         WHERE window_id = $1",
        named.id.0,
        named.name,
        now as _,
        named.cut_off_at.map(ToSqlx::to_sqlx) as _,
        named.objection_until.map(ToSqlx::to_sqlx) as _,
        named.netting.map(arrangement::netting_code)
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "INSERT INTO windows (window_id, opened_at, testing, closes_at) VALUES ($1, $2, $1 < 0, $3)",
        named.next.0,
        now as _,
        named.next_closes_at.map(ToSqlx::to_sqlx) as _
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "UPDATE cells SET window_id = CASE WHEN $1 < 0 THEN window_id ELSE $1 END,
                          testing_window_id = CASE WHEN $1 < 0 THEN $1 ELSE testing_window_id END",
        named.next.0
    )
    .execute(connection)
    .await?;
    Ok(())
}
