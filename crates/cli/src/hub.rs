//! Starting a hub in this process.

use entente_hub::{Config, Hub, Ledger};

/// Opens the ledger and starts a hub on it: when this returns, it answers.
pub(crate) async fn start(config: &Config) -> anyhow::Result<Hub> {
    let ledger = Ledger::open(config).await?;
    Ok(Hub::start(config, ledger.services()).await?)
}

/// The same, asking for no tokens: to measure what they cost.
#[cfg(feature = "unguarded")]
pub(crate) async fn start_unguarded(config: &Config) -> anyhow::Result<Hub> {
    let ledger = Ledger::open(config).await?;
    Ok(Hub::start(config, ledger.services().unguarded()).await?)
}
