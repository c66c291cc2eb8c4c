//! What partners say of their statements, and what became of a window.

use clap::Args;
use entente_api::settlement::{
    AgreeStatementRequest, GetWindowRequest, GetWindowResponse, Standing, WindowChange,
};
use serde_json::{Value, json};

use super::windows::window_json;
use crate::commands::request_id;
use crate::connect::Connection;
use crate::output::{Table, bold, statement_state, time_text, window_state};

/// Whose statement of which window.
#[derive(Debug, Args)]
pub(crate) struct AgreeArgs {
    /// The closed window's name.
    window: String,
    /// Whose statement; a partner may leave it out for its own.
    #[arg(long, value_name = "CODE")]
    partner: Option<String>,
    /// The id of this write, to repeat it safely.
    #[arg(long, value_name = "UUID")]
    request_id: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

pub(super) async fn run(args: AgreeArgs) -> anyhow::Result<()> {
    let request = AgreeStatementRequest {
        request_id: request_id(args.request_id),
        window: args.window.clone(),
        partner: args.partner.unwrap_or_default(),
    };
    let answer = args.connection.client().await?.agree_statement(request).await?;
    let standing = answer.standing.unwrap_or_default();
    let state = window_state(answer.window_state);
    let json = json!({ "standing": standing_json(&standing), "window_state": state });
    args.connection.output.show(&json, |_| {
        let (partner, window) = (&standing.partner, &args.window);
        format!("{partner} agrees to its statement of {window}, which is {state}")
    })
}

/// Shows what became of a window.
pub(super) async fn show(connection: &Connection, window: String) -> anyhow::Result<()> {
    let request = GetWindowRequest { window, partner: String::new() };
    let answer = connection.client().await?.get_window(request).await?;
    let json = json!({
        "window": answer.window.as_ref().map(window_json),
        "standings": answer.standings.iter().map(standing_json).collect::<Vec<_>>(),
        "changes": answer.changes.iter().map(change_json).collect::<Vec<_>>(),
    });
    connection.output.show(&json, |_| text(&answer))
}

fn text(answer: &GetWindowResponse) -> String {
    let window = answer.window.clone().unwrap_or_default();
    let mut standings = Table::new(&["partner", "stands", "since", "by"]);
    for standing in &answer.standings {
        standings.row([
            standing.partner.clone(),
            statement_state(standing.state).to_owned(),
            standing.at.as_ref().map(|at| time_text(Some(at))).unwrap_or_default(),
            standing.actor.clone(),
        ]);
    }
    let mut changes = Table::new(&["at", "who", "became", "by", "because"]);
    for change in &answer.changes {
        let who = if change.partner.is_empty() { "the window" } else { &change.partner };
        changes.row([
            time_text(change.at.as_ref()),
            who.to_owned(),
            became(change).to_owned(),
            change.actor.clone(),
            change.reason.clone(),
        ]);
    }
    let until = window
        .objection_until
        .as_ref()
        .map(|at| format!("; its partners may object until {}", time_text(Some(at))));
    let state = window_state(window.state);
    let title = bold(&format!("{} is {state}{}", window.name, until.unwrap_or_default()));
    let standings = standings.text("nobody owes anybody anything");
    format!("{title}\n{standings}\n\n{}", changes.text("nothing is recorded"))
}

fn became(change: &WindowChange) -> &'static str {
    if change.partner.is_empty() {
        window_state(change.window_state)
    } else {
        statement_state(change.statement_state)
    }
}

fn standing_json(standing: &Standing) -> Value {
    json!({
        "partner": standing.partner,
        "state": statement_state(standing.state),
        "at": standing.at.as_ref().map(|at| time_text(Some(at))),
        "actor": standing.actor,
    })
}

fn change_json(change: &WindowChange) -> Value {
    json!({
        "at": time_text(change.at.as_ref()),
        "partner": change.partner,
        "became": became(change),
        "actor": change.actor,
        "reason": change.reason,
    })
}
