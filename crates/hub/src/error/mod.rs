//! The one error type of the RPC layer, and how it becomes a status with `google.rpc` details.
//!
//! A [`Refused`] is meant for the caller. A fault is not: its text goes to the log under a random
//! id, and the caller gets that id alone.

mod reason;
mod refusal;
mod store;

use std::{
    collections::{BTreeMap, HashMap},
    error::Error,
    fmt,
    fmt::Write,
    time::Duration,
};

use entente_api::error::ErrorReason;
use jiff::{SignedDuration, Timestamp};
use prost::Message;
use tonic::Status;
use tonic_types::{ErrorDetails, FieldViolation, StatusExt, pb};

use crate::{
    authorization::{OperatorRole, Scope},
    ids,
};

pub use reason::{Rule, name, rule};
pub(crate) use store::is_unreachable;

/// The domain of every reason.
pub const DOMAIN: &str = "entente";

/// Why a call is answered with an error, for the caller to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    reason: ErrorReason,
    message: String,
    metadata: BTreeMap<&'static str, String>,
    violations: Vec<Violation>,
    retry: Option<Duration>,
}

/// A field that is missing, out of range or of the wrong form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The path of the field, as the contract names it: `spend.currency`.
    pub field: String,
    /// What is expected. It never repeats what was sent.
    pub description: String,
}

/// What an RPC can end with instead of an answer.
#[derive(Debug)]
pub enum RpcError {
    /// Something the caller can act on.
    Refused(Refused),
    /// The final refusal that this request id met the first time.
    Replayed(pb::Status),
    /// A fault of the hub.
    Fault(Box<dyn Error + Send + Sync>),
}

impl Refused {
    /// A refusal for a reason; the message is for people.
    #[must_use]
    pub fn new(reason: ErrorReason, message: impl Into<String>) -> Self {
        let (metadata, violations) = (BTreeMap::new(), Vec::new());
        let retry = rule(reason).retry;
        Self { reason, message: message.into(), metadata, violations, retry }
    }

    /// With what a program needs to know, under a published key.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        self.metadata.insert(key, value.to_string());
        self
    }

    /// With a wait of its own before the same id may succeed.
    #[must_use]
    pub const fn retried_after(mut self, wait: Duration) -> Self {
        self.retry = Some(wait);
        self
    }

    /// For fields that are malformed.
    #[must_use]
    pub fn malformed(violations: Vec<Violation>) -> Self {
        let fields: Vec<_> = violations.iter().map(|found| found.field.as_str()).collect();
        let message = format!("the request is malformed: {}", fields.join(", "));
        Self { violations, ..Self::new(ErrorReason::Malformed, message) }
    }

    /// For a caller that the hub does not know.
    #[must_use]
    pub fn unauthenticated() -> Self {
        Self::new(ErrorReason::Unauthenticated, "the hub does not know this identity")
    }

    /// For a token that is missing, not good on this connection, or revoked: which of these is not
    /// told.
    #[must_use]
    pub fn token() -> Self {
        let message = "the call carries no token that is good on this connection";
        Self::new(ErrorReason::TokenRefused, message)
    }

    /// For a token that was good until its time was over.
    #[must_use]
    pub fn token_expired() -> Self {
        Self::new(ErrorReason::TokenExpired, "the token has ended; get another")
    }

    /// For an assertion with anything wrong in it: what is not told.
    #[must_use]
    pub fn assertion() -> Self {
        Self::new(ErrorReason::AssertionRefused, "the assertion is not accepted")
    }

    /// For an assertion that is good but for its times. Who holds the key may know what time it is here:
    /// most likely, the caller's clock is wrong.
    #[must_use]
    pub fn assertion_untimely(hub_time: Timestamp) -> Self {
        let message = "the assertion's time is not now; compare your clock with the hub's";
        Self::new(ErrorReason::AssertionRefused, message).with("hub_time", hub_time)
    }

    /// For a token that is not good for a call.
    #[must_use]
    pub fn scope_missing(scope: Scope) -> Self {
        let message = "the token, or its holder, has not the scope that this needs";
        Self::new(ErrorReason::ScopeMissing, message).with("scope", scope.name())
    }

    /// For an operator who has not the role that an act needs.
    #[must_use]
    pub fn role_missing(role: OperatorRole) -> Self {
        let message = "the operator has not the role that this act needs";
        Self::new(ErrorReason::RoleMissing, message).with("role", role.name())
    }

    /// For a caller that may not do this.
    #[must_use]
    pub fn not_allowed() -> Self {
        Self::new(ErrorReason::NotAllowed, "this identity may not make this call")
    }

    /// For a full queue, or a database out of reach.
    #[must_use]
    pub fn overloaded() -> Self {
        Self::new(ErrorReason::Overloaded, "the hub is overloaded; send the same id again")
    }

    /// For a hub whose clock and that of its database are too far apart, the database's ahead by so much.
    #[must_use]
    pub fn clocks_apart(apart: SignedDuration) -> Self {
        let message = "the hub's clock and its database's disagree; send the same id again";
        Self::new(ErrorReason::ClocksApart, message).with("seconds", apart.as_secs())
    }

    /// For a reference that was linked to another member while the request was on its way.
    #[must_use]
    pub fn linked_anew() -> Self {
        let message = "the reference was linked anew; send the same id again";
        Self::new(ErrorReason::Overloaded, message)
    }

    /// For a hub that drains.
    #[must_use]
    pub fn shutting_down() -> Self {
        Self::new(ErrorReason::ShuttingDown, "the hub is shutting down; send the same id again")
    }

    /// For a call whose deadline passed: nobody knows whether it took effect.
    #[must_use]
    pub fn deadline_passed() -> Self {
        let message = "the deadline passed and the outcome is unknown; ask GetOperation or send \
                       the same id again";
        Self::new(ErrorReason::DeadlinePassed, message)
    }

    /// For a read that needs operations which are out of the ledger.
    #[must_use]
    pub fn archived(before: jiff::Timestamp) -> Self {
        let message = "operations that this needs are archived; operators can bring them back";
        Self::new(ErrorReason::Archived, message).with("before", before)
    }

    /// For a stream that nobody reads.
    #[must_use]
    pub fn stream_unread() -> Self {
        let message = "nobody read the stream for too long; open it again";
        Self::new(ErrorReason::StreamUnread, message)
    }

    /// For a partner that has as many streams open as it may.
    #[must_use]
    pub fn too_many_streams(most: usize) -> Self {
        let message = "the partner has too many streams open; end one";
        Self::new(ErrorReason::TooManyStreams, message).with("most", most)
    }

    /// The same, for a message inside another: the fields are named from the outer one.
    #[must_use]
    pub fn inside(mut self, field: &str) -> Self {
        for violation in &mut self.violations {
            violation.field = format!("{field}.{}", violation.field);
        }
        self
    }

    /// The fields that are malformed.
    #[must_use]
    pub fn into_violations(self) -> Vec<Violation> {
        self.violations
    }

    /// The published reason.
    #[must_use]
    pub const fn reason(&self) -> ErrorReason {
        self.reason
    }

    /// The text for people.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// A metadata value.
    #[must_use]
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.get(key).map(String::as_str)
    }

    /// Whether the refusal is the request id's final outcome, to be stored under it.
    #[must_use]
    pub const fn is_kept(&self) -> bool {
        rule(self.reason).kept
    }

    /// The encoded `google.rpc.Status` to store under the request id, for [`RpcError::replayed`].
    #[must_use]
    pub fn encoded(&self) -> Vec<u8> {
        Status::from(self).details().to_vec()
    }

    fn details(&self) -> ErrorDetails {
        let metadata: HashMap<String, String> =
            self.metadata.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        let mut details = ErrorDetails::with_error_info(name(self.reason), DOMAIN, metadata);
        if let Some(delay) = self.retry {
            details.set_retry_info(Some(delay));
        }
        if !self.violations.is_empty() {
            let fields = self.violations.iter();
            let fields = fields.map(|found| FieldViolation::new(&found.field, &found.description));
            details.set_bad_request(fields.collect::<Vec<_>>());
        }
        details
    }
}

impl From<&Refused> for Status {
    fn from(refused: &Refused) -> Self {
        let code = rule(refused.reason).code;
        Self::with_error_details(code, refused.message.clone(), refused.details())
    }
}

impl RpcError {
    /// A fault that carries another error.
    pub fn internal(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Fault(error.into())
    }

    /// A fault that is told by a sentence for the log.
    pub fn fault(what: &'static str) -> Self {
        Self::Fault(what.into())
    }

    /// The refusal that was stored by [`Refused::encoded`].
    pub fn replayed(encoded: &[u8]) -> Self {
        pb::Status::decode(encoded).map_or_else(Self::internal, Self::Replayed)
    }
}

impl From<Refused> for RpcError {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<RpcError> for Status {
    fn from(error: RpcError) -> Self {
        match error {
            RpcError::Refused(refused) => Self::from(&refused),
            RpcError::Replayed(status) => {
                let details = status.encode_to_vec().into();
                Self::with_details(status.code.into(), status.message, details)
            }
            RpcError::Fault(fault) => {
                let id = ids::fault();
                tracing::error!(fault_id = %id, error = chain(fault.as_ref()), "a call failed");
                let message = format!("a fault of the hub, logged as {id}");
                Self::from(&Refused::new(ErrorReason::Internal, message).with("fault_id", id))
            }
        }
    }
}

/// As one answer of many carries it.
impl From<RpcError> for pb::Status {
    fn from(error: RpcError) -> Self {
        let status = Status::from(error);
        // The details of a status are the encoded status itself; every error of ours has some.
        Self::decode(status.details()).unwrap_or_else(|_| {
            let code = status.code().into();
            Self { code, message: status.message().to_owned(), details: Vec::new() }
        })
    }
}

/// An error and its causes in one line. `Display` alone: `Debug` could show values of rows.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Writing to a string cannot fail.
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    #[test]
    fn a_refusal_carries_its_reason_and_what_cures_it() {
        let refused = Refused::new(ErrorReason::PointsInsufficient, "too few").with("available", 3);
        let status = Status::from(RpcError::from(refused));
        assert_eq!(status.code(), Code::FailedPrecondition);
        let details = status.get_error_details();
        let info = details.error_info().expect("an ErrorInfo");
        assert_eq!(
            (info.reason.as_str(), info.domain.as_str()),
            ("POINTS_INSUFFICIENT", "entente")
        );
        assert_eq!(info.metadata.get("available").map(String::as_str), Some("3"));
        assert!(details.retry_info().is_none());
    }

    #[test]
    fn what_may_be_sent_again_says_when() {
        let status = Status::from(&Refused::overloaded());
        assert_eq!(status.code(), Code::Unavailable);
        let details = status.get_error_details();
        let delay = details.retry_info().and_then(|info| info.retry_delay);
        assert_eq!(delay, Some(Duration::from_millis(250)));
    }

    #[test]
    fn each_malformed_field_is_named() {
        let violation =
            Violation { field: "spend.currency".into(), description: "an ISO 4217 code".into() };
        let status = Status::from(&Refused::malformed(vec![violation]));
        assert_eq!(status.code(), Code::InvalidArgument);
        let details = status.get_error_details();
        let fields = &details.bad_request().expect("a BadRequest").field_violations;
        assert_eq!(fields.len(), 1);
        assert_eq!(fields[0].field, "spend.currency");
    }

    #[test]
    fn a_kept_refusal_is_replayed_as_it_was() {
        let refused = Refused::new(ErrorReason::CaptureExceedsHold, "too many").with("held", 7);
        assert!(refused.is_kept());
        let (first, again) =
            (Status::from(&refused), Status::from(RpcError::replayed(&refused.encoded())));
        assert_eq!(first.code(), again.code());
        assert_eq!(first.message(), again.message());
        assert_eq!(first.details(), again.details());
    }

    #[test]
    fn the_text_of_a_fault_never_leaves_the_hub() {
        let secret = "connection to 10.0.0.7 refused";
        for error in [RpcError::internal(secret), RpcError::replayed(b"\xff")] {
            let status = Status::from(error);
            assert_eq!(status.code(), Code::Internal);
            let shown = format!("{status:?}{}", String::from_utf8_lossy(status.details()));
            assert!(!shown.contains("10.0.0.7") && !shown.contains("decode"), "{shown}");
            let details = status.get_error_details();
            let id = &details.error_info().expect("an ErrorInfo").metadata["fault_id"];
            assert!(status.message().contains(id.as_str()));
        }
    }
}
