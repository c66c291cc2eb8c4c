//! A channel on which every call carries a token: for the calls of this crate, and for the generated
//! clients of the contract.

use std::{
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll},
};

use http::{HeaderValue, header::AUTHORIZATION};
use tonic::{Code, Status, body::Body, transport::Channel};
use tower::Service;

use crate::token::{Assertions, Tokens};

/// A connection and, unless it was made without, the token of its calls. Clones share both.
#[derive(Clone, Debug)]
pub struct AuthorizedChannel {
    channel: Channel,
    tokens: Option<Tokens>,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;
type Answer = Pin<Box<dyn Future<Output = Result<http::Response<Body>, Failure>> + Send>>;

impl AuthorizedChannel {
    /// Calls carry a token that is got over the channel itself, by such assertions.
    #[must_use]
    pub fn new(channel: Channel, assertions: Assertions) -> Self {
        Self { channel, tokens: Some(Tokens::new(assertions)) }
    }

    /// Calls carry none, or what the caller puts there.
    #[must_use]
    pub fn bare(channel: Channel) -> Self {
        Self { channel, tokens: None }
    }

    /// The connection alone.
    #[must_use]
    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }
}

impl Service<http::Request<Body>> for AuthorizedChannel {
    type Response = http::Response<Body>;
    type Error = Failure;
    type Future = Answer;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.channel.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Answer {
        // The clone may not be ready; what was asked to be is used now.
        let clone = self.channel.clone();
        let mut ready = mem::replace(&mut self.channel, clone);
        let Some(tokens) = self.tokens.clone() else {
            let answer = ready.call(request);
            return Box::pin(async move { Ok(answer.await?) });
        };
        Box::pin(async move {
            let header = match tokens.at_hand(&ready) {
                Some(header) => header,
                None => tokens.get(ready.clone()).await?,
            };
            request.headers_mut().insert(AUTHORIZATION, header.clone());
            let response = ready.call(request).await?;
            if unauthenticated(&response) {
                tokens.forget(&header);
            }
            Ok(response)
        })
    }
}

fn unauthenticated(response: &http::Response<Body>) -> bool {
    let code = response.headers().get(Status::GRPC_STATUS).map(HeaderValue::as_bytes);
    code.is_some_and(|code| Code::from_bytes(code) == Code::Unauthenticated)
}
