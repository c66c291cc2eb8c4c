//! Operators: a name, and roles that another operator granted.

use jiff::Timestamp;
use sqlx::{PgConnection, PgExecutor};

use crate::StoreError;

/// An operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// The name that its certificate has.
    pub name: String,
    /// Its roles, by their numbers in the contract; none for one that may do nothing any more.
    pub roles: Vec<i32>,
    /// Since when.
    pub created_at: Timestamp,
}

/// Sets an operator's roles, and makes the operator where there is none by this name. The epoch has
/// been raised.
pub async fn set_roles(
    connection: &mut PgConnection,
    name: &str,
    roles: &[i32],
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO operators (name, roles, created_at) VALUES ($1, $2, clock_timestamp())
         ON CONFLICT (name) DO UPDATE SET roles = EXCLUDED.roles",
        name,
        roles
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// An operator by its name.
pub async fn operator(
    executor: impl PgExecutor<'_>,
    name: &str,
) -> Result<Option<Operator>, StoreError> {
    let row = sqlx::query!(
        r#"SELECT name, roles, created_at AS "created_at: jiff_sqlx::Timestamp"
           FROM operators WHERE name = $1"#,
        name
    );
    let row = row.fetch_optional(executor).await?;
    Ok(row.map(|row| Operator {
        name: row.name,
        roles: row.roles,
        created_at: row.created_at.to_jiff(),
    }))
}

/// All operators, by name. There are as many as a company has staff: few.
pub async fn list_operators(executor: impl PgExecutor<'_>) -> Result<Vec<Operator>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT name, roles, created_at AS "created_at: jiff_sqlx::Timestamp"
           FROM operators ORDER BY name LIMIT 1000"#
    );
    let rows = rows.fetch_all(executor).await?.into_iter().map(|row| Operator {
        name: row.name,
        roles: row.roles,
        created_at: row.created_at.to_jiff(),
    });
    Ok(rows.collect())
}
