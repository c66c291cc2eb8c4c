//! Acknowledged is durable: the server flushes what it commits.

use sqlx::PgConnection;

use super::Verdict;
use crate::{RUNTIME_ROLE, StoreError};

pub(super) async fn check(connection: &mut PgConnection) -> Result<Verdict, StoreError> {
    let mut verdict = Verdict::new(5, "acknowledged is durable");
    let rows = sqlx::query!(
        r#"SELECT name AS "name!", setting AS "setting!" FROM pg_settings
           WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit') ORDER BY name"#
    );
    let rows = rows.fetch_all(&mut *connection).await?;
    verdict.checked("settings", i64::try_from(rows.len()).unwrap_or(i64::MAX));
    let off = rows.into_iter().filter(|row| row.setting == "off");
    verdict.blame(off.map(|row| format!("the server's {} is off", row.name)));
    let off_for_hubs = sqlx::query_scalar!(
        r#"SELECT format('%s, set for the role of the hub', setting) AS "offender!"
           FROM pg_db_role_setting s
           JOIN pg_roles r ON r.oid = s.setrole
           CROSS JOIN LATERAL UNNEST(s.setconfig) AS setting
           WHERE r.rolname = $1
             AND s.setdatabase IN
                 (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
             AND lower(setting) ~ '^synchronous_commit=(off|false|no|0)$'
           ORDER BY setting LIMIT (SELECT 20)"#,
        RUNTIME_ROLE
    );
    verdict.blame(off_for_hubs.fetch_all(connection).await?);
    Ok(verdict)
}
