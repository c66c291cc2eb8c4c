//! Proposes an adjustment: money between two parties in the open window, to correct a closed one.

use clap::Args;
use entente_api::proposal::act::Act;
use entente_api::settlement::AdjustRequest;
use entente_api::types::Money;
use serde_json::{Value, json};

use super::money_json;
use crate::agreement::Decimal;
use crate::commands::breaks::break_id;
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
    /// The break that it corrects, and with that ends: 3f2a1b9c/12
    #[arg(long = "break", value_name = "BREAK")]
    of_break: Option<String>,
    #[command(flatten)]
    propose: ProposeArgs,
    #[command(flatten)]
    connection: Connection,
}

pub(super) async fn run(args: AdjustArgs) -> anyhow::Result<()> {
    let Decimal(micros) = args.amount.try_into()?;
    let break_id = match &args.of_break {
        Some(name) => break_id(&args.connection.client().await?, name).await?,
        None => String::new(),
    };
    let adjust = AdjustRequest {
        request_id: String::new(),
        window: args.window,
        corrects: args.corrects.unwrap_or_default(),
        payer: args.payer,
        payee: args.payee,
        amount: Some(Money { currency: args.currency, micros }),
        reason: args.propose.reason.clone(),
        break_id,
    };
    proposal::propose(&args.connection, args.propose, Act::Adjust(adjust)).await
}

/// An adjustment for people.
pub(crate) fn text(adjust: &AdjustRequest) -> String {
    let AdjustRequest { window, corrects, payer, payee, reason, .. } = adjust;
    let amount = money_exact(&adjust.amount.clone().unwrap_or_default());
    let of = if corrects.is_empty() { String::new() } else { format!(", operation {corrects}") };
    let ends = match adjust.break_id.as_str() {
        "" => String::new(),
        id => format!(" and end break {id}"),
    };
    format!(
        "{payer} pays {payee} {amount} in the open window, to correct {window}{of}{ends}: {reason}"
    )
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
        "break_id": adjust.break_id,
    })
}
