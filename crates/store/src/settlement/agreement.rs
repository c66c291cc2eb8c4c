//! What becomes of a closed window: its own states, and where each partner stands with its statement.
//! Each change is a row that says when and by whom; the latest one counts.

use std::collections::BTreeMap;

use entente_ledger::{PartnerId, WindowId};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::{PgConnection, PgExecutor};

use crate::{StoreError, codes::inconsistent, control::Control};

/// Who has agreed where nobody said anything.
const SILENCE: &str = "silence";

/// How far a window has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WindowState {
    /// Operations fall into it.
    Open,
    /// Its totals are final.
    Closed,
    /// All its partners have agreed, or the first has paid.
    Settling,
    /// All that was owed for it is paid.
    Settled,
}

/// Where a partner stands with its statement of a closed window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatementState {
    /// It has said nothing yet.
    Pending,
    /// It agrees, in words or by its silence.
    Agreed,
    /// It disputes lines, and is not answered yet.
    Disputed,
}

/// What changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The window.
    Window(WindowState),
    /// A partner's standing.
    Statement(PartnerId, StatementState),
}

/// A change, with who did it and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// What changed.
    pub change: Change,
    /// When.
    pub at: Timestamp,
    /// Who: `operator/NAME`, `partner/CODE`, `calendar`, `silence`, `payment` or `hub`.
    pub actor: String,
    /// Why, where somebody said so.
    pub reason: String,
}

/// Where one partner stands, and who said so; `None` while it is pending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Where it stands.
    pub state: StatementState,
    /// Since when, and by whom.
    pub said: Option<(Timestamp, String)>,
}

/// Everything that happened to a window, in order.
pub async fn changes(
    executor: impl PgExecutor<'_>,
    window: WindowId,
) -> Result<Vec<Changed>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT partner_id, state, at AS "at: jiff_sqlx::Timestamp", actor, reason
           FROM window_states WHERE window_id = $1 ORDER BY state_id"#,
        window.0
    );
    let rows = rows.fetch_all(executor).await?.into_iter();
    rows.map(|row| {
        let change = change(PartnerId(row.partner_id), row.state)?;
        Ok(Changed { change, at: row.at.to_jiff(), actor: row.actor, reason: row.reason })
    })
    .collect()
}

/// Where the partners of a closed window stand: those that owe or are owed something.
pub async fn standings(
    connection: &mut PgConnection,
    window: WindowId,
) -> Result<BTreeMap<PartnerId, Standing>, StoreError> {
    let rows = sqlx::query_scalar!(
        r#"SELECT payer AS "partner!" FROM totals WHERE window_id = $1 AND payer <> 0
           UNION SELECT payee FROM totals WHERE window_id = $1 AND payee <> 0"#,
        window.0
    );
    let partners = rows.fetch_all(&mut *connection).await?;
    let pending =
        |partner| (PartnerId(partner), Standing { state: StatementState::Pending, said: None });
    let mut standings: BTreeMap<_, _> = partners.into_iter().map(pending).collect();
    for changed in changes(connection, window).await? {
        if let Change::Statement(partner, state) = changed.change {
            let said = Some((changed.at, changed.actor));
            standings.insert(partner, Standing { state, said });
        }
    }
    Ok(standings)
}

/// Locks a closed window, so that its changes are one after another.
pub async fn lock_window(
    connection: &mut PgConnection,
    window: WindowId,
) -> Result<(), StoreError> {
    sqlx::query!("SELECT window_id FROM windows WHERE window_id = $1 FOR UPDATE", window.0)
        .fetch_one(connection)
        .await?;
    Ok(())
}

/// Notes a change.
pub async fn note(
    connection: &mut PgConnection,
    window: WindowId,
    changed: &Changed,
) -> Result<(), StoreError> {
    let (partner, state) = code(changed.change);
    sqlx::query!(
        "INSERT INTO window_states (window_id, partner_id, state, at, actor, reason)
         VALUES ($1, $2, $3, $4, $5, $6)",
        window.0,
        partner.0,
        state,
        changed.at.to_sqlx() as _,
        changed.actor,
        changed.reason
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Notes that a window has come to a state, unless it had before. Whether it is new.
pub async fn reach(
    connection: &mut PgConnection,
    window: WindowId,
    state: WindowState,
    (at, actor): (Timestamp, &str),
) -> Result<bool, StoreError> {
    let (_, state) = code(Change::Window(state));
    let written = sqlx::query!(
        "INSERT INTO window_states (window_id, partner_id, state, at, actor)
         VALUES ($1, 0, $2, $3, $4) ON CONFLICT DO NOTHING",
        window.0,
        state,
        at.to_sqlx() as _,
        actor
    );
    Ok(written.execute(connection).await?.rows_affected() == 1)
}

/// Notes that all partners of a window have agreed, when they have. The window is locked.
pub async fn all_agreed(
    connection: &mut PgConnection,
    window: WindowId,
    (at, actor): (Timestamp, &str),
) -> Result<bool, StoreError> {
    let standings = standings(&mut *connection, window).await?;
    if standings.values().any(|standing| standing.state != StatementState::Agreed) {
        return Ok(false);
    }
    sqlx::query!(
        "UPDATE windows SET agreed_at = $2 WHERE window_id = $1 AND agreed_at IS NULL",
        window.0,
        at.to_sqlx() as _
    )
    .execute(&mut *connection)
    .await?;
    reach(connection, window, WindowState::Settling, (at, actor)).await?;
    Ok(true)
}

/// Windows whose partners can object no more, and of which nobody has said yet that all agreed: the
/// earliest first. Some may wait for the answer to a dispute.
pub async fn lapsed(
    executor: impl PgExecutor<'_>,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<WindowId>, StoreError> {
    let rows = sqlx::query_scalar!(
        "SELECT window_id FROM windows w
         WHERE objection_until <= $1 AND agreed_at IS NULL AND NOT EXISTS (
             SELECT FROM window_states d WHERE d.window_id = w.window_id AND d.state = 6
                AND NOT EXISTS (SELECT FROM window_states a WHERE a.window_id = d.window_id
                                AND a.partner_id = d.partner_id AND a.state_id > d.state_id))
         ORDER BY window_id LIMIT $2",
        now.to_sqlx() as _,
        limit
    );
    Ok(rows.fetch_all(executor).await?.into_iter().map(WindowId).collect())
}

/// Notes who has agreed by silence, as of the end of the objection period. The commit is the caller's.
pub async fn agree_by_silence<H>(
    control: &mut Control<H>,
    window: WindowId,
) -> Result<(), StoreError> {
    let now = control.now();
    let connection = control.connection();
    lock_window(connection, window).await?;
    let until = sqlx::query_scalar!(
        r#"SELECT objection_until AS "until: jiff_sqlx::Timestamp" FROM windows
           WHERE window_id = $1 AND agreed_at IS NULL"#,
        window.0
    );
    let until = until.fetch_optional(&mut *connection).await?.flatten();
    let Some(until) = until.map(jiff_sqlx::Timestamp::to_jiff).filter(|until| *until <= now) else {
        return Ok(());
    };
    for (partner, standing) in standings(&mut *connection, window).await? {
        if standing.state == StatementState::Pending {
            let change = Change::Statement(partner, StatementState::Agreed);
            let (actor, reason) = (SILENCE.to_owned(), String::new());
            note(&mut *connection, window, &Changed { change, at: until, actor, reason }).await?;
        }
    }
    all_agreed(connection, window, (until, SILENCE)).await?;
    Ok(())
}

const fn code(change: Change) -> (PartnerId, i16) {
    match change {
        Change::Window(WindowState::Open) => (PartnerId::HUB, 1),
        Change::Window(WindowState::Closed) => (PartnerId::HUB, 2),
        Change::Window(WindowState::Settling) => (PartnerId::HUB, 3),
        Change::Window(WindowState::Settled) => (PartnerId::HUB, 4),
        Change::Statement(partner, StatementState::Agreed) => (partner, 5),
        Change::Statement(partner, StatementState::Disputed) => (partner, 6),
        Change::Statement(partner, StatementState::Pending) => (partner, 7),
    }
}

fn change(partner: PartnerId, state: i16) -> Result<Change, StoreError> {
    match state {
        2..=4 => Ok(Change::Window(window_state(Some(state))?)),
        5 => Ok(Change::Statement(partner, StatementState::Agreed)),
        6 => Ok(Change::Statement(partner, StatementState::Disputed)),
        other => Err(inconsistent("window_states", "state", other)),
    }
}

/// How far a window has come, by the greatest state that it has reached.
pub(super) fn window_state(state: Option<i16>) -> Result<WindowState, StoreError> {
    match state {
        None => Ok(WindowState::Open),
        Some(2) => Ok(WindowState::Closed),
        Some(3) => Ok(WindowState::Settling),
        Some(4) => Ok(WindowState::Settled),
        Some(other) => Err(inconsistent("window_states", "state", other)),
    }
}
