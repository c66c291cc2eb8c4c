//! One break: both sides, and its life.

use clap::Args;
use entente_api::settlement::{
    Break, BreakState, BreakStep, GetBreakRequest, GetBreakResponse, HubSide, RecordLine,
};
use serde_json::{Value, json};

use super::list::{age, one_json};
use super::name::{full, short};
use crate::commands::reconcile::{moneys, receipt, what};
use crate::connect::Connection;
use crate::output::{Table, bold, break_kind, break_state, dim, money, points, time_text};

/// Which break.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// Its report, a slash, and its number there: 3f2a1b9c/12
    #[arg(value_name = "BREAK")]
    name: String,
    #[command(flatten)]
    connection: Connection,
}

pub(super) async fn run(args: ShowArgs) -> anyhow::Result<()> {
    let client = args.connection.client().await?;
    let break_id = full(&client, &args.name).await?;
    let answer = client.get_break(GetBreakRequest { break_id }).await?;
    let partner = args.connection.is_partner();
    args.connection.output.show(&json(&answer), |_| text(&answer, partner))
}

fn text(answer: &GetBreakResponse, partner: bool) -> String {
    let found = answer.found.clone().unwrap_or_default();
    let mut parts = vec![heading(&found, answer), sides(&found), life(&answer.steps)];
    parts.extend(next(&found, answer.superseded, partner));
    parts.join("\n\n")
}

fn heading(found: &Break, answer: &GetBreakResponse) -> String {
    let title = format!(
        "{}: {}, {} of {}",
        short(found),
        break_kind(found.kind),
        found.partner,
        found.window
    );
    let owner = match found.owner.as_str() {
        "" => "nobody's".to_owned(),
        owner => format!("{owner}'s"),
    };
    let standing = format!(
        "{}, {owner}, {} old: {}",
        break_state(found.state),
        age(found.since.as_ref(), answer.as_of.as_ref()),
        what(found.kind())
    );
    let before = match found.continues.as_str() {
        "" => String::new(),
        before => format!("\n{}", dim(&format!("the same as {before} of an earlier report"))),
    };
    format!("{}\n{standing}{before}", bold(&title))
}

/// What each side has, and the difference.
fn sides(found: &Break) -> String {
    let mut table = Table::new(&["side", "receipt", "request", "at", ">points", ">money"]);
    if let Some(hub) = &found.hub {
        let HubSide { request_id, receipt_reference, .. } = hub;
        table.row([
            "hub".to_owned(),
            receipt_reference.clone(),
            request_id.clone(),
            time_text(hub.posted_at.as_ref()),
            points(hub.points),
            hub.amount.as_ref().map(money).unwrap_or_default(),
        ]);
    }
    if let Some(line) = &found.line {
        let RecordLine { row, request_id, receipt_reference, .. } = line;
        table.row([
            format!("file, row {row}"),
            receipt_reference.clone(),
            request_id.clone(),
            time_text(line.happened_from.as_ref()),
            points(line.points),
            line.amount.as_ref().map(money).unwrap_or_default(),
        ]);
    }
    let none = String::new;
    let (points, money) = (points(found.points), moneys(&found.money));
    table.row(["hub less file".to_owned(), none(), none(), none(), points, money]);
    table.text("")
}

fn life(steps: &[BreakStep]) -> String {
    let mut table = Table::new(&["at", "by", "to", "reason"]);
    for step in steps {
        let mut to = break_state(step.to).to_owned();
        if !step.owner.is_empty() {
            to = format!("{to} to {}", step.owner);
        }
        if !step.adjustment.is_empty() {
            to = format!("{to} by {}", step.adjustment);
        }
        let mut by = step.actor.clone();
        if !step.proposed_by.is_empty() {
            by = format!("{}, {by}", step.proposed_by);
        }
        table.row([time_text(step.at.as_ref()), by, to, step.reason.clone()]);
    }
    table.text("nobody has done anything with it")
}

/// What can be done next, by operators or by the partner itself.
fn next(found: &Break, superseded: bool, partner: bool) -> Option<String> {
    if superseded {
        return Some("a later record superseded its report: no step follows".to_owned());
    }
    let name = short(found);
    let steps: &[&str] = match found.state() {
        BreakState::Open if partner => return None,
        BreakState::Open => &["assign"],
        BreakState::Assigned => &["agree", "reject", "comment"],
        BreakState::Agreed if partner => &["comment"],
        BreakState::Agreed => &["adjust", "write-off", "comment"],
        BreakState::Rejected => &["comment"],
        BreakState::Adjusted | BreakState::WrittenOff | BreakState::Unspecified => return None,
    };
    let steps = steps.iter().map(|step| format!("entente breaks {step} {name} --reason TEXT"));
    Some(dim(&format!("next:\n  {}", steps.collect::<Vec<_>>().join("\n  "))))
}

fn json(answer: &GetBreakResponse) -> Value {
    let found = answer.found.clone().unwrap_or_default();
    let mut json = one_json(&found, answer.as_of.as_ref());
    let steps = answer.steps.iter().map(|step| {
        json!({
            "to": break_state(step.to),
            "owner": step.owner,
            "adjustment": step.adjustment,
            "proposed_by": step.proposed_by,
            "actor": step.actor,
            "at": time_text(step.at.as_ref()),
            "reason": step.reason,
        })
    });
    if let Value::Object(fields) = &mut json {
        fields.insert("superseded".to_owned(), json!(answer.superseded));
        fields.insert("receipt_reference".to_owned(), json!(receipt(&found)));
        fields.insert("steps".to_owned(), steps.collect());
    }
    json
}
