//! A private PostgreSQL made ready for a hub: database, schema, ledger, and the role it runs as.

use entente_embedded::Embedded;
use entente_hub::config::DatabaseUrl;
use entente_store::{LedgerOptions, RUNTIME_ROLE, migrate};
use jiff::Timestamp;
use uuid::Uuid;

/// The name of the database.
const DATABASE: &str = "entente";

/// Into how many cells members are divided, unless chosen otherwise.
pub(crate) const CELLS: i16 = 16;

/// Brings the embedded database up to date and answers its address as the runtime role. A ledger
/// that is made now is a simulation when a start is given.
pub(crate) async fn prepare(
    embedded: &Embedded,
    simulation: Option<Timestamp>,
) -> anyhow::Result<DatabaseUrl> {
    embedded.ensure_database(DATABASE).await?;
    let password = runtime_password(embedded);
    let runtime_password = Some(password.clone());
    let options = LedgerOptions { simulation, cell_count: CELLS, runtime_password };
    migrate(&embedded.url(DATABASE), &options).await?;
    Ok(DatabaseUrl::new(embedded.url_as(RUNTIME_ROLE, &password, DATABASE)))
}

/// The address as the owner, who may read everything.
pub(crate) fn owner_url(embedded: &Embedded) -> String {
    embedded.url(DATABASE)
}

/// The same at each start, so that two hubs can share the database; it opens nothing but this
/// private one, whose own password it follows from.
fn runtime_password(embedded: &Embedded) -> String {
    let name = format!("{RUNTIME_ROLE} {}", embedded.password());
    Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()).to_string()
}
