//! A statement on its way to a caller: pages are read as fast as the caller takes their parts, so a
//! statement is never in memory as a whole.

use std::time::Duration;

use entente_api::{
    error::ErrorReason,
    settlement::{GetStatementResponse, StatementHeader, get_statement_response::Part},
};
use entente_ledger::Micros;
use entente_loyalty::Partner;
use entente_store::settlement::statement::{Page, Statement, StatementNet};
use tokio::sync::{
    OwnedSemaphorePermit,
    mpsc::{self, Sender},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::{Names, wire};
use crate::error::{Refused, RpcError};

/// How many parts wait for a caller that is slow.
const WAITING: usize = 64;
/// How long one part waits for it, before the stream is given up.
const PATIENCE: Duration = Duration::from_mins(1);

/// The parts of a statement, in order.
pub type Parts = ReceiverStream<Result<GetStatementResponse, Status>>;

/// The refusal of a name that no window has.
#[must_use]
pub fn window_unknown() -> Refused {
    Refused::new(ErrorReason::WindowUnknown, "no window has this name")
}

/// The caller left, or is too slow.
struct Gone;

/// Reads a statement in a task of its own and sends its parts.
pub(super) fn stream(
    header: StatementHeader,
    statement: Statement,
    partner: Partner,
    names: Names,
    place: OwnedSemaphorePermit,
) -> Parts {
    let (sender, receiver) = mpsc::channel(WAITING);
    tokio::spawn(async move {
        let _place = place;
        let mut sending = Sending { sender, partner, names, line_count: 0 };
        // A caller that is gone needs no answer.
        let _ = sending.all(header, statement).await;
    });
    ReceiverStream::new(receiver)
}

struct Sending {
    sender: Sender<Result<GetStatementResponse, Status>>,
    partner: Partner,
    names: Names,
    line_count: i64,
}

impl Sending {
    async fn all(&mut self, header: StatementHeader, mut statement: Statement) -> Result<(), Gone> {
        self.send(Ok(Part::Header(header))).await?;
        loop {
            match statement.page().await {
                Ok(Some(page)) => self.page(page).await?,
                Ok(None) => return Ok(()),
                Err(error) => return self.send(Err(error.into())).await,
            }
        }
    }

    async fn page(&mut self, page: Page) -> Result<(), Gone> {
        match page {
            Page::Opening(unpaid) => {
                for net in unpaid {
                    self.send(wire::balance(net).map(Part::Opening)).await?;
                }
            }
            Page::Balance(unpaid) => {
                for net in unpaid {
                    self.send(wire::balance(net).map(Part::Balance)).await?;
                }
            }
            Page::Lines(lines) => {
                for line in lines {
                    self.line_count += 1;
                    let line = wire::line(line, self.partner.id, &self.names);
                    self.send(line.map(Part::Line)).await?;
                }
            }
            Page::Elsewhere(elsewhere) => {
                for elsewhere in elsewhere {
                    let elsewhere = wire::elsewhere(&elsewhere, &self.names);
                    self.send(elsewhere.map(Part::Elsewhere)).await?;
                }
            }
            Page::Totals(totals) => {
                for total in totals {
                    let total = wire::total(&total, &self.names);
                    self.send(total.map(Part::Total)).await?;
                }
            }
            Page::Closing(nets) => {
                for net in self.at_least_one(nets) {
                    let closing = wire::closing(net, self.line_count);
                    self.send(closing.map(Part::Closing)).await?;
                }
            }
        }
        Ok(())
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

    async fn send(&mut self, part: Result<Part, RpcError>) -> Result<(), Gone> {
        let (ended, part) = match part {
            Ok(part) => (false, Ok(GetStatementResponse { part: Some(part) })),
            Err(error) => (true, Err(Status::from(error))),
        };
        self.sender.send_timeout(part, PATIENCE).await.map_err(|_| Gone)?;
        if ended { Err(Gone) } else { Ok(()) }
    }
}
