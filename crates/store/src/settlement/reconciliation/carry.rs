//! Carrying breaks: what became of them in earlier reports of the same window and partner goes on in a newer
//! one. The window's row is locked first, so that of two newer reports one follows the other; then the
//! latest report's breaks, so that no step is taken meanwhile that would be lost.

use entente_ledger::{PartnerId, WindowId};
use entente_settlement::reconcile::{BreakState, Earlier};
use jiff::Timestamp;
use sqlx::PgConnection;
use uuid::Uuid;

use super::BreakId;
use crate::{StoreError, codes};

/// The latest report of a window and a partner, which a newer one supersedes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Latest {
    pub(super) id: Uuid,
    pub(super) made_at: Timestamp,
}

/// Where an earlier break stands, from where a newer one goes on.
#[derive(Debug)]
pub(super) struct Stands {
    pub(super) id: BreakId,
    pub(super) state: BreakState,
    pub(super) owner: Option<String>,
    pub(super) changed_at: Option<jiff_sqlx::Timestamp>,
}

/// The latest report, whom no newer one follows until the transaction ends.
pub(super) async fn latest(
    connection: &mut PgConnection,
    (partner, window): (PartnerId, WindowId),
) -> Result<Option<Latest>, StoreError> {
    // Not FOR UPDATE: rows that name the window may be written meanwhile.
    sqlx::query!("SELECT window_id FROM windows WHERE window_id = $1 FOR NO KEY UPDATE", window.0)
        .fetch_one(&mut *connection)
        .await?;
    let row = sqlx::query!(
        r#"SELECT reconciliation_id, made_at AS "made_at: jiff_sqlx::Timestamp"
           FROM reconciliations WHERE partner_id = $1 AND window_id = $2
           ORDER BY made_at DESC, entry DESC LIMIT 1"#,
        partner.0,
        window.0
    );
    let row = row.fetch_optional(connection).await?;
    Ok(row.map(|row| Latest { id: row.reconciliation_id, made_at: row.made_at.to_jiff() }))
}

/// What may go on: every break of the latest report, and of those before it the ones that somebody did
/// something with, and that went on nowhere. They have no lock: a superseded break takes no step.
pub(super) async fn earlier(
    connection: &mut PgConnection,
    (partner, window): (PartnerId, WindowId),
    latest: Latest,
) -> Result<Earlier<Stands>, StoreError> {
    let mut earlier = Earlier::default();
    let rows = sqlx::query!(
        r#"SELECT number, likeness, state, owner,
                  changed_at AS "changed_at: jiff_sqlx::Timestamp"
           FROM breaks WHERE reconciliation_id = $1 ORDER BY number FOR UPDATE"#,
        latest.id
    );
    for row in rows.fetch_all(&mut *connection).await? {
        // Reports from before 0030 do not say what their breaks are.
        let Some(likeness) = row.likeness else { continue };
        let id = BreakId { reconciliation: latest.id, number: row.number };
        let state = codes::break_state(row.state)?;
        let (owner, changed_at) = (row.owner, row.changed_at);
        earlier.add(likeness, state, Stands { id, state, owner, changed_at });
    }
    let rows = sqlx::query!(
        r#"SELECT b.reconciliation_id, b.number, b.likeness AS "likeness!", b.state, b.owner,
                  b.changed_at AS "changed_at: jiff_sqlx::Timestamp"
           FROM reconciliations r
           JOIN breaks b ON b.reconciliation_id = r.reconciliation_id AND b.state IN (2, 3, 4, 5, 6)
           WHERE r.partner_id = $1 AND r.window_id = $2 AND r.reconciliation_id <> $3
             AND b.likeness IS NOT NULL
             AND NOT EXISTS (SELECT FROM breaks n WHERE n.continues_report = b.reconciliation_id
                                                    AND n.continues_number = b.number)
           ORDER BY r.made_at DESC, r.entry DESC, b.number"#,
        partner.0,
        window.0,
        latest.id
    );
    for row in rows.fetch_all(connection).await? {
        let id = BreakId { reconciliation: row.reconciliation_id, number: row.number };
        let state = codes::break_state(row.state)?;
        let (owner, changed_at) = (row.owner, row.changed_at);
        earlier.add(row.likeness, state, Stands { id, state, owner, changed_at });
    }
    Ok(earlier)
}
