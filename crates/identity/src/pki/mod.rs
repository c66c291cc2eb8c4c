//! Making certificates: an authority for the hub, one for its operators, one for each partner, and
//! the leaf certificates that they sign. `now` is always given, never read.

mod authority;
mod directory;
mod files;
mod life;
mod listing;
mod request;
mod revocation;

pub use authority::{Authority, Leaf, Minted};
pub use directory::DomainDirectory;
pub use files::Overwrite;
pub use life::{Renewal, Revocation, Which};
pub use listing::{Listed, State};
pub use revocation::{Reason, Revoked};

use crate::jwt::KeyError;
use crate::pem::FileError;
use crate::roots::RootsError;
use crate::spiffe::SpiffeError;

/// How long a CA is valid, in days: ten years.
pub const AUTHORITY_DAYS: u16 = 3650;

/// How long a leaf certificate is valid, in days, unless chosen otherwise.
pub const LEAF_DAYS: u16 = 90;

/// How long a revocation list is good for, in days. Whoever is past it trusts nobody of its authority.
pub const LIST_DAYS: u16 = 30;

/// Why certificates cannot be made or read.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A file cannot be read or written, or exists already.
    #[error(transparent)]
    File(#[from] FileError),
    /// A bad trust domain, partner code or operator name.
    #[error(transparent)]
    Spiffe(#[from] SpiffeError),
    /// Roots that may not be pinned.
    #[error(transparent)]
    Roots(#[from] RootsError),
    /// A host name of the hub that is neither a DNS name nor an address.
    #[error("{0:?} is neither a DNS name nor an IP address; give names such as hub.example or ::1")]
    HostName(String),
    /// The hub's certificate names no host, so nobody could connect to it.
    #[error("the hub's certificate needs at least one DNS name or IP address")]
    NoHostName,
    /// A key for assertions that cannot be made or read.
    #[error(transparent)]
    AssertionKey(#[from] KeyError),
    /// Zero days, or more than the authority has left.
    #[error(
        "a certificate or list is valid for at least one day, and its authority has {left} days left"
    )]
    Validity {
        /// Whole days that the authority is still valid.
        left: i64,
    },
    /// The signing request is malformed, or not signed by the key it names.
    #[error("the signing request is unusable: {0}; make one with `openssl req -new`")]
    Request(&'static str),
    /// The authority's certificate and key do not belong together.
    #[error("the authority's certificate and key do not belong together")]
    KeyMismatch,
    /// What is to be revoked names another identity, or was signed by none of its authorities here.
    #[error("the certificate is not one of {identity}, signed by its authority in this folder")]
    NotSignedHere {
        /// Whose it should be.
        identity: String,
    },
    /// No serial number.
    #[error("a serial number has 1 to 20 bytes; `openssl x509 -serial` prints it in hexadecimal")]
    Serial,
    /// A certificate cannot be built; never expected.
    #[error("a certificate cannot be made: {0}")]
    Minting(String),
}

impl From<rcgen::Error> for PkiError {
    fn from(error: rcgen::Error) -> Self {
        Self::Minting(error.to_string())
    }
}
