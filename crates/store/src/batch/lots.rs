//! Loading lots: the open ones, those that named earns opened, and those behind named holds.

use std::collections::BTreeMap;

use entente_ledger::{
    Cell, Lot, LotId, MemberId, Micros, Origin, PartnerId, Points, Purchase, Seq, TermsVersion,
};
use entente_loyalty::Member;
use jiff::{Timestamp, civil::date, tz::TimeZone};
use jiff_sqlx::ToSqlx;
use sqlx::PgConnection;
use uuid::Uuid;

use super::members::{LoadedMembers, MemberNeeds, Open};
use crate::{StoreError, codes};

const EARNED: i16 = 1;
const EXCHANGED: i16 = 2;
const RECEIVED: i16 = 3;
pub(super) const MERGED: i16 = 4;

/// A lot as its row has it.
pub(super) struct Row {
    pub(super) member_id: Uuid,
    pub(super) opened_by: i64,
    pub(super) ordinal: i16,
    pub(super) issuer: i32,
    pub(super) funding: i16,
    pub(super) terms_version: i32,
    pub(super) currency: String,
    pub(super) expires_at: jiff_sqlx::Timestamp,
    pub(super) remaining: i64,
    pub(super) held: i64,
    pub(super) expired: i64,
    pub(super) category: Option<String>,
    pub(super) spend_micros: Option<i64>,
    pub(super) spend_reversed_micros: Option<i64>,
    pub(super) activity_at: Option<jiff_sqlx::Timestamp>,
    pub(super) points_earned: Option<i64>,
    pub(super) points_clawed: Option<i64>,
    pub(super) origin: i16,
    pub(super) announced: bool,
    pub(super) from_cell: Option<i16>,
    pub(super) from_opened_by: Option<i64>,
    pub(super) from_ordinal: Option<i16>,
    pub(super) merged_from: Option<Uuid>,
}

/// How many lots of a member are loaded for commands that take points: a few, which give what most
/// take; where these do not, more than what all but a few take.
const FIRST: u8 = 4;
const NEXT: u8 = 64;

/// Cells, members and operations as three columns, for UNNEST.
type Named = (Vec<i16>, Vec<Uuid>, Vec<i64>);

/// What of members is named.
pub(super) fn named(
    needs: &BTreeMap<(Cell, MemberId), MemberNeeds>,
    seqs: impl Fn(&MemberNeeds) -> Vec<Seq>,
) -> Named {
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

/// A lot that is wanted for two reasons comes twice, which is cheaper than to sort them out.
pub(super) async fn load(
    connection: &mut PgConnection,
    loaded: &mut LoadedMembers,
    open: &Open,
    needs: &BTreeMap<(Cell, MemberId), MemberNeeds>,
) -> Result<(), StoreError> {
    let earns = named(needs, |needs| needs.earns.iter().copied().collect());
    let holds = named(needs, |needs| needs.holds.iter().copied().collect());
    let rows = read(connection, open, (earns, holds)).await?;
    insert(loaded, rows)?;
    for (id, taken) in open.next.1.iter().zip(&open.taken) {
        if let Some(member) = loaded.members.get_mut(&MemberId(*id)) {
            member.lots_until = end_of_next(member, *taken);
        }
    }
    Ok(())
}

/// The last of the next lots that were read for so many points, if there may be more. What is named
/// besides, and open, is one of them or comes after them.
fn end_of_next(member: &Member, taken: i64) -> Option<(Timestamp, LotId)> {
    let open = member.lots.values().filter(|lot| lot.remaining.is_positive());
    let mut order: Vec<_> =
        open.map(|lot| (lot.expires_at, lot.id, lot.remaining.0 - lot.held.0)).collect();
    order.sort_unstable();
    let first = order.get(..usize::from(FIRST))?;
    let free = first.iter().fold(0_i64, |sum, (_, _, free)| sum.saturating_add(*free));
    let last = if free < taken { NEXT } else { FIRST };
    order.get(usize::from(last) - 1).map(|(expires_at, id, _)| (*expires_at, *id))
}

async fn read(
    connection: &mut PgConnection,
    Open { all, next, taken }: &Open,
    (earns, holds): (Named, Named),
) -> Result<Vec<Row>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT l.member_id AS "member_id!", l.opened_by AS "opened_by!", l.ordinal AS "ordinal!",
                  l.issuer AS "issuer!", l.funding AS "funding!",
                  l.terms_version AS "terms_version!", l.currency AS "currency!",
                  l.expires_at AS "expires_at!: jiff_sqlx::Timestamp",
                  l.remaining AS "remaining!", l.held AS "held!", l.expired AS "expired!",
                  l.category, l.spend_micros, l.spend_reversed_micros,
                  l.activity_at AS "activity_at: jiff_sqlx::Timestamp", l.points_earned,
                  l.points_clawed, l.origin AS "origin!", l.announced AS "announced!",
                  l.from_cell, l.from_opened_by, l.from_ordinal, l.merged_from
           FROM (
               SELECT l.* FROM UNNEST($1::smallint[], $2::uuid[]) AS k (cell, member_id)
               CROSS JOIN LATERAL (
                   SELECT * FROM lots l
                   WHERE l.cell = k.cell AND l.member_id = k.member_id AND l.open OFFSET 0
               ) l
               UNION ALL
               SELECT l.* FROM UNNEST($9::smallint[], $10::uuid[], $11::bigint[])
                   AS k (cell, member_id, taken)
               CROSS JOIN LATERAL (
                   WITH first AS MATERIALIZED (
                       SELECT * FROM lots l
                       WHERE l.cell = k.cell AND l.member_id = k.member_id AND l.open
                       ORDER BY l.expires_at, l.opened_by, l.ordinal LIMIT $12
                   ) SELECT * FROM first UNION ALL
                   (SELECT * FROM lots l WHERE l.cell = k.cell AND l.member_id = k.member_id
                        AND l.open AND (SELECT SUM(remaining - held) FROM first) < k.taken
                    ORDER BY l.expires_at, l.opened_by, l.ordinal OFFSET $12 LIMIT $13)
               ) l
               UNION ALL
               SELECT l.* FROM UNNEST($3::smallint[], $4::uuid[], $5::bigint[])
                   AS k (cell, member_id, opened_by)
               CROSS JOIN LATERAL (
                   SELECT * FROM lots l WHERE l.cell = k.cell AND l.member_id = k.member_id
                       AND l.opened_by = k.opened_by OFFSET 0
               ) l
               UNION ALL
               SELECT l.* FROM UNNEST($6::smallint[], $7::uuid[], $8::bigint[])
                   AS k (cell, member_id, authorized_by)
               CROSS JOIN LATERAL (
                   SELECT * FROM hold_legs g WHERE g.cell = k.cell AND g.member_id = k.member_id
                       AND g.authorized_by = k.authorized_by OFFSET 0
               ) g
               CROSS JOIN LATERAL (
                   SELECT * FROM lots l WHERE l.cell = g.cell AND l.member_id = g.member_id
                       AND l.opened_by = g.lot_opened_by AND l.ordinal = g.lot_ordinal OFFSET 0
               ) l
           ) l"#,
        &all.0,
        &all.1,
        &earns.0,
        &earns.1,
        &earns.2,
        &holds.0,
        &holds.1,
        &holds.2,
        &next.0,
        &next.1,
        taken,
        i64::from(FIRST),
        i64::from(NEXT - FIRST)
    );
    Ok(rows.fetch_all(connection).await?)
}

/// Lots that were read, into the members that are loaded.
pub(super) fn insert(loaded: &mut LoadedMembers, rows: Vec<Row>) -> Result<(), StoreError> {
    for row in rows {
        let Some(member) = loaded.members.get_mut(&MemberId(row.member_id)) else { continue };
        let lot = row.lot()?;
        member.lots.insert(lot.id, lot);
    }
    Ok(())
}

impl Row {
    fn lot(self) -> Result<Lot, StoreError> {
        let (code, source) = (self.origin, (self.source(), self.merged_from.map(MemberId)));
        Ok(Lot {
            id: LotId { opened_by: Seq(self.opened_by), ordinal: self.ordinal },
            issuer: PartnerId(self.issuer),
            funding: codes::funding(self.funding)?,
            terms_version: TermsVersion(self.terms_version),
            currency: codes::currency(&self.currency, "lots", "currency")?,
            expires_at: self.expires_at.to_jiff(),
            remaining: Points(self.remaining),
            held: Points(self.held),
            expired: Points(self.expired),
            announced: self.announced,
            origin: origin(code, self.purchase(), source)?,
        })
    }

    /// The cell and the lot that it came from, if it was received.
    fn source(&self) -> Option<(Cell, LotId)> {
        let (opened_by, ordinal) = (Seq(self.from_opened_by?), self.from_ordinal?);
        Some((Cell(self.from_cell?), LotId { opened_by, ordinal }))
    }

    /// The purchase, if it was earned.
    fn purchase(self) -> Option<Purchase> {
        Some(Purchase {
            category: self.category?,
            spend: Micros(self.spend_micros?),
            spend_reversed: Micros(self.spend_reversed_micros?),
            activity_at: self.activity_at?.to_jiff(),
            points_earned: Points(self.points_earned?),
            points_clawed: Points(self.points_clawed?),
        })
    }
}

fn origin(
    code: i16,
    purchase: Option<Purchase>,
    source: (Option<(Cell, LotId)>, Option<MemberId>),
) -> Result<Origin, StoreError> {
    match (code, purchase, source) {
        (EARNED, Some(purchase), (None, None)) => Ok(Origin::Earned(purchase)),
        (EXCHANGED, None, (None, None)) => Ok(Origin::Exchanged),
        (RECEIVED, None, (Some((from, lot)), None)) => Ok(Origin::Received { from, lot }),
        (MERGED, None, (Some((cell, lot)), Some(from))) => Ok(Origin::Merged { from, cell, lot }),
        (other, ..) => Err(codes::inconsistent("lots", "origin", other)),
    }
}

pub(super) const fn origin_code(origin: &Origin) -> i16 {
    match origin {
        Origin::Earned(_) => EARNED,
        Origin::Exchanged => EXCHANGED,
        Origin::Received { .. } => RECEIVED,
        Origin::Merged { .. } => MERGED,
    }
}

/// The cell and the lot that a received or a merged one came from.
pub(super) const fn source(origin: &Origin) -> Option<(Cell, LotId)> {
    match origin {
        Origin::Received { from: cell, lot } | Origin::Merged { cell, lot, .. } => {
            Some((*cell, *lot))
        }
        Origin::Earned(_) | Origin::Exchanged => None,
    }
}

/// The member that a merged lot came from.
pub(super) const fn merged_from(origin: &Origin) -> Option<MemberId> {
    match origin {
        Origin::Merged { from, .. } => Some(*from),
        Origin::Earned(_) | Origin::Exchanged | Origin::Received { .. } => None,
    }
}

/// What members, and all that were merged into them, earned at partners in calendar years of activity,
/// net of clawbacks.
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
        r#"WITH RECURSIVE k AS MATERIALIZED (
               SELECT * FROM UNNEST($1::smallint[], $2::uuid[], $3::integer[], $4::smallint[],
                                    $5::timestamptz[], $6::timestamptz[])
                   AS k (cell, member_id, issuer, year, starts_at, ends_at)
           ), stands AS (
               SELECT DISTINCT cell, member_id, member_id AS kept FROM k
               UNION
               SELECT f.cell, f.member_id, s.kept
               FROM stands s
               JOIN forwards f ON f.into_cell = s.cell AND f.into_member_id = s.member_id
           )
           SELECT k.member_id AS "member_id!", k.issuer AS "issuer!", k.year AS "year!",
                  COALESCE(SUM(l.points_earned - l.points_clawed), 0)::bigint AS "points!"
           FROM k JOIN stands s ON s.kept = k.member_id
           LEFT JOIN LATERAL (
               SELECT * FROM lots l
               WHERE l.cell = s.cell AND l.member_id = s.member_id
                   AND l.issuer = k.issuer AND l.origin = $7
                   AND l.activity_at >= k.starts_at AND l.activity_at < k.ends_at OFFSET 0
           ) l ON true
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
