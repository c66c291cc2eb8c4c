//! Who stands where in a window, open or closed.

use clap::Args;
use entente_api::settlement::{Exposure, GetPositionRequest, GetPositionResponse, Gross};
use serde_json::{Value, json};

use super::floats::{float_json, floats_table};
use super::windows::window_json;
use super::{money_json, nets_json, nets_table};
use crate::connect::Connection;
use crate::output::{
    Table, amount_kind, bold, direction, money, money_exact, points, window_state,
};

/// Which window, and whose side.
#[derive(Debug, Args)]
pub(crate) struct PositionArgs {
    /// A closed window's name [default: the open one].
    window: Option<String>,
    /// One partner alone; a partner sees itself.
    #[arg(long, value_name = "CODE")]
    partner: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

pub(super) async fn run(args: PositionArgs) -> anyhow::Result<()> {
    let request = GetPositionRequest {
        window: args.window.unwrap_or_default(),
        partner: args.partner.unwrap_or_default(),
    };
    let answer = args.connection.client().await?.get_position(request).await?;
    let window = answer.window.clone().unwrap_or_default();
    let json = json!({
        "window": window_json(&window),
        "gross": gross_json(&answer.gross),
        "nets": nets_json(&answer.nets),
        "exposures": answer.exposures.iter().map(exposure_json).collect::<Vec<_>>(),
        "floats": answer.floats.iter().map(float_json).collect::<Vec<_>>(),
    });
    args.connection.output.show(&json, |_| text(&answer))
}

fn text(answer: &GetPositionResponse) -> String {
    let window = answer.window.clone().unwrap_or_default();
    let name = format!("window {} ({})", window.name, window_state(window.state));
    let exposures = exposures_table(&answer.exposures);
    let gross = gross_table(&answer.gross);
    let nets = nets_table(&answer.nets);
    let text = format!("{}\n{gross}\n\n{nets}\n\n{exposures}", bold(name.trim()));
    match answer.floats.as_slice() {
        [] => text,
        floats => format!("{text}\n\n{}", floats_table(floats)),
    }
}

fn gross_table(gross: &[Gross]) -> String {
    let mut table = Table::new(&["payer", "payee", "for", ">points", ">exact amount"]);
    for one in gross {
        table.row([
            one.payer.clone(),
            one.payee.clone(),
            amount_kind(one.kind).to_owned(),
            points(one.points),
            money_exact(&one.amount.clone().unwrap_or_default()),
        ]);
    }
    table.text("nothing happened")
}

/// What partners owe, for people.
pub(super) fn exposures_table(exposures: &[Exposure]) -> String {
    let mut table = Table::new(&["exposure of", "", ">amount", ">cap"]);
    for one in exposures {
        table.row([
            one.partner.clone(),
            direction(one.direction).to_owned(),
            money(&one.amount.clone().unwrap_or_default()),
            one.cap.as_ref().map_or_else(|| "none".to_owned(), money),
        ]);
    }
    table.text("nobody is exposed")
}

/// Gross amounts for programs.
pub(crate) fn gross_json(gross: &[Gross]) -> Vec<Value> {
    let one = |one: &Gross| {
        json!({
            "payer": one.payer,
            "payee": one.payee,
            "kind": amount_kind(one.kind),
            "points": one.points,
            "amount": one.amount.as_ref().map(money_json),
        })
    };
    gross.iter().map(one).collect()
}

/// What a partner owes, for programs.
pub(super) fn exposure_json(one: &Exposure) -> Value {
    json!({
        "partner": one.partner,
        "direction": direction(one.direction),
        "amount": one.amount.as_ref().map(money_json),
        "cap": one.cap.as_ref().map(money_json),
    })
}
