//! Append-only: the role of the hub cannot change what happened, and the numbers of each cell's
//! operations have no gap, in order of time.

use sqlx::PgConnection;

use super::{Verdict, archived};
use crate::{RUNTIME_ROLE, StoreError};

pub(super) async fn check(connection: &mut PgConnection) -> Result<Verdict, StoreError> {
    let mut verdict = Verdict::new(4, "append-only");
    privileges(connection, &mut verdict).await?;
    numbers(connection, &mut verdict).await?;
    let offenders = sqlx::query_scalar!(
        r#"SELECT format('transfer %s in cell %s belongs to operation %s, which is not there or had '
                         'no effect', t.ordinal, t.cell, t.seq) AS "offender!"
           FROM transfers t
           LEFT JOIN operations o ON o.cell = t.cell AND o.seq = t.seq
                AND o.posted_at = t.posted_at AND NOT o.refused
           WHERE o.seq IS NULL
           ORDER BY t.cell, t.seq, t.ordinal LIMIT (SELECT 20)"#
    );
    verdict.blame(offenders.fetch_all(&mut *connection).await?);
    let offenders = sqlx::query_scalar!(
        r#"SELECT format('notice %s in cell %s belongs to operation %s, which is not there',
                         n.ordinal, n.cell, n.seq) AS "offender!"
           FROM notices n
           LEFT JOIN operations o ON o.cell = n.cell AND o.seq = n.seq
                AND o.posted_at = n.posted_at
           JOIN archived_ends e ON e.cell = n.cell AND e.last_seq < n.seq
           WHERE o.seq IS NULL
           ORDER BY n.cell, n.seq, n.ordinal LIMIT (SELECT 20)"#
    );
    verdict.blame(offenders.fetch_all(connection).await?);
    Ok(verdict)
}

async fn privileges(
    connection: &mut PgConnection,
    verdict: &mut Verdict,
) -> Result<(), StoreError> {
    let rows = sqlx::query!(
        r#"WITH tables AS (
               SELECT c.oid, c.relname FROM pg_class c
               WHERE c.oid IN ('operations'::regclass, 'transfers'::regclass, 'notices'::regclass,
                               'security_events'::regclass, 'arrangements'::regclass,
                               'adjustments'::regclass, 'float_draws'::regclass,
                               'window_states'::regclass, 'carried'::regclass,
                               'carried_lots'::regclass, 'archived_months'::regclass,
                               'archived_tables'::regclass, 'archived_cells'::regclass,
                               'archived_windows'::regclass, 'dispute_lines'::regclass,
                               'dispute_totals'::regclass)
                  -- Detached ones, too.
                  OR (c.relkind = 'r' AND pg_table_is_visible(c.oid)
                      AND c.relname ~ '^(operations|transfers)_[0-9]{4}_[0-9]{2}$')
                  OR c.oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent IN
                               ('operations'::regclass, 'transfers'::regclass))
           )
           SELECT t.relname AS "table!",
                  r.rolname IS NOT NULL
                      AND (has_any_column_privilege(r.oid, t.oid, 'UPDATE')
                           OR has_table_privilege(r.oid, t.oid, 'DELETE, TRUNCATE'))
                      AS "changeable!"
           FROM tables t LEFT JOIN pg_roles r ON r.rolname = $1
           ORDER BY t.relname"#,
        RUNTIME_ROLE
    );
    let rows = rows.fetch_all(connection).await?;
    verdict.checked("tables", i64::try_from(rows.len()).unwrap_or(i64::MAX));
    let changeable = rows.into_iter().filter(|row| row.changeable);
    verdict.blame(changeable.map(|row| format!("{RUNTIME_ROLE} can change {}", row.table)));
    Ok(())
}

async fn numbers(connection: &mut PgConnection, verdict: &mut Verdict) -> Result<(), StoreError> {
    let rows = sqlx::query_scalar!(r#"SELECT count(*) AS "rows!" FROM operations"#);
    verdict.checked("operations", rows.fetch_one(&mut *connection).await?);
    let offenders = sqlx::query_scalar!(
        r#"WITH numbered AS (
               SELECT cell, seq, posted_at,
                      COALESCE(lag(seq) OVER by_number, last_seq) AS before,
                      COALESCE(lag(posted_at) OVER by_number, last_time) AS posted_before
               FROM operations JOIN archived_ends USING (cell)
               WINDOW by_number AS (PARTITION BY cell ORDER BY seq)
           )
           SELECT format('cell %s: operation %s comes after %s', cell, seq, before) AS "offender!"
           FROM numbered WHERE seq <> before + 1 OR posted_at < posted_before
           ORDER BY cell, seq LIMIT (SELECT 20)"#
    );
    verdict.blame(offenders.fetch_all(&mut *connection).await?);
    archived::check(&mut *connection, verdict).await?;
    let offenders = sqlx::query_scalar!(
        r#"SELECT format('cell %s: its head is at %s, its last operation is %s', c.cell, c.seq,
                         COALESCE(o.seq, e.last_seq)) AS "offender!"
           FROM cells c
           JOIN archived_ends e USING (cell)
           LEFT JOIN LATERAL (
               SELECT seq, posted_at FROM operations WHERE cell = c.cell ORDER BY seq DESC LIMIT 1
           ) o ON true
           WHERE c.seq <> COALESCE(o.seq, e.last_seq)
              OR c.last_time < COALESCE(o.posted_at, e.last_time)
           ORDER BY c.cell LIMIT (SELECT 20)"#
    );
    verdict.blame(offenders.fetch_all(connection).await?);
    Ok(())
}
