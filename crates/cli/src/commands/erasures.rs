//! `entente erasures`: the journal of who was erased, which is kept beside the backups and applied again
//! to a database that was restored. It names random ids and nobody.

use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Subcommand};
use entente_hub::control::apply_journal;
use entente_ledger::{Cell, MemberId, RequestId};
use entente_store::erasing::{self, Erasure};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::output::say;

const EXAMPLES: &str = "\
Examples:
  entente erasures export > erasures.jsonl
  entente erasures apply erasures.jsonl";

/// How many lines are read at a time.
const PAGE: u16 = 1_000;

/// What to do with the journal.
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum ErasuresCommand {
    /// Print the journal, a JSON object a line.
    Export(ExportArgs),
    /// Erase whom a journal names, after a restore and before a hub is started.
    Apply(ApplyArgs),
}

/// Which database.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The database, as its owner.
    #[arg(env = "ENTENTE_OWNER_URL", value_name = "URL", hide_env_values = true)]
    owner_url: String,
}

/// Which journal.
#[derive(Debug, Args)]
pub(crate) struct ApplyArgs {
    /// The journal, as `entente erasures export` printed it.
    file: PathBuf,
    /// The database, as its owner.
    #[arg(long, env = "ENTENTE_OWNER_URL", value_name = "URL", hide_env_values = true)]
    owner_url: String,
}

/// A line of the journal.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    member: String,
    cell: i16,
    erased_at: String,
    proposal: String,
}

/// Runs the command.
pub(crate) async fn run(command: ErasuresCommand) -> anyhow::Result<()> {
    match command {
        ErasuresCommand::Export(args) => export(&args).await,
        ErasuresCommand::Apply(args) => apply(&args).await,
    }
}

async fn export(args: &ExportArgs) -> anyhow::Result<()> {
    let pool = entente_store::connect(&args.owner_url, 1).await?;
    let mut after = None;
    loop {
        let page = erasing::journal(&pool, after, PAGE).await?;
        for erasure in &page {
            say(&serde_json::to_string(&Line::from(*erasure))?)?;
        }
        after = page.last().copied();
        if after.is_none() {
            pool.close().await;
            return Ok(());
        }
    }
}

async fn apply(args: &ApplyArgs) -> anyhow::Result<()> {
    let text = fs::read_to_string(&args.file);
    let text = text.with_context(|| format!("cannot read {}", args.file.display()))?;
    let journal: Result<Vec<Erasure>, anyhow::Error> = text
        .lines()
        .enumerate()
        .map(|(number, line)| {
            let line: Line = serde_json::from_str(line)
                .with_context(|| format!("line {} is not of a journal", number + 1))?;
            Erasure::try_from(line)
                .with_context(|| format!("line {} is not of a journal", number + 1))
        })
        .collect();
    let journal = journal?;
    let pool = entente_store::connect(&args.owner_url, 4).await?;
    let applied = apply_journal(&pool, &journal).await;
    pool.close().await;
    let applied = applied?;
    say(&format!("{} members erased, {} were erased already", applied.erased, applied.known))?;
    Ok(())
}

impl From<Erasure> for Line {
    fn from(erasure: Erasure) -> Self {
        Self {
            member: erasure.member.0.to_string(),
            cell: erasure.cell.0,
            erased_at: erasure.erased_at.to_string(),
            proposal: erasure.proposal.0.to_string(),
        }
    }
}

impl TryFrom<Line> for Erasure {
    type Error = anyhow::Error;

    fn try_from(line: Line) -> anyhow::Result<Self> {
        Ok(Self {
            member: MemberId(Uuid::parse_str(&line.member)?),
            cell: Cell(line.cell),
            erased_at: line.erased_at.parse()?,
            proposal: RequestId(Uuid::parse_str(&line.proposal)?),
        })
    }
}
