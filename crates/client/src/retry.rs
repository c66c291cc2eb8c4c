//! Sending one request until its outcome is known: the same message, a bounded number of times,
//! inside one deadline.
//!
//! Everything may be sent again: by the contract a write has one effect per request id, and the
//! other calls have none, or the same again.

use std::error::Error as StdError;
use std::time::Duration;

use entente_api::error::ErrorReason;
use rand::{RngExt as _, rngs::StdRng};
use tokio::time::{Instant, sleep, timeout};
use tonic::{Code, ConnectError, Request, Response, Status};

use crate::error::{Error, TransportError, UnknownOutcome, caused_by, chain};
use crate::{Refusal, Retry};

/// How much longer than its deadline an attempt is waited for, so that the hub's own answer to a
/// passed deadline can arrive.
const GRACE: Duration = Duration::from_millis(250);

/// What one failed attempt means.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The hub's answer, which does not change.
    Final(Refusal),
    /// The hub did not take the token; the next attempt brings another.
    Stale(Refusal),
    /// The hub did nothing, and says that the same id may be sent again.
    NotDone(Refusal),
    /// No connection.
    NotSent(String),
    /// The connection was refused for good, by a TLS alert.
    Shut(String),
    /// Anything may have happened; another attempt may tell.
    Lost(Code, String),
    /// Anything may have happened, and another attempt would not help now.
    Broken(Code, String),
}

/// Sends `message` by `send` until something final is known.
pub(crate) async fn call<Q, A, F>(
    endpoint: &str,
    retry: Retry,
    message: Q,
    mut send: impl FnMut(Request<Q>) -> F,
) -> Result<A, Error>
where
    Q: Clone,
    F: Future<Output = Result<Response<A>, Status>>,
{
    let end = Instant::now() + retry.deadline;
    let mut attempts: u32 = 0;
    // Whether some attempt may have been carried out, and whether a token was not taken before.
    let (mut doubt, mut stale) = (false, false);
    loop {
        attempts += 1;
        let left = end.saturating_duration_since(Instant::now());
        let deadline = retry.attempt_deadline.min(left);
        let mut request = Request::new(message.clone());
        request.set_timeout(deadline);
        let failure = match within(deadline, send(request)).await {
            Ok(answer) => return Ok(answer.into_inner()),
            Err(status) => classify(&status),
        };
        if matches!(failure, Failure::Stale(_)) && !stale {
            // Nothing was done, and it does not count. Again, the certificate may have been renewed
            // once more meanwhile; that counts, so that it ends.
            stale = true;
            attempts -= 1;
            continue;
        }
        doubt |= matches!(failure, Failure::Lost(..) | Failure::Broken(..));
        let wait = wait(&retry, attempts, &failure);
        let fits = wait.is_some_and(|wait| Instant::now() + wait < end);
        match wait {
            Some(wait) if fits && attempts < retry.attempts => {
                tracing::debug!(attempts, ?wait, ?failure, "sending the same request again");
                sleep(wait).await;
            }
            _ => return Err(outcome(endpoint, failure, attempts, doubt)),
        }
    }
}

async fn within<A>(
    deadline: Duration,
    answer: impl Future<Output = Result<A, Status>>,
) -> Result<A, Status> {
    let late = |_| Err(Status::deadline_exceeded("no answer within the deadline"));
    timeout(deadline + GRACE, answer).await.unwrap_or_else(late)
}

pub(crate) fn classify(status: &Status) -> Failure {
    let refusal = Refusal::from_status(status);
    match refusal.reason {
        ErrorReason::Overloaded
        | ErrorReason::ShuttingDown
        | ErrorReason::TooManyStreams
        | ErrorReason::StreamUnread => Failure::NotDone(refusal),
        ErrorReason::TokenExpired | ErrorReason::TokenRefused => Failure::Stale(refusal),
        ErrorReason::DeadlinePassed => Failure::Lost(refusal.code, refusal.message),
        ErrorReason::Internal => Failure::Broken(refusal.code, refusal.message),
        ErrorReason::Unspecified => unexplained(status, refusal),
        _ => Failure::Final(refusal),
    }
}

/// A status that no hub explained: our own transport's, a proxy's, or another server's.
fn unexplained(status: &Status, refusal: Refusal) -> Failure {
    let source = status.source();
    let cause = source.map_or_else(|| status.message().to_owned(), chain);
    if source.is_some_and(alert) {
        return Failure::Shut(cause);
    }
    if source.is_some_and(caused_by::<ConnectError>) {
        return Failure::NotSent(cause);
    }
    match status.code() {
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled => {
            Failure::Lost(status.code(), cause)
        }
        code @ (Code::Unknown | Code::Internal) if source.is_some() => Failure::Lost(code, cause),
        code @ (Code::Unknown | Code::Internal | Code::DataLoss | Code::Aborted) => {
            Failure::Broken(code, cause)
        }
        _ => Failure::Final(refusal),
    }
}

/// Whether the hub ended the handshake because of our certificate. In TLS 1.3 that is learned only
/// with the first answer.
fn alert(error: &(dyn StdError + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        let tls = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        let tls = tls.and_then(|inner| inner.downcast_ref::<rustls::Error>());
        if matches!(tls, Some(rustls::Error::AlertReceived(_))) {
            return true;
        }
        next = error.source();
    }
    false
}

/// How long to wait before the next attempt; `None` when it would be of no use.
fn wait(retry: &Retry, attempts: u32, failure: &Failure) -> Option<Duration> {
    let asked = match failure {
        Failure::Final(_) | Failure::Shut(_) | Failure::Broken(..) => return None,
        Failure::NotDone(refusal) => refusal.retry_after.unwrap_or_default(),
        Failure::Stale(_) | Failure::NotSent(_) | Failure::Lost(..) => Duration::ZERO,
    };
    Some(backoff(retry, attempts).max(asked))
}

/// A wait that doubles with each attempt, up to the longest, and that is never the same for all.
pub(crate) fn backoff(retry: &Retry, attempts: u32) -> Duration {
    let doubled = 2_u32.saturating_pow(attempts.saturating_sub(1));
    let jitter = rand::make_rng::<StdRng>().random_range(0.5..1.0);
    retry.first_wait.saturating_mul(doubled).min(retry.longest_wait).mul_f64(jitter)
}

/// What the last failure means for the call as a whole.
fn outcome(endpoint: &str, failure: Failure, attempts: u32, doubt: bool) -> Error {
    let unknown =
        |code, message| Error::Unknown(Box::new(UnknownOutcome { attempts, code, message }));
    match failure {
        Failure::NotDone(refusal) | Failure::Stale(refusal) if doubt => {
            unknown(refusal.code, refusal.message)
        }
        // A final answer to this id holds for every attempt before it.
        Failure::Final(refusal) | Failure::NotDone(refusal) | Failure::Stale(refusal) => {
            Error::Refused(Box::new(refusal))
        }
        Failure::NotSent(problem) | Failure::Shut(problem) if doubt => {
            unknown(Code::Unavailable, problem)
        }
        Failure::NotSent(problem) | Failure::Shut(problem) => {
            Error::Transport(TransportError { endpoint: endpoint.to_owned(), problem })
        }
        Failure::Lost(code, message) | Failure::Broken(code, message) => unknown(code, message),
    }
}
