//! A page of a partner's events, which knows the cursor behind each.

use std::collections::VecDeque;

use entente_api::event::Event;
use entente_store::feed::{FedNotice, FedOperation, FeedHeads, FeedPlace};
use jiff::Timestamp;
use prost::DecodeError;

use super::{
    Kinds,
    cursor::{self, Cursor},
    event,
    names::Names,
};

/// Events in the order of time, and where reading goes on behind each of them.
#[derive(Debug)]
pub struct Page {
    events: VecDeque<(FeedPlace, Event)>,
    cursor: Cursor,
    end: Cursor,
    floors: Vec<Timestamp>,
}

/// What a page is made of: what was read from `start` up to the heads, at most `limit` of each.
pub(super) struct Read<'a> {
    pub(super) names: Names<'a>,
    pub(super) start: &'a Cursor,
    pub(super) heads: &'a FeedHeads,
    pub(super) kinds: &'a Kinds,
    pub(super) limit: usize,
    pub(super) operations: Vec<FedOperation>,
    pub(super) notices: Vec<FedNotice>,
}

impl Page {
    /// Nothing happened.
    pub(super) fn empty(cursor: &Cursor) -> Self {
        let (cursor, end) = (cursor.clone(), cursor.clone());
        Self { events: VecDeque::new(), cursor, end, floors: Vec::new() }
    }

    pub(super) fn of(read: Read<'_>) -> Result<Self, DecodeError> {
        let floors = cursor::floors(read.heads);
        let end = read.end(&floors);
        let bound = read.bound();
        let within = |place: FeedPlace| bound.is_none_or(|bound| place <= bound);
        let mut events = Vec::new();
        for fed in read.operations {
            let (place, refused) = (fed.place, fed.answer.as_ref().is_some_and(|a| a.refused));
            let wanted = if refused { read.kinds.refusals } else { read.kinds.operations };
            if wanted && within(place) {
                let event = event::of_operation(read.names, fed)?;
                events.extend(event.map(|event| (place, event)));
            }
        }
        // Sorting keeps an operation before its notices, and these in their order.
        for fed in read.notices.iter().filter(|fed| within(fed.place)) {
            let event = event::of_notice(read.names, fed)?;
            events.extend(event.map(|event| (fed.place, event)));
        }
        events.sort_by_key(|(place, _)| *place);
        Ok(Self { events: events.into(), cursor: read.start.clone(), end, floors })
    }

    /// The next event and its place; [`Page::cursor`] is behind it then.
    pub fn take(&mut self) -> Option<(FeedPlace, Event)> {
        let (place, event) = self.events.pop_front()?;
        let complete = self.events.front().is_none_or(|(next, _)| *next != place);
        self.cursor.pass(place, complete, &self.floors);
        Some((place, event))
    }

    /// Where reading goes on: behind the event that was taken last, and at the end of the page
    /// behind all that was looked through.
    #[must_use]
    pub fn cursor(&self) -> &Cursor {
        if self.events.is_empty() { &self.end } else { &self.cursor }
    }

    /// How many events are left.
    #[must_use]
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether no event is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }
}

impl Read<'_> {
    /// The last place up to which both lists are complete; `None` when both are to their end.
    fn bound(&self) -> Option<FeedPlace> {
        let full = |count: usize, last: Option<FeedPlace>| last.filter(|_| count >= self.limit);
        let operations = full(self.operations.len(), self.operations.last().map(|fed| fed.place));
        let notices = full(self.notices.len(), self.notices.last().map(|fed| fed.place));
        operations.into_iter().chain(notices).min()
    }

    /// Where reading goes on behind the page.
    fn end(&self, floors: &[Timestamp]) -> Cursor {
        let Some(bound) = self.bound() else { return Cursor::at(self.heads) };
        let mut end = self.start.clone();
        let operations = self.operations.iter().map(|fed| fed.place);
        let places = operations.chain(self.notices.iter().map(|fed| fed.place));
        for place in places.filter(|place| *place <= bound) {
            end.raise(place.cell, place.seq.0);
        }
        end.read_until(bound.posted_at, floors);
        end
    }
}
