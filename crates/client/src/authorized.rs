//! A channel on which every call carries a token: for the calls of this crate, and for the generated
//! clients of the contract.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use http::{HeaderValue, Request, Response, header::AUTHORIZATION};
use tonic::{Code, Status, body::Body, transport::Channel};
use tower::Service;

use crate::{
    hubs::{Failure, Hubs, Line, Unanswered, Unsent},
    token::{Assertions, Tokens},
};

/// How many connections are tried that end before a request is sent.
const ENDED: u32 = 8;

/// A way to the hubs and, unless it was made without, the tokens of its calls. Clones share both.
#[derive(Clone, Debug)]
pub struct AuthorizedChannel {
    way: Way,
    tokens: Option<Tokens>,
}

#[derive(Clone, Debug)]
enum Way {
    Hubs(Hubs),
    Given(Channel),
}

type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Failure>> + Send>>;

impl AuthorizedChannel {
    /// Calls carry a token that is got over the channel itself, by such assertions.
    #[must_use]
    pub fn new(channel: Channel, assertions: Assertions) -> Self {
        Self::bare(channel).with_tokens(assertions)
    }

    /// Calls carry none, or what the caller puts there.
    #[must_use]
    pub fn bare(channel: Channel) -> Self {
        Self { way: Way::Given(channel), tokens: None }
    }

    /// The same connections; calls carry tokens that are got by such assertions.
    #[must_use]
    pub fn with_tokens(&self, assertions: Assertions) -> Self {
        Self { way: self.way.clone(), tokens: Some(Tokens::new(assertions)) }
    }

    /// The same connections; calls carry no token, or what the caller puts there.
    #[must_use]
    pub fn without_tokens(&self) -> Self {
        Self { way: self.way.clone(), tokens: None }
    }

    pub(crate) fn over(hubs: Hubs, assertions: Option<Assertions>) -> Self {
        Self { way: Way::Hubs(hubs), tokens: assertions.map(Tokens::new) }
    }

    /// Whether a call that one hub put off may go to another at once.
    pub(crate) fn elsewhere(&self) -> bool {
        match &self.way {
            Way::Hubs(hubs) => hubs.elsewhere(),
            Way::Given(_) => false,
        }
    }

    async fn line(&self) -> Result<Line, Failure> {
        match &self.way {
            Way::Hubs(hubs) => Ok(hubs.line().await?),
            Way::Given(channel) => Ok(Line::Given(channel.clone())),
        }
    }

    async fn send(self, mut request: Request<Body>) -> Result<Response<Body>, Failure> {
        let mut ended = 0;
        loop {
            let mut line = self.line().await?;
            let header = match self.dress(&line, &mut request).await {
                Ok(header) => header,
                Err(status) if ended < ENDED && unsent(&status) => {
                    ended += 1;
                    continue;
                }
                Err(status) => return Err(status.into()),
            };
            match line.send(request).await {
                Ok(response) => {
                    if let (Some(tokens), Some(header)) = (&self.tokens, header)
                        && unauthenticated(&response)
                    {
                        tokens.forget(&header);
                    }
                    return Ok(response);
                }
                Err(Unanswered::Unsent(back, _)) if ended < ENDED => {
                    (request, ended) = (*back, ended + 1);
                }
                Err(unanswered) => return Err(unanswered.into()),
            }
        }
    }

    /// Puts the token there that goes with the connection's certificate.
    async fn dress(
        &self,
        line: &Line,
        request: &mut Request<Body>,
    ) -> Result<Option<HeaderValue>, Status> {
        let Some(tokens) = &self.tokens else { return Ok(None) };
        let header = match tokens.at_hand(line) {
            Some(header) => header,
            None => tokens.get(line.clone()).await?,
        };
        request.headers_mut().insert(AUTHORIZATION, header.clone());
        Ok(Some(header))
    }
}

impl Service<Request<Body>> for AuthorizedChannel {
    type Response = Response<Body>;
    type Error = Failure;
    type Future = Answer;

    /// A connection is chosen for each call, which waits for it.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Answer {
        Box::pin(self.clone().send(request))
    }
}

fn unauthenticated(response: &Response<Body>) -> bool {
    let code = response.headers().get(Status::GRPC_STATUS).map(HeaderValue::as_bytes);
    code.is_some_and(|code| Code::from_bytes(code) == Code::Unauthenticated)
}

fn unsent(status: &Status) -> bool {
    std::error::Error::source(status).is_some_and(crate::error::caused_by::<Unsent>)
}
