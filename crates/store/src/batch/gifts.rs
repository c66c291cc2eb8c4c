//! What members gave to others at partners, by UTC month: the limit of the terms is on this.

use std::collections::BTreeMap;

use entente_ledger::{Cell, MemberId, PartnerId, Points};
use entente_loyalty::Member;
use jiff_sqlx::ToSqlx;
use sqlx::PgConnection;

use super::{
    Batch,
    members::{LoadedMembers, MemberNeeds},
    write_operations::column,
};
use crate::StoreError;

/// Reads what was given in the months that commands need.
pub(super) async fn load(
    connection: &mut PgConnection,
    loaded: &mut LoadedMembers,
    needs: &BTreeMap<(Cell, MemberId), MemberNeeds>,
) -> Result<(), StoreError> {
    let (mut cells, mut members, mut partners, mut months) = (vec![], vec![], vec![], vec![]);
    for ((cell, member), needs) in needs {
        for (partner, month) in &needs.gift_months {
            cells.push(cell.0);
            members.push(member.0);
            partners.push(partner.0);
            months.push(month.to_sqlx());
        }
    }
    let rows = sqlx::query!(
        r#"SELECT g.member_id, g.partner_id, g.month AS "month: jiff_sqlx::Date", g.points
           FROM UNNEST($1::smallint[], $2::uuid[], $3::integer[], $4::date[])
               AS k (cell, member_id, partner_id, month)
           CROSS JOIN LATERAL (
               SELECT * FROM gifts_given g
               WHERE g.cell = k.cell AND g.member_id = k.member_id
                   AND g.partner_id = k.partner_id AND g.month = k.month OFFSET 0
           ) g"#,
        &cells,
        &members,
        &partners,
        &months as _
    )
    .fetch_all(connection)
    .await?;
    for row in rows {
        if let Some(member) = loaded.members.get_mut(&MemberId(row.member_id)) {
            let key = (PartnerId(row.partner_id), row.month.to_jiff());
            member.given_in_month.insert(key, Points(row.points));
        }
    }
    Ok(())
}

impl Batch {
    pub(super) async fn write_gifts(&mut self, members: &[&Member]) -> Result<(), StoreError> {
        let rows: Vec<_> = members
            .iter()
            .flat_map(|member| {
                let given = |key| member.given_in_month.get(key).map(|points| (*key, *points));
                let changed = member.changed_gifts.iter().filter_map(given);
                changed.map(|((partner, month), points)| (*member, partner, month, points))
            })
            .collect();
        if rows.is_empty() {
            return Ok(());
        }
        sqlx::query!(
            "INSERT INTO gifts_given (cell, member_id, partner_id, month, points)
             SELECT * FROM UNNEST($1::smallint[], $2::uuid[], $3::integer[], $4::date[],
                 $5::bigint[])
             ON CONFLICT (cell, member_id, partner_id, month) DO UPDATE
             SET points = EXCLUDED.points",
            &column(&rows, |r| r.0.cell.0),
            &column(&rows, |r| r.0.id.0),
            &column(&rows, |r| r.1.0),
            &column(&rows, |r| r.2.to_sqlx()) as _,
            &column(&rows, |r| r.3.0)
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }
}
