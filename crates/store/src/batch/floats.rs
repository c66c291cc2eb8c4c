//! Floats of prepaid partners: rows that all cells share, as exposures are. Whoever draws or returns
//! locks the float's row first; its blocks are read once it is held, so they are as the last one left
//! them. What an issue had of blocks is covered by its cell's head.

use std::collections::{BTreeMap, BTreeSet};

use entente_ledger::{Cell, Currency, Micros, PartnerId, Points, Seq};
use entente_loyalty::{
    Block, BlockId, Decision, Drawn, ExposureKey, Float, FloatMove, Floats, IssueKey, Mark,
};
use sqlx::PgConnection;

use super::{Batch, Snapshot, write_operations::column};
use crate::{StoreError, codes};

/// What a batch's commands need of floats.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FloatNeeds {
    /// The partners that draw or return.
    pub partners: BTreeSet<PartnerId>,
    /// The issues whose points are taken back.
    pub issues: BTreeSet<IssueKey>,
}

impl Batch {
    /// Locks the floats of partners, in key order, and reads them; nothing is asked for when there
    /// are none.
    pub async fn lock_floats(&mut self, needs: &FloatNeeds) -> Result<Floats, StoreError> {
        if needs.partners.is_empty() {
            return Ok(Floats::default());
        }
        let partners: Vec<i32> = needs.partners.iter().map(|partner| partner.0).collect();
        let rows = sqlx::query_as!(
            MarkRow,
            "SELECT partner_id, currency, level, told_percent FROM floats
             WHERE partner_id = ANY($1) ORDER BY partner_id, currency FOR UPDATE",
            &partners
        );
        let marks = rows.fetch_all(self.connection()).await?;
        let drawn = if needs.issues.is_empty() {
            Vec::new()
        } else {
            drawn(self.connection(), &needs.issues).await?
        };
        let blocks = blocks(self.connection(), &partners, &drawn).await?;
        floats(marks, blocks, drawn)
    }

    /// Writes what changed of floats, and what was drawn and returned.
    pub(super) async fn write_floats(
        &mut self,
        floats: &Floats,
        decisions: &[Decision],
    ) -> Result<(), StoreError> {
        self.write_blocks(floats).await?;
        self.write_marks(floats).await?;
        self.write_draws(decisions).await
    }

    async fn write_blocks(&mut self, floats: &Floats) -> Result<(), StoreError> {
        let changed = floats.changed_blocks.iter().filter_map(|(key, id)| {
            let block = floats.floats.get(key)?.blocks().iter().find(|block| block.id == *id)?;
            Some((*key, *block))
        });
        let rows: Vec<(ExposureKey, Block)> = changed.collect();
        if rows.is_empty() {
            return Ok(());
        }
        sqlx::query!(
            "UPDATE float_blocks SET points_left = n.points_left, open = n.points_left > 0
             FROM UNNEST($1::integer[], $2::text[], $3::integer[], $4::bigint[])
                 AS n (partner_id, currency, block, points_left)
             WHERE float_blocks.partner_id = n.partner_id AND float_blocks.currency = n.currency
               AND float_blocks.block = n.block",
            &column(&rows, |r| r.0.0.0),
            &column(&rows, |r| r.0.1.to_string()),
            &column(&rows, |r| r.1.id.0),
            &column(&rows, |r| r.1.left.0)
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    async fn write_marks(&mut self, floats: &Floats) -> Result<(), StoreError> {
        let changed = floats.changed_marks.iter();
        let mark = |key| floats.floats.get(key).map(|float: &Float| (*key, float.mark()));
        let rows: Vec<(ExposureKey, Mark)> = changed.filter_map(mark).collect();
        if rows.is_empty() {
            return Ok(());
        }
        sqlx::query!(
            "UPDATE floats SET told_percent = n.told_percent
             FROM UNNEST($1::integer[], $2::text[], $3::smallint[])
                 AS n (partner_id, currency, told_percent)
             WHERE floats.partner_id = n.partner_id AND floats.currency = n.currency",
            &column(&rows, |r| r.0.0.0),
            &column(&rows, |r| r.0.1.to_string()),
            &column(&rows, |r| i16::from(r.1.told))
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    async fn write_draws(&mut self, decisions: &[Decision]) -> Result<(), StoreError> {
        let moves = decisions.iter().flat_map(|decision| {
            let operation = &decision.operation;
            decision.float_moves.iter().map(|one| (operation.cell, operation.seq, *one))
        });
        let rows: Vec<(Cell, Seq, FloatMove)> = moves.collect();
        if rows.is_empty() {
            return Ok(());
        }
        sqlx::query!(
            "INSERT INTO float_draws (cell, issue_seq, seq, partner_id, currency, block, points)
             SELECT * FROM UNNEST($1::smallint[], $2::bigint[], $3::bigint[], $4::integer[],
                 $5::text[], $6::integer[], $7::bigint[])",
            &column(&rows, |r| r.0.0),
            &column(&rows, |r| r.2.issue.0),
            &column(&rows, |r| r.1.0),
            &column(&rows, |r| r.2.partner.0),
            &column(&rows, |r| r.2.currency.to_string()),
            &column(&rows, |r| r.2.block.0),
            &column(&rows, |r| r.2.points.0)
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }
}

impl Snapshot {
    /// The floats of partners as they are, without locks.
    pub async fn floats(&mut self, needs: &FloatNeeds) -> Result<Floats, StoreError> {
        if needs.partners.is_empty() {
            return Ok(Floats::default());
        }
        let partners: Vec<i32> = needs.partners.iter().map(|partner| partner.0).collect();
        let rows = sqlx::query_as!(
            MarkRow,
            "SELECT partner_id, currency, level, told_percent FROM floats
             WHERE partner_id = ANY($1)",
            &partners
        );
        let marks = rows.fetch_all(self.connection()).await?;
        let drawn = drawn(self.connection(), &needs.issues).await?;
        let blocks = blocks(self.connection(), &partners, &drawn).await?;
        floats(marks, blocks, drawn)
    }
}

struct MarkRow {
    partner_id: i32,
    currency: String,
    level: i64,
    told_percent: i16,
}

struct BlockRow {
    partner_id: i32,
    currency: String,
    block: i32,
    is_reserve: bool,
    price_micros: i64,
    points: i64,
    points_left: i64,
}

struct DrawnRow {
    cell: i16,
    issue_seq: i64,
    partner_id: i32,
    currency: String,
    block: i32,
    price_micros: i64,
    points: i64,
}

/// What issues still have of blocks, in the order in which it was drawn.
async fn drawn(
    connection: &mut PgConnection,
    issues: &BTreeSet<IssueKey>,
) -> Result<Vec<DrawnRow>, StoreError> {
    let (cells, seqs): (Vec<i16>, Vec<i64>) =
        issues.iter().map(|(cell, seq)| (cell.0, seq.0)).unzip();
    let rows = sqlx::query_as!(
        DrawnRow,
        r#"SELECT d.cell, d.issue_seq, d.partner_id, d.currency, d.block, b.price_micros,
                  sum(d.points)::bigint AS "points!"
           FROM UNNEST($1::smallint[], $2::bigint[]) AS k (cell, issue_seq)
           CROSS JOIN LATERAL (
               SELECT * FROM float_draws d
               WHERE d.cell = k.cell AND d.issue_seq = k.issue_seq OFFSET 0
           ) d
           CROSS JOIN LATERAL (
               SELECT * FROM float_blocks b
               WHERE b.partner_id = d.partner_id AND b.currency = d.currency
                   AND b.block = d.block OFFSET 0
           ) b
           GROUP BY d.cell, d.issue_seq, d.partner_id, d.currency, d.block, b.price_micros,
                    b.is_reserve
           HAVING sum(d.points) > 0
           ORDER BY d.cell, d.issue_seq, b.is_reserve, d.block"#,
        &cells,
        &seqs
    );
    Ok(rows.fetch_all(connection).await?)
}

/// The blocks with points left, and those that points may come back to.
async fn blocks(
    connection: &mut PgConnection,
    partners: &[i32],
    drawn: &[DrawnRow],
) -> Result<Vec<BlockRow>, StoreError> {
    let rows = sqlx::query_as!(
        BlockRow,
        r#"SELECT partner_id AS "partner_id!", currency AS "currency!", block AS "block!",
                  is_reserve AS "is_reserve!", price_micros AS "price_micros!",
                  points AS "points!", points_left AS "points_left!"
           FROM (
               SELECT b.partner_id, b.currency, b.block, b.is_reserve, b.price_micros, b.points,
                      b.points_left
               FROM float_blocks b WHERE b.open AND b.partner_id = ANY($1)
               UNION
               SELECT b.partner_id, b.currency, b.block, b.is_reserve, b.price_micros, b.points,
                      b.points_left
               FROM UNNEST($2::integer[], $3::text[], $4::integer[])
                   AS k (partner_id, currency, block)
               CROSS JOIN LATERAL (
                   SELECT * FROM float_blocks b
                   WHERE b.partner_id = k.partner_id AND b.currency = k.currency
                       AND b.block = k.block OFFSET 0
               ) b
           ) AS wanted"#,
        partners,
        &column(drawn, |r| r.partner_id),
        &column(drawn, |r| r.currency.clone()),
        &column(drawn, |r| r.block)
    );
    Ok(rows.fetch_all(connection).await?)
}

fn floats(
    marks: Vec<MarkRow>,
    blocks: Vec<BlockRow>,
    drawn: Vec<DrawnRow>,
) -> Result<Floats, StoreError> {
    let mut by_float: BTreeMap<ExposureKey, Vec<Block>> = BTreeMap::new();
    for row in blocks {
        let block = Block {
            id: BlockId(row.block),
            is_reserve: row.is_reserve,
            price: Micros(row.price_micros),
            bought: Points(row.points),
            left: Points(row.points_left),
        };
        let key = (PartnerId(row.partner_id), currency(&row.currency, "float_blocks")?);
        by_float.entry(key).or_default().push(block);
    }
    let mut floats = Floats::default();
    for row in marks {
        let key = (PartnerId(row.partner_id), currency(&row.currency, "floats")?);
        let told = u8::try_from(row.told_percent)
            .map_err(|_| StoreError::inconsistent("floats", "told_percent", row.told_percent))?;
        let mark = Mark { level: Points(row.level), told };
        let float = Float::new(by_float.remove(&key).unwrap_or_default(), mark)
            .map_err(|error| StoreError::inconsistent("float_blocks", "points_left", error))?;
        floats.floats.insert(key, float);
    }
    for row in drawn {
        let points = Points(row.points);
        let amount = points
            .at(Micros(row.price_micros))
            .map_err(|error| StoreError::inconsistent("float_draws", "points", error))?;
        let drawn = Drawn { block: BlockId(row.block), points, amount };
        floats.drawn.entry((Cell(row.cell), Seq(row.issue_seq))).or_default().push(drawn);
    }
    Ok(floats)
}

fn currency(code: &str, table: &'static str) -> Result<Currency, StoreError> {
    codes::currency(code, table, "currency")
}
