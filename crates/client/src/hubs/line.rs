//! What one call goes over: a connection, and what is learned from the answer about the connection
//! and its hub.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use entente_api::error::ErrorReason;
use entente_identity::Thumbprint;
use http::{HeaderMap, Request, Response};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use tonic::{Code, Status, body::Body, transport::Channel};
use tower::Service;

use super::{
    connection::{Connection, Failed},
    hub::Hub,
};
use crate::Refusal;

/// A way to a hub.
#[derive(Clone)]
pub(crate) enum Line {
    /// A connection of ours.
    Dialed { hub: Arc<Hub>, connection: Connection },
    /// What the caller brought.
    Given(Channel),
}

/// A failure of whatever carries requests.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Nothing of the request was sent: the connection ended before. It may be sent on another.
#[derive(Debug, thiserror::Error)]
#[error("the connection ended before the request was sent")]
pub(crate) struct Unsent(#[source] hyper::Error);

/// Why there is no answer.
pub(crate) enum Unanswered {
    /// Nothing of the request was sent.
    Unsent(Box<Request<Body>>, Unsent),
    /// All else.
    Failed(Failure),
}

/// The hub did nothing, because it does not admit the certificate any more that we showed on this
/// connection; the next one shows another.
#[derive(Debug, thiserror::Error)]
#[error("our certificate was renewed meanwhile")]
pub(crate) struct Renewed;

impl Line {
    pub(super) fn on(hub: &Arc<Hub>, connection: Connection) -> Self {
        Self::Dialed { hub: Arc::clone(hub), connection }
    }

    /// The certificate that was shown; `None` where somebody else made the connection.
    pub(crate) fn shown(&self) -> Option<Thumbprint> {
        match self {
            Self::Dialed { connection, .. } => Some(connection.shown()),
            Self::Given(_) => None,
        }
    }

    /// Sends a request.
    pub(crate) async fn send(
        &mut self,
        request: Request<Body>,
    ) -> Result<Response<Body>, Unanswered> {
        let (hub, connection) = match self {
            Self::Dialed { hub, connection } => (hub, connection),
            Self::Given(channel) => {
                let ready = std::future::poll_fn(|context| channel.poll_ready(context)).await;
                ready.map_err(Unanswered::failed)?;
                return channel.call(request).await.map_err(Unanswered::failed);
            }
        };
        let response = match connection.send(request).await {
            Ok(response) => response,
            Err(failed) => {
                hub.leave(connection);
                return Err(match failed {
                    Failed::Unsent(request, why) => Unanswered::Unsent(request, Unsent(why)),
                    Failed::Lost(why) => Unanswered::failed(why),
                });
            }
        };
        let heard = Heard { hub: Arc::clone(hub), connection: connection.clone() };
        if heard.status(response.headers()) == Verdict::Turned
            && hub.renewed_since(connection).await
        {
            return Err(Unanswered::failed(Renewed));
        }
        Ok(response.map(|body| Body::new(Listening { body, heard })))
    }
}

impl Unanswered {
    fn failed(error: impl Into<Failure>) -> Self {
        Self::Failed(error.into())
    }
}

impl From<Unanswered> for Failure {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::Unsent(_, unsent) => unsent.into(),
            Unanswered::Failed(failure) => failure,
        }
    }
}

/// Learns from the status of an answer.
struct Heard {
    hub: Arc<Hub>,
    connection: Connection,
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Fine,
    /// The certificate is not admitted any more.
    Turned,
}

impl Heard {
    fn status(&self, headers: &HeaderMap) -> Verdict {
        let code = headers.get(Status::GRPC_STATUS).map(|code| Code::from_bytes(code.as_bytes()));
        match code {
            Some(Code::Ok) => self.hub.is_well(),
            Some(Code::Unavailable) => {
                let refusal = Status::from_header_map(headers);
                let refusal = refusal.as_ref().map(Refusal::from_status);
                self.hub.is_busy(refusal.and_then(|refusal| refusal.retry_after));
            }
            Some(Code::Unauthenticated) => {
                let status = Status::from_header_map(headers);
                let reason = status.as_ref().map(|status| Refusal::from_status(status).reason);
                // A token is another matter.
                if reason == Some(ErrorReason::Unauthenticated) {
                    self.hub.leave(&self.connection);
                    return Verdict::Turned;
                }
            }
            Some(_) | None => {}
        }
        Verdict::Fine
    }
}

/// A body whose trailers are heard, too: a stream says at its end what a call says at once.
struct Listening {
    body: Incoming,
    heard: Heard,
}

impl http_body::Body for Listening {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if let Some(Ok(frame)) = &frame
            && let Some(trailers) = frame.trailers_ref()
        {
            self.heard.status(trailers);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// For the generated clients.
impl Service<Request<Body>> for Line {
    type Response = Response<Body>;
    type Error = Failure;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Failure>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let mut line = self.clone();
        Box::pin(async move { Ok(line.send(request).await?) })
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dialed { connection, .. } => connection.fmt(f),
            Self::Given(channel) => channel.fmt(f),
        }
    }
}
