//! The hub's side of a window: a partner's own operations, page by page, with what each moved between
//! the partner and anybody. A closed window never changes, so each page is a query of its own.

use std::collections::{BTreeMap, HashMap};

use entente_ledger::{Micros, PartnerId, Points, RequestId, WindowId};
use entente_settlement::Money;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::PgPool;

use super::HubRow;
use crate::{StoreError, codes, settlement::ListedWindow};

/// Operations in a page.
const PAGE_SIZE: u16 = 2_000;

/// How members are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberNames {
    /// Not at all.
    None,
    /// By what the partner's reference is looked up by, its first 16 bytes in hexadecimal, as long as the
    /// link lasts.
    Lookup,
    /// By the token of the link.
    Token,
}

/// The hub's side, as it is being read: by time of posting, then by place in the ledger.
#[derive(Debug)]
pub struct HubSide {
    pool: PgPool,
    partner: PartnerId,
    window: WindowId,
    closed_at: Timestamp,
    names: MemberNames,
    page_size: u16,
    after: Option<Place>,
}

/// The last operation of the page before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    posted_at: Timestamp,
    cell: i16,
    seq: i64,
}

struct Row {
    cell: i16,
    seq: i64,
    posted_at: jiff_sqlx::Timestamp,
    request_id: uuid::Uuid,
    kind: i16,
    refused: bool,
    activity_at: Option<jiff_sqlx::Timestamp>,
    points: i64,
    receipt_reference: String,
    member: Option<String>,
    answer: Option<Vec<u8>>,
    second_leg: bool,
}

impl HubSide {
    /// The operations of a partner in a window.
    ///
    /// # Errors
    /// A window that is not closed is an inconsistency.
    pub fn new(
        pool: PgPool,
        partner: PartnerId,
        window: &ListedWindow,
        names: MemberNames,
    ) -> Result<Self, StoreError> {
        let open = || StoreError::inconsistent("windows", "closed_at", window.id.0);
        let closed_at = window.closed_at.ok_or_else(open)?;
        let after = Some(Place { posted_at: window.opened_at, cell: -1, seq: 0 });
        let (window, page_size) = (window.id, PAGE_SIZE);
        Ok(Self { pool, partner, window, closed_at, names, page_size, after })
    }

    /// With fewer operations in a page, at least 1.
    #[must_use]
    pub fn with_page_size(mut self, page_size: u16) -> Self {
        self.page_size = page_size.clamp(1, PAGE_SIZE);
        self
    }

    /// The next page, which may be empty; `None` at the end.
    ///
    /// # Errors
    /// As the database has them.
    pub async fn page(&mut self) -> Result<Option<Vec<HubRow>>, StoreError> {
        let Some(after) = self.after else { return Ok(None) };
        let rows = self.rows(after).await?;
        self.after = rows.last().map(Row::place);
        let Some(last) = self.after else { return Ok(Some(Vec::new())) };
        let mut moved = self.moved((after.posted_at, last.posted_at), &rows).await?;
        let mut page = Vec::with_capacity(rows.len());
        for row in rows {
            let sums = moved.remove(&(row.cell, row.seq)).unwrap_or_default();
            if !row.second_leg {
                row.read(self.window, sums, &mut page)?;
            }
        }
        Ok(Some(page))
    }

    /// What the operations of a page moved between the partner and anybody, by place and currency;
    /// positive where the partner pays. They were posted between two times, so that other months are
    /// not looked into.
    async fn moved(
        &self,
        (from, until): (Timestamp, Timestamp),
        page: &[Row],
    ) -> Result<HashMap<(i16, i64), BTreeMap<String, i64>>, StoreError> {
        let (cells, seqs): (Vec<i16>, Vec<i64>) =
            page.iter().map(|row| (row.cell, row.seq)).unzip();
        let transfers = sqlx::query!(
            r#"SELECT t.cell, t.seq, t.currency,
                      CASE WHEN t.payer = $5 THEN t.amount ELSE -t.amount END AS "micros!"
               FROM UNNEST($1::smallint[], $2::bigint[]) AS page (cell, seq)
               JOIN transfers t ON t.cell = page.cell AND t.seq = page.seq
               WHERE t.posted_at BETWEEN $3 AND $4
                 AND NOT t.in_points AND t.payer <> t.payee AND (t.payer = $5 OR t.payee = $5)"#,
            &cells,
            &seqs,
            from.to_sqlx() as _,
            until.to_sqlx() as _,
            self.partner.0
        );
        let mut moved: HashMap<_, BTreeMap<String, i64>> = HashMap::with_capacity(page.len());
        for transfer in transfers.fetch_all(&self.pool).await? {
            let sums = moved.entry((transfer.cell, transfer.seq)).or_default();
            let sum = sums.entry(transfer.currency).or_default();
            let added = sum.checked_add(transfer.micros);
            *sum = added
                .ok_or_else(|| StoreError::inconsistent("transfers", "amount", transfer.seq))?;
        }
        Ok(moved)
    }

    /// Authorizations and voids move nothing, unless a partner lists one that was refused.
    async fn rows(&self, after: Place) -> Result<Vec<Row>, StoreError> {
        let names = match self.names {
            MemberNames::None => 0_i16,
            MemberNames::Lookup => 1,
            MemberNames::Token => 2,
        };
        let rows = sqlx::query_as!(
            Row,
            r#"WITH page AS (
                   SELECT cell, seq, posted_at, request_id, member_id, kind, refused, activity_at,
                          points, receipt_reference
                   FROM operations
                   WHERE partner_id = $1 AND window_id = $2
                     AND (kind IN (1, 2, 4, 6, 9, 10, 11) OR (refused AND kind = 3))
                     AND posted_at <= $3 AND (posted_at, cell, seq) > ($4, $5, $6)
                   ORDER BY posted_at, cell, seq LIMIT $7
               )
               SELECT page.cell, page.seq, page.posted_at AS "posted_at: jiff_sqlx::Timestamp",
                      page.request_id, page.kind, page.refused,
                      page.activity_at AS "activity_at: jiff_sqlx::Timestamp", page.points,
                      page.receipt_reference, l.member AS "member?", r.answer AS "answer?",
                      (page.kind = 10 AND (r.cell, r.seq) IS DISTINCT FROM (page.cell, page.seq))
                          AS "second_leg!"
               FROM page
               LEFT JOIN LATERAL (
                   SELECT CASE $8::smallint WHEN 1 THEN encode(substring(n.lookup FOR 16), 'hex')
                               ELSE n.link_token::text END AS member
                   FROM links n
                   WHERE $8 > 0 AND n.member_id = page.member_id AND n.partner_id = $1
                     AND n.linked_at <= page.posted_at
                   UNION ALL
                   SELECT f.link_token::text FROM former_links f
                   WHERE $8 = 2 AND f.member_id = page.member_id AND f.partner_id = $1
                     AND f.linked_at <= page.posted_at AND page.posted_at < f.unlinked_at
                   LIMIT 1
               ) l ON true
               LEFT JOIN LATERAL (
                   SELECT q.answer, q.cell, q.seq FROM requests q
                   WHERE (page.refused OR page.kind IN (6, 9, 10))
                     AND q.partner_id = $1 AND q.request_id = page.request_id
                   LIMIT 1
               ) r ON true
               ORDER BY page.posted_at, page.cell, page.seq"#,
            self.partner.0,
            self.window.0,
            self.closed_at.to_sqlx() as _,
            after.posted_at.to_sqlx() as _,
            after.cell,
            after.seq,
            i64::from(self.page_size),
            names
        );
        Ok(rows.fetch_all(&self.pool).await?)
    }
}

impl Row {
    fn place(&self) -> Place {
        Place { posted_at: self.posted_at.to_jiff(), cell: self.cell, seq: self.seq }
    }

    /// Adds the operation to a page: once for each currency, of which the first has its points.
    fn read(
        self,
        window: WindowId,
        sums: BTreeMap<String, i64>,
        page: &mut Vec<HubRow>,
    ) -> Result<(), StoreError> {
        let mut row = HubRow {
            request_id: RequestId(self.request_id),
            kind: codes::operation_kind(self.kind)?,
            refused: self.refused,
            window,
            points: Points(self.points),
            money: None,
            posted_at: self.posted_at.to_jiff(),
            activity_at: self.activity_at.map(jiff_sqlx::Timestamp::to_jiff),
            receipt: self.receipt_reference,
            member: self.member,
            answer: self.answer,
        };
        for (currency, micros) in sums {
            let currency = codes::currency(&currency, "transfers", "currency")?;
            if row.money.is_some() {
                page.push(row.clone());
                row.points = Points::ZERO;
            }
            row.money = Some(Money { currency, micros: Micros(micros) });
        }
        page.push(row);
        Ok(())
    }
}
