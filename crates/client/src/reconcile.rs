//! Reconciling: a record goes out in messages, progress and the report come back.

use entente_api::settlement::{
    ReconcileRequest, ReconcileResponse, RecordEnd, RecordHeader, RecordLines,
    reconcile_request::Part as Sent, reconcile_response::Part,
    reconciliation_service_client::ReconciliationServiceClient,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Streaming};

use crate::earn_stream::StreamEnded;
use crate::retry::{call, classify, outcome};
use crate::{Client, Error};

/// Messages that wait to be sent.
const WAITING: usize = 4;

/// Takes a record's lines. Dropping it before [`RecordSink::end`] gives the record up: the hub keeps
/// nothing of it.
#[derive(Debug)]
pub struct RecordSink {
    messages: mpsc::Sender<ReconcileRequest>,
    line_count: i64,
    unreadable_count: i64,
}

/// What the hub answers of a record: progress, then the report, then its breaks. The first part tells
/// whether lines are wanted: they are after progress, and not after a report.
#[derive(Debug)]
pub struct RecordAnswers {
    stream: Streaming<ReconcileResponse>,
    endpoint: String,
}

impl Client {
    /// Opens a record by its header. Opening may be tried again as any call; a stream that breaks later
    /// leaves nothing, and begins anew.
    ///
    /// # Errors
    /// As a call has: what is wrong with the header shows at once.
    pub async fn reconcile(
        &self,
        header: RecordHeader,
    ) -> Result<(RecordSink, RecordAnswers), Error> {
        let service = ReconciliationServiceClient::new(self.channel.clone());
        let send = move |request: Request<RecordHeader>| {
            let mut service = service.clone();
            async move {
                let (metadata, extensions, header) = request.into_parts();
                let (messages, requests) = mpsc::channel(WAITING);
                let first = ReconcileRequest { part: Some(Sent::Header(header)) };
                // The receiver is here, and there is room.
                let _ = messages.try_send(first);
                let requests = ReceiverStream::new(requests);
                let request = Request::from_parts(metadata, extensions, requests);
                let answers = service.reconcile(request).await?.into_inner();
                Ok(Response::new((messages, answers)))
            }
        };
        let (messages, answers) = call(self, self.retry, header, send).await?;
        let sink = RecordSink { messages, line_count: 0, unreadable_count: 0 };
        Ok((sink, RecordAnswers { stream: answers, endpoint: self.endpoint.clone() }))
    }
}

impl RecordSink {
    /// Sends lines, at most 1,000 of each kind, as soon as there is room.
    ///
    /// # Errors
    /// When the stream has ended; the answers say why.
    pub async fn send(&mut self, lines: RecordLines) -> Result<(), StreamEnded> {
        let count = |length: usize| i64::try_from(length).unwrap_or(i64::MAX);
        self.line_count = self.line_count.saturating_add(count(lines.lines.len()));
        self.unreadable_count = self.unreadable_count.saturating_add(count(lines.unreadable.len()));
        self.message(Sent::Lines(lines)).await
    }

    /// Says that the record is whole, and what was sent.
    ///
    /// # Errors
    /// When the stream has ended; the answers say why.
    pub async fn end(self) -> Result<(), StreamEnded> {
        let (line_count, unreadable_count) = (self.line_count, self.unreadable_count);
        self.message(Sent::End(RecordEnd { line_count, unreadable_count })).await
    }

    async fn message(&self, part: Sent) -> Result<(), StreamEnded> {
        let message = ReconcileRequest { part: Some(part) };
        self.messages.send(message).await.map_err(|_| StreamEnded)
    }
}

impl RecordAnswers {
    /// The next part; `None` at the end.
    ///
    /// # Errors
    /// `Refused` with the reason for which the record was not compared, `Unknown` when the stream
    /// broke: then the same record may be sent again.
    pub async fn next(&mut self) -> Result<Option<Part>, Error> {
        loop {
            match self.stream.message().await {
                Ok(Some(message)) if message.part.is_none() => {}
                Ok(message) => return Ok(message.and_then(|message| message.part)),
                Err(status) => return Err(outcome(&self.endpoint, classify(&status), 1, false)),
            }
        }
    }
}
