//! Lines: the partner's own operations, page by page. What they moved is read beside them and summed up
//! here: the database would sum each operation's few transfers apart, at the price of a plan for each.

use std::collections::{BTreeMap, HashMap};

use entente_ledger::{Micros, PartnerId, RequestId, TermsVersion, WindowId};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::PgPool;
use uuid::Uuid;

use super::{Line, Movement};
use crate::{StoreError, settlement::names::Names};

/// The last operation of the page before.
#[derive(Debug, Clone, Copy)]
pub(super) struct After {
    posted_at: Timestamp,
    cell: i16,
    seq: i64,
}

impl After {
    /// Before the first operation of a window.
    pub(super) const fn nothing(opened_at: Timestamp) -> Self {
        Self { posted_at: opened_at, cell: -1, seq: 0 }
    }
}

/// A row of a page: an operation.
struct Row {
    cell: i16,
    seq: i64,
    posted_at: jiff_sqlx::Timestamp,
    request_id: Uuid,
    activity_at: Option<jiff_sqlx::Timestamp>,
    terms_version: Option<i32>,
    receipt_reference: String,
    prior_period: bool,
    member_id: Option<Uuid>,
}

/// A transfer of an operation of a page.
struct Transfer {
    cell: i16,
    seq: i64,
    kind: i16,
    payer: i32,
    payee: i32,
    currency: String,
    in_points: bool,
    amount: i64,
    price_micros: i64,
}

/// Kind, side (1 pays, 2 receives, 3 neither), counterparty, currency: lines of an operation are in this order.
type Key = (i16, i32, i32, String);

/// What transfers of one key come to.
#[derive(Debug, Default, Clone, Copy)]
struct Sum {
    points: i64,
    micros: i64,
    /// The prices of the points; `None` before the first.
    prices: Option<(i64, i64)>,
}

/// The lines of the next operations, and where the page after them begins, if there may be one.
pub(super) async fn page(
    pool: &PgPool,
    (partner, window): (PartnerId, WindowId),
    (opened_at, closed_at): (Timestamp, Timestamp),
    (after, page_size): (After, u16),
    names: &mut Names,
) -> Result<(Vec<Line>, Option<After>), StoreError> {
    let rows = rows(pool, (partner, window), (opened_at, closed_at), (after, page_size)).await?;
    let Some(last) = rows.last().map(Row::place) else { return Ok((Vec::new(), None)) };
    names.learn(pool, partner, rows.iter().filter_map(|row| row.member_id)).await?;
    let mut moved = moved(pool, partner, (after.posted_at, last.posted_at), &rows).await?;
    let mut lines = Vec::with_capacity(rows.len());
    for row in rows {
        let sums = moved.remove(&(row.cell, row.seq)).unwrap_or_default();
        let name = row.member_id.and_then(|member| names.at(member, row.posted_at.to_jiff()));
        let token = name.map(|name| name.token);
        for ((kind, side, counterparty, currency), sum) in sums {
            let movement = (kind, side, counterparty, currency, sum.points, sum.micros);
            lines.push(row.line(Movement::try_from(movement)?, sum.price(), token));
        }
    }
    Ok((lines, Some(last)))
}

async fn rows(
    pool: &PgPool,
    (partner, window): (PartnerId, WindowId),
    (opened_at, closed_at): (Timestamp, Timestamp),
    (after, page_size): (After, u16),
) -> Result<Vec<Row>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT cell, seq, posted_at AS "posted_at: jiff_sqlx::Timestamp", request_id, member_id,
                  activity_at AS "activity_at: jiff_sqlx::Timestamp", terms_version,
                  receipt_reference, prior_period
           FROM operations
           WHERE partner_id = $1 AND window_id = $2 AND NOT refused
             AND posted_at BETWEEN $3 AND $4 AND (posted_at, cell, seq) > ($5, $6, $7)
           ORDER BY posted_at, cell, seq LIMIT $8"#,
        partner.0,
        window.0,
        opened_at.to_sqlx() as _,
        closed_at.to_sqlx() as _,
        after.posted_at.to_sqlx() as _,
        after.cell,
        after.seq,
        i64::from(page_size)
    );
    Ok(rows.fetch_all(pool).await?)
}

/// What the operations of a page moved for the partner, by place. They were posted between two times,
/// so that other months are not looked into.
async fn moved(
    pool: &PgPool,
    partner: PartnerId,
    (from, until): (Timestamp, Timestamp),
    page: &[Row],
) -> Result<HashMap<(i16, i64), BTreeMap<Key, Sum>>, StoreError> {
    let (cells, seqs): (Vec<i16>, Vec<i64>) = page.iter().map(|row| (row.cell, row.seq)).unzip();
    let transfers = sqlx::query_as!(
        Transfer,
        r#"SELECT t.cell, t.seq, t.kind, t.payer, t.payee, t.currency, t.in_points, t.amount,
                  t.price_micros
           FROM UNNEST($1::smallint[], $2::bigint[]) AS page (cell, seq)
           JOIN transfers t ON t.cell = page.cell AND t.seq = page.seq
           WHERE t.posted_at BETWEEN $3 AND $4
             AND (t.payer = $5 OR t.payee = $5 OR t.issuer = $5 OR t.credit_kind = 5)
             AND (t.kind <> 12 OR t.payer = $5) AND t.kind <> 13"#,
        &cells,
        &seqs,
        from.to_sqlx() as _,
        until.to_sqlx() as _,
        partner.0
    );
    let mut moved: HashMap<_, BTreeMap<Key, Sum>> = HashMap::with_capacity(page.len());
    for transfer in transfers.fetch_all(pool).await? {
        let (cell, seq, own) = (transfer.cell, transfer.seq, transfer.is_memo_of(partner.0));
        let moves = (transfer.in_points, transfer.amount, transfer.price_micros);
        let sums = moved.entry((cell, seq)).or_default();
        let sum = sums.entry(transfer.key(partner.0)).or_default();
        let overflow = || StoreError::inconsistent("transfers", "amount", seq);
        sum.add(own, moves).ok_or_else(overflow)?;
    }
    Ok(moved)
}

impl Transfer {
    fn is_memo_of(&self, partner: i32) -> bool {
        self.payer == partner && self.payee == partner
    }

    fn key(self, partner: i32) -> Key {
        let (side, counterparty) = match (self.payer, self.payee) {
            (payer, payee) if payer == payee => (3, partner),
            (payer, payee) if payer == partner => (1, payee),
            (payer, payee) if payee == partner => (2, payer),
            _ => (3, partner),
        };
        (self.kind, side, counterparty, self.currency)
    }
}

impl Sum {
    /// Adds a transfer: in points, how much, at which price. Points of the partner's own memos come with
    /// what they would have cost.
    fn add(&mut self, own: bool, (in_points, amount, price): (bool, i64, i64)) -> Option<()> {
        if in_points {
            self.points = self.points.checked_add(amount)?;
            let (least, most) = self.prices.unwrap_or((price, price));
            self.prices = Some((least.min(price), most.max(price)));
        }
        let micros = match (in_points, own) {
            (false, _) => amount,
            (true, true) => amount.checked_mul(price)?,
            (true, false) => 0,
        };
        self.micros = self.micros.checked_add(micros)?;
        Some(())
    }

    /// The price of a point, where all of them have one.
    fn price(self) -> Option<Micros> {
        let (least, most) = self.prices?;
        (least == most && least != 0).then_some(Micros(least))
    }
}

impl Row {
    fn place(&self) -> After {
        After { posted_at: self.posted_at.to_jiff(), cell: self.cell, seq: self.seq }
    }

    fn line(&self, movement: Movement, price: Option<Micros>, link_token: Option<Uuid>) -> Line {
        Line {
            request_id: RequestId(self.request_id),
            posted_at: self.posted_at.to_jiff(),
            activity_at: self.activity_at.map(jiff_sqlx::Timestamp::to_jiff),
            link_token,
            receipt_reference: self.receipt_reference.clone(),
            terms_version: self.terms_version.map(TermsVersion),
            prior_period: self.prior_period,
            price,
            movement,
        }
    }
}
