//! Loading holds: the open ones and those that are named, each with its legs.

use std::collections::BTreeMap;

use entente_ledger::{
    Cell, Hold, HoldLeg, LotId, MemberId, PartnerId, Points, RequestId, Seq, TermsVersion,
};
use sqlx::PgConnection;

use super::{
    lots::named,
    members::{Keys, LoadedMembers, MemberNeeds},
};
use crate::{StoreError, codes};

pub(super) async fn load(
    connection: &mut PgConnection,
    loaded: &mut LoadedMembers,
    (cells, ids): &Keys,
    needs: &BTreeMap<(Cell, MemberId), MemberNeeds>,
) -> Result<(), StoreError> {
    let holds = named(needs, |needs| needs.holds.iter().copied().collect());
    let rows = sqlx::query!(
        r#"WITH wanted AS (
               SELECT h.cell, h.member_id, h.authorized_by
               FROM UNNEST($1::smallint[], $2::uuid[]) AS k (cell, member_id)
               CROSS JOIN LATERAL (
                   SELECT * FROM holds h
                   WHERE h.cell = k.cell AND h.member_id = k.member_id AND h.open OFFSET 0
               ) h
               UNION
               SELECT k.cell, k.member_id, k.authorized_by
               FROM UNNEST($3::smallint[], $4::uuid[], $5::bigint[])
                   AS k (cell, member_id, authorized_by)
           )
           SELECT h.member_id, h.authorized_by, h.request_id, h.partner_id, h.terms_version,
                  h.state, h.expires_at AS "expires_at: jiff_sqlx::Timestamp",
                  g.lot_opened_by, g.lot_ordinal, g.issuer, g.funding,
                  g.expires_at AS "lot_expires_at: jiff_sqlx::Timestamp",
                  g.points, g.captured, g.refunded
           FROM wanted w
           CROSS JOIN LATERAL (
               SELECT * FROM holds h
               WHERE h.cell = w.cell AND h.member_id = w.member_id
                   AND h.authorized_by = w.authorized_by OFFSET 0
           ) h
           CROSS JOIN LATERAL (
               SELECT * FROM hold_legs g
               WHERE g.cell = w.cell AND g.member_id = w.member_id
                   AND g.authorized_by = w.authorized_by OFFSET 0
           ) g
           ORDER BY g.cell, g.member_id, g.authorized_by, g.leg"#,
        cells,
        ids,
        &holds.0,
        &holds.1,
        &holds.2
    )
    .fetch_all(connection)
    .await?;
    for row in rows {
        let Some(member) = loaded.members.get_mut(&MemberId(row.member_id)) else { continue };
        let state = codes::hold_state(row.state)?;
        let seq = Seq(row.authorized_by);
        let hold = member.holds.entry(seq).or_insert_with(|| Hold {
            authorized_by: seq,
            request_id: RequestId(row.request_id),
            partner: PartnerId(row.partner_id),
            terms_version: TermsVersion(row.terms_version),
            state,
            expires_at: row.expires_at.to_jiff(),
            legs: Vec::new(),
        });
        hold.legs.push(HoldLeg {
            lot: LotId { opened_by: Seq(row.lot_opened_by), ordinal: row.lot_ordinal },
            issuer: PartnerId(row.issuer),
            funding: codes::funding(row.funding)?,
            expires_at: row.lot_expires_at.to_jiff(),
            points: Points(row.points),
            captured: Points(row.captured),
            refunded: Points(row.refunded),
        });
    }
    Ok(())
}
