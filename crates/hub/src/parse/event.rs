//! Requests about events.

use entente_api::event::{WatchRequest, watch_request::Start as WireStart};
use jiff::Timestamp;

use super::{Expected, Violations, timestamp};
use crate::{
    error::Refused,
    feed::{Cursor, Kinds, StoredCursor},
    page_token::{Binding, PageTokens},
};
use entente_store::feed::FeedHeads;

/// How many kinds a request may name.
const MAX_KINDS: usize = 32;

/// Where to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// With what happens from now on.
    Now,
    /// Where an earlier stream was left.
    At(StoredCursor),
    /// With what was posted at this time or later.
    Since(Timestamp),
}

/// From where to read, and what.
pub fn watch(
    request: &WatchRequest,
    tokens: &PageTokens,
    binding: &Binding,
) -> Result<(Start, Kinds), Refused> {
    let mut violations = Violations::default();
    let start = match &request.start {
        None => Some(Start::Now),
        Some(WireStart::ResumeToken(token)) => {
            let stored = tokens.open_token::<StoredCursor>(binding, token).ok().flatten();
            violations.field("resume_token", stored.map(Start::At).ok_or_else(unusable))
        }
        Some(WireStart::FromTime(time)) => {
            violations.field("from_time", timestamp(time)).map(Start::Since)
        }
    };
    let kinds = if request.kinds.len() > MAX_KINDS { Err(()) } else { Ok(&request.kinds) };
    let kinds = kinds.and_then(|named| Kinds::named(named).map_err(drop));
    let kinds = violations.field("kinds", kinds.map_err(|()| "each a published kind, once".into()));
    start.zip(kinds).ok_or_else(|| violations.refused())
}

/// The place where a stream begins, unless it lies in the future.
pub fn beginning(start: &Start, heads: &FeedHeads) -> Result<Cursor, Refused> {
    let mut violations = Violations::default();
    let cursor = match start {
        Start::Now => Some(Cursor::at(heads)),
        Start::At(stored) => {
            violations.field("resume_token", Cursor::of(stored, heads).ok_or_else(unusable))
        }
        Start::Since(time) => {
            let past = (*time <= heads.now).then(|| Cursor::since(*time, heads));
            violations.field("from_time", past.ok_or(Expected::Borrowed("a time of the past")))
        }
    };
    cursor.ok_or_else(|| violations.refused())
}

fn unusable() -> Expected {
    Expected::Borrowed("the resume_token of a response of this ledger to this partner, unchanged")
}
