//! What is seen of a call from outside: its count, its time, and one line in the log.
//!
//! Labels are the table's paths and gRPC codes, so that their number is bounded; only what tells when
//! certificates end names partners and operators. No reference, no amount and no token reaches a
//! metric or a log.

use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use axum::{extract::Request, response::Response};
use futures::FutureExt;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::sync::watch;
use tonic::{Code, Status};
use tracing::{Instrument, field};

use crate::{
    authorization,
    caller::Role,
    edge::{ConnectInfo, Keeping},
    error::RpcError,
};

/// Upper bounds of the latency buckets, in seconds.
const BUCKETS: [f64; 14] =
    [0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 30.0];

/// The calls that have begun and whose answers are not sent yet.
#[derive(Debug, Clone)]
pub(crate) struct InFlight(Arc<watch::Sender<usize>>);

/// One of them, until it is dropped.
#[derive(Debug)]
pub(crate) struct Call(InFlight);

impl Default for InFlight {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }
}

impl InFlight {
    fn begin(&self) -> Call {
        self.0.send_modify(|count| *count += 1);
        Call(self.clone())
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        *self.0.borrow()
    }

    /// Waits until there were none for a while.
    pub(crate) async fn quiet_for(&self, quiet: Duration) {
        let mut count = self.0.subscribe();
        loop {
            // The sender lives in self, so neither wait can fail.
            let _ = count.wait_for(|count| *count == 0).await;
            if tokio::time::timeout(quiet, count.wait_for(|count| *count > 0)).await.is_err() {
                return;
            }
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| *count -= 1);
    }
}

/// The recorder of this process, installed at the first use.
pub fn metrics() -> PrometheusHandle {
    static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();
    let install = || {
        let builder = PrometheusBuilder::new().set_buckets(&BUCKETS);
        let recorder = builder.expect("there are buckets").build_recorder();
        let handle = recorder.handle();
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::warn!("another metrics recorder is installed already");
        }
        describe();
        handle
    };
    RECORDER.get_or_init(install).clone()
}

fn describe() {
    metrics::describe_counter!("entente_calls_total", "Calls, by method and gRPC code");
    metrics::describe_histogram!("entente_call_seconds", "How long calls took, by method");
    metrics::describe_counter!(
        "entente_connections_refused_total",
        "Connections turned away before HTTP/2, by listener and reason"
    );
    metrics::describe_gauge!("entente_connections", "Open connections, by listener");
    metrics::describe_gauge!(
        "entente_certificate_days_left",
        "Days until something ends: kind is hub, ca, crl, or client, as last seen of a caller"
    );
    metrics::describe_gauge!(
        "entente_certificates_bad",
        "1 where an owner's files are bad and not in force, 0 once they are good"
    );
    metrics::describe_counter!(
        "entente_certificate_events_total",
        "Certificates loaded, kept because new ones are bad, left out, removed, connections cut"
    );
}

/// Counts a connection that came to nothing.
pub(crate) fn connection_refused(role: Role, reason: &'static str) {
    let listener = listener(role);
    metrics::counter!("entente_connections_refused_total", "listener" => listener, "reason" => reason)
        .increment(1);
}

/// Says when a certificate or list ends; owners are as many as there are partners and operators.
pub(crate) fn certificate_ends(owner: &str, kind: &'static str, left_seconds: i64) {
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float, and days are few")]
    let days = left_seconds as f64 / 86_400.0;
    metrics::gauge!("entente_certificate_days_left", "owner" => owner.to_owned(), "kind" => kind)
        .set(days);
}

/// Says whether an owner's files are bad.
pub(crate) fn certificates_bad(owner: &str, bad: bool) {
    metrics::gauge!("entente_certificates_bad", "owner" => owner.to_owned()).set(f64::from(bad));
}

/// Counts what happened to certificates.
pub(crate) fn certificates_loaded(result: &'static str) {
    metrics::counter!("entente_certificate_events_total", "result" => result).increment(1);
}

/// Counts an open connection in, or out.
pub(crate) fn connections(role: Role, by: f64) {
    metrics::gauge!("entente_connections", "listener" => listener(role)).increment(by);
}

const fn listener(role: Role) -> &'static str {
    match role {
        Role::Partner => "partners",
        Role::Operator => "operators",
    }
}

/// Counts, times and logs a call; a handler that panics is answered as a fault.
pub(crate) async fn call(
    in_flight: &InFlight,
    request: Request,
    next: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let started = Instant::now();
    // Health and reflection may stream for ever: a drain does not wait for them.
    let ours = request.uri().path().starts_with("/entente.");
    let in_flight = ours.then(|| in_flight.begin());
    let method = authorization::row(request.uri().path()).map_or("unknown", |row| row.path);
    let span = tracing::info_span!("call", method, caller = field::Empty, code = field::Empty);
    if let Some(connection) = request.extensions().get::<ConnectInfo>() {
        span.record("caller", field::display(&connection.caller));
    }
    let answered = AssertUnwindSafe(next(request)).catch_unwind().instrument(span.clone());
    let response = answered.await.unwrap_or_else(|_| {
        let _entered = span.enter();
        Status::from(RpcError::fault("a handler panicked")).into_http()
    });
    let code = code(&response);
    span.in_scope(|| finished(method, code, started.elapsed()));
    response.map(|body| Keeping::body(body, in_flight))
}

fn finished(method: &'static str, code: Code, took: Duration) {
    let label = label(code);
    tracing::Span::current().record("code", label);
    metrics::counter!("entente_calls_total", "method" => method, "code" => label).increment(1);
    metrics::histogram!("entente_call_seconds", "method" => method).record(took.as_secs_f64());
    let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    if code == Code::Ok {
        tracing::debug!(took_us, "answered");
    } else {
        tracing::info!(took_us, "refused");
    }
}

/// The code of an answer. One that streams has none yet: it began well.
fn code(response: &Response) -> Code {
    let header = response.headers().get(Status::GRPC_STATUS);
    header.map_or(Code::Ok, |code| Code::from_bytes(code.as_bytes()))
}

const fn label(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_listener_is_quiet_when_nothing_has_begun_for_a_while() {
        let in_flight = InFlight::default();
        let call = in_flight.begin();
        let waiting = tokio::spawn({
            let in_flight = in_flight.clone();
            async move { in_flight.quiet_for(Duration::from_millis(500)).await }
        });
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert!(!waiting.is_finished());
        drop(call);
        tokio::time::sleep(Duration::from_millis(300)).await;
        let next = in_flight.begin();
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert!(!waiting.is_finished());
        drop(next);
        waiting.await.expect("it ends");
        assert_eq!(in_flight.count(), 0);
    }
}
