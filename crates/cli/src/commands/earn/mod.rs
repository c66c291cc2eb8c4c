//! `entente earn`: sends a file of purchases in one stream, and says what became of each line.

mod amount;
mod layout;
mod lines;
mod outcome;
mod row;
mod send;

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;

use crate::connect::Connection;
use crate::exit::{LinesRefused, LinesUnknown};
use crate::records::Delimiter;
use layout::Defaults;
use outcome::Tally;

const ABOUT: &str = "\
The file is CSV with a header, or has one JSON object a line. A byte-order mark, CRLF and quotes are
tolerated, and the delimiter is found in the header.

Columns: member_reference, spend (120.50), currency, category, activity_at, receipt_reference,
request_id, retro_claim (true or false), paid_in_points (20.50). Currency and category may be flags
instead, those after them may be absent, and others are ignored.

Without a request_id, a line's id follows from the whole file and the line's number: the same file
again replays and credits nothing twice. A file that was changed is another file: send its
corrected lines alone, or give each line a request_id.";

const EXAMPLES: &str = "\
Examples:
  entente earn purchases.csv --as harbor-hotels
  entente earn rides.jsonl --as rover-rides --currency USD --category ride";

/// What to send.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, long_about = format!("Send a file of purchases in one stream.\n\n{ABOUT}"))]
pub(crate) struct EarnArgs {
    /// CSV with a header, or JSON lines.
    file: PathBuf,
    /// Where to write the lines that were refused [default: FILE.refused.csv].
    #[arg(long, value_name = "FILE")]
    refused: Option<PathBuf>,
    /// What separates the columns [default: found in the header].
    #[arg(long, value_name = "CHARACTER")]
    delimiter: Option<Delimiter>,
    #[command(flatten)]
    defaults: Defaults,
    #[command(flatten)]
    connection: Connection,
}

/// Runs the command.
pub(crate) async fn run(args: EarnArgs) -> anyhow::Result<()> {
    let refused = args.refused.clone().unwrap_or_else(|| {
        let mut name = args.file.clone().into_os_string();
        name.push(".refused.csv");
        name.into()
    });
    let (file, delimiter, defaults) = (args.file.clone(), args.delimiter, args.defaults.clone());
    let opening =
        tokio::task::spawn_blocking(move || lines::Purchases::open(&file, delimiter, defaults));
    let purchases = opening.await?.with_context(|| format!("{}", args.file.display()))?;
    let client = args.connection.client().await?;
    let output = args.connection.output;

    let mut tally = Tally::create(&refused)?;
    let sent = send::all(&client, purchases, &mut tally, output).await;
    let tally = tally.finish()?;
    output.show(&tally.json(&refused), |_| tally.text(&refused))?;
    let without = "lines without an outcome remain; the same command goes on with them";
    sent.context(without)?;
    match tally.counts() {
        (0, 0) => Ok(()),
        (refused, 0) => Err(LinesRefused { refused }.into()),
        (_, unknown) => Err(LinesUnknown { unknown }.into()),
    }
}
