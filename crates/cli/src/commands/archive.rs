//! `entente archive`: old months out of the ledger and back, on the database itself, as its owner.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use entente_hub::feed::StoredCursor;
use entente_store::{
    archive::{self, ArchivedMonth, Month, OwnerConnection, Source, Standing},
    webhooks,
};
use prost::Message as _;
use serde_json::{Value, json};

use crate::output::{Format, Table, count, say};

const EXAMPLES: &str = "\
Examples:
  entente archive list
  entente archive detach --before 2026-03
  entente archive write --folder /srv/archive
  entente archive drop 2026-01 --folder /srv/archive
  entente archive attach 2026-01 --folder /srv/archive";

/// What to do with old months.
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum ArchiveCommand {
    /// Show every month, how far it is on its way out, and what keeps it.
    List(ListArgs),
    /// Take months out of the ledger; their tables stay in the database. Hubs may run meanwhile.
    Detach(DetachArgs),
    /// Write the files of detached months.
    Write(WriteArgs),
    /// Drop the tables of a detached month, once its files are verified.
    Drop(DropArgs),
    /// Bring a month back, from its tables or its files.
    Attach(AttachArgs),
}

/// Which database.
#[derive(Debug, Args)]
pub(crate) struct Owner {
    /// The database, as its owner.
    #[arg(long, env = "ENTENTE_OWNER_URL", value_name = "URL", hide_env_values = true)]
    owner_url: String,
}

/// How to print.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    owner: Owner,
    /// How to print.
    #[arg(long, env = "ENTENTE_OUTPUT", default_value = "table", hide_env_values = true)]
    output: Format,
}

/// Which months.
#[derive(Debug, Args)]
pub(crate) struct DetachArgs {
    /// All months before this one, such as 2026-03, the earliest first.
    #[arg(long, value_name = "MONTH")]
    before: Month,
    #[command(flatten)]
    owner: Owner,
}

/// Where to.
#[derive(Debug, Args)]
pub(crate) struct WriteArgs {
    /// The folder for the files; it is there.
    #[arg(long, value_name = "DIR")]
    folder: PathBuf,
    #[command(flatten)]
    owner: Owner,
}

/// Which month, and where its files are.
#[derive(Debug, Args)]
pub(crate) struct DropArgs {
    /// The month, such as 2026-01.
    month: Month,
    /// The folder of its files.
    #[arg(long, value_name = "DIR")]
    folder: PathBuf,
    #[command(flatten)]
    owner: Owner,
}

/// Which month, and from where.
#[derive(Debug, Args)]
pub(crate) struct AttachArgs {
    /// The month, such as 2026-01.
    month: Month,
    /// The folder of its files; without it, the tables that are still in the database.
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    #[command(flatten)]
    owner: Owner,
}

/// Runs the command.
pub(crate) async fn run(command: ArchiveCommand) -> anyhow::Result<()> {
    match command {
        ArchiveCommand::List(args) => list(&args).await,
        ArchiveCommand::Detach(args) => detach(&args).await,
        ArchiveCommand::Write(args) => write(&args).await,
        ArchiveCommand::Drop(args) => {
            let mut connection = args.owner.connect().await?;
            let dropped = archive::drop_tables(&mut connection, args.month, &args.folder).await?;
            let done =
                if dropped { "dropped; its files alone have it" } else { "was dropped before" };
            Ok(say(&format!("{} {done}", args.month))?)
        }
        ArchiveCommand::Attach(args) => {
            let mut connection = args.owner.connect().await?;
            let source = args.folder.as_deref().map_or(Source::Tables, Source::Files);
            let attached = archive::attach(&mut connection, args.month, source).await?;
            let done = if attached { "is in the ledger again" } else { "is in the ledger" };
            Ok(say(&format!("{} {done}", args.month))?)
        }
    }
}

impl Owner {
    async fn connect(&self) -> anyhow::Result<OwnerConnection> {
        Ok(archive::connect(&self.owner_url).await?)
    }
}

async fn list(args: &ListArgs) -> anyhow::Result<()> {
    let mut connection = args.owner.connect().await?;
    let mut rows = Vec::new();
    let mut may_go = true;
    for known in archive::months(&mut connection).await? {
        let mut obstacles = Vec::new();
        if known.standing == Standing::Kept && may_go {
            obstacles = archive::obstacles(&mut connection, known.month).await?;
        }
        // Those behind one that could go wait for it, and say nothing.
        may_go &= known.standing != Standing::Kept;
        rows.push(row(&known, &obstacles));
    }
    args.output.show(&Value::Array(rows), table)
}

fn row(known: &ArchivedMonth, obstacles: &[String]) -> Value {
    let tables = known.tables.iter().map(|table| {
        let file = known.month.file(&table.name);
        json!({
            "file": file,
            "rows": table.row_count,
            "bytes": table.byte_count,
            "sha256": hex::encode(&table.sha256),
        })
    });
    json!({
        "month": known.month.to_string(),
        "standing": standing(known.standing),
        "obstacles": obstacles,
        "files": tables.collect::<Vec<_>>(),
    })
}

const fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Kept => "kept",
        Standing::Detached => "detached",
        Standing::Dropped => "dropped",
    }
}

fn table(rows: &Value) -> String {
    let mut table = Table::new(&["month", "standing", "rows", "why it stays"]);
    for row in rows.as_array().into_iter().flatten() {
        let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
        let list = |key: &str| row[key].as_array().cloned().unwrap_or_default();
        let rows: u64 = list("files").iter().filter_map(|file| file["rows"].as_u64()).sum();
        let why: Vec<_> =
            list("obstacles").iter().filter_map(|why| why.as_str().map(str::to_owned)).collect();
        table.row([text("month"), text("standing"), count(rows), why.join("; ")]);
    }
    table.text("the ledger has no months")
}

async fn detach(args: &DetachArgs) -> anyhow::Result<()> {
    let mut connection = args.owner.connect().await?;
    let months = archive::months(&mut connection).await?;
    let kept = months.iter().filter(|known| known.standing == Standing::Kept);
    for month in kept.map(|known| known.month).filter(|month| *month < args.before) {
        read_by_webhooks(&mut connection, month).await?;
        archive::detach(&mut connection, month).await?;
        say(&format!("{month} detached"))?;
    }
    let last = months.iter().map(|known| known.month).filter(|month| *month < args.before).max();
    match last {
        Some(_) => Ok(say(&format!("nothing before {} is in the ledger", args.before))?),
        None => bail!("the ledger has no month before {}", args.before),
    }
}

/// A webhook that has not been told of all would never be told of the rest.
async fn read_by_webhooks(connection: &mut OwnerConnection, month: Month) -> anyhow::Result<()> {
    let ends = archive::numbers_before(connection, month.end()).await?;
    for (id, cursor) in webhooks::cursors(&mut *connection).await? {
        let cursor = StoredCursor::decode(cursor.as_slice())
            .with_context(|| format!("the cursor of webhook {id} cannot be read"))?;
        let past = cursor.floor_micros >= month.end().as_microsecond();
        if !past && ends.iter().zip(&cursor.seqs).any(|(end, read)| read < end) {
            bail!("{month} stays in the ledger: webhook {id} has not been told of all of it");
        }
    }
    Ok(())
}

async fn write(args: &WriteArgs) -> anyhow::Result<()> {
    let mut connection = args.owner.connect().await?;
    let months = archive::months(&mut connection).await?;
    for known in months.iter().filter(|known| known.standing == Standing::Detached) {
        let month = known.month;
        let written = archive::write(&mut connection, month, &args.folder).await?;
        manifest(known, &args.folder).await?;
        let done = if written { "written" } else { "is there" };
        say(&format!("{month} {done}: {}", args.folder.display()))?;
    }
    Ok(())
}

/// What a month's files are, beside them, for whoever finds them without the database.
async fn manifest(known: &ArchivedMonth, folder: &Path) -> anyhow::Result<()> {
    let path = folder.join(format!("archive_{}.json", known.month));
    let text = serde_json::to_string_pretty(&row(known, &[]))?;
    let written = tokio::fs::write(&path, text + "\n").await;
    written.with_context(|| format!("{} cannot be written", path.display()))
}
