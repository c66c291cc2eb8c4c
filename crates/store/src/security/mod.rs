//! What calls are authenticated and allowed by: operators' roles, registered keys, the hubs' own
//! keys, what is revoked, and the trail of what happened to them.
//!
//! Every change that hubs have to know of raises the epoch first, in its own transaction: the row's
//! lock puts such changes in order, and who reads an epoch reads at least what was written by then.

mod assertions;
mod bootstrap;
mod denied;
mod events;
mod keys;
mod operators;
mod signing;
mod snapshot;

use jiff::Timestamp;
use sqlx::{PgConnection, PgExecutor};

pub use assertions::{prune_assertions, see_assertion};
pub use bootstrap::{NewOperator, bootstrap};
pub use denied::{Denied, deny, prune_denied};
pub use events::{
    EventFilter, NewSecurityEvent, SecurityEvent, SecurityEventKind, list_events, record_event,
};
pub use keys::{RegisteredKey, find_key, insert_key, keys_of, live_keys, revoke_key};
pub use operators::{Operator, list_operators, operator, set_roles};
pub use signing::{SigningKeyRow, prune_signing_keys, publish_signing_key, revoke_signing_key};
pub use snapshot::{SecuritySnapshot, load_snapshot};

use crate::StoreError;

/// The security epoch.
pub async fn epoch(executor: impl PgExecutor<'_>) -> Result<i64, StoreError> {
    let epoch = sqlx::query_scalar!("SELECT epoch FROM security").fetch_one(executor).await?;
    Ok(epoch)
}

/// The security epoch, and the database's clock.
pub async fn look(executor: impl PgExecutor<'_>) -> Result<(i64, Timestamp), StoreError> {
    let row = sqlx::query!(
        r#"SELECT epoch, clock_timestamp() AS "database!: jiff_sqlx::Timestamp" FROM security"#
    );
    let row = row.fetch_one(executor).await?;
    Ok((row.epoch, row.database.to_jiff()))
}

/// Raises the epoch, and answers it. Changes wait for one another here.
pub async fn raise_epoch(connection: &mut PgConnection) -> Result<i64, StoreError> {
    let raised = sqlx::query_scalar!("UPDATE security SET epoch = epoch + 1 RETURNING epoch");
    Ok(raised.fetch_one(connection).await?)
}
