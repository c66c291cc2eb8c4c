//! Watching: a partner's events as one stream, which resumes by itself where it was cut.

use std::time::Duration;

use entente_api::{
    error::ErrorReason,
    event::{
        Event, Heartbeat, WatchRequest, WatchResponse, event_service_client::EventServiceClient,
        watch_request::Start, watch_response::What,
    },
};
use tokio::time::{sleep, timeout};
use tonic::{Code, Status, Streaming};

use crate::error::{Error, UnknownOutcome};
use crate::retry::{backoff, call};
use crate::{Client, Refusal};

/// How long a stream may be silent: several times a hub's heartbeat.
const SILENCE: Duration = Duration::from_mins(1);

/// A partner's events. Each comes at least once: where the stream was resumed, drop ids that you
/// have seen.
#[derive(Debug)]
pub struct Watch {
    client: Client,
    request: WatchRequest,
    stream: Option<Streaming<WatchResponse>>,
    /// Streams that ended or could not be opened since the last message.
    failures: u32,
}

/// What a stream brings.
#[derive(Clone, Debug, PartialEq)]
pub enum Watched {
    /// Something happened.
    Event(Box<Event>),
    /// The stream lives, and is so far.
    Heartbeat(Heartbeat),
}

impl Client {
    /// Opens the stream of the caller's events. From then on it resumes by itself.
    ///
    /// # Errors
    /// As a call has: what is wrong with the request or the connection shows at once.
    pub async fn watch(&self, request: WatchRequest) -> Result<Watch, Error> {
        let client = self.clone();
        let mut watch = Watch { client, request, stream: None, failures: 0 };
        watch.stream = Some(watch.open().await?);
        Ok(watch)
    }
}

impl Watch {
    /// The next event or sign of life. A stream that is cut, that the hub ends, or that is silent
    /// for too long is opened again where it was, for as long as it takes. May be dropped while it
    /// waits: nothing is lost.
    ///
    /// # Errors
    /// What another attempt does not cure, such as a certificate that is not accepted any more.
    pub async fn next(&mut self) -> Result<Watched, Error> {
        loop {
            let Some(stream) = &mut self.stream else {
                self.resume().await?;
                continue;
            };
            let message = match timeout(SILENCE, stream.message()).await {
                Ok(message) => message,
                Err(_) => Err(Status::deadline_exceeded("the stream was silent for too long")),
            };
            match message {
                Ok(Some(response)) => {
                    self.failures = 0;
                    self.request.start = Some(Start::ResumeToken(response.resume_token));
                    match response.what {
                        Some(What::Event(event)) => return Ok(Watched::Event(Box::new(event))),
                        Some(What::Heartbeat(beat)) => return Ok(Watched::Heartbeat(beat)),
                        // Something that a newer hub says.
                        None => {}
                    }
                }
                Ok(None) => self.stream = None,
                Err(status) => {
                    self.stream = None;
                    cured_by_resuming(&status)?;
                }
            }
        }
    }

    /// Where to go on after what [`Watch::next`] answered last: keep it once that is dealt with.
    /// `None` before the first answer.
    #[must_use]
    pub fn resume_token(&self) -> Option<&str> {
        match &self.request.start {
            Some(Start::ResumeToken(token)) => Some(token),
            Some(Start::FromTime(_)) | None => None,
        }
    }

    /// Waits a little, longer after each failure, and opens the stream again.
    async fn resume(&mut self) -> Result<(), Error> {
        self.failures = self.failures.saturating_add(1);
        sleep(backoff(&self.client.retry, self.failures)).await;
        match self.open().await {
            Ok(stream) => self.stream = Some(stream),
            Err(Error::Refused(refusal)) if !is_passing(&refusal) => {
                return Err(Error::Refused(refusal));
            }
            Err(Error::Transport(error)) if error.not_admitted => {
                return Err(Error::Transport(error));
            }
            Err(Error::Options(error)) => return Err(Error::Options(error)),
            Err(error) => tracing::debug!(%error, "a stream of events cannot be resumed yet"),
        }
        Ok(())
    }

    async fn open(&self) -> Result<Streaming<WatchResponse>, Error> {
        let service = EventServiceClient::new(self.client.channel.clone());
        let send = move |request| {
            let mut service = service.clone();
            async move { service.watch(request).await }
        };
        call(&self.client, self.client.retry, self.request.clone(), send).await
    }
}

/// The end of a stream: whether to go on, or what to tell.
fn cured_by_resuming(status: &Status) -> Result<(), Error> {
    let refusal = Refusal::from_status(status);
    match refusal.reason {
        // Cut by whatever lies between, or by our own transport.
        ErrorReason::Unspecified => match status.code() {
            Code::Unauthenticated | Code::PermissionDenied | Code::Unimplemented => {
                let (code, message) = (status.code(), status.message().to_owned());
                Err(Error::Unknown(Box::new(UnknownOutcome { attempts: 1, code, message })))
            }
            _ => Ok(()),
        },
        // The certificate was revoked under the stream, or has ended: perhaps there is another by now,
        // which opening the stream again will tell.
        ErrorReason::Unauthenticated => Ok(()),
        _ if is_passing(&refusal) => Ok(()),
        _ => Err(Error::Refused(Box::new(refusal))),
    }
}

/// Whether the hub may soon answer otherwise.
fn is_passing(refusal: &Refusal) -> bool {
    matches!(
        refusal.reason,
        ErrorReason::ShuttingDown
            | ErrorReason::Overloaded
            | ErrorReason::ClocksApart
            | ErrorReason::TooManyStreams
            | ErrorReason::StreamUnread
            | ErrorReason::DeadlinePassed
            | ErrorReason::TokenExpired
            | ErrorReason::TokenRefused
            | ErrorReason::Internal
    )
}
