//! Lines: the partner's own operations, page by page in order of time. With each page goes a stretch of each
//! cell up to the page's last operation there, and what that moved is read without asking whose operation it
//! is: what is of the page becomes its lines, the rest is added to what happened elsewhere.

use std::{
    collections::{HashMap, HashSet},
    mem,
    pin::pin,
};

use entente_ledger::{Micros, PartnerId, RequestId, TermsVersion, WindowId};
use futures::TryStreamExt as _;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::PgPool;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::{
    Line, Movement,
    moved::{Currencies, Moved, OfIssuer, Others, add, summed},
    stretches::{self, Left},
};
use crate::{StoreError, archive, settlement::names::Names};

/// The lines of a statement that are being read, and what they have passed by.
#[derive(Debug)]
pub(super) struct Lines {
    source: Source,
    /// The next operations. They are taken from the database beside what those before them moved, by a task of
    /// its own, which ends with this.
    next: JoinSet<Result<Vec<Row>, StoreError>>,
    left: Vec<Left>,
    names: Names,
    passed: Passed,
}

/// What is read.
#[derive(Debug, Clone)]
struct Source {
    pool: PgPool,
    partner: PartnerId,
    window: WindowId,
    /// From when to when the window was open.
    period: (Timestamp, Timestamp),
    page_size: u16,
}

/// What was learned on the way.
#[derive(Debug, Default)]
struct Passed {
    currencies: Currencies,
    others: Others,
}

/// The last operation of the page before.
#[derive(Debug, Clone, Copy)]
struct After {
    posted_at: Timestamp,
    cell: i16,
    seq: i64,
}

/// A row of a page: an operation.
#[derive(Debug)]
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

impl Lines {
    /// Before the first line.
    pub(super) async fn begin(
        pool: &PgPool,
        (partner, window): (PartnerId, WindowId),
        period: (Timestamp, Timestamp),
        page_size: u16,
    ) -> Result<Self, StoreError> {
        let source = Source { pool: pool.clone(), partner, window, period, page_size };
        let first = After { posted_at: period.0, cell: -1, seq: 0 };
        let mut next = JoinSet::new();
        next.spawn(source.clone().rows(first));
        let left = stretches::of_window(pool, period).await?;
        Ok(Self { source, next, left, names: Names::default(), passed: Passed::default() })
    }

    /// The lines of the next operations, and whether there may be more.
    pub(super) async fn page(&mut self) -> Result<(Vec<Line>, bool), StoreError> {
        let Self { source, next, left, names, passed } = self;
        let rows = match next.join_next().await {
            Some(read) => read.map_err(|_| sqlx::Error::WorkerCrashed)??,
            None => Vec::new(),
        };
        let full = rows.len() == usize::from(source.page_size);
        let last = rows.last().filter(|_| full).map(Row::place);
        if let Some(last) = last {
            next.spawn(source.clone().rows(last));
        }
        let until = match last {
            Some(_) => last_of_cells(left, &rows),
            None => vec![i64::MAX; left.len()],
        };
        let members = rows.iter().filter_map(|row| row.member_id);
        let (moved, ()) = futures::try_join!(
            source.moved((left, &until), &rows, passed),
            names.learn(&source.pool, source.partner, members),
        )?;
        Ok((self.lines(rows, &moved)?, last.is_some()))
    }

    /// What happened elsewhere, once all lines were read.
    pub(super) fn into_others(self) -> Others {
        self.passed.others
    }

    fn lines(&self, rows: Vec<Row>, moved: &[Moved]) -> Result<Vec<Line>, StoreError> {
        let mut lines = Vec::with_capacity(moved.len());
        let mut left = moved;
        for (number, mut row) in rows.into_iter().enumerate() {
            let count = left.iter().take_while(|moved| moved.row == number).count();
            let (of_row, after) = left.split_at(count);
            left = after;
            let Some((last, before)) = of_row.split_last() else { continue };
            let posted_at = row.posted_at.to_jiff();
            let name = row.member_id.and_then(|member| self.names.at(member, posted_at));
            let token = name.map(|name| name.token);
            for moved in before {
                let receipt = row.receipt_reference.clone();
                lines.push(row.line(moved.movement()?, receipt, token));
            }
            let receipt = mem::take(&mut row.receipt_reference);
            lines.push(row.line(last.movement()?, receipt, token));
        }
        Ok(lines)
    }
}

impl Source {
    /// The next operations after a place.
    async fn rows(self, after: After) -> Result<Vec<Row>, StoreError> {
        let (opened_at, closed_at) = self.period;
        let rows = sqlx::query_as!(
            Row,
            r#"SELECT cell, seq, posted_at AS "posted_at: jiff_sqlx::Timestamp", request_id, member_id,
                      activity_at AS "activity_at: jiff_sqlx::Timestamp", terms_version,
                      receipt_reference, prior_period
               FROM operations
               WHERE partner_id = $1 AND window_id = $2 AND NOT refused
                 AND posted_at BETWEEN $3 AND $4 AND (posted_at, cell, seq) > ($5, $6, $7)
               ORDER BY posted_at, cell, seq LIMIT $8"#,
            self.partner.0,
            self.window.0,
            opened_at.to_sqlx() as _,
            closed_at.to_sqlx() as _,
            after.posted_at.to_sqlx() as _,
            after.cell,
            after.seq,
            i64::from(self.page_size)
        );
        // Of its own: through the pool each row would pass one more stream.
        let mut connection = self.pool.acquire().await?;
        Ok(rows.fetch_all(&mut *connection).await?)
    }

    /// What a page moved, which is read with all others up to the given numbers.
    async fn moved(
        &self,
        (left, until): (&mut [Left], &[i64]),
        page: &[Row],
        passed: &mut Passed,
    ) -> Result<Vec<Moved>, StoreError> {
        let places = page.iter().enumerate().map(|(row, of)| ((of.cell, of.seq), row));
        let mut places: Vec<_> = places.collect();
        places.sort_unstable();
        let mut moved = Vec::with_capacity(page.len());
        while let Some(stretch) = stretches::next(left, until) {
            let of_issuer = self.stretch(&stretch, &places, (&mut moved, passed)).await?;
            if !of_issuer.is_empty() {
                self.look_up(&of_issuer, &mut passed.others).await?;
            }
        }
        summed(moved)
    }

    /// Reads what was moved in a stretch: by the operations of a page, given by place, and by others. Answers
    /// of what it is to be looked up whose it was.
    async fn stretch(
        &self,
        stretch: &[Left],
        places: &[((i16, i64), usize)],
        (moved, passed): (&mut Vec<Moved>, &mut Passed),
    ) -> Result<Vec<OfIssuer>, StoreError> {
        let (mut of_issuer, Passed { currencies, others }) = (Vec::new(), passed);
        let (partner, window) = (self.partner, self.window);
        let mut connection = self.pool.acquire().await?;
        let transfers =
            stretches::transfers(&mut connection, (partner, window), self.period, stretch);
        let mut transfers = pin!(transfers);
        while let Some(transfer) = transfers.try_next().await? {
            let place = (transfer.cell, transfer.seq);
            match places.binary_search_by_key(&place, |(place, _)| *place) {
                Ok(found) => {
                    add(moved, Moved::of(places[found].1, &transfer, partner, currencies)?)?;
                }
                Err(_) => {
                    if let Some(of) = others.add(&transfer, partner, currencies)? {
                        of.keep_in(&mut of_issuer)?;
                    }
                }
            }
        }
        Ok(of_issuer)
    }

    /// Learns whose the operations are in which the partner was the issuer alone.
    async fn look_up(&self, of_issuer: &[OfIssuer], others: &mut Others) -> Result<(), StoreError> {
        let places: HashSet<_> = of_issuer.iter().map(|of| of.place).collect();
        let (cells, seqs): (Vec<i16>, Vec<i64>) = places.into_iter().unzip();
        let rows = sqlx::query!(
            r#"SELECT o.cell, o.seq, o.partner_id
               FROM UNNEST($1::smallint[], $2::bigint[]) AS place (cell, seq)
               JOIN operations o ON o.cell = place.cell AND o.seq = place.seq
               WHERE o.posted_at BETWEEN $3 AND $4"#,
            &cells,
            &seqs,
            self.period.0.to_sqlx() as _,
            self.period.1.to_sqlx() as _
        );
        let rows = rows.fetch_all(&self.pool).await?;
        let whose: HashMap<_, _> =
            rows.into_iter().map(|row| ((row.cell, row.seq), row.partner_id)).collect();
        if whose.len() < cells.len() {
            // They may have been archived in between.
            archive::whole_window(&self.pool, self.window).await?;
        }
        others.add_looked_up(of_issuer, &whose, self.partner)
    }
}

/// The last number of a page in each cell; where it has none, nothing is read with it.
fn last_of_cells(left: &[Left], page: &[Row]) -> Vec<i64> {
    let mut last: HashMap<i16, i64> = HashMap::with_capacity(left.len());
    for row in page {
        let last = last.entry(row.cell).or_default();
        *last = row.seq.max(*last);
    }
    left.iter().map(|left| last.get(&left.cell).copied().unwrap_or_default()).collect()
}

impl Row {
    fn place(&self) -> After {
        After { posted_at: self.posted_at.to_jiff(), cell: self.cell, seq: self.seq }
    }

    fn line(
        &self,
        (movement, price): (Movement, Option<Micros>),
        receipt_reference: String,
        link_token: Option<Uuid>,
    ) -> Line {
        Line {
            request_id: RequestId(self.request_id),
            posted_at: self.posted_at.to_jiff(),
            activity_at: self.activity_at.map(jiff_sqlx::Timestamp::to_jiff),
            link_token,
            receipt_reference,
            terms_version: self.terms_version.map(TermsVersion),
            prior_period: self.prior_period,
            price,
            movement,
        }
    }
}
