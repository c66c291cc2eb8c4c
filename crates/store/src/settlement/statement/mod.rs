//! A partner's statement of a closed window, page by page, in a fixed order. A closed window never
//! changes, so each page is a query of its own and no transaction waits for a slow reader.
//!
//! Lines are the partner's own operations. Elsewhere is what operations of others moved for it, as
//! totals per UTC day. Both together are what the positions say, rounding included. Points of the
//! partner that others moved at nobody's cost to it (burned elsewhere, paid by the pool) are listed
//! without money, and are in no position of it; so are points of others that its own members donated.
//! A gift is one line, of the giver's leg.

mod behind;
mod elsewhere;
mod lines;
mod moved;
mod movement;
mod stretches;
mod totals;

use std::{mem, vec};

use entente_ledger::{Currency, Micros, PartnerId, RequestId, TermsVersion, WindowId};
use jiff::{Timestamp, civil::Date};
use uuid::Uuid;

use crate::{
    StoreError, archive,
    settlement::{ListedWindow, WindowPools, balances},
};

use lines::Lines;

pub use behind::{Behind, BehindPlace, DayTotal, behind, day_totals};
pub use movement::{Movement, Side};

/// Operations in a page of lines; each has a handful of lines at most.
const PAGE_SIZE: u16 = 2_000;

/// What one operation of the partner moved, of one kind, with one counterparty, in one currency. An
/// operation that moved nothing has no line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The operation.
    pub request_id: RequestId,
    /// When it was posted.
    pub posted_at: Timestamp,
    /// When an earn's purchase happened.
    pub activity_at: Option<Timestamp>,
    /// What names the member to the partner.
    pub link_token: Option<Uuid>,
    /// The partner's own reference.
    pub receipt_reference: String,
    /// What priced it.
    pub terms_version: Option<TermsVersion>,
    /// Whether the activity lies before the window.
    pub prior_period: bool,
    /// The price of a point, where all of it has one.
    pub price: Option<Micros>,
    /// What it moved.
    pub movement: Movement,
}

/// What operations of others moved for the partner on one UTC day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elsewhere {
    /// The day of posting.
    pub day: Date,
    /// What they moved.
    pub movement: Movement,
}

/// What the partner pays in one currency, as it can be paid; negative where it receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatementNet {
    /// The currency.
    pub currency: Currency,
    /// The net.
    pub net: Micros,
}

/// A page of a statement; the pages come in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Page {
    /// What was unpaid of earlier windows; a currency that was even is left out.
    Opening(Vec<StatementNet>),
    /// By time of posting, then by place in the ledger; of at most 2,000 operations.
    Lines(Vec<Line>),
    /// Of one day.
    Elsewhere(Vec<Elsewhere>),
    /// Exact sums over the window, as its positions have them.
    Totals(Vec<Movement>),
    /// What is unpaid when the window closes, this one counted: the opening of the next.
    Balance(Vec<StatementNet>),
    /// One for each currency of the partner's positions.
    Closing(Vec<StatementNet>),
}

/// A statement that is being read.
#[derive(Debug)]
pub struct Statement {
    pools: WindowPools,
    partner: PartnerId,
    window: ListedWindow,
    page_size: u16,
    next: Next,
}

/// What is read next.
#[derive(Debug)]
enum Next {
    Opening,
    FirstLines,
    Lines(Box<Lines>),
    Elsewhere(vec::IntoIter<Vec<Elsewhere>>),
    Balance,
    Closing,
    Nothing,
}

impl Statement {
    /// The statement of a partner in a window, which must be closed.
    #[must_use]
    pub fn new(pools: WindowPools, partner: PartnerId, window: ListedWindow) -> Self {
        Self { pools, partner, window, page_size: PAGE_SIZE, next: Next::Opening }
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
    /// A window that is not closed has no statement: that is an inconsistency.
    pub async fn page(&mut self) -> Result<Option<Page>, StoreError> {
        let totals = &self.pools.totals;
        let (page, next) = match mem::replace(&mut self.next, Next::Nothing) {
            Next::Opening => {
                let unpaid = self.unpaid(self.window.id.0.checked_sub(1)).await?;
                (Page::Opening(unpaid), Next::FirstLines)
            }
            Next::FirstLines => {
                let period = (self.window.opened_at, self.closed_at()?);
                let owner = (self.partner, self.window.id);
                let begun = Lines::begin(&self.pools.pages, owner, period, self.page_size);
                self.lines(Box::new(begun.await?)).await?
            }
            Next::Lines(lines) => self.lines(lines).await?,
            Next::Elsewhere(mut days) => {
                if let Some(day) = days.next() {
                    (Page::Elsewhere(day), Next::Elsewhere(days))
                } else {
                    let totals = totals::totals(totals, self.partner, self.window.id).await?;
                    (Page::Totals(totals), Next::Balance)
                }
            }
            Next::Balance => {
                (Page::Balance(self.unpaid(Some(self.window.id.0)).await?), Next::Closing)
            }
            Next::Closing => {
                let nets = totals::nets(totals, self.partner, self.window.id).await?;
                (Page::Closing(nets), Next::Nothing)
            }
            Next::Nothing => return Ok(None),
        };
        self.next = next;
        Ok(Some(page))
    }

    /// What was unpaid when a window closed. Live windows are numbered without gaps, and nothing is ever
    /// paid for others.
    async fn unpaid(&self, window: Option<i32>) -> Result<Vec<StatementNet>, StoreError> {
        match window.filter(|_| !self.window.is_testing()) {
            Some(window) => {
                balances::read(&self.pools.totals, (self.partner, WindowId(window))).await
            }
            None => Ok(Vec::new()),
        }
    }

    /// A page of lines. When all were read, it is known what happened elsewhere.
    async fn lines(&self, mut lines: Box<Lines>) -> Result<(Page, Next), StoreError> {
        let (page, more) = lines.page().await?;
        if more {
            return Ok((Page::Lines(page), Next::Lines(lines)));
        }
        // They might have been archived since the first page.
        archive::whole_window(&self.pools.totals, self.window.id).await?;
        let days = lines.into_others().into_days()?;
        Ok((Page::Lines(page), Next::Elsewhere(days.into_iter())))
    }

    fn closed_at(&self) -> Result<Timestamp, StoreError> {
        let open = || StoreError::inconsistent("windows", "closed_at", self.window.id.0);
        self.window.closed_at.ok_or_else(open)
    }
}
