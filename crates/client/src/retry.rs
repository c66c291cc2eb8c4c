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

use crate::error::{Error, TransportError, UnknownOutcome, cause_of, caused_by, chain};
use crate::hubs::{Renewed, Unreachable, Unsent};
use crate::{Client, Refusal, Retry};

/// How much longer than its deadline an attempt is waited for, so that the hub's own answer to a
/// passed deadline can arrive.
const GRACE: Duration = Duration::from_millis(250);

/// How often an attempt is not counted because its connection was of no use.
const FREE: u32 = 16;

/// What one failed attempt means.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The hub's answer, which does not change.
    Final(Refusal),
    /// The hub did not take the token; the next attempt brings another.
    Stale(Refusal),
    /// The connection was of no use, and nothing was done; the next attempt has another.
    Again(String),
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
    client: &Client,
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
    let (mut doubt, mut stale, mut free) = (false, false, 0);
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
        if matches!(failure, Failure::Again(_)) && free < FREE {
            free += 1;
            attempts -= 1;
            continue;
        }
        doubt |= matches!(failure, Failure::Lost(..) | Failure::Broken(..));
        let wait = wait(&retry, attempts, &failure, client.channel.elsewhere());
        let fits = wait.is_some_and(|wait| Instant::now() + wait < end);
        match wait {
            Some(wait) if fits && attempts < retry.attempts => {
                tracing::debug!(attempts, ?wait, ?failure, "sending the same request again");
                sleep(wait).await;
            }
            _ => return Err(outcome(&client.endpoint, failure, attempts, doubt)),
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
        | ErrorReason::ClocksApart
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
    if let Some(unreachable) = source.and_then(cause_of::<Unreachable>) {
        return match unreachable {
            Unreachable::Away(why) | Unreachable::Distrusted(why) => Failure::NotSent(why.clone()),
            Unreachable::Shut(why) => Failure::Shut(why.clone()),
        };
    }
    if source.is_some_and(caused_by::<Renewed>) || source.is_some_and(caused_by::<Unsent>) {
        return Failure::Again(cause);
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

/// How long to wait before the next attempt; `None` when it would be of no use. What one hub asks
/// for is not asked of another.
fn wait(retry: &Retry, attempts: u32, failure: &Failure, elsewhere: bool) -> Option<Duration> {
    let asked = match failure {
        Failure::Final(_) | Failure::Shut(_) | Failure::Broken(..) => return None,
        Failure::NotDone(_) if elsewhere => Duration::ZERO,
        Failure::NotDone(refusal) => refusal.retry_after.unwrap_or_default(),
        Failure::Stale(_) | Failure::Again(_) | Failure::NotSent(_) | Failure::Lost(..) => {
            Duration::ZERO
        }
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
pub(crate) fn outcome(endpoint: &str, failure: Failure, attempts: u32, doubt: bool) -> Error {
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
        Failure::Again(problem) | Failure::NotSent(problem) | Failure::Shut(problem) if doubt => {
            unknown(Code::Unavailable, problem)
        }
        Failure::Again(problem) | Failure::NotSent(problem) => unsent(endpoint, problem, false),
        Failure::Shut(problem) => unsent(endpoint, problem, true),
        Failure::Lost(code, message) | Failure::Broken(code, message) => unknown(code, message),
    }
}

/// The error of a request that no hub has seen.
pub(crate) fn unsent(endpoint: &str, problem: String, not_admitted: bool) -> Error {
    Error::Transport(TransportError { endpoint: endpoint.to_owned(), problem, not_admitted })
}
