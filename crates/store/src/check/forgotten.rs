//! Forgotten: of an erased member, and of whoever was merged into it, nothing is left that leads to a
//! person: no link, no reference or consent sealed for it, no key, no code that waits, and nothing that
//! acts or disputes say about it. The ledger has its id for ever, which names nobody.

use sqlx::PgConnection;

use super::Verdict;
use crate::StoreError;

pub(super) async fn check(
    connection: &mut PgConnection,
    verdict: &mut Verdict,
) -> Result<(), StoreError> {
    let rows = sqlx::query_scalar!(r#"SELECT count(*) AS "rows!" FROM erasures"#);
    verdict.checked("erased members", rows.fetch_one(&mut *connection).await?);
    let offenders = sqlx::query_scalar!(
        r#"SELECT format('of member %s in cell %s, which is erased, there is still %s', e.member_id,
                         e.cell, found.what) AS "offender!"
           FROM erasures e
           JOIN (
               SELECT 'a link' AS what, member_id FROM links
               UNION ALL
               SELECT 'a reference that was sealed for it', sealed_for FROM links
               WHERE sealed_for <> member_id
               UNION ALL
               SELECT 'a key', member_id FROM member_keys
               UNION ALL
               SELECT 'a consent', member_id FROM consents
               UNION ALL
               SELECT 'a consent that was sealed for it', sealed_for FROM consents
               WHERE sealed_for <> member_id
               UNION ALL
               SELECT 'a code', member_id FROM link_codes
               UNION ALL
               SELECT 'what a code keeps until it is confirmed', sealed_for FROM link_codes
               WHERE sealed_for IS NOT NULL
               UNION ALL
               SELECT 'what an act says of it', member_id FROM proposals
               WHERE member_id IS NOT NULL AND num_nonnulls(sealed, sealed_decision) > 0
               UNION ALL
               SELECT 'what a dispute says', r.member_id FROM disputes d
               JOIN dispute_lines l ON l.dispute_id = d.dispute_id
               JOIN requests r ON r.partner_id = d.partner_id AND r.request_id = l.request_id
               WHERE d.evidence <> '' OR d.answer <> '' OR d.sealed IS NOT NULL
                     OR d.sealed_answer IS NOT NULL
               UNION ALL
               SELECT 'a member that was merged into it', f.into_member_id FROM forwards f
               WHERE NOT EXISTS (SELECT FROM erasures WHERE erasures.member_id = f.member_id)
           ) AS found USING (member_id)
           ORDER BY e.member_id, found.what LIMIT (SELECT 20)"#
    );
    verdict.blame(offenders.fetch_all(connection).await?);
    Ok(())
}
