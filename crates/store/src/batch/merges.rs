//! Merges: what a batch reads of members that were merged, or are about to be, and what it writes of
//! who was. Most batches have none, and read nothing of this.

use std::collections::BTreeMap;

use entente_ledger::{Cell, LotId, MemberId, PartnerId, Points};
use entente_loyalty::{Forward, Member, month};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    Batch,
    lots::{self, MERGED, Row},
    members::{LoadedMembers, MemberNeeds},
    write_operations::column,
};
use crate::{StoreError, codes::inconsistent};

type Needs = BTreeMap<(Cell, MemberId), MemberNeeds>;

/// Members and their counterparts as four columns, for UNNEST.
type Pairs = (Vec<i16>, Vec<Uuid>, Vec<i16>, Vec<Uuid>);

/// Reads what merges need, once everything else is loaded.
pub(super) async fn load(
    batch: &mut Batch,
    loaded: &mut LoadedMembers,
    needs: &Needs,
    now: Timestamp,
) -> Result<(), StoreError> {
    let named = named_lots(loaded);
    if !named.is_empty() {
        moved(batch.connection(), loaded, &named).await?;
    }
    let pairs = pairs(needs);
    if !pairs.0.is_empty() {
        lots_of_pairs(batch.connection(), loaded, &pairs).await?;
        absorbed(batch.connection(), loaded, &pairs).await?;
        linked_at(batch.connection(), loaded, &pairs).await?;
        given(batch.connection(), loaded, &pairs, now).await?;
    }
    Ok(())
}

/// The lots that commands name of merged members: these have no other ones loaded.
fn named_lots(loaded: &LoadedMembers) -> Vec<(Cell, LotId)> {
    let merged = loaded.members.values().filter(|member| member.forward.is_some());
    merged.flat_map(|member| member.lots.keys().map(|lot| (member.cell, *lot))).collect()
}

fn pairs(needs: &Needs) -> Pairs {
    let mut pairs = Pairs::default();
    for ((cell, member), needs) in needs {
        if let Some((other_cell, other)) = needs.merges_with {
            pairs.0.push(cell.0);
            pairs.1.push(member.0);
            pairs.2.push(other_cell.0);
            pairs.3.push(other.0);
        }
    }
    pairs
}

/// The lots that points of named ones were moved to, and from there on.
async fn moved(
    connection: &mut PgConnection,
    loaded: &mut LoadedMembers,
    named: &[(Cell, LotId)],
) -> Result<(), StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"WITH RECURSIVE moved AS (
               SELECT * FROM UNNEST($1::smallint[], $2::bigint[], $3::smallint[])
                   AS k (cell, opened_by, ordinal)
               UNION
               SELECT l.cell, l.opened_by, l.ordinal
               FROM moved m
               JOIN lots l ON l.from_cell = m.cell AND l.from_opened_by = m.opened_by
                    AND l.from_ordinal = m.ordinal
               WHERE l.origin = 4
           )
           SELECT l.member_id, l.opened_by, l.ordinal, l.issuer, l.funding, l.terms_version,
                  l.currency, l.expires_at AS "expires_at: jiff_sqlx::Timestamp", l.remaining,
                  l.held, l.expired, l.category, l.spend_micros, l.spend_reversed_micros,
                  l.activity_at AS "activity_at: jiff_sqlx::Timestamp", l.points_earned,
                  l.points_clawed, l.origin, l.announced, l.from_cell, l.from_opened_by,
                  l.from_ordinal, l.merged_from
           FROM moved m
           JOIN lots l ON l.from_cell = m.cell AND l.from_opened_by = m.opened_by
                AND l.from_ordinal = m.ordinal
           WHERE l.origin = 4"#,
        &column(named, |(cell, _)| cell.0),
        &column(named, |(_, lot)| lot.opened_by.0),
        &column(named, |(_, lot)| lot.ordinal)
    );
    lots::insert(loaded, rows.fetch_all(connection).await?)
}

/// The lots behind debts, those that came by a merge of the pair, and those that they came from.
async fn lots_of_pairs(
    connection: &mut PgConnection,
    loaded: &mut LoadedMembers,
    pairs: &Pairs,
) -> Result<(), StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"WITH RECURSIVE pairs AS MATERIALIZED (
               SELECT * FROM UNNEST($1::smallint[], $2::uuid[], $3::smallint[], $4::uuid[])
                   AS k (cell, member_id, other_cell, other_id)
           ), brought AS (
               SELECT member_id AS kept, other_cell AS cell, other_id AS member_id FROM pairs
               UNION
               SELECT b.kept, f.cell, f.member_id
               FROM brought b
               JOIN forwards f ON f.into_cell = b.cell AND f.into_member_id = b.member_id
           ), wanted AS (
               SELECT p.cell, p.member_id, d.lot_opened_by AS opened_by, d.lot_ordinal AS ordinal
               FROM pairs p JOIN debts d USING (cell, member_id)
               WHERE d.open
               UNION
               SELECT p.cell, p.member_id, l.opened_by, l.ordinal
               FROM pairs p
               JOIN lots l USING (cell, member_id)
               JOIN brought b ON b.kept = p.member_id AND b.member_id = l.merged_from
               WHERE l.origin = $5
               UNION
               SELECT p.cell, p.member_id, l.from_opened_by, l.from_ordinal
               FROM pairs p
               JOIN lots l ON l.cell = p.other_cell AND l.member_id = p.other_id
               WHERE l.origin = $5 AND l.merged_from = p.member_id
           )
           SELECT l.member_id, l.opened_by, l.ordinal, l.issuer, l.funding, l.terms_version,
                  l.currency, l.expires_at AS "expires_at: jiff_sqlx::Timestamp", l.remaining,
                  l.held, l.expired, l.category, l.spend_micros, l.spend_reversed_micros,
                  l.activity_at AS "activity_at: jiff_sqlx::Timestamp", l.points_earned,
                  l.points_clawed, l.origin, l.announced, l.from_cell, l.from_opened_by,
                  l.from_ordinal, l.merged_from
           FROM wanted JOIN lots l USING (cell, member_id, opened_by, ordinal)"#,
        &pairs.0,
        &pairs.1,
        &pairs.2,
        &pairs.3,
        MERGED
    );
    lots::insert(loaded, rows.fetch_all(connection).await?)
}

/// Whom the members stand for.
async fn absorbed(
    connection: &mut PgConnection,
    loaded: &mut LoadedMembers,
    (cells, ids, ..): &Pairs,
) -> Result<(), StoreError> {
    let rows = sqlx::query!(
        r#"WITH RECURSIVE stands AS (
               SELECT cell, member_id, member_id AS kept
               FROM UNNEST($1::smallint[], $2::uuid[]) AS k (cell, member_id)
               UNION
               SELECT f.cell, f.member_id, s.kept
               FROM stands s
               JOIN forwards f ON f.into_cell = s.cell AND f.into_member_id = s.member_id
           )
           SELECT kept AS "kept!", member_id AS "member_id!" FROM stands
           WHERE member_id <> kept"#,
        cells,
        ids
    );
    for row in rows.fetch_all(connection).await? {
        if let Some(member) = loaded.members.get_mut(&MemberId(row.kept)) {
            member.absorbed.insert(MemberId(row.member_id));
        }
    }
    Ok(())
}

async fn linked_at(
    connection: &mut PgConnection,
    loaded: &mut LoadedMembers,
    (_, ids, ..): &Pairs,
) -> Result<(), StoreError> {
    let rows =
        sqlx::query!("SELECT member_id, partner_id FROM links WHERE member_id = ANY ($1)", ids);
    for row in rows.fetch_all(connection).await? {
        if let Some(member) = loaded.members.get_mut(&MemberId(row.member_id)) {
            member.linked_at.insert(PartnerId(row.partner_id));
        }
    }
    Ok(())
}

/// What the members gave in the month of their merge, or in this one where they have none yet.
async fn given(
    connection: &mut PgConnection,
    loaded: &mut LoadedMembers,
    (cells, ids, _, others): &Pairs,
    now: Timestamp,
) -> Result<(), StoreError> {
    let forward = |id: &Uuid| loaded.members.get(&MemberId(*id)).and_then(|member| member.forward);
    let merged_at = |(id, other): (&Uuid, &Uuid)| {
        let forward = forward(id).or_else(|| forward(other));
        month(forward.map_or(now, |forward| forward.merged_at)).to_sqlx()
    };
    let months: Vec<_> = ids.iter().zip(others).map(merged_at).collect();
    let rows = sqlx::query!(
        r#"SELECT g.member_id, g.partner_id, g.month AS "month: jiff_sqlx::Date", g.points
           FROM UNNEST($1::smallint[], $2::uuid[], $3::date[]) AS k (cell, member_id, month)
           CROSS JOIN LATERAL (
               SELECT * FROM gifts_given g
               WHERE g.cell = k.cell AND g.member_id = k.member_id AND g.month = k.month OFFSET 0
           ) g"#,
        cells,
        ids,
        &months as _
    );
    for row in rows.fetch_all(connection).await? {
        if let Some(member) = loaded.members.get_mut(&MemberId(row.member_id)) {
            let key = (PartnerId(row.partner_id), row.month.to_jiff());
            member.given_in_month.insert(key, Points(row.points));
        }
    }
    Ok(())
}

impl Batch {
    /// Writes who was merged, or is so no longer. Links go with the member.
    pub(super) async fn write_forwards(
        &mut self,
        loaded: &LoadedMembers,
        members: &[&Member],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        for member in members.iter().filter(|member| member.changed_forward) {
            match member.forward {
                Some(forward) => self.absorb(loaded, member, forward).await?,
                None => self.give_back(member, now).await?,
            }
        }
        Ok(())
    }

    async fn absorb(
        &mut self,
        loaded: &LoadedMembers,
        member: &Member,
        Forward { into, merged_at }: Forward,
    ) -> Result<(), StoreError> {
        let kept = loaded.members.get(&into);
        let kept = kept.ok_or_else(|| inconsistent("forwards", "into_member_id", into.0))?;
        sqlx::query!(
            "INSERT INTO forwards (cell, member_id, into_cell, into_member_id, merged_at)
             VALUES ($1, $2, $3, $4, $5)",
            member.cell.0,
            member.id.0,
            kept.cell.0,
            into.0,
            merged_at.to_sqlx() as _
        )
        .execute(self.connection())
        .await?;
        let (from, to) = ((member.id, member.cell), (kept.id, kept.cell));
        self.move_links(from, to, (None, merged_at)).await
    }

    async fn give_back(&mut self, member: &Member, now: Timestamp) -> Result<(), StoreError> {
        let forward = sqlx::query!(
            "DELETE FROM forwards WHERE cell = $1 AND member_id = $2
             RETURNING into_cell, into_member_id",
            member.cell.0,
            member.id.0
        )
        .fetch_one(self.connection())
        .await?;
        let brought: Vec<Uuid> =
            member.absorbed.iter().chain([&member.id]).map(|brought| brought.0).collect();
        let kept = (MemberId(forward.into_member_id), Cell(forward.into_cell));
        let back = (Some(brought.as_slice()), now);
        self.move_links(kept, (member.id, member.cell), back).await
    }

    /// Moves a member's links: all, or those that came from some members. They are removed and made
    /// anew, with their tokens; that they were of the other member is remembered.
    async fn move_links(
        &mut self,
        (from, from_cell): (MemberId, Cell),
        (to, cell): (MemberId, Cell),
        (came_from, now): (Option<&[Uuid]>, Timestamp),
    ) -> Result<(), StoreError> {
        let links = sqlx::query!(
            r#"DELETE FROM links
               WHERE member_id = $1 AND ($2::uuid[] IS NULL OR came_from = ANY ($2))
               RETURNING partner_id, lookup, sealed, sealed_for, link_token,
                         linked_at AS "linked_at: jiff_sqlx::Timestamp",
                         GREATEST(linked_at, moved_at) AS "since!: jiff_sqlx::Timestamp",
                         burns_others_from AS "burns_others_from: jiff_sqlx::Timestamp", came_from"#,
            from.0,
            came_from as _
        )
        .fetch_all(self.connection())
        .await?;
        if links.is_empty() {
            return Ok(());
        }
        self.move_codes(from, (to, cell), &column(&links, |link| link.link_token)).await?;
        self.copy_counted((from, from_cell), (to, cell)).await?;
        let origin = |at: Option<Uuid>| Some(at.unwrap_or(from.0)).filter(|at| *at != to.0);
        sqlx::query!(
            "WITH moved AS (
                 SELECT * FROM UNNEST($1::integer[], $2::bytea[], $3::bytea[], $4::uuid[], $5::uuid[],
                                      $6::timestamptz[], $7::timestamptz[], $8::timestamptz[],
                                      $9::uuid[])
                     AS m (partner_id, lookup, sealed, sealed_for, link_token, linked_at, since,
                           burns_others_from, came_from)
             ), former AS (
                 INSERT INTO former_links (partner_id, member_id, link_token, linked_at, unlinked_at)
                 SELECT partner_id, $10, link_token, since, GREATEST(since, $13) FROM moved
                 ON CONFLICT DO NOTHING
             )
             INSERT INTO links (partner_id, lookup, sealed, sealed_for, cell, member_id, link_token,
                                linked_at, burns_others_from, came_from, moved_at)
             SELECT partner_id, lookup, sealed, sealed_for, $11, $12, link_token, linked_at,
                    burns_others_from, came_from, $13
             FROM moved",
            &column(&links, |link| link.partner_id),
            &column(&links, |link| link.lookup.clone()),
            &column(&links, |link| link.sealed.clone()),
            &column(&links, |link| link.sealed_for),
            &column(&links, |link| link.link_token),
            &column(&links, |link| link.linked_at) as _,
            &column(&links, |link| link.since) as _,
            &column(&links, |link| link.burns_others_from) as _,
            &column(&links, |link| origin(link.came_from)) as _,
            from.0,
            cell.0,
            to.0,
            now.to_sqlx() as _
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// What was made for a member's links goes with them: codes, and how long burning is held back.
    async fn move_codes(
        &mut self,
        from: MemberId,
        (to, cell): (MemberId, Cell),
        tokens: &[Uuid],
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE link_codes SET member_id = $2, cell = $3
             WHERE member_id = $1 AND issuer_token = ANY ($4)",
            from.0,
            to.0,
            cell.0,
            tokens
        )
        .execute(self.connection())
        .await?;
        sqlx::query!(
            "INSERT INTO hold_backs (partner_id, member_id, until)
             SELECT partner_id, $2, until FROM hold_backs WHERE member_id = $1
             ON CONFLICT (member_id, partner_id)
             DO UPDATE SET until = GREATEST(hold_backs.until, excluded.until)",
            from.0,
            to.0
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// What was counted in an hour or a day counts for whoever has the links now.
    async fn copy_counted(
        &mut self,
        (from, from_cell): (MemberId, Cell),
        (to, cell): (MemberId, Cell),
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "INSERT INTO velocity (cell, member_id, partner_id, meter, since, used)
             SELECT $3, $4, partner_id, meter, since, used FROM velocity
             WHERE cell = $1 AND member_id = $2
             ON CONFLICT (cell, member_id, partner_id, meter) DO UPDATE
             SET since = GREATEST(velocity.since, excluded.since),
                 used = CASE WHEN velocity.since < excluded.since THEN excluded.used
                             WHEN velocity.since > excluded.since THEN velocity.used
                             ELSE GREATEST(velocity.used, excluded.used) END",
            from_cell.0,
            from.0,
            cell.0,
            to.0
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }
}
