//! What changed of the batch's members: wallets, lots, holds with their legs, debts.

use entente_ledger::{Cell, Debt, Hold, HoldLeg, HoldState, Lot, Seq};
use entente_loyalty::Member;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;

use super::{
    Batch, Heads, LoadedMembers, Version, Xid,
    lots::{merged_from, origin_code, source},
    rows::LotRecord,
    write_operations::column,
};
use crate::{
    StoreError,
    codes::{funding_code, hold_state_code, inconsistent},
};

impl Batch {
    pub(super) async fn write_members(
        &mut self,
        loaded: &LoadedMembers,
        heads: &Heads,
    ) -> Result<(), StoreError> {
        let changed: Vec<&Member> =
            loaded.members.values().filter(|m| has_changed(m) || is_stale(loaded, m)).collect();
        if changed.is_empty() {
            return Ok(());
        }
        self.write_wallets((loaded, heads), &changed).await?;
        let holds = rows(&changed, |m| m.changed_holds.iter().filter_map(|seq| m.holds.get(seq)));
        self.write_holds(&holds).await?;
        self.write_legs(&holds).await?;
        self.write_debts(&rows(&changed, |m| {
            m.changed_debts.iter().filter_map(|id| m.debts.get(id))
        }))
        .await?;
        self.write_gifts(&changed).await?;
        self.write_counted(&changed).await?;
        self.write_forwards(loaded, &changed, heads.now).await
    }

    /// Wallets and lots. Lots that the batch opened are inserted; of those that were there before, what
    /// may change is written.
    async fn write_wallets(
        &mut self,
        (loaded, heads): (&LoadedMembers, &Heads),
        members: &[&Member],
    ) -> Result<(), StoreError> {
        let lots = rows(members, |m| m.changed_lots.iter().filter_map(|id| m.lots.get(id)));
        let (opened, changed): (Vec<_>, Vec<_>) = lots
            .iter()
            .map(|(member, lot)| lot_record(member, lot))
            .partition(|lot| heads.is_of_batch(Cell(lot.cell), Seq(lot.opened_by)));
        let written_by = sqlx::query_scalar!(
            r#"WITH changed AS (
                 UPDATE lots
                 SET remaining = n.remaining, held = n.held, expired = n.expired, open = n.open,
                     spend_reversed_micros = n.spend_reversed_micros,
                     points_clawed = n.points_clawed, announced = n.announced
                 FROM UNNEST($8::lots[]) n
                 WHERE lots.cell = n.cell AND lots.member_id = n.member_id
                   AND lots.opened_by = n.opened_by AND lots.ordinal = n.ordinal
             ), opened AS (
                 INSERT INTO lots SELECT * FROM UNNEST($7::lots[])
             ), wallet AS (
                 UPDATE wallets
                 SET available = n.available, held = n.held, debt = n.debt,
                     next_due_at = n.next_due_at
                 FROM UNNEST($1::smallint[], $2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[],
                             $6::timestamptz[])
                     AS n (cell, member_id, available, held, debt, next_due_at)
                 WHERE wallets.cell = n.cell AND wallets.member_id = n.member_id
                 RETURNING wallets.xmin
             )
             SELECT xmin AS "written_by!: Xid" FROM wallet LIMIT 1"#,
            &column(members, |m| m.cell.0),
            &column(members, |m| m.id.0),
            &column(members, |m| m.wallet.available.0),
            &column(members, |m| m.wallet.held.0),
            &column(members, |m| m.wallet.debt.0),
            &column(members, |m| next_due_at(loaded, m).map(Timestamp::to_sqlx)) as _,
            &opened as _,
            &changed as _
        )
        .fetch_optional(self.connection())
        .await?;
        self.version = written_by.map(|xid| Version::new(xid, heads.server));
        Ok(())
    }

    async fn write_holds(&mut self, rows: &[(&Member, &Hold)]) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        sqlx::query!(
            "INSERT INTO holds (cell, member_id, authorized_by, request_id, partner_id,
                 terms_version, state, open, expires_at)
             SELECT * FROM UNNEST($1::smallint[], $2::uuid[], $3::bigint[], $4::uuid[],
                 $5::integer[], $6::integer[], $7::smallint[], $8::boolean[], $9::timestamptz[])
             ON CONFLICT (cell, member_id, authorized_by) DO UPDATE
             SET state = EXCLUDED.state, open = EXCLUDED.open",
            &column(rows, |r| r.0.cell.0),
            &column(rows, |r| r.0.id.0),
            &column(rows, |r| r.1.authorized_by.0),
            &column(rows, |r| r.1.request_id.0),
            &column(rows, |r| r.1.partner.0),
            &column(rows, |r| r.1.terms_version.0),
            &column(rows, |r| hold_state_code(r.1.state)),
            &column(rows, |r| r.1.state == HoldState::Open),
            &column(rows, |r| r.1.expires_at.to_sqlx()) as _
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    async fn write_legs(&mut self, holds: &[(&Member, &Hold)]) -> Result<(), StoreError> {
        let mut rows: Vec<(&Member, &Hold, i16, &HoldLeg)> = Vec::new();
        for (member, hold) in holds {
            for (leg, part) in hold.legs.iter().enumerate() {
                let leg = i16::try_from(leg).map_err(|_| inconsistent("hold_legs", "leg", leg))?;
                rows.push((member, hold, leg, part));
            }
        }
        if rows.is_empty() {
            return Ok(());
        }
        sqlx::query!(
            "INSERT INTO hold_legs (cell, member_id, authorized_by, leg, lot_opened_by, lot_ordinal,
                 issuer, funding, expires_at, points, captured, refunded)
             SELECT * FROM UNNEST($1::smallint[], $2::uuid[], $3::bigint[], $4::smallint[],
                 $5::bigint[], $6::smallint[], $7::integer[], $8::smallint[], $9::timestamptz[],
                 $10::bigint[], $11::bigint[], $12::bigint[])
             ON CONFLICT (cell, member_id, authorized_by, leg) DO UPDATE
             SET captured = EXCLUDED.captured, refunded = EXCLUDED.refunded",
            &column(&rows, |r| r.0.cell.0),
            &column(&rows, |r| r.0.id.0),
            &column(&rows, |r| r.1.authorized_by.0),
            &column(&rows, |r| r.2),
            &column(&rows, |r| r.3.lot.opened_by.0),
            &column(&rows, |r| r.3.lot.ordinal),
            &column(&rows, |r| r.3.issuer.0),
            &column(&rows, |r| funding_code(r.3.funding)),
            &column(&rows, |r| r.3.expires_at.to_sqlx()) as _,
            &column(&rows, |r| r.3.points.0),
            &column(&rows, |r| r.3.captured.0),
            &column(&rows, |r| r.3.refunded.0)
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    async fn write_debts(&mut self, rows: &[(&Member, &Debt)]) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        sqlx::query!(
            "INSERT INTO debts (cell, member_id, reversed_by, ordinal, lot_opened_by, lot_ordinal,
                 issuer, creditor, terms_version, currency, price_micros, points, open)
             SELECT * FROM UNNEST($1::smallint[], $2::uuid[], $3::bigint[], $4::smallint[],
                 $5::bigint[], $6::smallint[], $7::integer[], $8::integer[], $9::integer[],
                 $10::text[], $11::bigint[], $12::bigint[], $13::boolean[])
             ON CONFLICT (cell, member_id, reversed_by, ordinal) DO UPDATE
             SET points = EXCLUDED.points, open = EXCLUDED.open",
            &column(rows, |r| r.0.cell.0),
            &column(rows, |r| r.0.id.0),
            &column(rows, |r| r.1.id.made_by.0),
            &column(rows, |r| r.1.id.ordinal),
            &column(rows, |r| r.1.lot.opened_by.0),
            &column(rows, |r| r.1.lot.ordinal),
            &column(rows, |r| r.1.issuer.0),
            &column(rows, |r| r.1.creditor.0),
            &column(rows, |r| r.1.terms_version.0),
            &column(rows, |r| r.1.currency.to_string()),
            &column(rows, |r| r.1.price.0),
            &column(rows, |r| r.1.points.0),
            &column(rows, |r| r.1.points.is_positive())
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }
}

fn lot_record<'a>(member: &Member, lot: &'a Lot) -> LotRecord<'a> {
    let purchase = lot.purchase();
    let source = source(&lot.origin);
    LotRecord {
        cell: member.cell.0,
        member_id: member.id.0,
        opened_by: lot.id.opened_by.0,
        ordinal: lot.id.ordinal,
        issuer: lot.issuer.0,
        funding: funding_code(lot.funding),
        terms_version: lot.terms_version.0,
        currency: lot.currency.code(),
        expires_at: lot.expires_at.to_sqlx(),
        remaining: lot.remaining.0,
        held: lot.held.0,
        expired: lot.expired.0,
        open: lot.remaining.is_positive(),
        category: purchase.map(|bought| bought.category.as_str()),
        spend_micros: purchase.map(|bought| bought.spend.0),
        spend_reversed_micros: purchase.map(|bought| bought.spend_reversed.0),
        activity_at: purchase.map(|bought| bought.activity_at.to_sqlx()),
        points_earned: purchase.map(|bought| bought.points_earned.0),
        points_clawed: purchase.map(|bought| bought.points_clawed.0),
        origin: origin_code(&lot.origin),
        from_cell: source.map(|(cell, _)| cell.0),
        from_opened_by: source.map(|(_, lot)| lot.opened_by.0),
        from_ordinal: source.map(|(_, lot)| lot.ordinal),
        announced: lot.announced,
        merged_from: merged_from(&lot.origin).map(|from| from.0),
    }
}

fn has_changed(member: &Member) -> bool {
    !(member.changed_lots.is_empty()
        && member.changed_holds.is_empty()
        && member.changed_debts.is_empty()
        && member.changed_counted.is_empty()
        && !member.changed_forward)
}

/// Whether what is stored of a member's next due time is not what its lots and holds say, where enough of
/// them is loaded to know.
pub(super) fn is_stale(loaded: &LoadedMembers, member: &Member) -> bool {
    knows_next_due(loaded, member) && loaded.next_due_at(member.id) != next_due_at(loaded, member)
}

/// What changed of all members, each with its member.
fn rows<'a, T, I>(
    members: &[&'a Member],
    changed: impl Fn(&'a Member) -> I,
) -> Vec<(&'a Member, &'a T)>
where
    I: Iterator<Item = &'a T>,
{
    members.iter().flat_map(|member| changed(member).map(|row| (*member, row))).collect()
}

fn knows_next_due(loaded: &LoadedMembers, member: &Member) -> bool {
    loaded.opened.contains(&member.id) && member.knows_next_due()
}

/// When something is due. Of a member of whom too little is loaded to know, what is loaded may only bring
/// it forward.
fn next_due_at(loaded: &LoadedMembers, member: &Member) -> Option<Timestamp> {
    let earliest = member.next_due_at();
    if knows_next_due(loaded, member) {
        earliest
    } else {
        loaded.next_due_at(member.id).into_iter().chain(earliest).min()
    }
}
