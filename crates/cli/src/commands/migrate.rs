//! `entente migrate`: brings a database to this version's schema, as its owner.

use clap::Args;
use entente_store::{LedgerOptions, RUNTIME_ROLE, migrate};

use crate::database::CELLS;
use crate::output::{parse_time, say};

const EXAMPLES: &str = "\
Examples:
  entente migrate postgres://entente@db/entente
  ENTENTE_RUNTIME_PASSWORD=... entente migrate postgres://entente@db/entente
  entente migrate --simulation 2026-03-01 postgres://entente@127.0.0.1/rehearsal";

/// Which database, and what ledger to make where there is none.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct MigrateArgs {
    /// The database, as its owner.
    #[arg(env = "ENTENTE_OWNER_URL", value_name = "URL", hide_env_values = true)]
    owner_url: String,
    /// Make a simulation, for ever, whose clock begins at this time.
    #[arg(long, value_name = "TIME")]
    simulation: Option<String>,
    /// Into how many cells members are divided, for ever.
    #[arg(long, value_name = "COUNT", default_value_t = CELLS)]
    cells: i16,
    /// The password to give the role that the hub runs as.
    #[arg(long, env = "ENTENTE_RUNTIME_PASSWORD", value_name = "PASSWORD", hide_env_values = true)]
    runtime_password: Option<String>,
}

/// Runs the command.
pub(crate) async fn run(args: MigrateArgs) -> anyhow::Result<()> {
    let options = LedgerOptions {
        simulation: args.simulation.as_deref().map(parse_time).transpose()?,
        cell_count: args.cells,
        runtime_password: args.runtime_password,
    };
    let kind = migrate(&args.owner_url, &options).await?;
    let simulation = if kind.simulation { "a simulation" } else { "live" };
    let cells = kind.cell_count;
    say(&format!("the schema is up to date; the ledger is {simulation}, in {cells} cells"))?;
    say(&format!("the hub connects as the role {RUNTIME_ROLE}"))?;
    Ok(())
}
