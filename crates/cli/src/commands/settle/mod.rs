//! `entente settle`: the arrangement, windows, positions, statements, payments and conversions.

mod adjust;
mod agree;
mod arrange;
mod bank;
mod canonical;
mod conversions;
mod disputes;
mod explain;
mod floats;
mod obligations;
mod position;
mod statement;
mod windows;

use anyhow::bail;
use clap::{Args, Subcommand};
use entente_api::settlement::{Net, RecordPaymentRequest};
use entente_api::types::Money;
use serde_json::{Value, json};

use super::request_id;
use crate::agreement::Decimal;
use crate::connect::Connection;
use crate::output::{Table, direction, money};

pub(crate) use adjust::{json as adjustment_json, text as adjustment_text};
pub(crate) use arrange::{json as arrangement_json, text as arrangement_text};
pub(crate) use conversions::{
    converted_json, converted_text, json as conversion_json, text as conversion_text,
};
pub(crate) use floats::{bought_json, bought_text, purchase_json, purchase_text};
pub(crate) use statement::{Statement, read as read_statement};

const EXAMPLES: &str = "\
Examples:
  entente settle position
  entente settle close 2026-03
  entente settle statement 2026-03 --partner rover-rides
  entente settle statement 2026-03 --as rover-rides --output csv > statement.csv
  entente settle explain 2026-03 --partner rover-rides --currency USD
  entente settle import statement.xml
  entente settle suspense
  entente settle assign 12/3 --obligation W12-3-0-USD --reason \"told by phone\"
  entente settle pay rover-rides 120.50 USD
  entente settle windows
  entente settle obligations 2026-03
  entente settle export 2026-03 --format pain001 --to payments.xml
  entente settle windows 2026-03
  entente settle agree 2026-03 --as rover-rides
  entente settle adjust 2026-03 rover-rides hub 12.50 USD --reason \"priced by old terms\"
  entente settle buy harbor-hotels 1000000 0.0100 EUR --reason \"block of spring\"
  entente settle float harbor-hotels
  entente settle convert 100.00 EUR 107.90 USD --rate 1.0825 --bank FX-0402 --reason \"cover the pool\"
  entente settle arrange settlement.toml --reason \"agreed by the board\"";

/// What to do with windows.
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum SettleCommand {
    /// Close the open window under a name; a name that is closed answers its totals again.
    Close(windows::CloseArgs),
    /// Show gross amounts, nets and exposures of a window.
    Position(position::PositionArgs),
    /// Show a partner's statement of a closed window.
    Statement(statement::StatementArgs),
    /// Show what a net comes from: what for, with whom, and the lines behind it.
    Explain(explain::ExplainArgs),
    /// List windows, newest first, or show what became of one.
    Windows(windows::WindowsArgs),
    /// Propose an adjustment: money between two parties, to correct a closed window.
    Adjust(adjust::AdjustArgs),
    /// Propose to sell a prepaid partner a block of points, each at a price.
    Buy(floats::BuyArgs),
    /// Propose to book what a bank exchanged for the hub's pool, from one currency to another.
    Convert(conversions::ConvertArgs),
    /// List what was converted between pools.
    Conversions(conversions::ConversionsArgs),
    /// Show what prepaid partners have left to issue, and a partner's blocks.
    Float(floats::FloatArgs),
    /// Agree to a statement: a partner to its own, operators to a partner's.
    Agree(agree::AgreeArgs),
    /// Propose how the coalition settles: netting, calendar, objection period, accounts.
    Arrange(arrange::ArrangeArgs),
    /// Show how the coalition settles.
    Arrangement(arrange::ArrangementArgs),
    /// Object to lines of a statement, or to totals of it, within the objection period.
    Dispute(disputes::DisputeArgs),
    /// List what partners object to.
    Disputes(disputes::DisputesArgs),
    /// List the operations of others behind a total that is disputed, until it is answered.
    Disputed(disputes::DisputedArgs),
    /// Accept a dispute with an adjustment, or reject it.
    Answer(disputes::AnswerArgs),
    /// List what is to be paid for a closed window, and what is left of it.
    Obligations(obligations::ObligationsArgs),
    /// Write what is to be paid for a closed window as an order to a bank, or as CSV.
    Export(obligations::ExportArgs),
    /// Read a bank statement of the hub's account, camt.053: what pays an obligation exactly is paid.
    Import(bank::ImportArgs),
    /// List bank entries that wait for a decision.
    Suspense(bank::SuspenseArgs),
    /// Decide about a bank entry that waits.
    Assign(bank::AssignArgs),
    /// Record what was paid of obligations.
    Pay(PayArgs),
}

/// One payment.
#[derive(Debug, Args)]
pub(crate) struct PayArgs {
    /// The partner that paid, the oldest of what it owes first; or an obligation's end-to-end id.
    payer: String,
    /// How much: 120.50
    amount: String,
    /// In which currency.
    currency: String,
    /// The id of this write, to repeat it safely.
    #[arg(long, value_name = "UUID")]
    request_id: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

/// Runs the command.
pub(crate) async fn run(command: SettleCommand) -> anyhow::Result<()> {
    match command {
        SettleCommand::Close(args) => windows::close(args).await,
        SettleCommand::Position(args) => position::run(args).await,
        SettleCommand::Statement(args) => statement::run(args).await,
        SettleCommand::Explain(args) => explain::run(args).await,
        SettleCommand::Windows(args) => windows::list(args).await,
        SettleCommand::Adjust(args) => adjust::run(args).await,
        SettleCommand::Buy(args) => floats::buy(args).await,
        SettleCommand::Convert(args) => conversions::convert(args).await,
        SettleCommand::Conversions(args) => conversions::list(args).await,
        SettleCommand::Float(args) => floats::show(args).await,
        SettleCommand::Agree(args) => agree::run(args).await,
        SettleCommand::Arrange(args) => arrange::propose(args).await,
        SettleCommand::Arrangement(args) => arrange::show(args).await,
        SettleCommand::Dispute(args) => disputes::dispute(args).await,
        SettleCommand::Disputes(args) => disputes::list(args).await,
        SettleCommand::Disputed(args) => disputes::operations(args).await,
        SettleCommand::Answer(args) => disputes::answer(args).await,
        SettleCommand::Obligations(args) => obligations::list(args).await,
        SettleCommand::Export(args) => obligations::export(args).await,
        SettleCommand::Import(args) => bank::import(args).await,
        SettleCommand::Suspense(args) => bank::suspense(args).await,
        SettleCommand::Assign(args) => bank::assign(args).await,
        SettleCommand::Pay(args) => pay(args).await,
    }
}

async fn pay(args: PayArgs) -> anyhow::Result<()> {
    let Decimal(micros) = args.amount.try_into()?;
    if micros == 0 {
        bail!("a payment is more than 0");
    }
    let amount = Some(Money { currency: args.currency, micros });
    // A partner's code has no capital letters, and an end-to-end id begins with one.
    let by_id = args.payer.starts_with(|first: char| first.is_ascii_uppercase());
    let (partner, obligation) =
        if by_id { (String::new(), args.payer) } else { (args.payer, String::new()) };
    let payer = if by_id { "the payer".to_owned() } else { partner.clone() };
    let request = RecordPaymentRequest {
        request_id: request_id(args.request_id),
        partner: partner.clone(),
        amount,
        obligation: obligation.clone(),
    };
    let answer = args.connection.client().await?.record_payment(request).await?;
    let remaining = answer.remaining.unwrap_or_default();
    let remaining_json = money_json(&remaining);
    let json = json!({ "partner": partner, "obligation": obligation, "remaining": remaining_json });
    args.connection.output.show(&json, |_| match remaining.micros {
        0 => format!("{payer} owes nothing more in {}", remaining.currency),
        _ => format!("{payer} still owes {}", money(&remaining)),
    })
}

/// The nets of a window, in words.
pub(crate) fn nets_table(nets: &[Net]) -> String {
    let mut table = Table::new(&["party", "", ">amount"]);
    for net in nets {
        let amount = net.amount.clone().unwrap_or_default();
        table.row([net.party.clone(), direction(net.direction).to_owned(), money(&amount)]);
    }
    table.text("nobody owes anybody anything")
}

/// The nets of a window, for programs.
pub(crate) fn nets_json(nets: &[Net]) -> Vec<Value> {
    let net = |net: &Net| {
        json!({
            "party": net.party,
            "direction": direction(net.direction),
            "amount": net.amount.as_ref().map(money_json),
        })
    };
    nets.iter().map(net).collect()
}

/// Money for programs: exact, in micros.
pub(crate) fn money_json(money: &Money) -> Value {
    json!({ "currency": money.currency, "micros": money.micros })
}
