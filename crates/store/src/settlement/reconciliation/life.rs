//! The life of a break in the database: its steps, which are only ever added, and the break as the last of
//! them left it. What it continues began its life, so that steps are counted through all its reports.

use entente_ledger::{PartnerId, RequestId, WindowId};
use entente_settlement::reconcile::{BreakLife, BreakState, Movement, Resolution, Step};
use jiff_sqlx::ToSqlx;
use sqlx::{PgConnection, PgExecutor};

use super::{BreakId, KeptBreak, ListedBreak, read::BreakRow};
use crate::{StoreError, codes};

/// A break with its life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LivingBreak {
    /// The break as it stands.
    pub found: ListedBreak,
    /// The window that it was found in.
    pub window: WindowId,
    /// Whether a later record of the window and the partner was reconciled.
    pub superseded: bool,
    /// Its steps.
    pub life: BreakLife,
}

/// A break, and every step of its life.
pub async fn find_break(
    connection: &mut PgConnection,
    id: BreakId,
) -> Result<Option<LivingBreak>, StoreError> {
    let row = sqlx::query!(
        r#"SELECT b.kind, b.points, b.currency, b.micros, b.other_currency, b.other_micros,
                  b.since AS "since: jiff_sqlx::Timestamp", b.sides, b.state, b.owner,
                  b.changed_at AS "changed_at: jiff_sqlx::Timestamp", b.continues_report,
                  b.continues_number, r.partner_id, r.window_id, w.name AS "window_name?",
                  EXISTS (SELECT FROM reconciliations n
                          WHERE n.partner_id = r.partner_id AND n.window_id = r.window_id
                            AND (n.made_at, n.entry) > (r.made_at, r.entry))
                      AS "superseded!"
           FROM breaks b
           JOIN reconciliations r ON r.reconciliation_id = b.reconciliation_id
           JOIN windows w ON w.window_id = r.window_id
           WHERE b.reconciliation_id = $1 AND b.number = $2"#,
        id.reconciliation,
        id.number
    );
    let Some(row) = row.fetch_optional(&mut *connection).await? else { return Ok(None) };
    let kept = BreakRow {
        reconciliation_id: id.reconciliation,
        number: id.number,
        kind: row.kind,
        points: row.points,
        currency: row.currency,
        micros: row.micros,
        other_currency: row.other_currency,
        other_micros: row.other_micros,
        since: row.since,
        sides: row.sides,
        state: row.state,
        owner: row.owner,
        changed_at: row.changed_at,
        continues_report: row.continues_report,
        continues_number: row.continues_number,
    };
    let (partner, window) = (PartnerId(row.partner_id), row.window_name.unwrap_or_default());
    Ok(Some(LivingBreak {
        found: ListedBreak { kept: KeptBreak::try_from(kept)?, partner, window },
        window: WindowId(row.window_id),
        superseded: row.superseded,
        life: life(connection, id).await?,
    }))
}

/// The same, for whoever takes the next step: nobody else does meanwhile.
pub async fn lock_break(
    connection: &mut PgConnection,
    id: BreakId,
) -> Result<Option<LivingBreak>, StoreError> {
    let locked = sqlx::query_scalar!(
        "SELECT number FROM breaks WHERE reconciliation_id = $1 AND number = $2
         ORDER BY number FOR UPDATE",
        id.reconciliation,
        id.number
    );
    if locked.fetch_optional(&mut *connection).await?.is_none() {
        return Ok(None);
    }
    find_break(connection, id).await
}

async fn life(executor: impl PgExecutor<'_>, id: BreakId) -> Result<BreakLife, StoreError> {
    let rows = sqlx::query!(
        r#"WITH RECURSIVE lived (reconciliation_id, number, before_report, before_number) AS (
               SELECT b.reconciliation_id, b.number, b.continues_report, b.continues_number
               FROM breaks b WHERE b.reconciliation_id = $1 AND b.number = $2
               UNION ALL
               SELECT b.reconciliation_id, b.number, b.continues_report, b.continues_number
               FROM lived l JOIN breaks b
                 ON b.reconciliation_id = l.before_report AND b.number = l.before_number
           )
           SELECT s.state, s.owner, s.adjustment, s.proposed_by, s.taken_by,
                  s.taken_at AS "taken_at: jiff_sqlx::Timestamp", s.reason
           FROM lived l JOIN break_steps s
             ON s.reconciliation_id = l.reconciliation_id AND s.number = l.number
           ORDER BY s.step"#,
        id.reconciliation,
        id.number
    );
    let rows = rows.fetch_all(executor).await?.into_iter();
    let steps = rows.map(|row| {
        let missing = |column| StoreError::inconsistent("break_steps", column, id);
        let resolution = match codes::break_state(row.state)? {
            BreakState::Open => return Err(missing("state")),
            BreakState::Assigned => {
                Resolution::Assign { owner: row.owner.ok_or_else(|| missing("owner"))? }
            }
            BreakState::Agreed => Resolution::Agree,
            BreakState::Rejected => Resolution::Reject,
            BreakState::Adjusted => {
                let adjustment = row.adjustment.ok_or_else(|| missing("adjustment"))?;
                Resolution::Adjust { operation: RequestId(adjustment) }
            }
            BreakState::WrittenOff => {
                let proposed_by = row.proposed_by.ok_or_else(|| missing("proposed_by"))?;
                Resolution::WriteOff { proposed_by }
            }
        };
        Ok(Step { resolution, who: row.taken_by, when: row.taken_at.to_jiff(), why: row.reason })
    });
    let steps: Vec<Step> = steps.collect::<Result<_, StoreError>>()?;
    BreakLife::of(steps).map_err(|error| StoreError::inconsistent("break_steps", "state", error))
}

/// Writes the last step of a life, which was checked under the break's lock.
pub async fn take_step(
    connection: &mut PgConnection,
    id: BreakId,
    life: &BreakLife,
) -> Result<(), StoreError> {
    let Some(step) = life.steps().last() else { return Ok(()) };
    let number = i16::try_from(life.steps().len());
    let number = number.map_err(|error| StoreError::inconsistent("break_steps", "step", error))?;
    let (owner, adjustment, proposed_by) = match &step.resolution {
        Resolution::Assign { owner } => (Some(owner), None, None),
        Resolution::Agree | Resolution::Reject => (None, None, None),
        Resolution::Adjust { operation } => (None, Some(operation.0), None),
        Resolution::WriteOff { proposed_by } => (None, None, Some(proposed_by)),
    };
    let state = codes::break_state_code(step.resolution.to());
    sqlx::query!(
        "INSERT INTO break_steps (reconciliation_id, number, step, state, owner, adjustment,
             proposed_by, taken_by, taken_at, reason)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        id.reconciliation,
        id.number,
        number,
        state,
        owner,
        adjustment,
        proposed_by,
        step.who,
        step.when.to_sqlx() as _,
        step.why
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "UPDATE breaks SET state = $3, owner = COALESCE($4, owner), changed_at = $5
         WHERE reconciliation_id = $1 AND number = $2",
        id.reconciliation,
        id.number,
        state,
        owner,
        step.when.to_sqlx() as _
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// What an adjustment moved, and which window it corrects.
pub async fn adjusted_by(
    executor: impl PgExecutor<'_>,
    adjustment: RequestId,
) -> Result<Option<(WindowId, Movement, bool)>, StoreError> {
    let row = sqlx::query!(
        r#"SELECT corrects_window, payer, payee, currency, micros,
                  EXISTS (SELECT FROM break_steps s WHERE s.adjustment = a.request_id)
                      AS "corrects_another!"
           FROM adjustments a WHERE request_id = $1"#,
        adjustment.0
    );
    let Some(row) = row.fetch_optional(executor).await? else { return Ok(None) };
    let moved = Movement {
        payer: PartnerId(row.payer),
        payee: PartnerId(row.payee),
        currency: codes::currency(&row.currency, "adjustments", "currency")?,
        micros: entente_ledger::Micros(row.micros),
    };
    Ok(Some((WindowId(row.corrects_window), moved, row.corrects_another)))
}
