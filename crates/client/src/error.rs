//! How a call can fail: refused, unknown, or never sent.

use std::error::Error as StdError;
use std::fmt;
use std::path::PathBuf;

use entente_identity::jwt::KeyError;
use entente_identity::pem::FileError;
use entente_identity::tls::ConfigError;
use tonic::Code;

use crate::Refusal;

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The hub refused it; nothing was changed.
    #[error(transparent)]
    Refused(Box<Refusal>),
    /// It may or may not have been carried out: send the same request again later, or ask
    /// GetOperation. Reads fail this way too, when an answer is lost.
    #[error(transparent)]
    Unknown(Box<UnknownOutcome>),
    /// It never reached the hub; nothing was changed.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The options do not name a hub, or the certificates cannot be used.
    #[error(transparent)]
    Options(#[from] OptionsError),
}

impl Error {
    /// The refusal, if that is what it is.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            Self::Unknown(_) | Self::Transport(_) | Self::Options(_) => None,
        }
    }
}

impl StdError for Refusal {}

/// What is known of a call whose outcome is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownOutcome {
    /// How often the request was sent.
    pub attempts: u32,
    /// The last attempt's code.
    pub code: Code,
    /// What the last attempt said.
    pub message: String,
}

impl fmt::Display for UnknownOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { attempts, code, message } = self;
        write!(f, "the outcome is unknown after {attempts} attempts; the last: {code:?}: {message}")
    }
}

impl StdError for UnknownOutcome {}

/// The hub could not be reached.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the hub at {endpoint} cannot be reached: {problem}")]
pub struct TransportError {
    /// Where it was looked for.
    pub endpoint: String,
    /// What went wrong, from the outside in.
    pub problem: String,
    /// Whether the hub answered that it does not admit our certificate: no attempt cures that.
    pub not_admitted: bool,
}

/// What is wrong with the options.
#[derive(Debug, thiserror::Error)]
pub enum OptionsError {
    /// The endpoint is not a host and a port.
    #[error("{0:?} is no endpoint; give https://host:port")]
    Endpoint(String),
    /// The server name is neither a DNS name nor an address.
    #[error("{0:?} is neither a DNS name nor an IP address")]
    ServerName(String),
    /// A certificate or key file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The certificate names nobody whom a hub knows.
    #[error("{}: the certificate names neither partner nor operator", .0.display())]
    Certificate(PathBuf),
    /// The key for assertions cannot be used.
    #[error(transparent)]
    AssertionKey(#[from] KeyError),
    /// The certificates do not fit together.
    #[error(transparent)]
    Tls(#[from] ConfigError),
    /// The call needs an assertion, and there is no key to sign one.
    #[error("no assertion key is given")]
    NoAssertionKey,
}

/// An error with all its causes, each said once.
pub(crate) fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let said = error.to_string();
        if !text.contains(&said) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&said);
        }
        next = error.source();
    }
    text
}

/// Whether an error of this type is among the causes.
pub(crate) fn caused_by<E: StdError + 'static>(error: &(dyn StdError + 'static)) -> bool {
    cause_of::<E>(error).is_some()
}

/// The error of this type among the causes.
pub(crate) fn cause_of<'a, E: StdError + 'static>(
    error: &'a (dyn StdError + 'static),
) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        next = error.source();
    }
    None
}
