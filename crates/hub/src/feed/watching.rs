//! One stream of a partner's events. It reads page after page, sends them as fast as they are taken,
//! rests when all is read until a head moves, and shows now and then that it lives.

use std::{sync::Arc, time::Duration};

use entente_api::event::{Heartbeat, WatchResponse, watch_response::What};
use entente_ledger::PartnerId;
use tokio::time::{Instant, sleep_until};
use tonic::Status;

use super::{Cursor, Feed, Kinds};
use crate::{
    error::{Refused, RpcError},
    page_token::{Binding, PageTokens},
    streams::{Ending, Outbox, Stalled},
};
use entente_api::error::ErrorReason;

/// How long to wait for more when a head has moved, so that a busy ledger is read in pages.
const GATHER: Duration = Duration::from_millis(20);

/// A stream of a partner's events.
#[derive(Debug)]
pub(crate) struct Watching {
    pub(crate) feed: Feed,
    pub(crate) partner: PartnerId,
    pub(crate) kinds: Kinds,
    pub(crate) cursor: Cursor,
    pub(crate) page_tokens: Arc<PageTokens>,
    pub(crate) binding: Binding,
    pub(crate) heartbeat: Duration,
}

/// Why a stream does not go on.
enum Stopped {
    Stalled(Stalled),
    Failed(RpcError),
}

impl Watching {
    /// Sends until the stream has to end.
    pub(crate) async fn run(mut self, outbox: Outbox<WatchResponse>, ending: Ending) {
        metrics::gauge!("entente_watches").increment(1.0);
        let why = tokio::select! {
            biased;
            why = ending.reached() => Some(why),
            () = outbox.gone() => None,
            stopped = self.send_all(&outbox) => refused(stopped),
        };
        metrics::gauge!("entente_watches").decrement(1.0);
        if let Some(why) = why {
            outbox.end(Err(why));
        }
    }

    async fn send_all(&mut self, outbox: &Outbox<WatchResponse>) -> Stopped {
        match self.go_on(outbox).await {
            Ok(never) => match never {},
            Err(stopped) => stopped,
        }
    }

    async fn go_on(
        &mut self,
        outbox: &Outbox<WatchResponse>,
    ) -> Result<std::convert::Infallible, Stopped> {
        let mut heads = self.feed.follow();
        let (mut next_beat, mut caught_up) = self.beat(outbox).await?;
        loop {
            // Marked as seen before the page is read: what moves meanwhile is looked at again.
            heads.borrow_and_update();
            let page = self.feed.page(self.partner, &self.kinds, &self.cursor).await;
            let mut page = page.map_err(Stopped::Failed)?;
            while let Some((_, event)) = page.take() {
                let token = self.page_tokens.seal(&self.binding, &page.cursor().stored());
                let response =
                    WatchResponse { what: Some(What::Event(event)), resume_token: token };
                outbox.send(response).await.map_err(Stopped::Stalled)?;
                metrics::counter!("entente_events_sent_total").increment(1);
            }
            self.cursor.clone_from(page.cursor());
            // Who was told that the stream lags is told at once when it does not any more.
            let catches_up = !caught_up && self.feed.is_caught_up(&self.cursor);
            if catches_up || next_beat <= Instant::now() {
                (next_beat, caught_up) = self.beat(outbox).await?;
            }
            if self.feed.is_caught_up(&self.cursor) {
                tokio::select! {
                    // The feed keeps the sender.
                    _ = heads.changed() => tokio::time::sleep(GATHER).await,
                    () = sleep_until(next_beat) => {}
                }
            }
        }
    }

    /// Says how far the stream is; answers when to say it again, and whether it has caught up.
    async fn beat(&self, outbox: &Outbox<WatchResponse>) -> Result<(Instant, bool), Stopped> {
        let behind = self.feed.behind(self.partner, &self.cursor).await;
        let behind = behind.map_err(Stopped::Failed)?;
        let heartbeat = match behind {
            None => Heartbeat { caught_up: true, behind: 0, lag: None },
            Some((count, lag)) => Heartbeat {
                caught_up: false,
                behind: count,
                lag: Some(prost_types::Duration { seconds: lag.as_secs(), nanos: 0 }),
            },
        };
        let caught_up = heartbeat.caught_up;
        let resume_token = self.page_tokens.seal(&self.binding, &self.cursor.stored());
        let response = WatchResponse { what: Some(What::Heartbeat(heartbeat)), resume_token };
        outbox.send(response).await.map_err(Stopped::Stalled)?;
        Ok((Instant::now() + self.heartbeat, caught_up))
    }
}

/// What the client is told; nothing when it is gone.
fn refused(stopped: Stopped) -> Option<Refused> {
    match stopped {
        Stopped::Stalled(Stalled::Gone) => None,
        Stopped::Stalled(Stalled::Unread) => Some(Refused::stream_unread()),
        Stopped::Failed(RpcError::Refused(refused)) => Some(refused),
        Stopped::Failed(fault) => {
            // The conversion logs it under an id, which is all that leaves the hub.
            let status = Status::from(fault);
            Some(Refused::new(ErrorReason::Internal, status.message()))
        }
    }
}
