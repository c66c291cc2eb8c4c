//! Once: each operation is the outcome of exactly one request, and each outcome that names an
//! operation names its own. A transfer and a merge have a second operation, the other
//! member's, and so has what undoes an operation of a merged member: it follows from the first.

use sqlx::PgConnection;

use super::{Verdict, gifts};
use crate::StoreError;

pub(super) async fn check(connection: &mut PgConnection) -> Result<Verdict, StoreError> {
    let mut verdict = Verdict::new(3, "once");
    let rows = sqlx::query!(
        r#"SELECT (SELECT count(*) FROM operations) AS "operations!",
                  (SELECT count(*) FROM operations WHERE partner_id <> 0) AS "of_partners!",
                  (SELECT count(*) FROM requests) AS "requests!""#
    );
    let rows = rows.fetch_one(&mut *connection).await?;
    verdict.checked("operations", rows.operations);
    verdict.checked("operations of partners", rows.of_partners);
    verdict.checked("requests", rows.requests);
    let offenders = sqlx::query_scalar!(
        r#"SELECT format('operation %s in cell %s has no outcome of request %s of partner %s that '
                         'names it', o.seq, o.cell, o.request_id, o.partner_id) AS "offender!"
           FROM operations o
           LEFT JOIN requests r ON r.partner_id = o.partner_id AND r.request_id = o.request_id
                AND r.cell = o.cell AND r.seq = o.seq AND r.refused = o.refused
                AND r.member_id IS NOT DISTINCT FROM o.member_id
           WHERE r.request_id IS NULL
             AND NOT (o.kind IN (10, 13, 14) AND NOT o.refused AND EXISTS (
                     SELECT FROM requests g
                     WHERE g.partner_id = o.partner_id AND g.request_id = o.request_id
                       AND NOT g.refused AND (g.method = o.kind OR (g.method = 6 AND o.kind = 13))
                       AND (g.cell, g.seq) <> (o.cell, o.seq)))
           ORDER BY o.posted_at, o.cell, o.seq LIMIT (SELECT 20)"#
    );
    verdict.blame(offenders.fetch_all(&mut *connection).await?);
    let offenders = sqlx::query_scalar!(
        r#"SELECT format('request %s of partner %s names operation %s in cell %s, which is not its '
                         'own', r.request_id, r.partner_id, r.seq, r.cell) AS "offender!"
           FROM requests r
           LEFT JOIN operations o ON o.cell = r.cell AND o.seq = r.seq
                AND o.partner_id = r.partner_id AND o.request_id = r.request_id
           JOIN archived_ends e ON e.cell = r.cell AND e.last_seq < r.seq
           WHERE o.seq IS NULL
           ORDER BY r.seq, r.cell LIMIT (SELECT 20)"#
    );
    verdict.blame(offenders.fetch_all(&mut *connection).await?);
    receipts(connection, &mut verdict).await?;
    gifts::legs(connection, &mut verdict).await?;
    Ok(verdict)
}

/// A receipt is that of the accepted earn which credited it, and each that was credited is kept with
/// the earn that was first: ledgers that are older than this rule may have others.
async fn receipts(connection: &mut PgConnection, verdict: &mut Verdict) -> Result<(), StoreError> {
    let offenders = sqlx::query_scalar!(
        r#"SELECT format('request %s of partner %s did not credit the receipt that it keeps',
                         r.request_id, r.partner_id) AS "offender!"
           FROM requests r
           JOIN operations o ON o.cell = r.cell AND o.seq = r.seq
           WHERE r.receipt IS NOT NULL
             AND (o.kind <> 1 OR o.refused OR o.receipt_reference <> r.receipt)
           ORDER BY r.seq, r.cell LIMIT (SELECT 20)"#
    );
    verdict.blame(offenders.fetch_all(&mut *connection).await?);
    let offenders = sqlx::query_scalar!(
        r#"WITH first AS (
               SELECT DISTINCT ON (partner_id, receipt_reference)
                      partner_id, receipt_reference, request_id, cell, seq
               FROM operations
               WHERE kind = 1 AND NOT refused AND receipt_reference <> ''
               ORDER BY partner_id, receipt_reference, posted_at, cell, seq
           )
           SELECT format('the request of operation %s in cell %s does not keep its receipt, which '
                         'it credited first at partner %s', o.seq, o.cell, o.partner_id)
                      AS "offender!"
           FROM first o
           LEFT JOIN requests r ON r.partner_id = o.partner_id AND r.receipt = o.receipt_reference
                AND (r.request_id = o.request_id
                     OR r.seq <= (SELECT e.last_seq FROM archived_ends e WHERE e.cell = r.cell))
           WHERE r.request_id IS NULL
           ORDER BY o.cell, o.seq LIMIT (SELECT 20)"#
    );
    verdict.blame(offenders.fetch_all(connection).await?);
    Ok(())
}
