//! Loading lots: the open ones, those that named earns opened, and those behind named holds.

use std::collections::BTreeMap;

use entente_ledger::{
    Cell, Lot, LotId, MemberId, Micros, Origin, PartnerId, Points, Purchase, Seq, TermsVersion,
};
use jiff::{civil::date, tz::TimeZone};
use jiff_sqlx::ToSqlx;
use sqlx::PgConnection;
use uuid::Uuid;

use super::members::{Keys, LoadedMembers, MemberNeeds};
use crate::{StoreError, codes};

const EARNED: i16 = 1;
const EXCHANGED: i16 = 2;
const RECEIVED: i16 = 3;

/// Cells, members and operations as three columns, for UNNEST.
pub(super) fn named(
    needs: &BTreeMap<(Cell, MemberId), MemberNeeds>,
    seqs: impl Fn(&MemberNeeds) -> Vec<Seq>,
) -> (Vec<i16>, Vec<Uuid>, Vec<i64>) {
    let mut columns = (Vec::new(), Vec::new(), Vec::new());
    for ((cell, member), needs) in needs {
        for seq in seqs(needs) {
            columns.0.push(cell.0);
            columns.1.push(member.0);
            columns.2.push(seq.0);
        }
    }
    columns
}

pub(super) async fn load(
    connection: &mut PgConnection,
    loaded: &mut LoadedMembers,
    (cells, ids): &Keys,
    needs: &BTreeMap<(Cell, MemberId), MemberNeeds>,
) -> Result<(), StoreError> {
    let earns = named(needs, |needs| needs.earns.iter().copied().collect());
    let holds = named(needs, |needs| needs.holds.iter().copied().collect());
    let rows = sqlx::query!(
        r#"WITH wanted AS (
               SELECT l.cell, l.member_id, l.opened_by, l.ordinal
               FROM UNNEST($1::smallint[], $2::uuid[]) AS k (cell, member_id)
               JOIN lots l USING (cell, member_id)
               WHERE l.open
               UNION
               SELECT l.cell, l.member_id, l.opened_by, l.ordinal
               FROM UNNEST($3::smallint[], $4::uuid[], $5::bigint[])
                   AS k (cell, member_id, opened_by)
               JOIN lots l USING (cell, member_id, opened_by)
               UNION
               SELECT g.cell, g.member_id, g.lot_opened_by, g.lot_ordinal
               FROM UNNEST($6::smallint[], $7::uuid[], $8::bigint[])
                   AS k (cell, member_id, authorized_by)
               JOIN hold_legs g USING (cell, member_id, authorized_by)
           )
           SELECT l.member_id, l.opened_by, l.ordinal, l.issuer, l.funding, l.terms_version,
                  l.currency, l.expires_at AS "expires_at: jiff_sqlx::Timestamp", l.remaining,
                  l.held, l.expired, l.category, l.spend_micros, l.spend_reversed_micros,
                  l.activity_at AS "activity_at: jiff_sqlx::Timestamp", l.points_earned,
                  l.points_clawed, l.origin, l.announced
           FROM wanted JOIN lots l USING (cell, member_id, opened_by, ordinal)"#,
        cells,
        ids,
        &earns.0,
        &earns.1,
        &earns.2,
        &holds.0,
        &holds.1,
        &holds.2
    )
    .fetch_all(connection)
    .await?;
    for row in rows {
        let Some(member) = loaded.members.get_mut(&MemberId(row.member_id)) else { continue };
        let spend = row.spend_micros.zip(row.spend_reversed_micros);
        let points = row.points_earned.zip(row.points_clawed);
        let purchase = purchase(row.category, row.activity_at, spend, points);
        let id = LotId { opened_by: Seq(row.opened_by), ordinal: row.ordinal };
        let lot = Lot {
            id,
            issuer: PartnerId(row.issuer),
            funding: codes::funding(row.funding)?,
            terms_version: TermsVersion(row.terms_version),
            currency: codes::currency(&row.currency, "lots", "currency")?,
            expires_at: row.expires_at.to_jiff(),
            remaining: Points(row.remaining),
            held: Points(row.held),
            expired: Points(row.expired),
            announced: row.announced,
            origin: origin(row.origin, purchase)?,
        };
        member.lots.insert(id, lot);
    }
    Ok(())
}

/// The purchase of an earned lot; what a lot of another origin has is null.
fn purchase(
    category: Option<String>,
    activity_at: Option<jiff_sqlx::Timestamp>,
    spend_and_reversed: Option<(i64, i64)>,
    earned_and_clawed: Option<(i64, i64)>,
) -> Option<Purchase> {
    let (spend, spend_reversed) = spend_and_reversed?;
    let (points_earned, points_clawed) = earned_and_clawed?;
    Some(Purchase {
        category: category?,
        spend: Micros(spend),
        spend_reversed: Micros(spend_reversed),
        activity_at: activity_at?.to_jiff(),
        points_earned: Points(points_earned),
        points_clawed: Points(points_clawed),
    })
}

fn origin(code: i16, purchase: Option<Purchase>) -> Result<Origin, StoreError> {
    match (code, purchase) {
        (EARNED, Some(purchase)) => Ok(Origin::Earned(purchase)),
        (EXCHANGED, None) => Ok(Origin::Exchanged),
        (RECEIVED, None) => Ok(Origin::Received),
        (other, _) => Err(codes::inconsistent("lots", "origin", other)),
    }
}

pub(super) const fn origin_code(origin: &Origin) -> i16 {
    match origin {
        Origin::Earned(_) => EARNED,
        Origin::Exchanged => EXCHANGED,
        Origin::Received => RECEIVED,
    }
}

/// What members earned at partners in calendar years of activity, net of clawbacks.
pub(super) async fn earned_in_years(
    connection: &mut PgConnection,
    loaded: &mut LoadedMembers,
    needs: &BTreeMap<(Cell, MemberId), MemberNeeds>,
) -> Result<(), StoreError> {
    let (mut cells, mut members, mut issuers, mut years) = (vec![], vec![], vec![], vec![]);
    let (mut starts, mut ends) = (vec![], vec![]);
    for ((cell, member), needs) in needs {
        for (issuer, year) in &needs.years {
            let (Some(start), Some(end)) = (new_year(*year), new_year(year.saturating_add(1)))
            else {
                continue;
            };
            cells.push(cell.0);
            members.push(member.0);
            issuers.push(issuer.0);
            years.push(*year);
            starts.push(start);
            ends.push(end);
        }
    }
    let rows = sqlx::query!(
        r#"SELECT k.member_id AS "member_id!", k.issuer AS "issuer!", k.year AS "year!",
                  COALESCE(SUM(l.points_earned - l.points_clawed), 0)::bigint AS "points!"
           FROM UNNEST($1::smallint[], $2::uuid[], $3::integer[], $4::smallint[],
                       $5::timestamptz[], $6::timestamptz[])
               AS k (cell, member_id, issuer, year, starts_at, ends_at)
           LEFT JOIN lots l ON l.cell = k.cell AND l.member_id = k.member_id
               AND l.issuer = k.issuer AND l.origin = $7
               AND l.activity_at >= k.starts_at AND l.activity_at < k.ends_at
           GROUP BY k.member_id, k.issuer, k.year"#,
        &cells,
        &members,
        &issuers,
        &years,
        &starts as _,
        &ends as _,
        EARNED
    )
    .fetch_all(connection)
    .await?;
    for row in rows {
        if let Some(member) = loaded.members.get_mut(&MemberId(row.member_id)) {
            member.earned_in_year.insert((PartnerId(row.issuer), row.year), Points(row.points));
        }
    }
    Ok(())
}

fn new_year(year: i16) -> Option<jiff_sqlx::Timestamp> {
    let start = (1..=9998).contains(&year).then(|| date(year, 1, 1))?;
    Some(start.to_zoned(TimeZone::UTC).ok()?.timestamp().to_sqlx())
}
