//! Earns in a stream that resumes by itself: a sink for lines, and their outcomes in order.
//!
//! Lines without an outcome are kept and, after the connection is lost, sent again with the same
//! request ids: by the contract, each has one effect.

mod courier;

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use entente_api::points::{EarnRequest, EarnResponse};
use futures::Stream;
use tokio::sync::mpsc;

use crate::{Client, Error, Retry};
use courier::{Courier, Line};

/// Lines or outcomes that wait between the caller and the task that carries them.
const WAITING: usize = 64;

/// How a stream goes on after its connection is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resume {
    /// How many lines have no outcome at most; 1,024 is what a hub reads.
    pub unanswered: usize,
    /// The wait before the first new attempt, which doubles with each further one.
    pub first_wait: Duration,
    /// The longest wait that is chosen here; the hub may ask for a longer one.
    pub longest_wait: Duration,
    /// How long no line may have an outcome though lines wait, before the connection is given up
    /// for a new one. The hub answers a line within its deadline, which is 5 s.
    pub silence: Duration,
    /// How long no line may have an outcome before the stream is given up.
    pub patience: Duration,
    /// How often a line is sent that the hub asks to send again.
    pub line_attempts: u32,
}

/// Takes lines. Dropping it says that there are no more.
#[derive(Debug)]
pub struct EarnSink {
    lines: mpsc::Sender<Line>,
    last: i64,
}

/// The outcomes of lines, each once, in the order in which the lines were sent.
#[derive(Debug)]
pub struct EarnOutcomes(mpsc::Receiver<Result<EarnOutcome, Error>>);

/// What became of a line.
#[derive(Debug)]
pub struct EarnOutcome {
    /// The number that [`EarnSink::send`] gave the line.
    pub sequence: i64,
    /// The line's request id.
    pub request_id: String,
    /// The earn, or why there is none: `Refused`, or `Unknown` after as many attempts as a line
    /// has. `replayed` is also true where the first answer was lost with its connection.
    pub result: Result<EarnResponse, Error>,
}

/// The stream was given up, as its outcomes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stream has ended; its outcomes say why")]
pub struct StreamEnded;

impl Client {
    /// Opens a stream of earns. It connects with the first line, and again whenever its connection
    /// is lost.
    ///
    /// Send and read at the same time: so many lines have no outcome at most, then
    /// [`EarnSink::send`] waits. Dropping the outcomes ends the stream; lines that were sent may be
    /// posted or not.
    #[must_use]
    pub fn earn_stream(&self, resume: Resume) -> (EarnSink, EarnOutcomes) {
        let (lines, sent) = mpsc::channel(WAITING);
        let (answered, outcomes) = mpsc::channel(WAITING);
        let courier = Courier::new(self.clone(), resume, sent, answered);
        tokio::spawn(courier.run());
        (EarnSink { lines, last: 0 }, EarnOutcomes(outcomes))
    }
}

impl EarnSink {
    /// Sends a line, as soon as there is room, and answers its number: 1, 2, 3 and so on.
    ///
    /// # Errors
    /// When the stream was given up.
    pub async fn send(&mut self, earn: EarnRequest) -> Result<i64, StreamEnded> {
        let sequence = self.last + 1;
        self.lines.send(Line::new(sequence, earn)).await.map_err(|_| StreamEnded)?;
        self.last = sequence;
        Ok(sequence)
    }

    /// Says that there are no more lines.
    pub fn finish(self) {}
}

impl EarnOutcomes {
    /// The next outcome; `None` when every line has had its own.
    ///
    /// # Errors
    /// When the stream is given up: `Transport` when no hub answered, `Refused` when it wants none
    /// of us, `Unknown` otherwise. Lines without an outcome may be sent again with the same ids.
    pub async fn next(&mut self) -> Result<Option<EarnOutcome>, Error> {
        self.0.recv().await.transpose()
    }
}

impl Stream for EarnOutcomes {
    type Item = Result<EarnOutcome, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}

impl Resume {
    /// The waits alone, as every retry has them.
    fn waits(&self) -> Retry {
        let Self { first_wait, longest_wait, .. } = *self;
        Retry { first_wait, longest_wait, ..Retry::default() }
    }
}

impl Default for Resume {
    fn default() -> Self {
        Self {
            unanswered: 1_024,
            first_wait: Duration::from_millis(50),
            longest_wait: Duration::from_secs(2),
            silence: Duration::from_secs(15),
            patience: Duration::from_mins(2),
            line_attempts: 6,
        }
    }
}
