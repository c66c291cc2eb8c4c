//! Nobody else's: a link names one member, each member is in the cell that its id says, and a token
//! names one link; and what led to an erased member is gone.

use entente_ledger::{Cell, MemberId};
use futures::TryStreamExt;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{MAX_OFFENDERS, Verdict, forgotten};
use crate::StoreError;

pub(super) async fn check(connection: &mut PgConnection) -> Result<Verdict, StoreError> {
    let mut verdict = Verdict::new(9, "nobody else's");
    let cells = sqlx::query_scalar!("SELECT cell_count FROM ledger");
    let cell_count = cells.fetch_one(&mut *connection).await?;
    homes(connection, cell_count, &mut verdict).await?;
    let offenders = sqlx::query_scalar!(
        r#"SELECT format('a token of partner %s names %s links', min(partner_id), count(*))
                      AS "offender!"
           FROM links GROUP BY link_token HAVING count(*) > 1
           ORDER BY link_token LIMIT (SELECT 20)"#
    );
    verdict.blame(offenders.fetch_all(&mut *connection).await?);
    let offenders = sqlx::query_scalar!(
        r#"SELECT format('member %s has %s links at partner %s', member_id, count(*), partner_id)
                      AS "offender!"
           FROM links GROUP BY member_id, partner_id HAVING count(*) > 1
           ORDER BY member_id, partner_id LIMIT (SELECT 20)"#
    );
    verdict.blame(offenders.fetch_all(&mut *connection).await?);
    strays(connection, &mut verdict).await?;
    forgotten::check(connection, &mut verdict).await?;
    Ok(verdict)
}

/// Every wallet and every link is in its member's cell. The rows are streamed: there may be many.
async fn homes(
    connection: &mut PgConnection,
    cell_count: i16,
    verdict: &mut Verdict,
) -> Result<(), StoreError> {
    let (mut rows, mut offenders) = (0_i64, Vec::new());
    let members = sqlx::query!(
        r#"SELECT cell AS "cell!", member_id AS "member_id!", false AS "link!" FROM wallets
           UNION ALL
           SELECT cell, member_id, true FROM links"#
    );
    let mut members = members.fetch(connection);
    while let Some(row) = members.try_next().await? {
        rows += 1;
        let found = stray(row.cell, row.member_id, cell_count);
        if found && offenders.len() < MAX_OFFENDERS {
            let what = if row.link { "link" } else { "wallet" };
            let (member, cell) = (row.member_id, row.cell);
            offenders.push(format!("a {what} of member {member} is in cell {cell}"));
        }
    }
    verdict.checked("wallets and links", rows);
    verdict.blame(offenders);
    Ok(())
}

fn stray(cell: i16, member: Uuid, cell_count: i16) -> bool {
    MemberId(member).cell(cell_count) != Cell(cell)
}

/// Whatever names a member is in the cell of its wallet.
async fn strays(connection: &mut PgConnection, verdict: &mut Verdict) -> Result<(), StoreError> {
    let offenders = sqlx::query_scalar!(
        r#"SELECT format('%s %s of member %s in cell %s has no wallet', found.what, found.number,
                         found.member_id, found.cell) AS "offender!"
           FROM (
               SELECT 'lot' AS what, cell, member_id, opened_by AS number FROM lots
               UNION ALL
               SELECT 'hold', cell, member_id, authorized_by FROM holds
               UNION ALL
               SELECT 'debt', cell, member_id, reversed_by FROM debts
               UNION ALL
               SELECT 'link', cell, member_id, partner_id FROM links
               UNION ALL
               SELECT 'operation', cell, member_id, seq FROM operations
               WHERE member_id IS NOT NULL AND NOT refused
           ) AS found
           LEFT JOIN wallets w USING (cell, member_id)
           WHERE w.member_id IS NULL
           ORDER BY found.cell, found.number LIMIT (SELECT 20)"#
    );
    verdict.blame(offenders.fetch_all(connection).await?);
    Ok(())
}
