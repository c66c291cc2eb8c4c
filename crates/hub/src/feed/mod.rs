//! The feed: a partner's events, read from the database page by page, from a cursor on.
//!
//! A reader that follows and one that is weeks behind read in the same way. A page is what was
//! committed up to the heads that the hub knows: numbers of a cell have no gaps and no late comers,
//! so a cursor of one number for each cell misses nothing and needs no lock.

mod cursor;
mod event;
mod heads;
mod names;
mod page;
mod turns;
mod watching;

use std::sync::Arc;

use entente_api::event::EventKind;
use entente_ledger::PartnerId;
use entente_store::{
    NoticeKind, StoreError, archive,
    feed::{self, FeedHeads, Range},
};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use sqlx::PgPool;
use tokio::sync::watch;

pub use cursor::{Cursor, StoredCursor};
pub use heads::Heads;
pub(crate) use heads::KeptHeads;
pub use names::EventKey;
pub use page::Page;
pub(crate) use watching::Watching;

use crate::error::RpcError;
use page::Read;
use turns::Turns;

/// How many operations and how many notices one read looks through, wanted or not; notices that share
/// an operation with the last come along.
pub const PAGE: u16 = 1_000;
/// How many pages are read at the same time: one of each partner.
const AT_ONCE: usize = 4;
/// How many operations are counted of what is unread.
const COUNTED: i64 = 10_000;

/// Reads partners' events. Clones share its bounds.
#[derive(Debug, Clone)]
pub struct Feed {
    pool: PgPool,
    heads: Heads,
    key: Arc<EventKey>,
    turns: Turns,
}

/// The kinds of events to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kinds {
    /// Accepted operations.
    pub operations: bool,
    /// Final refusals.
    pub refusals: bool,
    /// Notices of these kinds.
    pub notices: Vec<NoticeKind>,
}

impl Kinds {
    /// Those that are named, or all where none is. One that nobody knows is told.
    pub fn named(named: &[i32]) -> Result<Self, i32> {
        let mut kinds = Self { operations: false, refusals: false, notices: Vec::new() };
        if named.is_empty() {
            return Ok(Self {
                operations: true,
                refusals: true,
                notices: NoticeKind::ALL.to_vec(),
            });
        }
        for number in named {
            match EventKind::try_from(*number) {
                Err(_) | Ok(EventKind::Unspecified) => return Err(*number),
                Ok(EventKind::Operation) => kinds.operations = true,
                Ok(EventKind::Refusal) => kinds.refusals = true,
                Ok(EventKind::HoldExpired) => kinds.notices.push(NoticeKind::HoldExpired),
                Ok(EventKind::CapThreshold) => kinds.notices.push(NoticeKind::CapThreshold),
                Ok(EventKind::TermsInForce) => kinds.notices.push(NoticeKind::TermsInForce),
                Ok(EventKind::WindowClosed) => kinds.notices.push(NoticeKind::WindowClosed),
                Ok(EventKind::PointsExpiring) => kinds.notices.push(NoticeKind::PointsExpiring),
                Ok(EventKind::BurnedElsewhere) => kinds.notices.push(NoticeKind::BurnedElsewhere),
                Ok(EventKind::FloatThreshold) => kinds.notices.push(NoticeKind::FloatThreshold),
            }
        }
        Ok(kinds)
    }
}

impl Feed {
    /// Reads from a database whose heads are kept; the key names the events.
    #[must_use]
    pub fn new(pool: PgPool, heads: Heads, key: EventKey) -> Self {
        Self { pool, heads, key: Arc::new(key), turns: Turns::new(AT_ONCE) }
    }

    /// The heads, read now: those of every hub's commits.
    pub async fn heads(&self) -> Result<FeedHeads, StoreError> {
        self.heads.read(&self.pool).await
    }

    /// What tells when a head moves. While somebody follows, the heads are read again and again.
    #[must_use]
    pub fn follow(&self) -> watch::Receiver<FeedHeads> {
        self.heads.follow()
    }

    /// Whether everything that the hub knows to be committed was read.
    #[must_use]
    pub fn is_caught_up(&self, cursor: &Cursor) -> bool {
        !cursor.is_behind(&self.heads.known())
    }

    /// The next events of a partner behind a cursor, the earliest first.
    pub async fn page(
        &self,
        partner: PartnerId,
        kinds: &Kinds,
        cursor: &Cursor,
    ) -> Result<Page, RpcError> {
        if self.is_caught_up(cursor) {
            return Ok(Page::empty(cursor));
        }
        let _turn = self.turns.take(partner).await?;
        let heads = self.heads.known();
        let (from, up_to) = (cursor.floor(&heads), numbers(&heads));
        let range = Range { from, after: &cursor.seqs, up_to: &up_to };
        let operations = if kinds.operations || kinds.refusals {
            feed::operations(&self.pool, partner, range, PAGE).await?
        } else {
            Vec::new()
        };
        let notices = if kinds.notices.is_empty() {
            Vec::new()
        } else {
            feed::notices(&self.pool, partner, &kinds.notices, range, PAGE).await?
        };
        let (start, limit) = (cursor, usize::from(PAGE));
        self.whole(range, &heads).await?;
        let names = self.key.of(partner);
        let read = Read { names, start, heads: &heads, kinds, limit, operations, notices };
        Page::of(read).map_err(RpcError::internal)
    }

    /// How many operations of a partner are unread, and how long ago the first of them may have
    /// been posted; `None` when all is read.
    pub async fn behind(
        &self,
        partner: PartnerId,
        cursor: &Cursor,
    ) -> Result<Option<(i64, SignedDuration)>, RpcError> {
        if self.is_caught_up(cursor) {
            return Ok(None);
        }
        let _turn = self.turns.take(partner).await?;
        let heads = self.heads.known();
        let (from, up_to) = (cursor.floor(&heads), numbers(&heads));
        let range = Range { from, after: &cursor.seqs, up_to: &up_to };
        let count = feed::count(&self.pool, partner, range, COUNTED).await?;
        self.whole(range, &heads).await?;
        Ok(Some((count, heads.now.duration_since(from.min(heads.now)))))
    }

    /// That nothing which was just read is archived. No month is before it is over.
    async fn whole(&self, range: Range<'_>, heads: &FeedHeads) -> Result<(), StoreError> {
        let month = |at: Timestamp| at.to_zoned(TimeZone::UTC).date().first_of_month();
        if month(range.from) == month(heads.now) {
            return Ok(());
        }
        archive::look_back(&self.pool, range.from, range.after).await
    }

    /// The place before everything that was posted at a time or later.
    pub async fn since(&self, time: Timestamp) -> Result<Cursor, StoreError> {
        Ok(Cursor::since(time, &self.heads().await?))
    }
}

fn numbers(heads: &FeedHeads) -> Vec<i64> {
    heads.cells.iter().map(|head| head.seq.0).collect()
}
