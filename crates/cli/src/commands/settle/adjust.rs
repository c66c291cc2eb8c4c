//! Proposes an adjustment: money between two parties in the open window, to correct a closed one.

use clap::Args;
use entente_api::proposal::act::Act;
use entente_api::settlement::AdjustRequest;
use entente_api::types::Money;
use serde_json::{Value, json};

use super::money_json;
use crate::agreement::Decimal;
use crate::commands::proposal::{self, ProposeArgs};
use crate::connect::Connection;
use crate::output::money_exact;

/// What to correct, and who owes whom for it.
#[derive(Debug, Args)]
pub(crate) struct AdjustArgs {
    /// The closed window that it corrects.
    window: String,
    /// Who owes the amount from now on: a partner's code, or hub.
    payer: String,
    /// Who is owed it: a partner's code, or hub.
    payee: String,
    /// How much: 12.50
    amount: String,
    /// In which currency.
    currency: String,
    /// The request id of the operation that it corrects, if of one.
    #[arg(long, value_name = "UUID")]
    corrects: Option<String>,
    #[command(flatten)]
    propose: ProposeArgs,
    #[command(flatten)]
    connection: Connection,
}

pub(super) async fn run(args: AdjustArgs) -> anyhow::Result<()> {
    let Decimal(micros) = args.amount.try_into()?;
    let adjust = AdjustRequest {
        request_id: String::new(),
        window: args.window,
        corrects: args.corrects.unwrap_or_default(),
        payer: args.payer,
        payee: args.payee,
        amount: Some(Money { currency: args.currency, micros }),
        reason: args.propose.reason.clone(),
    };
    proposal::propose(&args.connection, args.propose, Act::Adjust(adjust)).await
}

/// An adjustment for people.
pub(crate) fn text(adjust: &AdjustRequest) -> String {
    let AdjustRequest { window, corrects, payer, payee, reason, .. } = adjust;
    let amount = money_exact(&adjust.amount.clone().unwrap_or_default());
    let of = if corrects.is_empty() { String::new() } else { format!(", operation {corrects}") };
    format!("{payer} pays {payee} {amount} in the open window, to correct {window}{of}: {reason}")
}

/// An adjustment for programs.
pub(crate) fn json(adjust: &AdjustRequest) -> Value {
    json!({
        "window": adjust.window,
        "corrects": adjust.corrects,
        "payer": adjust.payer,
        "payee": adjust.payee,
        "amount": adjust.amount.as_ref().map(money_json),
        "reason": adjust.reason,
    })
}
