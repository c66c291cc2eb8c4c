//! What was counted of members and of partners in an hour or a day, where terms limit it. A member's
//! meters are covered by its cell's head; a partner's are of all cells, and locked as exposures are.

use std::collections::{BTreeMap, BTreeSet};

use entente_ledger::{Cell, MemberId, PartnerId};
use entente_loyalty::{Counted, Member, MeterKey};
use jiff_sqlx::ToSqlx;
use sqlx::PgConnection;

use super::{Batch, LoadedMembers, Snapshot, write_operations::column};
use crate::{
    StoreError,
    codes::{meter, meter_code},
};

/// Whose counters of a member are needed.
pub type CountedKey = (Cell, MemberId, PartnerId);

/// What was counted of partners as a whole.
pub type PartnersCounted = BTreeMap<MeterKey, Counted>;

impl Batch {
    /// Reads what was counted of members at partners; nothing is asked for when there are none.
    pub async fn load_counted(
        &mut self,
        loaded: &mut LoadedMembers,
        keys: &BTreeSet<CountedKey>,
    ) -> Result<(), StoreError> {
        if keys.is_empty() { Ok(()) } else { load(self.connection(), loaded, keys).await }
    }

    /// Locks what was counted of these partners, in key order, and reads it; nothing is asked for
    /// when there are none.
    pub async fn lock_counted(
        &mut self,
        partners: &BTreeSet<PartnerId>,
    ) -> Result<PartnersCounted, StoreError> {
        if partners.is_empty() {
            return Ok(PartnersCounted::new());
        }
        let partners: Vec<i32> = partners.iter().map(|partner| partner.0).collect();
        let rows = sqlx::query_as!(
            PartnerRow,
            r#"SELECT partner_id, meter, since AS "since: jiff_sqlx::Timestamp", used
               FROM partner_velocity
               WHERE partner_id = ANY($1) ORDER BY partner_id, meter FOR UPDATE"#,
            &partners
        )
        .fetch_all(self.connection())
        .await?;
        rows.into_iter().map(PartnerRow::counted).collect()
    }

    pub(super) async fn write_counted(&mut self, members: &[&Member]) -> Result<(), StoreError> {
        let rows: Vec<_> = members
            .iter()
            .flat_map(|member| {
                let counted =
                    |key| member.counted.get(key).map(|counted| (*member, *key, *counted));
                member.changed_counted.iter().filter_map(counted)
            })
            .collect();
        if rows.is_empty() {
            return Ok(());
        }
        sqlx::query!(
            "INSERT INTO velocity (cell, member_id, partner_id, meter, since, used)
             SELECT * FROM UNNEST($1::smallint[], $2::uuid[], $3::integer[], $4::smallint[],
                 $5::timestamptz[], $6::bigint[])
             ON CONFLICT (cell, member_id, partner_id, meter) DO UPDATE
             SET since = EXCLUDED.since, used = EXCLUDED.used",
            &column(&rows, |r| r.0.cell.0),
            &column(&rows, |r| r.0.id.0),
            &column(&rows, |r| r.1.0.0),
            &column(&rows, |r| meter_code(r.1.1)),
            &column(&rows, |r| r.2.since.to_sqlx()) as _,
            &column(&rows, |r| r.2.used)
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    pub(super) async fn write_partners_counted(
        &mut self,
        counted: &PartnersCounted,
        changed: &BTreeSet<MeterKey>,
    ) -> Result<(), StoreError> {
        let now = |key| counted.get(key).map(|counted| (*key, *counted));
        let rows: Vec<(MeterKey, Counted)> = changed.iter().filter_map(now).collect();
        if rows.is_empty() {
            return Ok(());
        }
        sqlx::query!(
            "UPDATE partner_velocity SET since = n.since, used = n.used
             FROM UNNEST($1::integer[], $2::smallint[], $3::timestamptz[], $4::bigint[])
                 AS n (partner_id, meter, since, used)
             WHERE partner_velocity.partner_id = n.partner_id
               AND partner_velocity.meter = n.meter",
            &column(&rows, |r| r.0.0.0),
            &column(&rows, |r| meter_code(r.0.1)),
            &column(&rows, |r| r.1.since.to_sqlx()) as _,
            &column(&rows, |r| r.1.used)
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }
}

impl Snapshot {
    /// What was counted of members, into them, and of a partner.
    pub async fn counted(
        &mut self,
        loaded: &mut LoadedMembers,
        keys: &BTreeSet<CountedKey>,
        partner: PartnerId,
    ) -> Result<PartnersCounted, StoreError> {
        load(self.connection(), loaded, keys).await?;
        let rows = sqlx::query_as!(
            PartnerRow,
            r#"SELECT partner_id, meter, since AS "since: jiff_sqlx::Timestamp", used
               FROM partner_velocity WHERE partner_id = $1"#,
            partner.0
        );
        let rows = rows.fetch_all(self.connection()).await?;
        rows.into_iter().map(PartnerRow::counted).collect()
    }
}

/// A row of `partner_velocity`.
struct PartnerRow {
    partner_id: i32,
    meter: i16,
    since: jiff_sqlx::Timestamp,
    used: i64,
}

impl PartnerRow {
    fn counted(self) -> Result<(MeterKey, Counted), StoreError> {
        let key = (PartnerId(self.partner_id), meter(self.meter)?);
        Ok((key, Counted { since: self.since.to_jiff(), used: self.used }))
    }
}

async fn load(
    connection: &mut PgConnection,
    loaded: &mut LoadedMembers,
    keys: &BTreeSet<CountedKey>,
) -> Result<(), StoreError> {
    let keys: Vec<_> = keys.iter().collect();
    let rows = sqlx::query!(
        r#"SELECT v.member_id, v.partner_id, v.meter, v.since AS "since: jiff_sqlx::Timestamp",
                  v.used
           FROM UNNEST($1::smallint[], $2::uuid[], $3::integer[])
               AS k (cell, member_id, partner_id)
           CROSS JOIN LATERAL (
               SELECT * FROM velocity v
               WHERE v.cell = k.cell AND v.member_id = k.member_id
                   AND v.partner_id = k.partner_id OFFSET 0
           ) v"#,
        &column(&keys, |key| key.0.0),
        &column(&keys, |key| key.1.0),
        &column(&keys, |key| key.2.0)
    )
    .fetch_all(connection)
    .await?;
    for row in rows {
        let Some(member) = loaded.members.get_mut(&MemberId(row.member_id)) else { continue };
        let key = (PartnerId(row.partner_id), meter(row.meter)?);
        member.counted.insert(key, Counted { since: row.since.to_jiff(), used: row.used });
    }
    Ok(())
}
