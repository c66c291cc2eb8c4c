//! A statement on its way to a caller: pages are read as fast as the caller takes their parts, and one
//! ahead, so a statement is never in memory as a whole, and the database does not wait for the caller.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
    vec,
};

use entente_api::{
    error::ErrorReason,
    settlement::{
        GetStatementResponse, StatementHeader, StatementLine, StatementLines,
        get_statement_response::Part,
    },
};
use entente_ledger::Micros;
use entente_loyalty::Partner;
use entente_store::{
    StoreError,
    settlement::statement::{Page, Statement, StatementNet},
};
use futures::Stream;
use tokio::sync::{
    OwnedSemaphorePermit,
    mpsc::{self, Receiver, Sender},
};
use tonic::Status;

use super::{Names, wire};
use crate::error::{Refused, RpcError};

/// How many pages wait for a caller that is slow, and how many are read ahead of them.
const WAITING: usize = 1;
/// How long one page waits for it, before the stream is given up.
const PATIENCE: Duration = Duration::from_mins(1);

/// A part, or why there is none.
type Sent = Result<GetStatementResponse, Status>;

/// The parts of a statement, in order. They come by the page: to hand over each alone costs more than to
/// make it.
#[derive(Debug)]
pub struct Parts {
    pages: Receiver<Vec<Sent>>,
    page: vec::IntoIter<Sent>,
}

impl Stream for Parts {
    type Item = Sent;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Sent>> {
        loop {
            if let Some(part) = self.page.next() {
                return Poll::Ready(Some(part));
            }
            match ready!(self.pages.poll_recv(context)) {
                Some(page) => self.page = page.into_iter(),
                None => return Poll::Ready(None),
            }
        }
    }
}

/// The refusal of a name that no window has.
#[must_use]
pub fn window_unknown() -> Refused {
    Refused::new(ErrorReason::WindowUnknown, "no window has this name")
}

/// The caller left, or is too slow.
struct Gone;

/// What is read page by page.
trait Pages: Send + 'static {
    /// The next page; `None` at the end.
    fn page(&mut self) -> impl Future<Output = Result<Option<Page>, StoreError>> + Send;
}

impl Pages for Statement {
    fn page(&mut self) -> impl Future<Output = Result<Option<Page>, StoreError>> + Send {
        Self::page(self)
    }
}

/// Reads a statement in a task of its own and sends its parts.
pub(super) fn stream(
    header: StatementHeader,
    statement: Statement,
    told: Told,
    place: OwnedSemaphorePermit,
) -> Parts {
    let (sender, pages) = mpsc::channel(WAITING);
    let read = ahead(statement, place);
    tokio::spawn(async move {
        let mut sending = Sending { sender: sender.clone(), told };
        // A caller that is gone needs no answer, and no page that is being read for it.
        tokio::select! {
            _ = sending.all(header, read) => {}
            () = sender.closed() => {}
        }
    });
    Parts { pages, page: Vec::new().into_iter() }
}

/// Reads pages, until one cannot be read or nobody takes them any more; then the one that is being read is given
/// up. The place is taken as long as anything is read.
fn ahead(
    mut statement: impl Pages,
    place: OwnedSemaphorePermit,
) -> Receiver<Result<Page, StoreError>> {
    let (pages, read) = mpsc::channel(WAITING);
    tokio::spawn(async move {
        let _place = place;
        loop {
            let page = tokio::select! {
                page = statement.page() => page,
                () = pages.closed() => return,
            };
            let Some(page) = page.transpose() else { return };
            let failed = page.is_err();
            if pages.send(page).await.is_err() || failed {
                return;
            }
        }
    });
    read
}

/// How a statement is told.
pub(super) struct Told {
    partner: Partner,
    names: Names,
    /// How many lines come in one message; 0 where each is a part of its own.
    lines_per_message: usize,
    line_count: i64,
}

struct Sending {
    sender: Sender<Vec<Sent>>,
    told: Told,
}

impl Sending {
    async fn all(
        &mut self,
        header: StatementHeader,
        mut read: Receiver<Result<Page, StoreError>>,
    ) -> Result<(), Gone> {
        self.send(vec![Ok(Part::Header(header))]).await?;
        while let Some(page) = read.recv().await {
            let parts = match page {
                Ok(page) => self.told.parts(page),
                Err(error) => vec![Err(error.into())],
            };
            self.send(parts).await?;
        }
        Ok(())
    }

    /// Sends parts; after one that says why there is none, nothing comes.
    async fn send(&mut self, parts: Vec<Result<Part, RpcError>>) -> Result<(), Gone> {
        let mut ended = false;
        let mut page: Vec<Sent> = Vec::with_capacity(parts.len());
        for part in parts {
            ended = part.is_err();
            let part = part.map(|part| GetStatementResponse { part: Some(part) });
            page.push(part.map_err(Status::from));
            if ended {
                break;
            }
        }
        self.sender.send_timeout(page, PATIENCE).await.map_err(|_| Gone)?;
        if ended { Err(Gone) } else { Ok(()) }
    }
}

impl Told {
    /// To its partner, which is not told who issued a single member's points.
    pub(super) fn new(partner: Partner, names: Names, lines_per_message: u16) -> Self {
        Self { partner, names, lines_per_message: lines_per_message.into(), line_count: 0 }
    }

    fn parts(&mut self, page: Page) -> Vec<Result<Part, RpcError>> {
        let (own, names) = (self.partner.id, &self.names);
        match page {
            Page::Opening(unpaid) => {
                let unpaid = unpaid.into_iter();
                unpaid.map(|net| wire::balance(net).map(Part::Opening)).collect()
            }
            Page::Balance(unpaid) => {
                let unpaid = unpaid.into_iter();
                unpaid.map(|net| wire::balance(net).map(Part::Balance)).collect()
            }
            Page::Lines(lines) => {
                self.line_count += i64::try_from(lines.len()).unwrap_or(i64::MAX);
                let lines = lines.into_iter().map(|line| wire::line(line, own, names));
                match self.lines_per_message {
                    0 => lines.map(|line| line.map(Part::Line)).collect(),
                    most => together(lines, most),
                }
            }
            Page::Elsewhere(moved) => {
                let moved = moved.iter();
                moved.map(|moved| wire::elsewhere(moved, names).map(Part::Elsewhere)).collect()
            }
            Page::Totals(totals) => {
                let totals = totals.iter();
                totals.map(|total| wire::total(total, names).map(Part::Total)).collect()
            }
            Page::Closing(nets) => {
                let nets = self.at_least_one(nets).into_iter();
                nets.map(|net| wire::closing(net, self.line_count).map(Part::Closing)).collect()
            }
        }
    }

    /// A partner without positions is told that it is even, so that every statement has an end.
    fn at_least_one(&self, mut nets: Vec<StatementNet>) -> Vec<StatementNet> {
        if nets.is_empty() {
            let newest = self.partner.terms.last();
            nets.extend(newest.map(|terms| StatementNet {
                currency: terms.agreement.currency,
                net: Micros::ZERO,
            }));
        }
        nets
    }
}

/// Lines in parts of so many; one that cannot be told ends them.
fn together(
    lines: impl ExactSizeIterator<Item = Result<StatementLine, RpcError>>,
    most: usize,
) -> Vec<Result<Part, RpcError>> {
    let mut parts = Vec::with_capacity(lines.len().div_ceil(most));
    let mut next = Vec::with_capacity(lines.len().min(most));
    let mut lines = lines.peekable();
    while let Some(line) = lines.next() {
        match line {
            Ok(line) => next.push(line),
            Err(error) => return vec![Err(error)],
        }
        if next.len() == most || lines.peek().is_none() {
            let room = Vec::with_capacity(lines.len().min(most));
            let lines = std::mem::replace(&mut next, room);
            parts.push(Ok(Part::Lines(StatementLines { lines })));
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::Semaphore;

    use super::*;

    /// Some pages, and then one that is read for ever.
    struct Endless(usize);

    impl Pages for Endless {
        async fn page(&mut self) -> Result<Option<Page>, StoreError> {
            if let Some(left) = self.0.checked_sub(1) {
                self.0 = left;
                return Ok(Some(Page::Lines(Vec::new())));
            }
            std::future::pending().await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_page_that_nobody_waits_for_is_given_up_and_its_place_is_free() {
        let places = Arc::new(Semaphore::new(1));
        for pages in [0, 1, 5] {
            let place = Arc::clone(&places).try_acquire_owned().expect("a place");
            let mut read = ahead(Endless(pages), place);
            for _ in 0..pages.min(1) {
                read.recv().await.expect("a page").expect("read");
            }
            tokio::task::yield_now().await;
            assert_eq!(places.available_permits(), 0, "it is still read");
            drop(read);
            let freed = places.acquire();
            let freed = tokio::time::timeout(Duration::from_secs(1), freed).await;
            assert!(freed.is_ok(), "after {pages} pages");
        }
    }
}
