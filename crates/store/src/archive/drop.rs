//! A detached month into files, and out of the database once they are what they have to be.

use std::path::Path;

use jiff_sqlx::ToSqlx;
use sqlx::{Connection, PgConnection};

use super::{
    Month, NotArchived, Sink, Standing, alone, copy, months, not_the_file, refused, run,
    standing::{ArchivedMonth, ArchivedTable},
};
use crate::clock;

/// Writes the files of a detached month into a folder; `false` where they are there. A file that is
/// something else is not overwritten.
pub async fn write(
    connection: &mut PgConnection,
    month: Month,
    folder: &Path,
) -> Result<bool, NotArchived> {
    let mut tx = connection.begin().await?;
    alone(&mut tx).await?;
    let known = archived(&mut tx, month).await?;
    let mut written = false;
    for table in &known.tables {
        let path = folder.join(month.file(&table.name));
        match copy::of_file(&path).await? {
            Some(found) if found.is(table) => continue,
            Some(_) => return Err(not_the_file(&path)),
            None if known.standing == Standing::Dropped => {
                return Err(refused(format!("{month} is dropped: its files alone have it")));
            }
            None => {}
        }
        let of = (table.name.as_str(), month.table(&table.name));
        let copied = copy::out(&mut tx, (of.0, &of.1), Sink::File(&path)).await?;
        if !copied.is(table) {
            return Err(refused(format!(
                "the detached table {} is not what was detached: nothing was written",
                of.1
            )));
        }
        copy::finish(&path).await?;
        written = true;
    }
    tx.rollback().await?;
    Ok(written)
}

/// Drops the tables of a detached month, whose files in a folder are verified first; `false` where that
/// was done before.
pub async fn drop_tables(
    connection: &mut PgConnection,
    month: Month,
    folder: &Path,
) -> Result<bool, NotArchived> {
    let mut tx = connection.begin().await?;
    alone(&mut tx).await?;
    let known = archived(&mut tx, month).await?;
    if known.standing == Standing::Dropped {
        return Ok(false);
    }
    for table in &known.tables {
        verify(&folder.join(month.file(&table.name)), table).await?;
    }
    for table in &known.tables {
        run(&mut tx, format!("DROP TABLE {}", month.table(&table.name))).await?;
    }
    let (_, now) = clock::read(&mut *tx).await?;
    sqlx::query!(
        "UPDATE archived_months SET dropped_at = $2 WHERE month = $1",
        month.sql() as _,
        now.to_sqlx() as _
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(true)
}

/// That a file is what a table's file has to be.
async fn verify(path: &Path, table: &ArchivedTable) -> Result<(), NotArchived> {
    match copy::of_file(path).await? {
        Some(found) if found.is(table) => Ok(()),
        Some(_) => Err(not_the_file(path)),
        None => Err(refused(format!("{} is not there", path.display()))),
    }
}

async fn archived(
    connection: &mut PgConnection,
    month: Month,
) -> Result<ArchivedMonth, NotArchived> {
    let known = months(connection).await?.into_iter().find(|known| known.month == month);
    let known = known.filter(|known| known.standing != Standing::Kept);
    known.ok_or_else(|| refused(format!("{month} is not detached")))
}
