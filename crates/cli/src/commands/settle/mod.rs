//! `entente settle`: the arrangement, windows, positions, statements and payments.

mod agree;
mod arrange;
mod canonical;
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

pub(crate) use arrange::{json as arrangement_json, text as arrangement_text};
pub(crate) use statement::{Statement, read as read_statement};

const EXAMPLES: &str = "\
Examples:
  entente settle position
  entente settle close 2026-03
  entente settle statement 2026-03 --partner rover-rides
  entente settle statement 2026-03 --as rover-rides --output csv > statement.csv
  entente settle pay rover-rides 120.50 USD
  entente settle windows
  entente settle windows 2026-03
  entente settle agree 2026-03 --as rover-rides
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
    /// List windows, newest first, or show what became of one.
    Windows(windows::WindowsArgs),
    /// Agree to a statement: a partner to its own, operators to a partner's.
    Agree(agree::AgreeArgs),
    /// Propose how the coalition settles: netting, calendar, objection period, accounts.
    Arrange(arrange::ArrangeArgs),
    /// Show how the coalition settles.
    Arrangement(arrange::ArrangementArgs),
    /// Record what a partner paid of its obligations.
    Pay(PayArgs),
}

/// One payment.
#[derive(Debug, Args)]
pub(crate) struct PayArgs {
    /// The partner that paid.
    partner: String,
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
        SettleCommand::Windows(args) => windows::list(args).await,
        SettleCommand::Agree(args) => agree::run(args).await,
        SettleCommand::Arrange(args) => arrange::propose(args).await,
        SettleCommand::Arrangement(args) => arrange::show(args).await,
        SettleCommand::Pay(args) => pay(args).await,
    }
}

async fn pay(args: PayArgs) -> anyhow::Result<()> {
    let Decimal(micros) = args.amount.try_into()?;
    if micros == 0 {
        bail!("a payment is more than 0");
    }
    let amount = Some(Money { currency: args.currency, micros });
    let request = RecordPaymentRequest {
        request_id: request_id(args.request_id),
        partner: args.partner.clone(),
        amount,
    };
    let answer = args.connection.client().await?.record_payment(request).await?;
    let remaining = answer.remaining.unwrap_or_default();
    let json = json!({ "partner": args.partner, "remaining": money_json(&remaining) });
    args.connection.output.show(&json, |_| match remaining.micros {
        0 => format!("{} owes nothing more in {}", args.partner, remaining.currency),
        _ => format!("{} still owes {}", args.partner, money(&remaining)),
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
