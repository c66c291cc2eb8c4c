//! One HTTP/2 connection to one hub.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use entente_identity::Thumbprint;
use http::{
    HeaderValue, Request, Response, Uri,
    header::{CONTENT_TYPE, TE, USER_AGENT},
    uri::{Authority, Scheme},
};
use hyper::{
    body::Incoming,
    client::conn::http2::{Builder, SendRequest},
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::watch,
};
use tonic::body::Body;

use super::{
    Unreachable,
    alert::{Alert, Alerted},
};
use crate::error::chain;

/// How often a silent connection is asked whether it is alive, and how long it may take to answer.
const KEEP_ALIVE: (Duration, Duration) = (Duration::from_secs(20), Duration::from_secs(10));

/// How long is waited for the reason of a connection's end.
const REASON: Duration = Duration::from_secs(1);

/// What every hub answers, with or without a token.
const HEALTH: &str = "/grpc.health.v1.Health/Check";

/// An empty message, uncompressed.
const EMPTY: Bytes = Bytes::from_static(&[0; 5]);

/// Clones share the connection, which ends once all are dropped and their answers have come.
#[derive(Clone)]
pub(crate) struct Connection(Arc<Inner>);

struct Inner {
    sender: SendRequest<Body>,
    authority: Authority,
    shown: Thumbprint,
    edition: u64,
    /// What the hub says of our certificate, once it does.
    alert: Alert,
    /// Whether it has ended.
    ended: watch::Receiver<bool>,
}

/// What became of a request that has no answer.
pub(crate) enum Failed {
    /// Nothing of it was sent.
    Unsent(Box<Request<Body>>, hyper::Error),
    /// Anything may have happened.
    Lost(hyper::Error),
}

impl Connection {
    /// HTTP/2 over a stream that is secured, on which a certificate was shown.
    pub(super) async fn over<S>(
        stream: S,
        authority: Authority,
        shown: Thumbprint,
        edition: u64,
    ) -> Result<Self, Unreachable>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (interval, timeout) = KEEP_ALIVE;
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .keep_alive_interval(interval)
            .keep_alive_timeout(timeout)
            .keep_alive_while_idle(true);
        let alert = Alert::default();
        let stream = TokioIo::new(Alerted::new(stream, Arc::clone(&alert)));
        let (sender, driver) = builder.handshake(stream).await.map_err(|error| away(&error))?;
        let (end, ended) = watch::channel(false);
        tokio::spawn(async move {
            if let Err(error) = driver.await {
                tracing::debug!(error = chain(&error), "a connection to a hub ended");
            }
            end.send_replace(true);
        });
        Ok(Self(Arc::new(Inner { sender, authority, shown, edition, alert, ended })))
    }

    /// Waits for the hub's first answer, whatever it is.
    pub(super) async fn prove(&self) -> Result<(), Unreachable> {
        let mut request = Request::post(HEALTH).body(Body::new(Once(Some(EMPTY))));
        if let Ok(request) = &mut request {
            let headers = request.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
            headers.insert(TE, HeaderValue::from_static("trailers"));
        }
        let Ok(request) = request else { return Ok(()) };
        let error = match self.send(request).await {
            Ok(_) => return Ok(()),
            Err(Failed::Unsent(_, error) | Failed::Lost(error)) => error,
        };
        // Who finds out first, the request or the connection, is chance.
        let mut ended = self.0.ended.clone();
        drop(tokio::time::timeout(REASON, ended.wait_for(|ended| *ended)).await);
        Err(match self.0.alert.get() {
            Some(said) => Unreachable::Shut(said.clone()),
            None => away(&error),
        })
    }

    /// Sends a request.
    pub(super) async fn send(
        &self,
        mut request: Request<Body>,
    ) -> Result<Response<Incoming>, Failed> {
        let mut uri = std::mem::take(request.uri_mut()).into_parts();
        (uri.scheme, uri.authority) = (Some(Scheme::HTTPS), Some(self.0.authority.clone()));
        *request.uri_mut() = Uri::from_parts(uri).unwrap_or_default();
        let agent = HeaderValue::from_static(concat!("entente/", env!("CARGO_PKG_VERSION")));
        request.headers_mut().insert(USER_AGENT, agent);
        let mut sender = self.0.sender.clone();
        sender.try_send_request(request).await.map_err(|mut failed| match failed.take_message() {
            Some(request) => Failed::Unsent(Box::new(request), failed.into_error()),
            None => Failed::Lost(failed.into_error()),
        })
    }

    /// Whether it can take requests.
    pub(super) fn is_open(&self) -> bool {
        !self.0.sender.is_closed()
    }

    /// The certificate that we showed on it.
    pub(super) fn shown(&self) -> Thumbprint {
        self.0.shown
    }

    /// Of which edition of our files.
    pub(super) fn edition(&self) -> u64 {
        self.0.edition
    }

    /// Whether both are the same connection.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

fn away(error: &hyper::Error) -> Unreachable {
    Unreachable::Away(chain(error))
}

/// A body of one frame.
struct Once(Option<Bytes>);

impl http_body::Body for Once {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        std::task::Poll::Ready(self.0.take().map(|bytes| Ok(http_body::Frame::data(bytes))))
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { authority, shown, .. } = &*self.0;
        f.debug_struct("Connection").field("authority", authority).field("shown", shown).finish()
    }
}
