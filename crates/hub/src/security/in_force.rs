//! What is in force, as calls are checked by it.

use std::collections::{HashMap, HashSet};

use entente_identity::{Thumbprint, jwt::PublicKey};
use entente_store::{
    StoreError,
    security::{Denied, SecuritySnapshot},
};
use jiff::Timestamp;

use crate::authorization::{OperatorRole, Scopes};

/// Of one security epoch, or a little newer.
#[derive(Debug, Default)]
pub struct InForce {
    /// The epoch.
    pub epoch: i64,
    operators: HashMap<String, Vec<OperatorRole>>,
    /// Whose each registered key is.
    keys: HashMap<String, String>,
    /// The keys of hubs, and until when each is one.
    signing_keys: HashMap<String, (PublicKey, Timestamp)>,
    tokens: HashSet<String>,
    certificates: HashSet<Thumbprint>,
}

impl InForce {
    /// What a snapshot says.
    pub fn of(snapshot: SecuritySnapshot) -> Result<Self, StoreError> {
        let mut made = Self { epoch: snapshot.epoch, ..Self::default() };
        made.keys = snapshot.keys.into_iter().map(|(owner, kid)| (kid, owner)).collect();
        for operator in snapshot.operators {
            let roles = operator.roles.into_iter().map(|code| {
                OperatorRole::of_code(code)
                    .ok_or_else(|| StoreError::inconsistent("operators", "roles", code))
            });
            made.operators.insert(operator.name, roles.collect::<Result<_, _>>()?);
        }
        for row in snapshot.signing_keys {
            let key = PublicKey::from_jwk(&row.jwk)
                .map_err(|_| StoreError::inconsistent("signing_keys", "jwk", &row.kid))?;
            made.signing_keys.insert(row.kid, (key, row.not_after));
        }
        for denied in snapshot.denied {
            match denied {
                Denied::Token(jti) => drop(made.tokens.insert(jti)),
                Denied::Certificate(bytes) => {
                    made.certificates.insert(Thumbprint::from_bytes(bytes));
                }
            }
        }
        Ok(made)
    }

    /// The key of a hub, unless its time is over.
    #[must_use]
    pub fn signing_key(&self, kid: &str, now: Timestamp) -> Option<&PublicKey> {
        let (key, not_after) = self.signing_keys.get(kid)?;
        (now < *not_after).then_some(key)
    }

    /// The keys of hubs.
    pub fn signing_keys(&self) -> impl Iterator<Item = &PublicKey> {
        self.signing_keys.values().map(|(key, _)| key)
    }

    /// Whether a key is registered for an owner.
    #[must_use]
    pub fn is_key_of(&self, kid: &str, owner: &str) -> bool {
        self.keys.get(kid).is_some_and(|found| found == owner)
    }

    /// Whether a token is denied.
    #[must_use]
    pub fn denies_token(&self, jti: &str) -> bool {
        self.tokens.contains(jti)
    }

    /// Whether a certificate is denied.
    #[must_use]
    pub fn denies_certificate(&self, thumbprint: &Thumbprint) -> bool {
        !self.certificates.is_empty() && self.certificates.contains(thumbprint)
    }

    /// The roles of an operator; none for one that nobody made.
    #[must_use]
    pub fn roles(&self, operator: &str) -> &[OperatorRole] {
        self.operators.get(operator).map(Vec::as_slice).unwrap_or_default()
    }

    /// All that an operator may have.
    #[must_use]
    pub fn scopes(&self, operator: &str) -> Scopes {
        Scopes::of_roles(self.roles(operator))
    }
}
