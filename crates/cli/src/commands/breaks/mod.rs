//! `entente breaks`: what becomes of the differences that reconciliations found.

mod list;
mod name;
mod show;
mod step;

use clap::Subcommand;

pub(crate) use name::full as break_id;

const EXAMPLES: &str = "\
A break is named by its report, of which the first characters do, and its number: 3f2a1b9c/12.

Examples:
  entente breaks list
  entente breaks list --window 2026-03 --partner rover-rides --output csv > breaks.csv
  entente breaks list --owner ana --state assigned
  entente breaks show 3f2a1b9c/12
  entente breaks assign 3f2a1b9c/12 3f2a1b9c/13 --to ana --reason \"looks like a void\"
  entente breaks agree 3f2a1b9c/12 --reason \"the receipt says so\" --as rover-rides
  entente breaks adjust 3f2a1b9c/12 --reason \"priced by old terms\"
  entente breaks write-off 3f2a1b9c/13 --reason \"two cents\"";

/// What to do with breaks.
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum BreaksCommand {
    /// List reports of reconciliations, the latest first.
    Reports(list::ReportsArgs),
    /// List breaks that nobody has resolved, or others.
    List(list::ListArgs),
    /// Show one: both sides, and who did what with it, when and why.
    Show(show::ShowArgs),
    /// Say who looks into breaks.
    Assign(step::AssignArgs),
    /// Say something about breaks that somebody looks into; bring up again what was rejected.
    Comment(step::StepArgs),
    /// Agree that the break is to be corrected, or borne.
    Agree(step::StepArgs),
    /// Say that the hub's side stands.
    Reject(step::StepArgs),
    /// Propose the adjustment that corrects a break; its approval ends the break.
    Adjust(step::AdjustArgs),
    /// End a break by an adjustment that was posted before.
    Adjusted(step::AdjustedArgs),
    /// Propose to bear a break as it is; its approval ends the break.
    WriteOff(step::WriteOffArgs),
}

/// Runs the command.
pub(crate) async fn run(command: BreaksCommand) -> anyhow::Result<()> {
    match command {
        BreaksCommand::Reports(args) => list::reports(args).await,
        BreaksCommand::List(args) => list::run(args).await,
        BreaksCommand::Show(args) => show::run(args).await,
        BreaksCommand::Assign(args) => step::assign(args).await,
        BreaksCommand::Comment(args) => step::comment(args).await,
        BreaksCommand::Agree(args) => step::agree(args).await,
        BreaksCommand::Reject(args) => step::reject(args).await,
        BreaksCommand::Adjust(args) => Box::pin(step::adjust(args)).await,
        BreaksCommand::Adjusted(args) => step::adjusted(args).await,
        BreaksCommand::WriteOff(args) => Box::pin(step::write_off(args)).await,
    }
}
