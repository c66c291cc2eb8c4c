//! `entente demo`: everything at once, on this machine, from nothing.

mod cast;
mod folder;
mod hints;
mod oracle;
mod plan;
mod play;
pub(crate) mod progress;
mod report;
mod stage;
mod tally;

use std::time::Instant;

use anyhow::bail;
use clap::Args;
use entente_api::settlement::{CloseWindowRequest, GetStatementRequest};

use crate::commands::check;
use crate::commands::settle::read_statement;
use crate::home::Home;
use crate::output::{Format, dim, say};
use crate::stop;
use cast::{Brand, HOURS, WINDOW, at_hour};
use folder::Folder;
use plan::{Plan, Size};
use play::Clients;
use progress::Progress;
use report::Report;
use stage::Stage;

const EXAMPLES: &str = "\
Examples:
  entente demo                   play a month; again: it replays, and nothing changes
  entente demo --serve           and keep the hub up, with commands to try
  entente demo --output json     for programs
  entente demo --clean           remove the demo's data";

/// How to play.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DemoArgs {
    /// Keep the hub up afterwards.
    #[arg(long, conflicts_with = "clean")]
    serve: bool,
    /// Remove the demo's data, and do nothing else.
    #[arg(long)]
    clean: bool,
    /// What the month follows from.
    #[arg(long, default_value_t = 2026)]
    seed: u64,
    /// How many members there are.
    #[arg(long, default_value_t = 500, hide = true)]
    members: usize,
    /// How often members visit a brand.
    #[arg(long, default_value_t = 5_500, hide = true)]
    operations: u64,
    /// How to print.
    #[arg(long, env = "ENTENTE_OUTPUT", default_value = "table", hide_env_values = true)]
    output: Format,
    #[command(flatten)]
    home: Home,
}

/// Runs the command.
pub(crate) async fn run(args: DemoArgs) -> anyhow::Result<()> {
    let folder = Folder::new(args.home.folder("demo")?);
    let shown = folder.path().display();
    if args.clean {
        let cleaned = folder.clean().await?;
        let line = if cleaned { "the demo is removed from" } else { "there is no demo in" };
        return Ok(say(&format!("{line} {shown}"))?);
    }
    let size = Size { seed: args.seed, members: args.members, visits: args.operations };
    let progress = Progress::new(args.output);
    progress.step(format!("data lies in {shown}"));
    folder.claim(size)?;
    let stage = Stage::build(&folder, progress).await?;
    let report = play(size, &stage, progress).await?;
    match args.output {
        Format::Table => say(&report.text())?,
        Format::Json => say(&serde_json::to_string_pretty(&report.json(stage.addresses()))?)?,
    }
    args.output
        .note(&dim(&format!("\nThe data stays in {shown}; `entente demo --clean` removes it.")))?;
    if args.serve {
        let hints = hints::text(&folder, stage.addresses(), &report.guest);
        args.output.note(&format!("\n{hints}"))?;
        stop::asked_for().await?;
    }
    stage.strike().await?;
    if !report.is_good() {
        bail!("something is not as it should be; see above");
    }
    Ok(())
}

async fn play(size: Size, stage: &Stage, progress: Progress) -> anyhow::Result<Report> {
    let begun = Instant::now();
    let plan = Plan::new(size)?;
    let clients = &stage.clients;
    let tally = play::play(&plan, clients, at_hour(HOURS), &progress).await?;
    let differing = play::differing_balances(&plan.predictions, clients, &progress).await?;
    progress.step(format!("closing the window {WINDOW}"));
    let window = WINDOW.to_owned();
    let closed = clients.operator.close_window(CloseWindowRequest { name: window }).await?;
    let statements = statements(clients).await?;
    progress.step("verifying every invariant on the database");
    let verdicts = check::verify(&stage.owner_url()).await?;
    let guest = plan.predictions.iter().find(|member| member.brand == Brand::Harbor);
    Ok(Report {
        size,
        guest: guest.map(|guest| guest.reference.clone()).unwrap_or_default(),
        tally,
        balances: (plan.predictions.len(), differing),
        statements,
        nets: closed.nets,
        verdicts,
        took: begun.elapsed(),
    })
}

/// Each brand reads its own.
async fn statements(clients: &Clients) -> anyhow::Result<Vec<crate::commands::settle::Statement>> {
    let mut statements = Vec::new();
    for brand in Brand::ALL {
        let request = GetStatementRequest { window: WINDOW.to_owned(), partner: String::new() };
        statements.push(read_statement(clients.of(brand), request, |_| Ok(())).await?);
    }
    Ok(statements)
}
