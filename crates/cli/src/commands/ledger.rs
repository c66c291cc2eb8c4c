//! `entente ledger`: what ledger a hub serves, and the clock of a simulation.

use clap::{Args, Subcommand};
use entente_api::ledger::{AdvanceClockRequest, GetLedgerRequest};
use serde_json::json;

use crate::connect::Connection;
use crate::output::{parse_time, proto_time, time_text};

const EXAMPLES: &str = "\
Examples:
  entente ledger get
  entente ledger advance-clock 2026-04-01T00:00:00Z";

/// What to do with the ledger.
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum LedgerCommand {
    /// Show the ledger's kind, clock and shape.
    Get(GetArgs),
    /// Move a simulation's clock forward.
    AdvanceClock(AdvanceArgs),
}

/// Which ledger.
#[derive(Debug, Args)]
pub(crate) struct GetArgs {
    #[command(flatten)]
    connection: Connection,
}

/// To when.
#[derive(Debug, Args)]
pub(crate) struct AdvanceArgs {
    /// The time to move to: 2026-04-01T00:00:00Z, or a day.
    to: String,
    #[command(flatten)]
    connection: Connection,
}

/// Runs the command.
pub(crate) async fn run(command: LedgerCommand) -> anyhow::Result<()> {
    match command {
        LedgerCommand::Get(args) => get(args.connection).await,
        LedgerCommand::AdvanceClock(args) => {
            let to = Some(proto_time(parse_time(&args.to)?));
            let client = args.connection.client().await?;
            let answer = client.advance_clock(AdvanceClockRequest { to }).await?;
            let now = time_text(answer.now.as_ref());
            args.connection.output.show(&json!({ "now": now }), |_| format!("it is {now}"))
        }
    }
}

async fn get(connection: Connection) -> anyhow::Result<()> {
    let ledger = connection.client().await?.get_ledger(GetLedgerRequest {}).await?;
    let now = time_text(ledger.now.as_ref());
    let json = json!({
        "simulation": ledger.simulation,
        "now": now,
        "cell_count": ledger.cell_count,
        "version": ledger.version,
    });
    connection.output.show(&json, |_| {
        let kind = if ledger.simulation { "a simulation, whose clock is moved" } else { "live" };
        let cells = ledger.cell_count;
        format!("ledger   {kind}\nnow      {now}\ncells    {cells}\nhub      {}", ledger.version)
    })
}
