//! Steps of breaks: what one side does alone, and what two operators do.

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use entente_api::proposal::act::Act;
use entente_api::settlement::{
    AdjustRequest, Break, BreakState, GetBreakRequest, StepBreakRequest, WriteOffRequest,
};
use entente_api::types::Money;
use serde_json::Value;

use super::list::one_json;
use super::name::{full, short};
use crate::commands::proposal::{self, ProposeArgs};
use crate::commands::request_id;
use crate::connect::Connection;
use crate::output::break_state;

/// Whom to assign breaks to.
#[derive(Debug, Args)]
pub(crate) struct AssignArgs {
    /// Who looks into them from now on [default: you, where it is nobody's].
    #[arg(long, value_name = "NAME")]
    to: Option<String>,
    #[command(flatten)]
    step: StepArgs,
}

/// A step of breaks, and why.
#[derive(Debug, Args)]
pub(crate) struct StepArgs {
    /// Each by its report, a slash, and its number there: 3f2a1b9c/12
    #[arg(value_name = "BREAK", required = true)]
    names: Vec<String>,
    /// Why; both sides read it.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// The id of this write, to repeat it safely; for one break alone.
    #[arg(long, value_name = "UUID")]
    request_id: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

/// What to correct.
#[derive(Debug, Args)]
pub(crate) struct AdjustArgs {
    /// Its report, a slash, and its number there: 3f2a1b9c/12
    #[arg(value_name = "BREAK")]
    name: String,
    /// Who is on the other side: a partner's code, or hub.
    #[arg(long = "with", value_name = "PARTY", default_value = "hub")]
    other: String,
    #[command(flatten)]
    propose: ProposeArgs,
    #[command(flatten)]
    connection: Connection,
}

/// What was corrected.
#[derive(Debug, Args)]
pub(crate) struct AdjustedArgs {
    /// The adjustment that was posted.
    #[arg(long, value_name = "UUID")]
    adjustment: String,
    #[command(flatten)]
    step: StepArgs,
}

/// What to bear.
#[derive(Debug, Args)]
pub(crate) struct WriteOffArgs {
    /// Its report, a slash, and its number there: 3f2a1b9c/12
    #[arg(value_name = "BREAK")]
    name: String,
    #[command(flatten)]
    propose: ProposeArgs,
    #[command(flatten)]
    connection: Connection,
}

pub(super) async fn assign(args: AssignArgs) -> anyhow::Result<()> {
    let assignee = args.to.unwrap_or_default();
    let to = BreakState::Assigned.into();
    step(args.step, StepBreakRequest { to, assignee, ..StepBreakRequest::default() }).await
}

pub(super) async fn comment(args: StepArgs) -> anyhow::Result<()> {
    let to = BreakState::Assigned.into();
    step(args, StepBreakRequest { to, ..StepBreakRequest::default() }).await
}

pub(super) async fn agree(args: StepArgs) -> anyhow::Result<()> {
    let to = BreakState::Agreed.into();
    step(args, StepBreakRequest { to, ..StepBreakRequest::default() }).await
}

pub(super) async fn reject(args: StepArgs) -> anyhow::Result<()> {
    let to = BreakState::Rejected.into();
    step(args, StepBreakRequest { to, ..StepBreakRequest::default() }).await
}

pub(super) async fn adjusted(args: AdjustedArgs) -> anyhow::Result<()> {
    let to = BreakState::Adjusted.into();
    let adjustment = args.adjustment;
    step(args.step, StepBreakRequest { to, adjustment, ..StepBreakRequest::default() }).await
}

/// Takes the same step of each break, one after the other, and tells how they stand.
async fn step(args: StepArgs, asked: StepBreakRequest) -> anyhow::Result<()> {
    ensure!(
        args.request_id.is_none() || args.names.len() == 1,
        "--request-id is the id of one write: name one break"
    );
    let client = args.connection.client().await?;
    let mut stepped = Vec::new();
    for name in &args.names {
        let request = StepBreakRequest {
            request_id: request_id(args.request_id.clone()),
            break_id: full(&client, name).await?,
            reason: args.reason.clone(),
            ..asked.clone()
        };
        match client.step_break(request).await {
            Ok(answer) => stepped.push(answer.found.unwrap_or_default()),
            Err(error) => {
                // Those before it stand, and are told.
                show(&args.connection, &stepped)?;
                return Err(error).with_context(|| format!("break {name}"));
            }
        }
    }
    show(&args.connection, &stepped)
}

fn show(connection: &Connection, stepped: &[Break]) -> anyhow::Result<()> {
    if stepped.is_empty() {
        return Ok(());
    }
    let json: Vec<Value> =
        stepped.iter().map(|found| one_json(found, found.changed_at.as_ref())).collect();
    connection.output.show(&json, |_| {
        let lines = stepped.iter().map(|found| {
            let owner = match found.owner.as_str() {
                "" => String::new(),
                owner => format!(", {owner}'s"),
            };
            format!("{} is {}{owner}", short(found), break_state(found.state))
        });
        lines.collect::<Vec<_>>().join("\n")
    })
}

pub(super) async fn adjust(args: AdjustArgs) -> anyhow::Result<()> {
    let client = args.connection.client().await?;
    let break_id = full(&client, &args.name).await?;
    let request = GetBreakRequest { break_id: break_id.clone() };
    let found = client.get_break(request).await?.found.unwrap_or_default();
    let [delta] = found.money.as_slice() else {
        bail!("the break has no money, or in two currencies: no one adjustment corrects it");
    };
    // By the hub the partner pays so much more than by its file: it gets that back.
    let partner = found.partner.clone();
    let (payer, payee) =
        if delta.micros > 0 { (args.other, partner) } else { (partner, args.other) };
    let micros = delta.micros.checked_abs().context("the amount is beyond the range")?;
    let adjust = AdjustRequest {
        request_id: String::new(),
        window: found.window.clone(),
        corrects: String::new(),
        payer,
        payee,
        amount: Some(Money { micros, ..delta.clone() }),
        reason: args.propose.reason.clone(),
        break_id,
    };
    proposal::propose(&args.connection, args.propose, Act::Adjust(adjust)).await
}

pub(super) async fn write_off(args: WriteOffArgs) -> anyhow::Result<()> {
    let client = args.connection.client().await?;
    let break_id = full(&client, &args.name).await?;
    let reason = args.propose.reason.clone();
    let request = WriteOffRequest { request_id: String::new(), break_id, reason };
    proposal::propose(&args.connection, args.propose, Act::WriteOff(request)).await
}
