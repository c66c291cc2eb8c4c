//! The task behind a stream of earns: it keeps the lines that have no outcome, opens a connection
//! after another, and sends on each what is kept, in order.

use std::collections::VecDeque;
use std::time::Duration;

use entente_api::error::ErrorReason;
use entente_api::points::earn_stream_response::Outcome;
use entente_api::points::points_service_client::PointsServiceClient;
use entente_api::points::{EarnRequest, EarnResponse, EarnStreamRequest, EarnStreamResponse};
use tokio::sync::mpsc;
use tokio::time::{Instant, interval, sleep, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

use super::{EarnOutcome, Resume};
use crate::error::{Error, UnknownOutcome};
use crate::retry::{Failure, backoff, classify, unsent};
use crate::{AuthorizedChannel, Client, Refusal, StreamEnded};

/// How many lines have no outcome, whatever is asked for: the hub reads no more either.
const UNANSWERED: usize = 1_024;

/// How often a silent connection is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// A line that has no outcome yet.
#[derive(Debug)]
pub(super) struct Line {
    sequence: i64,
    earn: EarnRequest,
    /// How often it was sent.
    attempts: u32,
    /// How often the hub asked to send it again.
    put_off: u32,
}

/// Why a connection ended.
enum Cut {
    /// Every line has its outcome, and there are no more.
    Done,
    /// The caller wants no more outcomes.
    Unwanted,
    /// Another connection may help, after a wait that the hub may have asked for.
    Lost { wait: Duration, error: Error },
    /// Nothing would help.
    Broken(Error),
}

/// Carries the lines of one stream.
pub(super) struct Courier {
    service: PointsServiceClient<AuthorizedChannel>,
    client: Client,
    resume: Resume,
    lines: mpsc::Receiver<Line>,
    outcomes: mpsc::Sender<Result<EarnOutcome, Error>>,
    unanswered: VecDeque<Line>,
    /// Whether the caller has said that there are no more lines.
    complete: bool,
    /// When something was answered last, or nothing waited.
    progress: Instant,
}

impl Line {
    pub(super) fn new(sequence: i64, earn: EarnRequest) -> Self {
        Self { sequence, earn, attempts: 0, put_off: 0 }
    }

    fn request(&self) -> EarnStreamRequest {
        EarnStreamRequest { sequence: self.sequence, earn: Some(self.earn.clone()) }
    }
}

impl Courier {
    pub(super) fn new(
        client: Client,
        resume: Resume,
        lines: mpsc::Receiver<Line>,
        outcomes: mpsc::Sender<Result<EarnOutcome, Error>>,
    ) -> Self {
        let service = PointsServiceClient::new(client.channel.clone());
        let (unanswered, progress) = (VecDeque::new(), Instant::now());
        let complete = false;
        Self { service, client, resume, lines, outcomes, unanswered, complete, progress }
    }

    /// Opens connections until every line has its outcome, or nothing helps any more.
    pub(super) async fn run(mut self) {
        let mut attempts = 0;
        while self.something_to_send().await {
            let before = self.progress;
            let (wait, error) = match self.connection().await {
                Cut::Done | Cut::Unwanted => return,
                Cut::Broken(error) => return self.give_up(error).await,
                Cut::Lost { wait, error } => (wait, error),
            };
            attempts = if self.progress > before { 1 } else { attempts + 1 };
            let wait = backoff(&self.resume.waits(), attempts).max(wait);
            if self.progress.elapsed() + wait > self.resume.patience {
                return self.give_up(error).await;
            }
            tracing::debug!(attempts, ?wait, %error, "resuming a stream");
            tokio::select! {
                () = sleep(wait) => {}
                () = self.outcomes.closed() => return,
            }
        }
    }

    /// Waits for a line, unless some are kept; `false` when there are none and will be none.
    async fn something_to_send(&mut self) -> bool {
        if self.unanswered.is_empty() {
            tokio::select! {
                line = self.lines.recv() => self.unanswered.extend(line),
                () = self.outcomes.closed() => {}
            }
            self.progress = Instant::now();
        }
        !self.unanswered.is_empty()
    }

    async fn give_up(self, error: Error) {
        // Nobody may be left to be told.
        let _ = self.outcomes.send(Err(error)).await;
    }

    /// Sends on one connection what is kept and what comes, until it ends.
    async fn connection(&mut self) -> Cut {
        let (sender, requests) = mpsc::channel(super::WAITING);
        let opening = self.service.earn_stream(ReceiverStream::new(requests));
        let answers = match timeout(self.resume.silence, opening).await {
            Ok(Ok(response)) => response.into_inner(),
            Ok(Err(status)) => return self.cut(&status),
            Err(_) => return self.silent(),
        };
        self.carry(sender, answers).await
    }

    async fn carry(
        &mut self,
        sender: mpsc::Sender<EarnStreamRequest>,
        mut answers: Streaming<EarnStreamResponse>,
    ) -> Cut {
        let (mut sender, mut sent) = (Some(sender), 0);
        let (mut look, mut heard) = (interval(LOOK), Instant::now());
        loop {
            // Nothing more to send: the hub answers what it has, and ends the stream.
            if self.complete && sent == self.unanswered.len() {
                sender = None;
            }
            tokio::select! {
                biased;
                answer = answers.message() => {
                    heard = Instant::now();
                    match self.answered(answer).await {
                        Ok(()) => sent -= 1,
                        Err(cut) => return cut,
                    }
                }
                Ok(()) = room(sender.as_ref(), sent < self.unanswered.len()) => {
                    let line = &mut self.unanswered[sent];
                    line.attempts = line.attempts.saturating_add(1);
                    // There is room, and nobody else sends; when the stream has ended, it says so.
                    if let Some(sender) = &sender {
                        let _ = sender.try_send(line.request());
                    }
                    sent += 1;
                }
                line = self.lines.recv(), if self.wants_more() => match line {
                    Some(line) => self.unanswered.push_back(line),
                    None => self.complete = true,
                },
                () = self.outcomes.closed() => return Cut::Unwanted,
                _ = look.tick() => {
                    if self.unanswered.is_empty() {
                        heard = Instant::now();
                    } else if heard.elapsed() > self.resume.silence {
                        return self.silent();
                    }
                }
            }
        }
    }

    fn wants_more(&self) -> bool {
        !self.complete && self.unanswered.len() < self.resume.unanswered.clamp(1, UNANSWERED)
    }

    /// Takes the outcome of the oldest line, and passes it on.
    async fn answered(
        &mut self,
        answer: Result<Option<EarnStreamResponse>, Status>,
    ) -> Result<(), Cut> {
        let answer = match answer {
            Ok(Some(answer)) => answer,
            Ok(None) if self.complete && self.unanswered.is_empty() => return Err(Cut::Done),
            Ok(None) => return Err(self.lost("the hub ended the stream before its answers")),
            Err(status) => return Err(self.ended(&status)),
        };
        let oldest = self.unanswered.front().map(|line| line.sequence);
        if oldest != Some(answer.sequence) {
            return Err(self.lost("the hub answered a line that is not the oldest"));
        }
        let result = match answer.outcome {
            Some(Outcome::Earned(earned)) => Ok(earned),
            Some(Outcome::Refusal(status)) => self.refused(Refusal::from_kept(&status))?,
            None => return Err(self.lost("the hub answered a line with nothing")),
        };
        self.pass_on(result).await
    }

    async fn pass_on(&mut self, result: Result<EarnResponse, Error>) -> Result<(), Cut> {
        self.progress = Instant::now();
        let Some(line) = self.unanswered.pop_front() else { return Ok(()) };
        let outcome =
            EarnOutcome { sequence: line.sequence, request_id: line.earn.request_id, result };
        let sent = self.outcomes.send(Ok(outcome)).await;
        // Time that the caller took is not the hub's.
        self.progress = Instant::now();
        sent.map_err(|_| Cut::Unwanted)
    }

    /// What a refused line means: its outcome, or that it is to be sent again, with all after it.
    fn refused(&mut self, refusal: Refusal) -> Result<Result<EarnResponse, Error>, Cut> {
        let Some(line) = self.unanswered.front_mut() else {
            return Ok(Err(Error::Refused(Box::new(refusal))));
        };
        match refusal.reason {
            ErrorReason::Overloaded
            | ErrorReason::ClocksApart
            | ErrorReason::ShuttingDown
            | ErrorReason::DeadlinePassed => {
                line.put_off += 1;
            }
            ErrorReason::Internal => line.put_off = self.resume.line_attempts,
            _ => return Ok(Err(Error::Refused(Box::new(refusal)))),
        }
        let again = line.put_off < self.resume.line_attempts;
        let wait = refusal.retry_after.unwrap_or_default();
        let error = unknown(line.attempts, refusal.code, refusal.message);
        if again { Err(Cut::Lost { wait, error }) } else { Ok(Err(error)) }
    }

    /// What the end of a stream means that was open.
    fn ended(&self, status: &Status) -> Cut {
        match Refusal::from_status(status).reason {
            // The certificate was revoked under the stream, or has ended: perhaps there is another by
            // now, which the next connection will tell.
            ErrorReason::Unauthenticated => self.lost("the hub admits the certificate no more"),
            _ => self.cut(status),
        }
    }

    /// What the end of a connection means.
    fn cut(&self, status: &Status) -> Cut {
        let attempts = self.unanswered.front().map_or(0, |line| line.attempts);
        let endpoint = &self.client.endpoint;
        match classify(status) {
            Failure::Final(refusal) => Cut::Broken(Error::Refused(Box::new(refusal))),
            Failure::Shut(problem) => Cut::Broken(unsent(endpoint, problem, true)),
            Failure::NotSent(problem) if attempts == 0 => {
                Cut::Lost { wait: Duration::ZERO, error: unsent(endpoint, problem, false) }
            }
            Failure::NotSent(problem) | Failure::Again(problem) => self.lost(&problem),
            Failure::NotDone(refusal) if self.client.channel.elsewhere() => {
                let error = unknown(attempts, refusal.code, refusal.message);
                Cut::Lost { wait: Duration::ZERO, error }
            }
            // Another token is got; where the hub takes none, patience ends.
            Failure::NotDone(refusal) | Failure::Stale(refusal) => {
                let wait = refusal.retry_after.unwrap_or_default();
                Cut::Lost { wait, error: unknown(attempts, refusal.code, refusal.message) }
            }
            Failure::Lost(code, message) | Failure::Broken(code, message) => {
                Cut::Lost { wait: Duration::ZERO, error: unknown(attempts, code, message) }
            }
        }
    }

    fn silent(&self) -> Cut {
        self.lost("the hub was silent for too long")
    }

    fn lost(&self, problem: &str) -> Cut {
        let attempts = self.unanswered.front().map_or(0, |line| line.attempts);
        let error = unknown(attempts, Code::Unavailable, problem.to_owned());
        Cut::Lost { wait: Duration::ZERO, error }
    }
}

fn unknown(attempts: u32, code: Code, message: String) -> Error {
    Error::Unknown(Box::new(UnknownOutcome { attempts, code, message }))
}

/// Waits until a line can be sent, where there is one; for ever where there is none.
async fn room(
    sender: Option<&mpsc::Sender<EarnStreamRequest>>,
    wanted: bool,
) -> Result<(), StreamEnded> {
    match sender.filter(|_| wanted) {
        Some(sender) => sender.reserve().await.map(drop).map_err(|_| StreamEnded),
        None => std::future::pending().await,
    }
}
