//! Keeping what was found: a reconciliation and its breaks, in one transaction. A break that an earlier
//! report has begins where it stands there (`carry.rs`).

use std::collections::BTreeSet;

use entente_ledger::{Currency, Micros};
use entente_settlement::reconcile::{BreakState, ControlTotals, Earlier};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    Found, NewBreak,
    carry::{Stands, earlier, latest},
};
use crate::{
    StoreError, codes,
    control::{Control, NoHeads},
};

/// Breaks in one statement.
const CHUNK: usize = 1_000;

/// Keeps a reconciliation, unless one of the same id is kept: then nothing is written, and the answer
/// is `false`.
pub async fn keep(
    control: &mut Control<NoHeads>,
    found: &Found,
    breaks: impl ExactSizeIterator<Item = NewBreak> + Send,
) -> Result<bool, StoreError> {
    let break_count = i32::try_from(breaks.len())
        .map_err(|_| StoreError::inconsistent("reconciliations", "break_count", found.id))?;
    let now = control.now();
    let whose = (found.partner, found.window);
    let before = latest(control.connection(), whose).await?;
    // Whichever transaction began first, the one that keeps last is the later report.
    let made_at = before.map_or(now, |before| before.made_at.max(now));
    let supersedes = before.map(|before| before.id);
    let connection = control.connection();
    if !insert(&mut *connection, found, (break_count, made_at, supersedes)).await? {
        return Ok(false);
    }
    let mut going_on = match before {
        Some(before) => earlier(&mut *connection, whose, before).await?,
        None => Earlier::default(),
    };
    money(connection, found).await?;
    rows(connection, found).await?;
    let (mut number, mut chunk) = (0, Vec::with_capacity(CHUNK));
    let mut breaks = breaks;
    loop {
        chunk.clear();
        chunk.extend(breaks.by_ref().take(CHUNK).map(|new| {
            let stands = going_on.going_on(new.likeness);
            (new, stands)
        }));
        if chunk.is_empty() {
            return Ok(true);
        }
        let since: Vec<_> = chunk.iter().map(|(new, _)| since(new, now)).collect();
        number = insert_breaks(connection, (found.id, number), &chunk, &since).await?;
    }
}

/// When it happened; nobody knows what is yet to happen.
fn since(new: &NewBreak, now: Timestamp) -> jiff_sqlx::Timestamp {
    new.since.unwrap_or(now).min(now).to_sqlx()
}

async fn insert(
    connection: &mut PgConnection,
    found: &Found,
    (break_count, made_at, supersedes): (i32, Timestamp, Option<Uuid>),
) -> Result<bool, StoreError> {
    let count = |totals: &ControlTotals| i64::try_from(totals.count).unwrap_or(i64::MAX);
    let inserted = sqlx::query!(
        "INSERT INTO reconciliations (reconciliation_id, partner_id, window_id, file_sha256,
             file_name, reading, made_by, made_at, with_money, hub_count, hub_points, file_count,
             file_points, unreadable_count, stated_count, stated_points, break_count,
             supersedes)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
         ON CONFLICT (reconciliation_id) DO NOTHING",
        found.id,
        found.partner.0,
        found.window.0,
        &found.file_sha256,
        found.file_name,
        found.reading,
        found.made_by,
        made_at.to_sqlx() as _,
        found.with_money,
        count(&found.hub),
        found.hub.points.0,
        count(&found.file),
        found.file.points.0,
        i64::try_from(found.file.unreadable).unwrap_or(i64::MAX),
        found.stated.as_ref().map(count),
        found.stated.as_ref().map(|stated| stated.points.0),
        break_count,
        supersedes
    )
    .execute(connection)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

async fn money(connection: &mut PgConnection, found: &Found) -> Result<(), StoreError> {
    let stated = found.stated.as_ref();
    let sides = [Some(&found.hub), Some(&found.file), stated];
    let currencies: BTreeSet<Currency> =
        sides.into_iter().flatten().flat_map(|side| side.money.keys().copied()).collect();
    let of = |side: &ControlTotals, currency: &Currency| {
        side.money.get(currency).copied().unwrap_or(Micros::ZERO).0
    };
    let column = |side: &ControlTotals| -> Vec<i64> {
        currencies.iter().map(|currency| of(side, currency)).collect()
    };
    let codes: Vec<String> = currencies.iter().map(ToString::to_string).collect();
    let stated: Vec<Option<i64>> =
        currencies.iter().map(|currency| stated.map(|side| of(side, currency))).collect();
    sqlx::query!(
        "INSERT INTO reconciliation_money
             (reconciliation_id, currency, hub_micros, file_micros, stated_micros)
         SELECT $1, u.* FROM UNNEST($2::text[], $3::bigint[], $4::bigint[], $5::bigint[]) u",
        found.id,
        &codes,
        &column(&found.hub),
        &column(&found.file),
        &stated as _
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn rows(connection: &mut PgConnection, found: &Found) -> Result<(), StoreError> {
    let numbers: Vec<i64> = found.unreadable.iter().map(|row| i64::from(row.row)).collect();
    let reasons: Vec<String> = found.unreadable.iter().map(|row| row.reason.clone()).collect();
    sqlx::query!(
        "INSERT INTO reconciliation_rows (reconciliation_id, line_row, reason)
         SELECT $1, u.* FROM UNNEST($2::bigint[], $3::text[]) u",
        found.id,
        &numbers,
        &reasons
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Inserts a chunk, numbered on from the last; the last one's number.
async fn insert_breaks(
    connection: &mut PgConnection,
    (id, last): (Uuid, i32),
    chunk: &[(NewBreak, Option<Stands>)],
    since: &[jiff_sqlx::Timestamp],
) -> Result<i32, StoreError> {
    let numbers: Vec<i32> = (last.saturating_add(1)..).take(chunk.len()).collect();
    let new = || chunk.iter().map(|(new, _)| new);
    let stands = || chunk.iter().map(|(_, stands)| stands.as_ref());
    let money: Vec<Vec<_>> = new().map(|new| new.delta.money().collect()).collect();
    let code = |at: usize| -> Vec<Option<String>> {
        let money = money.iter().map(|money| money.get(at));
        money.map(|money| money.map(|money| money.currency.to_string())).collect()
    };
    let micros = |at: usize| -> Vec<Option<i64>> {
        money.iter().map(|money| money.get(at).map(|money| money.micros.0)).collect()
    };
    let state = |stands: Option<&Stands>| stands.map_or(BreakState::Open, |stands| stands.state);
    sqlx::query!(
        "INSERT INTO breaks (reconciliation_id, number, kind, points, currency, micros,
             other_currency, other_micros, since, sides, likeness, state, owner, changed_at,
             continues_report, continues_number)
         SELECT $1, u.* FROM UNNEST($2::integer[], $3::smallint[], $4::bigint[], $5::text[],
             $6::bigint[], $7::text[], $8::bigint[], $9::timestamptz[], $10::bytea[], $11::uuid[],
             $12::smallint[], $13::text[], $14::timestamptz[], $15::uuid[], $16::integer[]) u",
        id,
        &numbers,
        &new().map(|new| codes::break_kind_code(new.kind)).collect::<Vec<_>>(),
        &new().map(|new| new.delta.points.0).collect::<Vec<_>>(),
        &code(0) as _,
        &micros(0) as _,
        &code(1) as _,
        &micros(1) as _,
        since as _,
        &new().map(|new| new.sides.clone()).collect::<Vec<_>>(),
        &new().map(|new| new.likeness).collect::<Vec<_>>(),
        &stands().map(|stands| codes::break_state_code(state(stands))).collect::<Vec<_>>(),
        &stands().map(|stands| stands?.owner.clone()).collect::<Vec<_>>() as _,
        &stands().map(|stands| stands?.changed_at).collect::<Vec<_>>() as _,
        &stands().map(|stands| Some(stands?.id.reconciliation)).collect::<Vec<_>>() as _,
        &stands().map(|stands| Some(stands?.id.number)).collect::<Vec<_>>() as _
    )
    .execute(connection)
    .await?;
    Ok(numbers.last().copied().unwrap_or(last))
}
