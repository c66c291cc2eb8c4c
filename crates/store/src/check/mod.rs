//! Checks the invariants of a live ledger, all in one snapshot, and names what breaks them. It reads
//! everything and locks nothing; on a large ledger it takes its time.

mod append_only;
mod archived;
mod balanced;
mod bounded;
mod carried;
mod conserved;
mod converted;
mod disputed;
mod durable;
mod favor;
mod floats;
mod forgotten;
mod gifts;
mod links;
mod once;
mod reconciled;
mod settled;
mod window;

use sqlx::{PgConnection, PgPool};

use crate::StoreError;

/// Offenders that a verdict names; the others are found once these are cured.
///
/// Each statement says so as `LIMIT (SELECT 20)`, of which the planner knows no value. By a constant it
/// would choose what has the first rows soonest, a lookup for each row of the ledger: and of offenders there
/// are none, so that it would look all of them up. It takes an unknown limit for a tenth of the rows, so
/// those of whole tables are told in an order that no index has, that of time: all must come before it.
pub const MAX_OFFENDERS: usize = 20;

/// What was found of one invariant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The invariant's number in the design.
    pub number: u8,
    /// Its name.
    pub name: &'static str,
    /// What was read, with row counts.
    pub checked: Vec<(&'static str, i64)>,
    /// What breaks it, at most [`MAX_OFFENDERS`]; empty when it holds.
    pub offenders: Vec<String>,
}

impl Verdict {
    /// Whether nothing breaks the invariant.
    #[must_use]
    pub const fn holds(&self) -> bool {
        self.offenders.is_empty()
    }

    const fn new(number: u8, name: &'static str) -> Self {
        Self { number, name, checked: Vec::new(), offenders: Vec::new() }
    }

    fn checked(&mut self, what: &'static str, row_count: i64) {
        self.checked.push((what, row_count));
    }

    fn blame(&mut self, offenders: impl IntoIterator<Item = String>) {
        let room = MAX_OFFENDERS.saturating_sub(self.offenders.len());
        self.offenders.extend(offenders.into_iter().take(room));
    }
}

/// Checks every invariant, in order of their numbers. The snapshot is the same for all, so that
/// writers may go on meanwhile.
pub async fn run(pool: &PgPool) -> Result<Vec<Verdict>, StoreError> {
    let mut snapshot = pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    sqlx::query!("SET LOCAL statement_timeout = '1h'").execute(&mut *snapshot).await?;
    // Before the snapshot, which is taken by the first statement that reads: no month comes or goes after
    // it.
    sqlx::query!("LOCK TABLE operations, transfers IN ACCESS SHARE MODE")
        .execute(&mut *snapshot)
        .await?;
    // Whole tables are joined.
    sqlx::query!("SET LOCAL work_mem = '64MB'").execute(&mut *snapshot).await?;
    let connection: &mut PgConnection = &mut snapshot;
    let verdicts = vec![
        balanced::check(connection).await?,
        conserved::check(connection).await?,
        once::check(connection).await?,
        append_only::check(connection).await?,
        durable::check(connection).await?,
        window::check(connection).await?,
        settled::check(connection).await?,
        favor::check(connection).await?,
        links::check(connection).await?,
        bounded::check(connection).await?,
    ];
    snapshot.rollback().await?;
    Ok(verdicts)
}
