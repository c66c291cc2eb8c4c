//! Bank statements: read, and what a person has to decide about.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use entente_api::settlement::{
    AssignPaymentRequest, BankEntry, EntryOutcome, ImportedStatement, ListBankEntriesRequest,
};
use serde_json::{Value, json};

use super::money_json;
use crate::commands::request_id;
use crate::connect::Connection;
use crate::output::{Table, money};

/// Which document.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// A camt.053 document of the hub's bank.
    file: PathBuf,
    #[command(flatten)]
    connection: Connection,
}

/// Which entries.
#[derive(Debug, Args)]
pub(crate) struct SuspenseArgs {
    /// All entries that were ever read, and not only those that wait.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    connection: Connection,
}

/// What to decide.
#[derive(Debug, Args)]
pub(crate) struct AssignArgs {
    /// The entry's id.
    entry: String,
    /// The end-to-end id of what it pays [default: none, it is set aside].
    #[arg(long, value_name = "ID")]
    obligation: Option<String>,
    /// Why, for the record.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// The id of this write, to repeat it safely.
    #[arg(long, value_name = "UUID")]
    request_id: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

pub(super) async fn import(args: ImportArgs) -> anyhow::Result<()> {
    let path = args.file.display();
    let document = std::fs::read(&args.file).with_context(|| format!("cannot read {path}"))?;
    let answer = args.connection.client().await?.import_bank_statement(document).await?;
    let json: Vec<Value> = answer.statements.iter().map(statement_json).collect();
    args.connection.output.show(&json, |_| {
        let mut table = Table::new(&["statement", "", ">entries", ">paid", ">waiting", "balances"]);
        for statement in &answer.statements {
            let how = if statement.already_read { "was read before" } else { "is read" };
            table.row([
                statement.statement.clone(),
                how.to_owned(),
                statement.entry_count.to_string(),
                statement.paid_count.to_string(),
                statement.waiting_count.to_string(),
                adds_up(statement).to_owned(),
            ]);
        }
        table.text("no statements")
    })
}

pub(super) async fn suspense(args: SuspenseArgs) -> anyhow::Result<()> {
    let client = args.connection.client().await?;
    let (mut found, mut page_token) = (Vec::new(), String::new());
    loop {
        let waiting = !args.all;
        let request = ListBankEntriesRequest { waiting, page_size: 1_000, page_token };
        let mut page = client.list_bank_entries(request).await?;
        found.append(&mut page.entries);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    let json: Vec<Value> = found.iter().map(entry_json).collect();
    args.connection.output.show(&json, |_| {
        let mut table = Table::new(&[
            "entry",
            "booked",
            "",
            ">amount",
            "from",
            "names",
            "because",
            ">difference",
        ]);
        for entry in &found {
            let side = if entry.credit { "received" } else { "paid" };
            table.row([
                entry.entry.clone(),
                entry.booked_on.clone(),
                side.to_owned(),
                money(&entry.amount.clone().unwrap_or_default()),
                entry.debtor.clone(),
                names(entry).to_owned(),
                outcome(entry.outcome()).to_owned(),
                entry.difference.as_ref().map(money).unwrap_or_default(),
            ]);
        }
        table.text("nothing waits")
    })
}

pub(super) async fn assign(args: AssignArgs) -> anyhow::Result<()> {
    let obligation = args.obligation.unwrap_or_default();
    let request = AssignPaymentRequest {
        request_id: request_id(args.request_id),
        entry: args.entry.clone(),
        obligation: obligation.clone(),
        reason: args.reason,
    };
    let answer = args.connection.client().await?.assign_payment(request).await?;
    let json = json!({
        "entry": args.entry,
        "obligation": obligation,
        "paid": answer.paid.as_ref().map(money_json),
    });
    args.connection.output.show(&json, |_| match &answer.paid {
        Some(paid) => format!("{} of {obligation} is paid by {}", money(paid), args.entry),
        None => format!("{} is set aside", args.entry),
    })
}

fn names(entry: &BankEntry) -> &str {
    if entry.obligation.is_empty() { &entry.end_to_end_id } else { &entry.obligation }
}

const fn adds_up(statement: &ImportedStatement) -> &'static str {
    match statement.adds_up {
        Some(true) => "add up",
        Some(false) => "DO NOT ADD UP",
        None => "not told",
    }
}

const fn outcome(outcome: EntryOutcome) -> &'static str {
    match outcome {
        EntryOutcome::Paid => "paid",
        EntryOutcome::Duplicate => "a duplicate",
        EntryOutcome::NotBooked => "not booked yet",
        EntryOutcome::Reversal => "a reversal",
        EntryOutcome::NoReference => "no reference",
        EntryOutcome::UnknownReference => "unknown reference",
        EntryOutcome::OtherSide => "the other way",
        EntryOutcome::OtherCurrency => "another currency",
        EntryOutcome::PaidAlready => "paid already",
        EntryOutcome::Partial => "too little",
        EntryOutcome::Over => "too much",
        EntryOutcome::Unspecified => "?",
    }
}

fn statement_json(statement: &ImportedStatement) -> Value {
    json!({
        "statement": statement.statement,
        "already_read": statement.already_read,
        "entry_count": statement.entry_count,
        "paid_count": statement.paid_count,
        "waiting_count": statement.waiting_count,
        "adds_up": statement.adds_up,
    })
}

fn entry_json(entry: &BankEntry) -> Value {
    json!({
        "entry": entry.entry,
        "bank_reference": entry.bank_reference,
        "credit": entry.credit,
        "amount": entry.amount.as_ref().map(money_json),
        "booked_on": entry.booked_on,
        "end_to_end_id": entry.end_to_end_id,
        "debtor": entry.debtor,
        "remittance": entry.remittance,
        "outcome": outcome(entry.outcome()),
        "difference": entry.difference.as_ref().map(money_json),
        "obligation": entry.obligation,
        "waiting": entry.waiting,
        "decided_by": entry.decided_by,
        "decision": entry.decision,
    })
}
