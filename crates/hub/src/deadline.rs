//! Deadlines: the caller's, or the default; never more than the most that is allowed.
//!
//! tonic would answer CANCELLED, which says that nothing happened. Nobody knows that: the answer is
//! DEADLINE_EXCEEDED, and it is given a moment before tonic's own timer.

use std::time::Duration;

use axum::{extract::Request, response::Response};
use entente_store::StoreError;
use http::HeaderMap;
use tokio::time::Instant;

use crate::{
    config::Limits,
    edge::answer,
    error::{Refused, RpcError},
};

/// How much earlier than the caller's own timer the answer is given.
const AHEAD: Duration = Duration::from_millis(5);

/// How long a read of one member may take, and how long an act of the control plane: nobody waits for
/// either as long, and a database that is gone may never say so.
pub(crate) const READ: Duration = Duration::from_mins(1);
pub(crate) const ACT: Duration = Duration::from_mins(10);

/// Work on the database in a task that no caller can cut short, which is given up after a time.
pub(crate) async fn given_up_after<T, E: From<RpcError>>(
    limit: Duration,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let done = tokio::time::timeout(limit, work).await;
    done.unwrap_or_else(|_| Err(RpcError::from(Refused::overloaded()).into()))
}

/// What the database answers within a time; one that says nothing for longer is out of reach.
pub(crate) async fn answered_within<T>(
    limit: Duration,
    asked: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    tokio::time::timeout(limit, asked).await.map_err(|_| sqlx::Error::PoolTimedOut)?
}

/// When the caller stops waiting. A command whose deadline has passed is not worth deciding. It
/// is an extension of every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(pub Instant);

impl Deadline {
    /// The deadline of a request; one that came past the edge has the default.
    #[must_use]
    pub fn of<T>(request: &tonic::Request<T>) -> Self {
        let found = request.extensions().get::<Self>().copied();
        found.unwrap_or_else(|| Self(Instant::now() + Limits::default().default_deadline()))
    }

    /// Whether it has passed.
    #[must_use]
    pub fn has_passed(self) -> bool {
        self.0 <= Instant::now()
    }
}

/// Answers for a handler that does not answer in time. For a stream, that is until it begins.
pub(crate) async fn bound(
    limits: &Limits,
    mut request: Request,
    next: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let wait = wait(request.headers(), limits);
    let deadline = Instant::now() + wait;
    request.extensions_mut().insert(Deadline(deadline));
    match tokio::time::timeout_at(deadline, next(request)).await {
        Ok(response) => response,
        Err(_) => answer(&Refused::deadline_passed()),
    }
}

fn wait(headers: &HeaderMap, limits: &Limits) -> Duration {
    let asked = headers.get("grpc-timeout").and_then(|value| parse(value.to_str().ok()?));
    let wait = asked.map_or(limits.default_deadline(), |asked| asked.saturating_sub(AHEAD));
    wait.min(limits.max_deadline())
}

/// At most eight digits and a unit, as gRPC over HTTP/2 has it.
fn parse(value: &str) -> Option<Duration> {
    let (digits, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    let good = (1..=8).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    let number: u64 = good.then(|| digits.parse().ok()).flatten()?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3_600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_waits_as_long_as_asked_within_bounds() {
        let limits = Limits::default();
        for (header, wait_ms) in [
            (None, 5_000),
            (Some("250m"), 245),
            (Some("2S"), 1_995),
            (Some("1H"), 30_000),
            (Some("99999999H"), 30_000),
            (Some("1n"), 0),
            (Some("0S"), 0),
            (Some(""), 5_000),
            (Some("S"), 5_000),
            (Some("-1S"), 5_000),
            (Some("123456789S"), 5_000),
            (Some("10s"), 5_000),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(header) = header {
                headers.insert("grpc-timeout", header.parse().expect("a header value"));
            }
            assert_eq!(wait(&headers, &limits), Duration::from_millis(wait_ms), "{header:?}");
        }
    }
}
