//! The first operators of a ledger, with the keys that lie beside their certificates: what whoever owns
//! the database does once.

use entente_identity::{
    Identity, Name,
    jwt::{KeyError, PublicKey},
    pki::DomainDirectory,
};
use entente_store::{
    StoreError,
    security::{self, NewOperator, SecurityEventKind},
};
use sqlx::{Connection as _, PgConnection};

use super::{Actor, trail};
use crate::authorization::OperatorRole;

/// Why a ledger gets no operators.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// The public key of an identity is not where it should be.
    #[error("{path}: {problem}; make the key with `entente pki issue`")]
    Key {
        /// Its file.
        path: String,
        /// What is wrong.
        problem: String,
    },
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The database, when it is reached for the first time.
    #[error("the database cannot be reached: {0}")]
    Connect(#[from] sqlx::Error),
}

/// Makes these operators, with every role, unless the ledger has operators; `true` when it did.
/// Keys of `partners` are registered whenever they are not yet: that is for ledgers whose owner is
/// everybody, such as a demonstration's.
pub async fn bootstrap(
    owner_url: &str,
    directory: &DomainDirectory,
    operators: &[Name],
    partners: &[Name],
) -> Result<bool, BootstrapError> {
    let mut connection = PgConnection::connect(owner_url).await?;
    let roles = OperatorRole::ALL.map(OperatorRole::code);
    let keys =
        operators.iter().map(|name| public_key(directory, &Identity::Operator(name.clone())));
    let keys = keys.collect::<Result<Vec<_>, _>>()?;
    let jwks: Vec<String> = keys.iter().map(PublicKey::jwk).collect();
    let made: Vec<_> = operators
        .iter()
        .zip(keys.iter().zip(&jwks))
        .map(|(name, (key, jwk))| NewOperator {
            name: name.as_str(),
            roles: &roles,
            kid: key.kid(),
            jwk,
        })
        .collect();
    let first = security::bootstrap(&mut connection, &made).await?;
    let mut tx = connection.begin().await?;
    security::raise_epoch(&mut tx).await?;
    for partner in partners {
        let identity = Identity::Partner(partner.clone());
        let (owner, key) = (identity.to_string(), public_key(directory, &identity)?);
        if security::insert_key(&mut tx, &owner, key.kid(), &key.jwk()).await? {
            let (kind, by) =
                (SecurityEventKind::KeyRegistered, Actor::without_certificate("owner"));
            let details = serde_json::json!({ "kid": key.kid() });
            trail::record(&mut *tx, kind, &by, &owner, &details).await?;
        }
    }
    tx.commit().await?;
    connection.close().await?;
    Ok(first)
}

fn public_key(
    directory: &DomainDirectory,
    identity: &Identity,
) -> Result<PublicKey, BootstrapError> {
    let path = directory.assertion_jwk(identity);
    let bad = |problem: String| BootstrapError::Key { path: path.display().to_string(), problem };
    let jwk = std::fs::read_to_string(&path).map_err(|error| bad(error.to_string()))?;
    PublicKey::from_jwk(jwk.trim()).map_err(|error: KeyError| bad(error.to_string()))
}
