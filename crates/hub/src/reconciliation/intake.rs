//! The first phase: lines come in, a message at a time, into the matcher and nowhere else. A stream that
//! ends before its end leaves nothing.

use std::{future::Future, pin::Pin};

use entente_api::settlement::{
    ReconcileRequest, ReconcileResponse, RecordEnd, RecordLines, RecordProgress,
    reconcile_request::Part, reconcile_response,
};
use entente_ledger::Currency;
use entente_settlement::reconcile::Matcher;
use tonic::Streaming;

use super::{
    Ended, not_taken,
    record::{self, Naming},
    record_refused,
};
use crate::{
    error::Refused,
    streams::{Outbox, Stalled},
};

/// The most lines, and the most unreadable rows, of one message.
const MOST_IN_MESSAGE: usize = 1_000;
/// How often progress is told, in lines.
const TELL_EVERY: u64 = 50_000;
/// The greatest row: one more would not be a number of a line.
const LAST_ROW: i64 = 4_294_967_294;

/// What ends a stream whatever its client wants.
pub(super) type End = Pin<Box<dyn Future<Output = Refused> + Send>>;

/// A record as it comes in.
pub(super) struct Intake<'s> {
    matcher: Matcher,
    naming: Naming,
    usual: Currency,
    patience: std::time::Duration,
    outbox: &'s Outbox<ReconcileResponse>,
    last_row: i64,
    lines: u64,
    unreadable: u64,
    told: u64,
}

impl<'s> Intake<'s> {
    pub(super) fn new(
        matcher: Matcher,
        (naming, usual): (Naming, Currency),
        patience: std::time::Duration,
        outbox: &'s Outbox<ReconcileResponse>,
    ) -> Self {
        Self {
            matcher,
            naming,
            usual,
            patience,
            outbox,
            last_row: 0,
            lines: 0,
            unreadable: 0,
            told: 0,
        }
    }

    /// Takes all of a record.
    pub(super) async fn whole(
        mut self,
        record: &mut Streaming<ReconcileRequest>,
        end: &mut End,
    ) -> Result<Matcher, Ended> {
        self.outbox.send(progress(0, 0)).await?;
        loop {
            let read = tokio::select! {
                biased;
                refused = &mut *end => return Err(refused.into()),
                () = self.outbox.gone() => return Err(Stalled::Gone.into()),
                read = tokio::time::timeout(self.patience, record.message()) => read,
            };
            let read = read.map_err(|_| record_refused("nothing came for too long"))?;
            let message = read.map_err(|_| record::unreadable())?;
            let ended = || record_refused("the stream ended before the record's end");
            match message.ok_or_else(ended)?.part {
                Some(Part::Lines(lines)) => self.take(&lines)?,
                Some(Part::End(end)) => return Ok(self.end(&end)?),
                Some(Part::Header(_)) => return Err(record_refused("a second header came").into()),
                None => {}
            }
            if self.lines.saturating_sub(self.told) >= TELL_EVERY {
                self.told = self.lines;
                self.outbox.send(progress(self.lines, 0)).await?;
            }
        }
    }

    fn take(&mut self, lines: &RecordLines) -> Result<(), Refused> {
        if lines.lines.len().max(lines.unreadable.len()) > MOST_IN_MESSAGE {
            let message = format!("a message has more than {MOST_IN_MESSAGE} lines");
            return Err(record_refused(message).with("most", MOST_IN_MESSAGE));
        }
        for line in &lines.lines {
            let row = row(line.row).filter(|_| line.row > self.last_row);
            let row = row.ok_or_else(|| record_refused("the rows are out of order"))?;
            self.last_row = line.row;
            self.lines = self.lines.saturating_add(1);
            let member = self.naming.of(line);
            let read = match &member {
                Ok(member) => record::line(line, row, (member, self.usual)),
                Err(reason) => Err(*reason),
            };
            match read {
                Ok((line, texts)) => self.matcher.line(line, texts).map_err(not_taken)?,
                Err(reason) => self.matcher.unreadable(row, reason),
            }
        }
        for bad in &lines.unreadable {
            let row = row(bad.row).ok_or_else(|| record_refused("a row has no number"))?;
            self.unreadable = self.unreadable.saturating_add(1);
            self.matcher.unreadable(row, &printable(&bad.reason));
        }
        Ok(())
    }

    fn end(self, end: &RecordEnd) -> Result<Matcher, Refused> {
        let counted = (i64::try_from(self.lines), i64::try_from(self.unreadable));
        if counted != (Ok(end.line_count), Ok(end.unreadable_count)) {
            let message = format!(
                "{} lines and {} unreadable rows came, not what the end says",
                self.lines, self.unreadable
            );
            return Err(record_refused(message));
        }
        Ok(self.matcher)
    }
}

pub(super) fn progress(lines: u64, operations: u64) -> ReconcileResponse {
    let progress = RecordProgress {
        line_count: i64::try_from(lines).unwrap_or(i64::MAX),
        operation_count: i64::try_from(operations).unwrap_or(i64::MAX),
    };
    ReconcileResponse { part: Some(reconcile_response::Part::Progress(progress)) }
}

fn row(row: i64) -> Option<u32> {
    (1..=LAST_ROW).contains(&row).then(|| u32::try_from(row).ok()).flatten()
}

/// A reason that can be kept and shown.
fn printable(reason: &str) -> String {
    let shown: String = reason.chars().filter(|c| !c.is_control()).take(200).collect();
    if shown.is_empty() { "it cannot be read".to_owned() } else { shown }
}
