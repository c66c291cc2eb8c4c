//! Everything that is kept of a member, for whoever has a right to it. The rows are told as they are,
//! with partners by their codes; what is sealed is left for whoever has the key.

use entente_ledger::{Cell, MemberId, PartnerId};
use jiff::Timestamp;
use sqlx::PgExecutor;
use uuid::Uuid;

use crate::StoreError;

/// A row of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// What it is: `wallet`, `lot`, `operation` and so on.
    pub what: String,
    /// The row, as a JSON object.
    pub row: String,
}

/// A link, or a consent, whose content is sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Whose.
    pub partner: PartnerId,
    /// Its code.
    pub partner_code: String,
    /// The link.
    pub link_token: Uuid,
    /// When it was linked, or recorded.
    pub at: Timestamp,
    /// What was consented to, by its number; `None` of a link.
    pub consent_kind: Option<i16>,
    /// The reference, or the consent.
    pub sealed: Vec<u8>,
    /// By whose key.
    pub sealed_for: MemberId,
}

/// What is sealed of members: their links, then what they consented to.
pub async fn sealed(
    executor: impl PgExecutor<'_>,
    members: &[(Cell, MemberId)],
) -> Result<Vec<Sealed>, StoreError> {
    let ids: Vec<Uuid> = members.iter().map(|(_, member)| member.0).collect();
    let rows = sqlx::query!(
        r#"SELECT partner_id AS "partner_id!", p.code AS "code!", s.link_token AS "link_token!",
                  s.at AS "at!: jiff_sqlx::Timestamp", s.kind, s.sealed AS "sealed!",
                  s.sealed_for AS "sealed_for!"
           FROM (
               SELECT partner_id, link_token, linked_at AS at, NULL::smallint AS kind, sealed,
                      sealed_for
               FROM links WHERE member_id = ANY ($1)
               UNION ALL
               SELECT partner_id, link_token, recorded_at, kind, sealed, sealed_for
               FROM consents WHERE member_id = ANY ($1)
           ) AS s JOIN partners p USING (partner_id)
           ORDER BY s.kind NULLS FIRST, s.at, partner_id LIMIT 10000"#,
        &ids
    );
    let sealed = rows.fetch_all(executor).await?.into_iter().map(|row| Sealed {
        partner: PartnerId(row.partner_id),
        partner_code: row.code,
        link_token: row.link_token,
        at: row.at.to_jiff(),
        consent_kind: row.kind,
        sealed: row.sealed,
        sealed_for: MemberId(row.sealed_for),
    });
    Ok(sealed.collect())
}

/// The wrapped keys of members that have one.
pub async fn wrapped_keys(
    executor: impl PgExecutor<'_>,
    members: &[(Cell, MemberId)],
) -> Result<Vec<(MemberId, Vec<u8>)>, StoreError> {
    let ids: Vec<Uuid> = members.iter().map(|(_, member)| member.0).collect();
    let cells: Vec<i16> = members.iter().map(|(cell, _)| cell.0).collect();
    let rows = sqlx::query!(
        "SELECT k.member_id, k.wrapped
         FROM UNNEST($1::smallint[], $2::uuid[]) AS m (cell, member_id)
         JOIN member_keys k USING (cell, member_id)",
        &cells,
        &ids
    );
    let rows = rows.fetch_all(executor).await?.into_iter();
    Ok(rows.map(|row| (MemberId(row.member_id), row.wrapped)).collect())
}

/// Everything else of members, in a stable order: at most `limit` rows after the first `passed`.
pub async fn records(
    executor: impl PgExecutor<'_>,
    members: &[(Cell, MemberId)],
    passed: i64,
    limit: u16,
) -> Result<Vec<Record>, StoreError> {
    let ids: Vec<Uuid> = members.iter().map(|(_, member)| member.0).collect();
    let cells: Vec<i16> = members.iter().map(|(cell, _)| cell.0).collect();
    let rows = sqlx::query!(
        r#"WITH m AS (
               SELECT * FROM UNNEST($1::smallint[], $2::uuid[]) AS m (cell, member_id)
           )
           SELECT what AS "what!", (data - '{cell,member_id,partner_id}'::text[])::text AS "data!"
           FROM (
               SELECT 1 AS part, 'wallet' AS what, 0::bigint AS number, 0 AS place, to_jsonb(w) AS data
               FROM m JOIN wallets w USING (cell, member_id)
               UNION ALL
               SELECT 2, 'lot', l.opened_by, l.ordinal,
                      to_jsonb(l) || jsonb_build_object('issuer', p.code)
               FROM m JOIN lots l USING (cell, member_id) JOIN partners p ON p.partner_id = l.issuer
               UNION ALL
               SELECT 3, 'hold', h.authorized_by, 0,
                      to_jsonb(h) || jsonb_build_object('partner', p.code)
               FROM m JOIN holds h USING (cell, member_id) JOIN partners p USING (partner_id)
               UNION ALL
               SELECT 4, 'hold_leg', g.authorized_by, g.leg,
                      to_jsonb(g) || jsonb_build_object('issuer', p.code)
               FROM m JOIN hold_legs g USING (cell, member_id)
               JOIN partners p ON p.partner_id = g.issuer
               UNION ALL
               SELECT 5, 'debt', d.reversed_by, d.ordinal,
                      to_jsonb(d) || jsonb_build_object('issuer', p.code)
               FROM m JOIN debts d USING (cell, member_id)
               JOIN partners p ON p.partner_id = d.issuer
               UNION ALL
               SELECT 6, 'given_in_month', (g.month - date '2000-01-01')::bigint, g.partner_id,
                      to_jsonb(g) || jsonb_build_object('partner', p.code)
               FROM m JOIN gifts_given g USING (cell, member_id) JOIN partners p USING (partner_id)
               UNION ALL
               SELECT 7, 'burning_held_back', 0, b.partner_id,
                      to_jsonb(b) || jsonb_build_object('partner', p.code)
               FROM m JOIN hold_backs b USING (member_id) JOIN partners p USING (partner_id)
               UNION ALL
               SELECT 8, 'former_link', 0, f.partner_id,
                      to_jsonb(f) || jsonb_build_object('partner', p.code)
               FROM m JOIN former_links f USING (member_id) JOIN partners p USING (partner_id)
               UNION ALL
               SELECT 9, 'operation', o.seq, o.cell,
                      to_jsonb(o) || jsonb_build_object('partner', p.code)
               FROM m JOIN operations o USING (cell, member_id)
               LEFT JOIN partners p USING (partner_id)
               UNION ALL
               -- Operations of these months are in the files that the digests name.
               SELECT 10, 'archived_month', (a.month - date '2000-01-01')::bigint, 0,
                      jsonb_build_object('month', to_char(a.month, 'YYYY-MM'), 'table', a.name,
                                         'sha256', encode(a.sha256, 'hex'))
               FROM archived_tables a
           ) AS records
           ORDER BY part, number, place, data::text OFFSET $3 LIMIT $4"#,
        &cells,
        &ids,
        passed,
        i64::from(limit)
    );
    let rows = rows.fetch_all(executor).await?.into_iter();
    Ok(rows.map(|row| Record { what: row.what, row: row.data }).collect())
}
