//! The hub's side of a window: a partner's own operations, page by page, with what each moved between
//! the partner and anybody. A closed window never changes, so each page is a query of its own; and the next
//! one is read while the database looks for what the one before moved.

use std::mem;

use entente_ledger::{Currency, Micros, PartnerId, Points, RequestId, WindowId};
use entente_settlement::Money;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::PgPool;
use uuid::Uuid;

use super::HubRow;
use crate::{
    StoreError, archive, codes,
    settlement::{ListedWindow, names::Names},
};

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
    source: Source,
    named_by: MemberNames,
    names: Names,
    next: Next,
}

/// What is read.
#[derive(Debug)]
struct Source {
    pool: PgPool,
    partner: PartnerId,
    window: WindowId,
    closed_at: Timestamp,
    page_size: u16,
}

/// Where it is to be read on.
#[derive(Debug)]
enum Next {
    /// After this place.
    After(Place),
    /// What is read already.
    Rows(Vec<Row>),
    /// Nowhere.
    End,
}

/// The last operation of the page before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    posted_at: Timestamp,
    cell: i16,
    seq: i64,
}

#[derive(Debug)]
struct Row {
    cell: i16,
    seq: i64,
    posted_at: jiff_sqlx::Timestamp,
    request_id: Uuid,
    member_id: Option<Uuid>,
    kind: i16,
    refused: bool,
    activity_at: Option<jiff_sqlx::Timestamp>,
    points: i64,
    receipt_reference: String,
    answer: Option<Vec<u8>>,
    second_leg: bool,
}

/// What an operation moved in one currency; positive where the partner pays.
struct Moved {
    place: (i16, i64),
    money: Money,
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
        named_by: MemberNames,
    ) -> Result<Self, StoreError> {
        let open = || StoreError::inconsistent("windows", "closed_at", window.id.0);
        let closed_at = window.closed_at.ok_or_else(open)?;
        let next = Next::After(Place { posted_at: window.opened_at, cell: -1, seq: 0 });
        let (window, page_size) = (window.id, PAGE_SIZE);
        let source = Source { pool, partner, window, closed_at, page_size };
        Ok(Self { source, named_by, names: Names::default(), next })
    }

    /// With fewer operations in a page, at least 1.
    #[must_use]
    pub fn with_page_size(mut self, page_size: u16) -> Self {
        self.source.page_size = page_size.clamp(1, PAGE_SIZE);
        self
    }

    /// The next page; `None` at the end.
    ///
    /// # Errors
    /// As the database has them.
    pub async fn page(&mut self) -> Result<Option<Vec<HubRow>>, StoreError> {
        let Self { source, named_by, names, next } = self;
        let rows = match mem::replace(next, Next::End) {
            Next::After(place) => source.rows(place).await?,
            Next::Rows(rows) => rows,
            Next::End => Vec::new(),
        };
        let Some((first, last)) = rows.first().zip(rows.last()) else {
            archive::whole_window(&source.pool, source.window).await?;
            return Ok(None);
        };
        let (first, last) = (first.place(), last.place());
        let named = rows.iter().filter(|_| *named_by != MemberNames::None);
        let members = named.filter_map(|row| row.member_id);
        let (moved, (), following) = futures::try_join!(
            source.moved((first.posted_at, last.posted_at), &rows),
            names.learn(&source.pool, source.partner, members),
            source.rows(last)
        )?;
        *next = Next::Rows(following);
        let mut page = Vec::with_capacity(rows.len());
        for row in rows {
            let place = (row.cell, row.seq);
            let from = moved.partition_point(|moved| moved.place < place);
            let own = moved.iter().skip(from).take_while(|moved| moved.place == place);
            if !row.second_leg {
                let member = row.member(*named_by, names);
                row.read(source.window, member, own.map(|moved| moved.money), &mut page)?;
            }
        }
        Ok(Some(page))
    }
}

impl Source {
    /// What the operations of a page moved between the partner and anybody, by place and currency. They
    /// were posted between two times, so that other months are not looked into.
    async fn moved(
        &self,
        (from, until): (Timestamp, Timestamp),
        page: &[Row],
    ) -> Result<Vec<Moved>, StoreError> {
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
        let transfers = transfers.fetch_all(&self.pool).await?;
        let mut moved = Vec::with_capacity(transfers.len());
        for transfer in transfers {
            let currency = codes::currency(&transfer.currency, "transfers", "currency")?;
            let money = Money { currency, micros: Micros(transfer.micros) };
            moved.push(Moved { place: (transfer.cell, transfer.seq), money });
        }
        summed(moved)
    }

    /// Authorizations and voids move nothing, unless a partner lists one that was refused.
    async fn rows(&self, after: Place) -> Result<Vec<Row>, StoreError> {
        let rows = sqlx::query_as!(
            Row,
            r#"WITH page AS (
                   SELECT cell, seq, posted_at, request_id, member_id, kind, refused, activity_at,
                          points, receipt_reference
                   FROM operations
                   WHERE partner_id = $1 AND window_id = $2
                     AND (kind IN (1, 2, 4, 6, 9, 10, 11) OR (refused AND kind = 3))
                     AND posted_at BETWEEN $4 AND $3 AND (posted_at, cell, seq) > ($4, $5, $6)
                   ORDER BY posted_at, cell, seq LIMIT $7
               )
               SELECT page.cell, page.seq, page.posted_at AS "posted_at: jiff_sqlx::Timestamp",
                      page.request_id, page.member_id, page.kind, page.refused,
                      page.activity_at AS "activity_at: jiff_sqlx::Timestamp", page.points,
                      page.receipt_reference, r.answer AS "answer?",
                      (page.kind = 10 AND (r.cell, r.seq) IS DISTINCT FROM (page.cell, page.seq))
                          AS "second_leg!"
               FROM page
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
            i64::from(self.page_size)
        );
        Ok(rows.fetch_all(&self.pool).await?)
    }
}

impl Row {
    fn place(&self) -> Place {
        Place { posted_at: self.posted_at.to_jiff(), cell: self.cell, seq: self.seq }
    }

    /// The member as asked for: where it is a lookup, as hexadecimal digits without hyphens.
    fn member(&self, by: MemberNames, names: &Names) -> Option<String> {
        let name = names.at(self.member_id?, self.posted_at.to_jiff())?;
        match by {
            MemberNames::None => None,
            MemberNames::Lookup => name.lookup.map(|lookup| lookup.simple().to_string()),
            MemberNames::Token => Some(name.token.to_string()),
        }
    }

    /// Adds the operation to a page: once for each currency, of which the first has its points.
    fn read(
        self,
        window: WindowId,
        member: Option<String>,
        sums: impl Iterator<Item = Money>,
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
            member,
            answer: self.answer,
        };
        for money in sums {
            if row.money.is_some() {
                page.push(row.clone());
                row.points = Points::ZERO;
            }
            row.money = Some(money);
        }
        page.push(row);
        Ok(())
    }
}

/// In order of place and currency, each once.
fn summed(mut moved: Vec<Moved>) -> Result<Vec<Moved>, StoreError> {
    let key = |moved: &Moved| -> ((i16, i64), Currency) { (moved.place, moved.money.currency) };
    moved.sort_unstable_by_key(key);
    let mut sums: Vec<Moved> = Vec::with_capacity(moved.len());
    for more in moved {
        match sums.last_mut().filter(|sum| key(sum) == key(&more)) {
            Some(sum) => {
                let added = sum.money.micros.plus(more.money.micros);
                sum.money.micros = added
                    .map_err(|_| StoreError::inconsistent("transfers", "amount", more.place.1))?;
            }
            None => sums.push(more),
        }
    }
    Ok(sums)
}
