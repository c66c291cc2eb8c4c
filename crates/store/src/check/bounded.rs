//! Bounded: no string or message that was kept is longer than what the door lets in.

use sqlx::PgConnection;

use super::Verdict;
use crate::StoreError;

/// No message of the API is larger.
const MAX_MESSAGE_BYTES: i32 = 4 * 1024 * 1024;

pub(super) async fn check(connection: &mut PgConnection) -> Result<Verdict, StoreError> {
    let mut verdict = Verdict::new(10, "bounded");
    let rows = sqlx::query!(
        r#"SELECT (SELECT count(*) FROM links) AS "links!",
                  (SELECT count(*) FROM requests) AS "requests!""#
    );
    let rows = rows.fetch_one(&mut *connection).await?;
    verdict.checked("links", rows.links);
    verdict.checked("requests", rows.requests);
    let offenders = sqlx::query_scalar!(
        r#"SELECT format('%s is too long', found.what) AS "offender!"
           FROM (
               SELECT format('a reference of partner %s', partner_id) AS what FROM links
               WHERE length(sealed) NOT BETWEEN 92 AND 512
               UNION ALL
               SELECT format('the receipt reference of operation %s in cell %s', seq, cell)
               FROM operations WHERE length(receipt_reference) > 64
               UNION ALL
               SELECT format('the category of lot %s.%s in cell %s', opened_by, ordinal, cell)
               FROM lots WHERE length(category) > 32
               UNION ALL
               SELECT format('a name of partner %s', partner_id) FROM partners
               WHERE length(code) > 31 OR length(display_name) > 64
               UNION ALL
               SELECT format('the name of window %s', window_id) FROM windows
               WHERE length(name) > 32
               UNION ALL
               SELECT format('request %s of partner %s', request_id, partner_id) FROM requests
               WHERE octet_length(fields) > $1 OR octet_length(answer) > $1
           ) AS found
           LIMIT (SELECT 20)"#,
        MAX_MESSAGE_BYTES
    );
    verdict.blame(offenders.fetch_all(connection).await?);
    Ok(verdict)
}
