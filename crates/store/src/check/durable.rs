//! Acknowledged is durable: the server flushes what it commits.

use sqlx::PgConnection;

use super::Verdict;
use crate::StoreError;

pub(super) async fn check(connection: &mut PgConnection) -> Result<Verdict, StoreError> {
    let mut verdict = Verdict::new(5, "acknowledged is durable");
    let rows = sqlx::query!(
        r#"SELECT name AS "name!", setting AS "setting!" FROM pg_settings
           WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit') ORDER BY name"#
    );
    let rows = rows.fetch_all(connection).await?;
    verdict.checked("settings", i64::try_from(rows.len()).unwrap_or(i64::MAX));
    let off = rows.into_iter().filter(|row| row.setting == "off");
    verdict.blame(off.map(|row| format!("the server's {} is off", row.name)));
    Ok(verdict)
}
