//! A ledger against its replay: what callers sent, decided again by the pure core in memory in the order
//! in which the ledger says that it was posted. Every operation, transfer and answer, and every wallet,
//! lot, hold, debt and position at the end has to be the same.

mod course;
mod rows;
mod terms;

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    sync::Arc,
};

use anyhow::{Context as _, Result, bail, ensure};
use entente_ledger::PartnerId;
use entente_testkit::cast::PARTNERS;
use futures::{StreamExt as _, TryStreamExt as _};
use sqlx::{AssertSqlSafe, PgPool};
use uuid::Uuid;

use self::{
    course::{Course, Found, Known},
    rows::{OPERATIONS, Rows, STANDING, TRANSFERS, Table},
};
use crate::sent::Sent;

/// How many cells are replayed at a time: each is in memory while it is.
const AT_A_TIME: usize = 2;

/// How many differences are told.
const TOLD: usize = 10;

/// The one cell that is compared again with changed copies of its rows.
const CHANGED: i16 = 0;

/// What a wallet holds that nobody used.
const NOTHING: &str = "0 0 0";

/// Columns that are not compared as they are: the ledger's next due time may be too early.
const APART: [(&str, &str); 1] = [("wallets", "next_due_at")];

/// How much was compared.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Compared {
    pub(crate) operations: u64,
    pub(crate) transfers: u64,
    /// Of all other tables.
    pub(crate) rows: u64,
    /// Wallets without a command.
    idle: u64,
}

/// Replays what the callers of all members sent, cell by cell, and fails with what is not as the ledger
/// has it.
pub(crate) async fn compare(pool: &PgPool, sent: Vec<Vec<Sent>>) -> Result<Compared> {
    for table in STANDING.into_iter().chain([&OPERATIONS, &TRANSFERS]) {
        names_all_columns(pool, table).await?;
    }
    let first = |(number, sent): (usize, &Vec<Sent>)| Some((sent.first()?.id, number));
    let by_first = sent.iter().enumerate().filter_map(first).collect();
    let numbers = numbers(pool).await?;
    let catalogue = terms::catalogue(numbers)?;
    let known = Arc::new(Known { catalogue, numbers, sent, by_first });
    let cells: Vec<i16> =
        sqlx::query_scalar("SELECT cell FROM cells ORDER BY cell").fetch_all(pool).await?;
    let cells = cells.into_iter().map(|cell| {
        let (pool, known) = (pool.clone(), Arc::clone(&known));
        tokio::spawn(async move { of_cell(&pool, &known, cell).await })
    });
    let mut cells = futures::stream::iter(cells).buffer_unordered(AT_A_TIME);
    let mut all = Compared::default();
    while let Some(cell) = cells.next().await {
        let cell = cell??;
        all.operations += cell.operations;
        all.transfers += cell.transfers;
        all.rows += cell.rows;
        all.idle += cell.idle;
    }
    let sent: usize = known.sent.iter().map(Vec::len).sum();
    let posted = all.operations;
    ensure!(u64::try_from(sent)? == posted, "{sent} are sent, the ledger has {posted}");
    let idle = known.sent.iter().filter(|sent| sent.is_empty()).count();
    // Others may have enrolled members too.
    ensure!(u64::try_from(idle)? <= all.idle, "{idle} members are idle, and {} wallets", all.idle);
    Ok(all)
}

impl fmt::Display for Compared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operations, transfers, rows, .. } = self;
        write!(
            f,
            "the same when replayed: {operations} operations, {transfers} transfers, {rows} rows"
        )
    }
}

async fn of_cell(pool: &PgPool, known: &Known, cell: i16) -> Result<Compared> {
    let mut course = Course::of_cell(known, cell);
    let select = format!(
        "SELECT seq, (extract(epoch FROM posted_at) * 1000000)::bigint AS posted_at, window_id,
                kind, request_id, member_id, {operation} AS row,
                ARRAY(SELECT {transfer} FROM transfers t
                      WHERE t.cell = o.cell AND t.seq = o.seq AND t.posted_at = o.posted_at
                      ORDER BY ordinal) AS transfers
         FROM operations o WHERE cell = $1 ORDER BY seq",
        operation = Table::text(OPERATIONS.columns),
        transfer = Table::text(TRANSFERS.columns),
    );
    let posted = sqlx::query_as::<_, Found>(AssertSqlSafe(select)).bind(cell);
    let mut posted = posted.fetch(pool);
    while let Some(posted) = posted.try_next().await? {
        course.play(&posted)?;
    }
    drop(posted);
    let (head, transfers): (i64, i64) = sqlx::query_as(
        "SELECT seq, (SELECT count(*) FROM transfers t WHERE t.cell = c.cell) FROM cells c
         WHERE cell = $1",
    )
    .bind(cell)
    .fetch_one(pool)
    .await?;
    let (last, operations, replayed) = (course.head(), course.operations, course.transfers);
    ensure!(head == last, "the head of cell {cell} is at {head}, its last operation is {last}");
    ensure!(
        u64::try_from(transfers)? == replayed,
        "cell {cell}: {transfers} transfers, {replayed}"
    );
    let (mut rows, due) = course.ended()?;
    due_in_time(pool, cell, &due).await?;
    if cell == CHANGED {
        sees_changes(pool, cell, rows.clone()).await?;
    }
    let mut compared = Compared { operations, transfers: replayed, ..Compared::default() };
    for (number, table) in STANDING.into_iter().enumerate() {
        let replayed = std::mem::take(rows.table(number));
        compared.rows += u64::try_from(replayed.len())?;
        let (idle, differences) = differences(pool, cell, table, replayed).await?;
        compared.idle += idle;
        ensure!(differences.is_empty(), "{}", told(&differences));
    }
    Ok(compared)
}

/// How a table's rows differ from a replay's; and how many wallets hold nothing, without a command.
async fn differences(
    pool: &PgPool,
    cell: i16,
    table: &Table,
    mut replayed: HashMap<String, String>,
) -> Result<(u64, Vec<String>)> {
    let (key, row) = (Table::text(table.key), Table::text(table.columns));
    let select = format!("SELECT {key}, {row} FROM {} WHERE cell = $1", table.name);
    let rows = sqlx::query_as::<_, (String, String)>(AssertSqlSafe(select)).bind(cell);
    let mut rows = rows.fetch(pool);
    let (mut idle, mut differences) = (0, Vec::new());
    while let Some((key, row)) = rows.try_next().await? {
        match replayed.remove(&key) {
            Some(replay) => differences.extend(table.difference(&key, &row, &replay)),
            None if table.name == "wallets" && row == NOTHING => idle += 1,
            None => differences.push(table.alone("ledger", &key, &row)),
        }
    }
    differences.extend(replayed.iter().map(|(key, row)| table.alone("replay", key, row)));
    Ok((idle, differences))
}

/// Nothing of a member falls due before the ledger looks at it. What it has may be too early, since it
/// does not read all lots for each command.
async fn due_in_time(pool: &PgPool, cell: i16, due: &HashMap<Uuid, i64>) -> Result<()> {
    let kept: Vec<(Uuid, Option<i64>)> = sqlx::query_as(
        "SELECT member_id, (extract(epoch FROM next_due_at) * 1000000)::bigint
         FROM wallets WHERE cell = $1",
    )
    .bind(cell)
    .fetch_all(pool)
    .await?;
    for (member, kept) in kept {
        let late = due.get(&member).filter(|due| kept.is_none_or(|kept| kept > **due));
        if let Some(due) = late {
            bail!("wallets.next_due_at of {member} is {kept:?}, and something is due at {due}");
        }
    }
    Ok(())
}

/// That the comparison can fail: in a copy of each table's rows one is changed, one left out and one
/// added, and it names all three, and nothing else.
async fn sees_changes(pool: &PgPool, cell: i16, mut rows: Rows) -> Result<()> {
    for (number, table) in STANDING.into_iter().enumerate() {
        let mut replayed = std::mem::take(rows.table(number));
        let mut used =
            replayed.iter().filter(|(_, row)| *row != NOTHING).map(|(key, _)| key.clone());
        let (changed, left_out) = (used.next(), used.next());
        let added = Some("nobody".to_owned());
        if let Some(row) = changed.as_ref().and_then(|key| replayed.get_mut(key)) {
            row.push('0');
        }
        if let Some(key) = &left_out {
            replayed.remove(key);
        }
        replayed.extend(added.iter().map(|key| (key.clone(), String::new())));
        let (_, named) = differences(pool, cell, table, replayed).await?;
        let changes: Vec<_> = [changed, left_out, added].into_iter().flatten().collect();
        let all = changes.iter().all(|key| named.iter().any(|named| named.contains(key)));
        let seen = all && named.len() == changes.len();
        ensure!(seen, "{changes:?} of {} are changed, told is {}", table.name, told(&named));
    }
    Ok(())
}

/// A column that is new has to be compared too.
async fn names_all_columns(pool: &PgPool, table: &Table) -> Result<()> {
    let there: Vec<String> = sqlx::query_scalar(
        "SELECT column_name::text FROM information_schema.columns
         WHERE table_schema = 'public' AND table_name = $1",
    )
    .bind(table.name)
    .fetch_all(pool)
    .await?;
    let apart = APART.iter().filter(|(name, _)| *name == table.name).map(|(_, column)| column);
    let named: BTreeSet<&str> =
        table.key.iter().chain(table.columns).chain(apart).copied().collect();
    let there: BTreeSet<&str> = there.iter().map(String::as_str).collect();
    ensure!(named == there, "{} has {there:?}, compared are {named:?}", table.name);
    Ok(())
}

/// The brands' numbers in the ledger.
async fn numbers(pool: &PgPool) -> Result<[PartnerId; PARTNERS.len()]> {
    let rows: Vec<(String, i32)> =
        sqlx::query_as("SELECT code, partner_id FROM partners").fetch_all(pool).await?;
    let numbers: HashMap<_, _> = rows.into_iter().collect();
    let mut found = [PartnerId::HUB; PARTNERS.len()];
    for (found, code) in found.iter_mut().zip(PARTNERS) {
        *found = PartnerId(*numbers.get(code).context("a partner of the cast")?);
    }
    Ok(found)
}

fn told(differences: &[String]) -> String {
    let first = differences.iter().take(TOLD).map(String::as_str).collect::<Vec<_>>();
    format!("{} differences: {}", differences.len(), first.join("; "))
}
