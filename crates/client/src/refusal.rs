//! Refusals: what the hub answers when it does not do what it was asked.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use entente_api::error::ErrorReason;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, RpcStatusExt as _, StatusExt as _};

/// The `domain` of every ErrorInfo that a hub sends.
const DOMAIN: &str = "entente";

/// Why the hub refused a call. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The published reason; unspecified when the answer did not come from a hub, or from a newer
    /// one.
    pub reason: ErrorReason,
    /// The status code.
    pub code: Code,
    /// For people; programs read the reason.
    pub message: String,
    /// What the reason's documentation names, such as `available`.
    pub metadata: BTreeMap<String, String>,
    /// The fields that are malformed.
    pub violations: Vec<Violation>,
    /// How long to wait before the same id is sent again; absent where that would not help.
    pub retry_after: Option<Duration>,
}

/// One malformed field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Its path in the request.
    pub field: String,
    /// What is wrong with it.
    pub description: String,
}

impl Refusal {
    /// Reads a status and its details.
    #[must_use]
    pub fn from_status(status: &Status) -> Self {
        Self::read(status.code(), status.message(), &status.get_error_details())
    }

    /// Reads a refusal that is kept as an outcome, as GetOperation answers it.
    #[must_use]
    pub fn from_kept(status: &tonic_types::Status) -> Self {
        let code = Code::from_i32(status.code);
        Self::read(code, &status.message, &status.get_error_details())
    }

    fn read(code: Code, message: &str, details: &ErrorDetails) -> Self {
        let info = details.error_info().filter(|info| info.domain == DOMAIN);
        let violations = details.bad_request().map(|bad| bad.field_violations.as_slice());
        Self {
            reason: info.map_or(ErrorReason::Unspecified, |info| reason(&info.reason)),
            code,
            message: message.to_owned(),
            metadata: info
                .map(|info| info.metadata.clone().into_iter().collect())
                .unwrap_or_default(),
            violations: violations
                .unwrap_or_default()
                .iter()
                .map(|bad| Violation {
                    field: bad.field.clone(),
                    description: bad.description.clone(),
                })
                .collect(),
            retry_after: details.retry_info().and_then(|retry| retry.retry_delay),
        }
    }

    /// The reason without its prefix, as the documentation spells it: `POINTS_INSUFFICIENT`.
    #[must_use]
    pub fn reason_name(&self) -> &'static str {
        let name = self.reason.as_str_name();
        name.strip_prefix("ERROR_REASON_").unwrap_or(name)
    }
}

fn reason(name: &str) -> ErrorReason {
    ErrorReason::from_str_name(&format!("ERROR_REASON_{name}")).unwrap_or_default()
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason {
            ErrorReason::Unspecified => write!(f, "{:?}", self.code)?,
            _ => write!(f, "{}", self.reason_name())?,
        }
        // Where fields are named, the message names them too, and says less of each.
        if self.violations.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        for (name, value) in &self.metadata {
            write!(f, "; {name} = {value}")?;
        }
        for (place, Violation { field, description }) in self.violations.iter().enumerate() {
            write!(f, "{} {field}: {description}", if place == 0 { ":" } else { ";" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_to_mend_and_says_it_once() {
        let violation = |field: &str, description: &str| Violation {
            field: field.to_owned(),
            description: description.to_owned(),
        };
        let malformed = Refusal {
            reason: ErrorReason::Malformed,
            code: Code::InvalidArgument,
            message: "the request is malformed: url, kinds".to_owned(),
            metadata: BTreeMap::new(),
            violations: vec![violation("url", "a URL"), violation("kinds", "known kinds")],
            retry_after: None,
        };
        assert_eq!(malformed.to_string(), "MALFORMED: url: a URL; kinds: known kinds");
        let metadata = BTreeMap::from([("available".to_owned(), "7".to_owned())]);
        let poor = Refusal {
            reason: ErrorReason::PointsInsufficient,
            message: "too few".to_owned(),
            metadata,
            violations: Vec::new(),
            ..malformed
        };
        assert_eq!(poor.to_string(), "POINTS_INSUFFICIENT: too few; available = 7");
    }
}
