//! `entente check`: verifies the invariants on a live database.

use std::path::Path;

use anyhow::bail;
use clap::Args;
use entente_embedded::{Embedded, Options, Status};
use entente_store::check::{self, Verdict};
use serde_json::{Value, json};

use crate::database;
use crate::exit::Offended;
use crate::home::Home;
use crate::output::{Format, count, dim, good};

const EXAMPLES: &str = "\
Examples:
  entente check --demo
  entente check --embedded
  entente check postgres://entente@db/entente
  ENTENTE_OWNER_URL=postgres://entente@db/entente entente check --output json";

/// Which database.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CheckArgs {
    /// The database, as a role that may read all of it.
    #[arg(env = "ENTENTE_OWNER_URL", value_name = "URL", hide_env_values = true)]
    #[arg(required_unless_present_any = ["embedded", "demo", "demo_files"])]
    owner_url: Option<String>,
    /// The private database of `entente serve --embedded`.
    #[arg(long, conflicts_with = "demo")]
    embedded: bool,
    /// The private database of `entente demo`.
    #[arg(long)]
    demo: bool,
    /// The private database of `entente demo --stays FILE --rides FILE`.
    #[arg(long, conflicts_with_all = ["embedded", "demo"])]
    demo_files: bool,
    #[command(flatten)]
    home: Home,
    /// How to print.
    #[arg(long, env = "ENTENTE_OUTPUT", default_value = "table", hide_env_values = true)]
    output: Format,
}

/// Whether each invariant holds.
#[derive(Clone, Debug)]
pub(crate) struct Verdicts(Vec<Verdict>);

/// Runs the command.
pub(crate) async fn run(args: CheckArgs) -> anyhow::Result<()> {
    let flags = [
        (args.demo, "demo/database"),
        (args.demo_files, "demo-files/database"),
        (args.embedded, "database"),
    ];
    let private = flags.into_iter().find_map(|(given, name)| given.then_some(name));
    let verdicts = match private {
        Some(name) => verify_private(&args.home.folder(name)?).await?,
        None => verify(&args.owner_url.unwrap_or_default()).await?,
    };
    args.output.show(&verdicts.json(), |_| verdicts.text())?;
    match verdicts.broken() {
        0 => Ok(()),
        broken => Err(Offended { broken }.into()),
    }
}

/// Verifies every invariant, in one snapshot.
pub(crate) async fn verify(url: &str) -> anyhow::Result<Verdicts> {
    let pool = entente_store::connect(url, 1).await?;
    let verdicts = check::run(&pool).await;
    pool.close().await;
    Ok(Verdicts(verdicts?))
}

/// Verifies a private database, which is started for it where it is down.
async fn verify_private(folder: &Path) -> anyhow::Result<Verdicts> {
    if Embedded::status(folder).await? == Status::Absent {
        bail!("there is no database in {}", folder.display());
    }
    let database = Embedded::start(Options::new(folder)).await?;
    let verdicts = verify(&database::owner_url(&database)).await;
    database.stop().await?;
    verdicts
}

impl Verdicts {
    /// How many invariants do not hold.
    pub(crate) fn broken(&self) -> usize {
        self.0.iter().filter(|verdict| !verdict.holds()).count()
    }

    /// How many rows of these the check read.
    pub(crate) fn row_count(&self, what: &str) -> u64 {
        let checked = self.0.iter().flat_map(|verdict| &verdict.checked);
        let rows = checked.filter(|(name, _)| *name == what).map(|(_, rows)| *rows).max();
        rows.and_then(|rows| u64::try_from(rows).ok()).unwrap_or_default()
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        self.0.iter().map(verdict_text).collect::<Vec<_>>().join("\n")
    }

    /// For programs.
    pub(crate) fn json(&self) -> Value {
        let verdict = |verdict: &Verdict| {
            let checked =
                verdict.checked.iter().map(|&(what, rows)| (what.to_owned(), rows.into()));
            json!({
                "number": verdict.number,
                "invariant": verdict.name,
                "holds": verdict.holds(),
                "row_counts": checked.collect::<serde_json::Map<_, Value>>(),
                "offenders": verdict.offenders,
            })
        };
        self.0.iter().map(verdict).collect()
    }
}

fn verdict_text(verdict: &Verdict) -> String {
    let mark = good(verdict.holds(), if verdict.holds() { "holds " } else { "BROKEN" });
    let rows = |&(what, rows): &(&str, i64)| {
        format!("{} {what}", count(u64::try_from(rows).unwrap_or_default()))
    };
    let checked = verdict.checked.iter().map(rows).collect::<Vec<_>>().join(", ");
    let mut text =
        format!("{mark}  {:>2}  {:<27}  {}", verdict.number, verdict.name, dim(&checked));
    for offender in &verdict.offenders {
        text.push_str("\n            ");
        text.push_str(offender);
    }
    text
}
