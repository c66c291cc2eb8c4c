//! What is sent and received: requests of bounded size, and errors that always carry a reason.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::{body::Body, extract::Request, response::Response};
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};
use tonic::{Code, Status};

use crate::{
    authorization::{self, Shape},
    config::Limits,
    error::Refused,
};

/// The length and the compression flag before each message.
const PREFIX_BYTES: usize = 5;

/// An answer that is a refusal alone.
pub(crate) fn answer(refused: &Refused) -> Response {
    Status::from(refused).into_http()
}

/// Bounds what a request may send, unless requests stream, whose messages are bounded where they
/// are decoded; and gives a reason to errors that come from the framework: it
/// found a message too large or unreadable, and knows nothing of our reasons.
pub(crate) async fn dress(
    limits: &Limits,
    request: Request,
    next: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let ours = request.uri().path().starts_with("/entente.");
    let streams = authorization::row(request.uri().path());
    let streams = streams.is_some_and(|row| row.shape == Shape::Duplex);
    let left = limits.max_message_bytes + PREFIX_BYTES;
    let request =
        if streams { request } else { request.map(|body| Body::new(Bounded { body, left })) };
    let response = next(request).await;
    if ours && is_bare(response.headers()) { answer(&unreadable(limits)) } else { response }
}

fn unreadable(limits: &Limits) -> Refused {
    let bytes = limits.max_message_bytes;
    let message = format!("the message is unreadable, or longer than {bytes} bytes");
    Refused::new(entente_api::error::ErrorReason::Malformed, message)
}

/// Whether these are the headers of an error of the framework about what it received.
fn is_bare(headers: &HeaderMap) -> bool {
    let code = headers.get(Status::GRPC_STATUS).map(|code| Code::from_bytes(code.as_bytes()));
    let about_the_message = matches!(
        code,
        Some(Code::Internal | Code::OutOfRange | Code::ResourceExhausted | Code::Unknown)
    );
    about_the_message && !headers.contains_key(Status::GRPC_STATUS_DETAILS)
}

/// A body that fails beyond its limit.
struct Bounded {
    body: Body,
    left: usize,
}

#[derive(Debug, thiserror::Error)]
#[error("the request is too long")]
struct TooLong;

impl http_body::Body for Bounded {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        let frame = match ready!(Pin::new(&mut self.body).poll_frame(context)) {
            None => return Poll::Ready(None),
            Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
            Some(Ok(frame)) => frame,
        };
        let length = frame.data_ref().map_or(0, Bytes::len);
        let Some(left) = self.left.checked_sub(length) else {
            return Poll::Ready(Some(Err(TooLong.into())));
        };
        self.left = left;
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A body that keeps something until it is sent or dropped.
pub(crate) struct Keeping<T> {
    body: Body,
    _kept: T,
}

impl<T: Send + Unpin + 'static> Keeping<T> {
    pub(crate) fn body(body: Body, kept: T) -> Body {
        Body::new(Self { body, _kept: kept })
    }
}

impl<T: Unpin> http_body::Body for Keeping<T> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
