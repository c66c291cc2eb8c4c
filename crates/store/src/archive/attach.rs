//! A month back into the ledger, in one transaction: its rows are as they were, so what it carried goes.

use std::path::Path;

use sqlx::{Connection, PgConnection};

use super::{
    Month, NotArchived, Standing, alone, carry, copy,
    detach::lock,
    exists, months, not_the_file, refused, run,
    standing::{ArchivedMonth, ArchivedTable},
};

/// Where a month's rows are.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// In the detached tables.
    Tables,
    /// In files of this folder, which are verified; detached tables that are still there go.
    Files(&'a Path),
}

/// Attaches a month; `false` where it is in the ledger. The latest that went comes back first.
pub async fn attach(
    connection: &mut PgConnection,
    month: Month,
    source: Source<'_>,
) -> Result<bool, NotArchived> {
    let mut tx = connection.begin().await?;
    alone(&mut tx).await?;
    let known = months(&mut tx).await?;
    let out = |known: &&ArchivedMonth| known.standing != Standing::Kept;
    let last = known.iter().filter(out).map(|known| known.month).max();
    let Some(found) = known.iter().filter(out).find(|known| known.month == month) else {
        let kept = known.iter().any(|known| known.month == month);
        return if kept {
            Ok(false)
        } else {
            Err(refused(format!("the ledger has no month {month}")))
        };
    };
    if let Some(later) = last.filter(|last| *last > month) {
        return Err(refused(format!("{later} was archived after {month}: attach it first")));
    }
    for table in &found.tables {
        make_ready(&mut tx, month, table, source).await?;
    }
    if matches!(source, Source::Tables) {
        // Its rows are older than what it carries: whoever reads both, in a snapshot from before, would
        // have them twice.
        lock(&mut tx).await?;
    }
    for table in &found.tables {
        bring_back(&mut tx, month, &table.name).await?;
    }
    carry::take_back(&mut tx, month).await?;
    tx.commit().await?;
    Ok(true)
}

/// The table is there, and says of itself that its rows are of the month: they are not read for it
/// while hubs wait.
async fn make_ready(
    connection: &mut PgConnection,
    month: Month,
    table: &ArchivedTable,
    source: Source<'_>,
) -> Result<(), NotArchived> {
    let name = month.table(&table.name);
    match source {
        Source::Tables if !exists(connection, &name).await? => {
            return Err(refused(format!("{month} was dropped: attach it from its files")));
        }
        Source::Tables => {}
        Source::Files(folder) => {
            fill(connection, table, &name, &folder.join(month.file(&table.name))).await?;
        }
    }
    let (start, end) = (month.start(), month.end());
    let statement = format!(
        "ALTER TABLE {name} ADD CONSTRAINT of_its_month
         CHECK (posted_at >= '{start}' AND posted_at < '{end}')"
    );
    Ok(run(connection, statement).await?)
}

async fn bring_back(
    connection: &mut PgConnection,
    month: Month,
    parent: &str,
) -> Result<(), NotArchived> {
    let (name, start, end) = (month.table(parent), month.start(), month.end());
    let statement = format!(
        "ALTER TABLE {parent} ATTACH PARTITION {name} FOR VALUES FROM ('{start}') TO ('{end}')"
    );
    run(connection, statement).await?;
    Ok(run(connection, format!("ALTER TABLE {name} DROP CONSTRAINT of_its_month")).await?)
}

/// Makes a table anew from its file.
async fn fill(
    connection: &mut PgConnection,
    table: &ArchivedTable,
    name: &str,
    path: &Path,
) -> Result<(), NotArchived> {
    let parent = &table.name;
    run(connection, format!("DROP TABLE IF EXISTS {name}")).await?;
    let like = "INCLUDING DEFAULTS INCLUDING CONSTRAINTS";
    run(connection, format!("CREATE TABLE {name} (LIKE {parent} {like})")).await?;
    run(connection, format!("REVOKE ALL ON {name} FROM PUBLIC")).await?;
    let (copied, row_count) = copy::into(connection, name, path).await?;
    if !copied.is(table) || i64::try_from(row_count) != Ok(table.row_count) {
        return Err(not_the_file(path));
    }
    Ok(())
}
