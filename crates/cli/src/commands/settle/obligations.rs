//! What is to be paid for a window: listed, or written as a pain.001 or a CSV file.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use entente_api::settlement::{ExportObligationsRequest, ListObligationsRequest, Obligation};
use entente_client::Client;
use serde_json::{Value, json};

use super::money_json;
use crate::connect::Connection;
use crate::output::{Table, money, say};

/// Which window's.
#[derive(Debug, Args)]
pub(crate) struct ObligationsArgs {
    /// The closed window's name.
    window: String,
    /// One partner's alone; a partner sees its own.
    #[arg(long, value_name = "CODE")]
    partner: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

/// Which window's, and how.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The closed window's name.
    window: String,
    /// As what.
    #[arg(long, default_value = "pain001")]
    format: ExportFormat,
    /// The day on which to pay [default: the ledger's].
    #[arg(long, value_name = "DAY")]
    on: Option<String>,
    /// The file to write [default: standard output]. A pain.001 of more than 1,000 payments goes into
    /// several files, FILE, FILE.2 and so on.
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ExportFormat {
    /// An order to a bank: pain.001.001.09.
    Pain001,
    /// A row for each obligation.
    Csv,
}

pub(super) async fn list(args: ObligationsArgs) -> anyhow::Result<()> {
    let client = args.connection.client().await?;
    let found = all(&client, &args.window, args.partner.unwrap_or_default()).await?;
    let json: Vec<Value> = found.iter().map(obligation_json).collect();
    args.connection.output.show(&json, |_| {
        let mut table = Table::new(&["payer", "", "payee", ">amount", ">left", "end-to-end id"]);
        for obligation in &found {
            let [payer, payee] = [&obligation.payer, &obligation.payee].map(Clone::clone);
            let amount = money(&obligation.amount.clone().unwrap_or_default());
            let left = money(&obligation.left.clone().unwrap_or_default());
            let id = obligation.end_to_end_id.clone();
            table.row([payer, "pays".to_owned(), payee, amount, left, id]);
        }
        table.text("nothing is to be paid")
    })
}

pub(super) async fn export(args: ExportArgs) -> anyhow::Result<()> {
    let client = args.connection.client().await?;
    match args.format {
        ExportFormat::Csv => {
            let rows = csv(&all(&client, &args.window, String::new()).await?)?;
            write(args.to.as_ref(), 1, &rows)
        }
        ExportFormat::Pain001 => {
            let (mut page_token, mut number) = (String::new(), 0_usize);
            loop {
                let (window, on) = (args.window.clone(), args.on.clone().unwrap_or_default());
                let request = ExportObligationsRequest { window, on, page_token };
                let answer = client.export_obligations(request).await?;
                if answer.document.is_empty() {
                    return say("nothing is left to be paid").map_err(Into::into);
                }
                number += 1;
                write(args.to.as_ref(), number, &answer.document)?;
                page_token = answer.next_page_token;
                if page_token.is_empty() {
                    return Ok(());
                }
            }
        }
    }
}

async fn all(client: &Client, window: &str, partner: String) -> anyhow::Result<Vec<Obligation>> {
    let (mut found, mut page_token) = (Vec::new(), String::new());
    loop {
        let (window, partner) = (window.to_owned(), partner.clone());
        let request = ListObligationsRequest { window, partner, page_size: 1_000, page_token };
        let mut page = client.list_obligations(request).await?;
        found.append(&mut page.obligations);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(found);
        }
    }
}

fn csv(obligations: &[Obligation]) -> anyhow::Result<String> {
    let mut rows = csv::Writer::from_writer(Vec::new());
    rows.write_record(["end_to_end_id", "payer", "payee", "currency", "amount", "left"])?;
    for obligation in obligations {
        let amount = obligation.amount.clone().unwrap_or_default();
        let left = obligation.left.clone().unwrap_or_default();
        let [whole, rest] = [&amount, &left].map(|money| decimal(money.micros));
        let Obligation { end_to_end_id, payer, payee, .. } = obligation;
        rows.write_record([end_to_end_id, payer, payee, &amount.currency, &whole, &rest])?;
    }
    Ok(String::from_utf8(rows.into_inner()?)?)
}

/// Six decimals and a point, in every locale.
fn decimal(micros: i64) -> String {
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

fn write(to: Option<&PathBuf>, number: usize, text: &str) -> anyhow::Result<()> {
    let Some(path) = to else {
        anstream::stdout().write_all(text.as_bytes())?;
        return Ok(());
    };
    let mut path = path.clone();
    if number > 1 {
        path.as_mut_os_string().push(format!(".{number}"));
    }
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn obligation_json(obligation: &Obligation) -> Value {
    json!({
        "end_to_end_id": obligation.end_to_end_id,
        "payer": obligation.payer,
        "payee": obligation.payee,
        "amount": obligation.amount.as_ref().map(money_json),
        "left": obligation.left.as_ref().map(money_json),
    })
}
