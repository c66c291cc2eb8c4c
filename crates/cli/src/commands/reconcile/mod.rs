//! `entente reconcile`: compares a partner's own record of a closed window with the hub's, and explains
//! every difference.

mod layout;
mod number;
mod report;
mod row;
mod send;
mod statement;
mod time;

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use entente_api::settlement::{ControlTotals, MemberNames, RecordHeader};
use entente_api::types::Money;

use crate::connect::Connection;
use crate::records::{Delimiter, Seen};

use layout::{Layout, Reading};
use number::Decimal;
pub(crate) use report::{break_json, csv as breaks_csv, moneys, receipt, what};

const ABOUT: &str = "\
The file is CSV with a header, or has one JSON object a line. A byte-order mark, CRLF and quotes are
tolerated, and the delimiter is found in the header.

Columns: points, and of these what there is: request_id, receipt, member, kind (earn, earn_reversed,
burn, burn_refunded, exchange, gift, donation), status (posted, reversed, refused), amount or price (a
point's), currency, date. --map names yours: --map receipt=ref,points=pts. Others are ignored.

Points are positive when the member got them, amounts are positive when the partner pays; --unsigned
takes both from the kind. A row that cannot be read is named with its line and counted, and is in no
sum. The same file, read the same way, is answered from what the hub has kept. A column direction says pays
or receives, and its amounts have no sign. A statement that `entente settle statement` wrote is read as it
is.";

const EXAMPLES: &str = "\
Examples:
  entente reconcile march.csv --window 2026-03 --as rover-rides
  entente reconcile march.csv --window 2026-03 --partner rover-rides \\
      --map receipt=Beleg,points=Punkte,amount=Betrag,date=Datum \\
      --decimal comma --date-format %d.%m.%Y --time-zone Europe/Berlin --currency EUR
  entente reconcile march.jsonl --window 2026-03 --as rover-rides --output csv > breaks.csv";

/// What to compare.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, long_about = format!("Compare a partner's own record of a closed window with the hub's.\n\n{ABOUT}"))]
pub(crate) struct ReconcileArgs {
    /// CSV with a header, or JSON lines.
    file: PathBuf,
    /// The closed window's name.
    #[arg(long, value_name = "NAME")]
    window: String,
    /// Whose record it is; a partner may leave it out for its own.
    #[arg(long, value_name = "CODE")]
    partner: Option<String>,
    #[command(flatten)]
    reading: Reading,
    #[command(flatten)]
    stated: Stated,
    /// How many breaks the table shows; `--output csv` has all.
    #[arg(long, value_name = "N", default_value_t = 40)]
    show: usize,
    #[command(flatten)]
    connection: Connection,
}

/// What the partner says that its record comes to.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Control totals")]
struct Stated {
    /// How many lines the partner says that the record has.
    #[arg(long = "control-count", value_name = "N", requires = "points")]
    count: Option<i64>,
    /// What the partner says that its points come to.
    #[arg(
        long = "control-points",
        value_name = "N",
        requires = "count",
        allow_negative_numbers = true
    )]
    points: Option<i64>,
    /// What the partner says that its money comes to, once for each currency: 8.37USD
    #[arg(
        long = "control-money",
        value_name = "AMOUNT",
        requires = "count",
        allow_hyphen_values = true
    )]
    money: Vec<String>,
}

/// Runs the command.
pub(crate) async fn run(args: ReconcileArgs) -> anyhow::Result<()> {
    let stated = args.stated.totals()?;
    let (file, reading, delimiter) =
        (args.file.clone(), args.reading.clone(), args.reading.delimiter);
    let opening = tokio::task::spawn_blocking(move || open(&file, &reading, delimiter));
    let (opened, layout) = opening.await?.with_context(|| args.file.display().to_string())?;
    let name = args.file.file_name().map(|name| name.to_string_lossy().into_owned());
    let header = RecordHeader {
        window: args.window,
        partner: args.partner.unwrap_or_default(),
        file_name: shown(&name.unwrap_or_default()),
        file_sha256: opened.digest.clone(),
        reading: layout.told(),
        with_money: layout.has_money(),
        member_names: layout.member_names().into(),
        clock_tolerance_seconds: Some(args.reading.clock_tolerance),
        match_tolerance_seconds: Some(args.reading.match_tolerance),
        stated,
    };
    let client = args.connection.client().await?;
    let output = args.connection.output;
    let found = send::all(&client, header, (opened, layout), output).await?;
    report::show(&found, output, args.show)
}

/// Reads a file once for its digest, and its header.
fn open(
    path: &std::path::Path,
    reading: &Reading,
    delimiter: Option<Delimiter>,
) -> anyhow::Result<(send::Opened, Layout)> {
    let Seen { reader, digest, length } = Seen::open(path)?;
    let (records, first) = crate::records::Records::begin(reader)?;
    let layout = Layout::of(&first, delimiter, reading)?;
    Ok((send::Opened { records, digest, length }, layout))
}

impl Stated {
    fn totals(&self) -> anyhow::Result<Option<ControlTotals>> {
        let (Some(count), Some(points)) = (self.count, self.points) else {
            return Ok(None);
        };
        let money = self.money.iter().map(|text| {
            let split = text.len().saturating_sub(3);
            let (amount, currency) = text.split_at_checked(split).unwrap_or_default();
            let micros = number::micros(amount.trim(), Decimal::Point);
            let micros = micros.map_err(|bad| anyhow::anyhow!("{text:?}: {bad}"))?;
            Ok(Money { currency: currency.to_owned(), micros })
        });
        let money = money.collect::<anyhow::Result<_>>()?;
        Ok(Some(ControlTotals { count, points, money, unreadable_count: 0 }))
    }
}

/// A name that a report can show.
fn shown(name: &str) -> String {
    let shown: String = name.chars().filter(|c| !c.is_control()).take(255).collect();
    if shown.is_empty() { "-".to_owned() } else { shown }
}

/// How the members of a file are named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Members {
    /// By the partner's own references.
    #[default]
    Reference,
    /// By the tokens that statements carry.
    Token,
}

impl From<Members> for MemberNames {
    fn from(members: Members) -> Self {
        match members {
            Members::Reference => Self::Reference,
            Members::Token => Self::Token,
        }
    }
}
