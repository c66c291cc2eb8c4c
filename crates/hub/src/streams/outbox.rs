//! What a stream has to send, and whether anybody reads it.
//!
//! The [`Outbox`] is the sending task's, the [`Inbox`] is what the RPC answers. Between them wait a
//! few messages at most: a client that does not read stops the sender, and after a while ends it.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures::{FutureExt, Stream};
use tokio::sync::{mpsc, oneshot};
use tonic::Status;

use super::Place;
use crate::error::{Refused, RpcError};

/// How many messages wait to be read, beside what HTTP/2 has taken.
pub(super) const WAITING: usize = 16;

/// Where a task puts what is to be sent.
#[derive(Debug)]
pub struct Outbox<T> {
    messages: mpsc::Sender<T>,
    end: oneshot::Sender<Result<(), Status>>,
    unread: Duration,
}

/// What is to be sent, as tonic sends it. It keeps the stream's place.
#[derive(Debug)]
pub struct Inbox<T> {
    messages: mpsc::Receiver<T>,
    end: Option<oneshot::Receiver<Result<(), Status>>>,
    _place: Place,
}

/// Why a message could not be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stalled {
    /// Nobody has read for too long.
    Unread,
    /// The client is gone.
    Gone,
}

pub(super) fn outbox<T>(unread: Duration, place: Place) -> (Outbox<T>, Inbox<T>) {
    let (sender, messages) = mpsc::channel(WAITING);
    let (end, ended) = oneshot::channel();
    let inbox = Inbox { messages, end: Some(ended), _place: place };
    (Outbox { messages: sender, end, unread }, inbox)
}

impl<T> Outbox<T> {
    /// How many messages wait to be read at most.
    #[must_use]
    pub const fn waiting() -> usize {
        WAITING
    }

    /// Sends a message, as soon as there is room.
    pub async fn send(&self, message: T) -> Result<(), Stalled> {
        let message = match self.messages.try_send(message) {
            Ok(()) => return Ok(()),
            Err(mpsc::error::TrySendError::Closed(_)) => return Err(Stalled::Gone),
            Err(mpsc::error::TrySendError::Full(message)) => message,
        };
        match tokio::time::timeout(self.unread, self.messages.send(message)).await {
            Ok(sent) => sent.map_err(|_| Stalled::Gone),
            Err(_) => Err(Stalled::Unread),
        }
    }

    /// Waits until the client is gone.
    pub async fn gone(&self) {
        self.messages.closed().await;
    }

    /// Ends the stream by an error, after what was sent.
    pub fn fail(self, error: RpcError) {
        // The client may be gone.
        let _ = self.end.send(Err(error.into()));
    }

    /// Ends the stream, after what was sent.
    pub fn end(self, how: Result<(), Refused>) {
        // The client may be gone.
        let _ = self.end.send(how.map_err(|refused| Status::from(&refused)));
    }
}

impl<T> Stream for Inbox<T> {
    type Item = Result<T, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(message) = ready!(self.messages.poll_recv(context)) {
            return Poll::Ready(Some(Ok(message)));
        }
        let Some(end) = &mut self.end else { return Poll::Ready(None) };
        // A task that ended without a word has failed: the client must not take it for a good end.
        let ended = ready!(end.poll_unpin(context));
        let ended = ended.unwrap_or_else(|_| Err(RpcError::fault("a stream's task failed").into()));
        self.end = None;
        Poll::Ready(ended.err().map(Err))
    }
}

#[cfg(test)]
mod tests {
    use entente_ledger::PartnerId;
    use futures::StreamExt;
    use tonic::Code;

    use super::*;
    use crate::streams::Places;

    const UNREAD: Duration = Duration::from_mins(1);

    fn pair() -> (Outbox<u32>, Inbox<u32>) {
        outbox(UNREAD, Places::new(1).take(PartnerId(1)).expect("a place"))
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_reads_stalls_and_what_is_read_late_does_not() {
        let (outbox, mut inbox) = pair();
        for number in 0..u32::try_from(WAITING).expect("a few") {
            outbox.send(number).await.expect("there is room");
        }
        let late = async {
            tokio::time::sleep(Duration::from_secs(59)).await;
            inbox.next().await
        };
        let (sent, read) = tokio::join!(outbox.send(99), late);
        assert_eq!((sent, read.map(Result::ok)), (Ok(()), Some(Some(0))));
        assert_eq!(outbox.send(100).await, Err(Stalled::Unread));
        outbox.end(Err(Refused::stream_unread()));
        let rest: Vec<_> = inbox.collect().await;
        assert_eq!(rest.len(), WAITING + 1, "what was sent comes before the end");
        let end = rest.last().expect("an end").as_ref().expect_err("an error");
        assert_eq!(end.code(), Code::ResourceExhausted);
    }

    #[tokio::test]
    async fn an_end_is_told_once_and_a_lost_task_is_a_fault() {
        let (outbox, mut inbox) = pair();
        outbox.send(1).await.expect("there is room");
        outbox.end(Ok(()));
        assert!(matches!(inbox.next().await, Some(Ok(1))));
        assert!(inbox.next().await.is_none());
        assert!(inbox.next().await.is_none());

        let (outbox, mut inbox) = pair();
        drop(outbox);
        let fault = inbox.next().await.expect("an error").expect_err("an error");
        assert_eq!(fault.code(), Code::Internal);
        assert!(inbox.next().await.is_none());
    }

    #[tokio::test]
    async fn a_client_that_is_gone_is_noticed() {
        let (outbox, inbox) = pair();
        drop(inbox);
        outbox.gone().await;
        assert_eq!(outbox.send(1).await, Err(Stalled::Gone));
    }
}
