//! The first operators, made by whoever owns the database: after them, operators make operators.

use sqlx::{Connection as _, PgConnection};

use super::{
    NewSecurityEvent, SecurityEventKind, insert_key, raise_epoch, record_event, set_roles,
};
use crate::StoreError;

/// An operator to begin with, and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewOperator<'a> {
    /// The name that its certificate has.
    pub name: &'a str,
    /// Its roles, by their numbers in the contract.
    pub roles: &'a [i32],
    /// The name of its key.
    pub kid: &'a str,
    /// Its key, the required members alone.
    pub jwk: &'a str,
}

/// Makes the first operators. The answer is `false`, and nothing is done, when there is one already.
/// The connection is the owner's: the runtime role of a hub never does this.
pub async fn bootstrap(
    connection: &mut PgConnection,
    operators: &[NewOperator<'_>],
) -> Result<bool, StoreError> {
    let mut tx = connection.begin().await?;
    raise_epoch(&mut tx).await?;
    let first = sqlx::query_scalar!(r#"SELECT NOT EXISTS (SELECT FROM operators) AS "first!""#);
    if !first.fetch_one(&mut *tx).await? {
        return Ok(false);
    }
    for operator in operators {
        let owner = format!("operator/{}", operator.name);
        set_roles(&mut tx, operator.name, operator.roles).await?;
        if !insert_key(&mut tx, &owner, operator.kid, operator.jwk).await? {
            let message = format!("the key of {owner} is registered already");
            return Err(StoreError::Ledger(message));
        }
        let event = NewSecurityEvent {
            kind: SecurityEventKind::OperatorBootstrapped,
            actor: "owner",
            certificate: None,
            subject: &owner,
            details: &format!(r#"{{"kid":"{}"}}"#, operator.kid),
        };
        record_event(&mut *tx, &event).await?;
    }
    tx.commit().await?;
    Ok(true)
}
