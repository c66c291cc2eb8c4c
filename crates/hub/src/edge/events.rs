//! What happens to certificates at this hub, for its log, its metrics and the audit trail.

use std::{fmt, sync::Arc};

use entente_identity::Thumbprint;

use crate::observe;

/// Something that happened to an owner's certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateEvent {
    /// `hub`, `operators`, `partner/<code>`; of a connection, its caller.
    pub owner: String,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// New files are in force; so many certificates are revoked that were not before.
    Loaded {
        /// How many.
        revoked: usize,
    },
    /// New files are bad; what was in force stays.
    Kept {
        /// What is wrong.
        problem: String,
    },
    /// New files are bad, and nothing was in force: nobody of this owner is admitted.
    LeftOut {
        /// What is wrong.
        problem: String,
    },
    /// The owner's files are gone, and it is admitted no more.
    Removed,
    /// Open connections were cut.
    Cut {
        /// Whose certificate it was.
        thumbprint: Thumbprint,
        /// How many connections.
        count: usize,
        /// Why.
        reason: String,
    },
}

/// Where events go beside log and metrics. It must not block.
#[derive(Clone, Default)]
pub struct CertificateEvents(Option<Arc<dyn Fn(CertificateEvent) + Send + Sync>>);

impl CertificateEvent {
    /// Logs and counts it.
    pub(crate) fn tell(&self) {
        let owner = &self.owner;
        observe::certificates_loaded(self.what.label());
        match &self.what {
            What::Loaded { revoked } => {
                tracing::info!(owner, revoked, "new certificates are in force");
            }
            What::Kept { problem } => {
                tracing::error!(owner, problem, "bad certificates: those before stay in force");
            }
            What::LeftOut { problem } => {
                tracing::error!(owner, problem, "bad certificates: nobody of theirs is admitted");
            }
            What::Removed => tracing::warn!(owner, "certificates are gone"),
            What::Cut { thumbprint, count, reason } => {
                tracing::warn!(owner, %thumbprint, count, reason, "cut open connections");
            }
        }
    }
}

impl What {
    const fn label(&self) -> &'static str {
        match self {
            Self::Loaded { .. } => "loaded",
            Self::Kept { .. } => "kept",
            Self::LeftOut { .. } => "left_out",
            Self::Removed => "removed",
            Self::Cut { .. } => "cut",
        }
    }
}

impl CertificateEvents {
    /// Tells each event to somebody.
    pub fn to(told: impl Fn(CertificateEvent) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(told)))
    }

    pub(crate) fn tell(&self, events: Vec<CertificateEvent>) {
        if let Some(told) = &self.0 {
            for event in events {
                told(event);
            }
        }
    }
}

impl fmt::Debug for CertificateEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CertificateEvents").field(&self.0.is_some()).finish()
    }
}
