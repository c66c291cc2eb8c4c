//! `entente demo`: everything at once, on this machine, from nothing.

mod cast;
mod files;
mod folder;
mod hints;
mod oracle;
mod plan;
mod play;
pub(crate) mod progress;
mod report;
mod stage;
mod tally;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::bail;
use clap::Args;
use entente_api::proposal::{GetProposalRequest, Proposal};
use entente_api::settlement::{CloseWindowRequest, GetStatementRequest};

use crate::commands::check;
use crate::commands::settle::read_statement;
use crate::home::Home;
use crate::output::{Format, dim, say};
use crate::stop;
use cast::{Brand, HOURS, WINDOW, at_hour};
use files::Files;
use folder::Folder;
use hints::Sights;
use plan::{Command, Plan, Size};
use play::Clients;
use progress::Progress;
use report::Report;
use stage::Stage;

const EXAMPLES: &str = "\
Examples:
  entente demo                   play a month; again: it replays, and nothing changes
  entente demo --serve           and keep the hub up, with commands to try
  entente demo --output json     for programs
  entente demo --stays stays.csv --rides rides.csv
                                 play real rows: bookings of hotels, rides of taxis
  entente demo --clean           remove the data of both";

/// How to play.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DemoArgs {
    /// Keep the hub up afterwards.
    #[arg(long, conflicts_with = "clean")]
    serve: bool,
    /// Play the bookings of this CSV file, instead of a month that is made up.
    #[arg(long, value_name = "FILE", requires = "rides")]
    #[arg(conflicts_with_all = ["clean", "seed", "members", "operations"])]
    stays: Option<PathBuf>,
    /// Together with the taxi rides of this one.
    #[arg(long, value_name = "FILE", requires = "stays")]
    rides: Option<PathBuf>,
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
    match (&args.stays, &args.rides) {
        _ if args.clean => clean(&args.home).await,
        (Some(stays), Some(rides)) => run_files(&args, stays, rides).await,
        _ => run_month(&args).await,
    }
}

async fn clean(home: &Home) -> anyhow::Result<()> {
    let mut cleaned = false;
    for folder in [Folder::of_month(home)?, Folder::of_files(home)?] {
        if folder.clean().await? {
            cleaned = true;
            say(&format!("the demo is removed from {}", folder.path().display()))?;
        }
    }
    if !cleaned {
        say(&format!("there is no demo in {}", Folder::of_month(home)?.path().display()))?;
    }
    Ok(())
}

async fn run_month(args: &DemoArgs) -> anyhow::Result<()> {
    let folder = Folder::of_month(&args.home)?;
    let size = Size { seed: args.seed, members: args.members, visits: args.operations };
    let progress = Progress::new(args.output);
    progress.step(format!("data lies in {}", folder.path().display()));
    folder.claim(&size)?;
    let stage = Stage::build(&folder, at_hour(0), progress).await?;
    let report = play(size, &stage, progress).await?;
    args.output.show(&report.json(stage.addresses()), |_| report.text())?;
    let sights = Sights { window: WINDOW, guest: &report.guest, check: "--demo" };
    end(args, &folder, stage, sights, report.is_good()).await
}

async fn run_files(args: &DemoArgs, stays: &Path, rides: &Path) -> anyhow::Result<()> {
    let folder = Folder::of_files(&args.home)?;
    let files = Files::read(stays, rides)?;
    let progress = Progress::new(args.output);
    progress.step(format!("data lies in {}", folder.path().display()));
    let (stage, report) = files.play(&folder, progress).await?;
    args.output.show(&report.json(stage.addresses()), |_| report.text())?;
    let (window, guest) = report.sights();
    let sights = Sights { window, guest, check: "--demo-files" };
    end(args, &folder, stage, sights, report.is_good()).await
}

/// Serves on, if that was asked for, and ends: well if all was good.
async fn end(
    args: &DemoArgs,
    folder: &Folder,
    stage: Stage,
    sights: Sights<'_>,
    is_good: bool,
) -> anyhow::Result<()> {
    let shown = folder.path().display();
    args.output
        .note(&dim(&format!("\nThe data stays in {shown}; `entente demo --clean` removes it.")))?;
    if args.serve {
        let hints = hints::text(folder, stage.addresses(), sights);
        args.output.note(&format!("\n{hints}"))?;
        stop::asked_for().await?;
    }
    stage.strike().await?;
    if !is_good {
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
    let closed =
        clients.operator.close_window(CloseWindowRequest { name: window, testing: false }).await?;
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
        first_terms: first_terms(&plan, clients).await?,
        verdicts,
        took: begun.elapsed(),
    })
}

/// The proposal behind the first terms of the plan.
async fn first_terms(plan: &Plan, clients: &Clients) -> anyhow::Result<Proposal> {
    let steps = plan.phases.iter().flat_map(|phase| &phase.first);
    let proposal = steps.into_iter().find_map(|step| match &step.command {
        Command::PublishTerms(request) => Some(request.request_id.clone()),
        _ => None,
    });
    let request = GetProposalRequest { proposal: proposal.unwrap_or_default() };
    Ok(clients.operator.get_proposal(request).await?.proposal.unwrap_or_default())
}

/// Each brand reads its own.
async fn statements(clients: &Clients) -> anyhow::Result<Vec<crate::commands::settle::Statement>> {
    let mut statements = Vec::new();
    for brand in Brand::ALL {
        let request = GetStatementRequest {
            window: WINDOW.to_owned(),
            partner: String::new(),
            ..GetStatementRequest::default()
        };
        statements.push(read_statement(clients.of(brand), request, |_| Ok(())).await?);
    }
    Ok(statements)
}
