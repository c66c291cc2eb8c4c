//! Who calls: the identity that the verified certificate of the connection names.

use std::fmt;

use entente_loyalty::PartnerCode;

/// The caller of an RPC. Nothing that a request says can change it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Caller {
    /// A brand, by its code. Whether the ledger knows it is the catalogue's question.
    Partner(PartnerCode),
    /// A person or program of the hub's staff.
    Operator(OperatorName),
}

/// An operator's name, as the operators' CA certified it: 1 to 31 characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OperatorName(String);

/// What a caller is, which decides what it may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// [`Caller::Partner`].
    Partner,
    /// [`Caller::Operator`].
    Operator,
}

impl Caller {
    /// What the caller is.
    #[must_use]
    pub const fn role(&self) -> Role {
        match self {
            Self::Partner(_) => Role::Partner,
            Self::Operator(_) => Role::Operator,
        }
    }
}

impl OperatorName {
    /// The name that a verified certificate gives.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(name.chars().take(31).collect())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OperatorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `partner/<code>` or `operator/<name>`, as in the SPIFFE id.
impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Partner(code) => write!(f, "partner/{code}"),
            Self::Operator(name) => write!(f, "operator/{name}"),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Partner => "partner",
            Self::Operator => "operator",
        })
    }
}
