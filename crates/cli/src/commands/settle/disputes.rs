//! What partners object to, and what operators answer.

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use entente_api::settlement::{
    AmountKind, AnswerDisputeRequest, Dispute, DisputeCode, DisputeLinesRequest, DisputedLine,
    ListDisputesRequest,
};
use serde_json::{Value, json};

use crate::commands::request_id;
use crate::connect::Connection;
use crate::output::{Table, amount_kind, time_text};

/// What to object to.
#[derive(Debug, Args)]
pub(crate) struct DisputeArgs {
    /// The closed window's name.
    window: String,
    /// A line: the operation's request id, what it is for and the currency, as in ID:redemption:USD.
    #[arg(long = "line", value_name = "LINE", required = true)]
    lines: Vec<String>,
    /// What is wrong.
    #[arg(long)]
    code: Code,
    /// What shows it, in your words.
    #[arg(long, value_name = "TEXT")]
    evidence: String,
    /// Whose statement; a partner may leave it out for its own.
    #[arg(long, value_name = "CODE")]
    partner: Option<String>,
    /// The id of this write, to repeat it safely; it names the dispute.
    #[arg(long, value_name = "UUID")]
    request_id: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

/// Which disputes.
#[derive(Debug, Args)]
pub(crate) struct DisputesArgs {
    /// The closed window's name.
    window: String,
    /// One partner's alone; a partner sees its own.
    #[arg(long, value_name = "CODE")]
    partner: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

/// What to answer.
#[derive(Debug, Args)]
pub(crate) struct AnswerArgs {
    /// The dispute's id.
    dispute: String,
    /// Why, in your words.
    text: String,
    /// The adjustment that corrects it: the partner is right [default: none, it is not].
    #[arg(long, value_name = "UUID")]
    adjustment: Option<String>,
    /// The id of this write, to repeat it safely.
    #[arg(long, value_name = "UUID")]
    request_id: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

/// What is wrong with lines.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Code {
    /// We know of no such operation.
    NotOurs,
    /// The number of points is another one.
    Points,
    /// The price is another one.
    Price,
    /// It is listed twice.
    Twice,
    /// It was another member's.
    Member,
    /// It belongs to another window.
    Period,
    /// As the evidence says.
    Other,
}

pub(super) async fn dispute(args: DisputeArgs) -> anyhow::Result<()> {
    let code = match args.code {
        Code::NotOurs => DisputeCode::NotOurs,
        Code::Points => DisputeCode::Points,
        Code::Price => DisputeCode::Price,
        Code::Twice => DisputeCode::Twice,
        Code::Member => DisputeCode::Member,
        Code::Period => DisputeCode::Period,
        Code::Other => DisputeCode::Other,
    };
    let request = DisputeLinesRequest {
        request_id: request_id(args.request_id),
        window: args.window,
        partner: args.partner.unwrap_or_default(),
        lines: args.lines.iter().map(|text| line(text)).collect::<anyhow::Result<_>>()?,
        code: code.into(),
        evidence: args.evidence,
    };
    let answer = args.connection.client().await?.dispute_lines(request).await?;
    show(&args.connection, &answer.dispute.unwrap_or_default())
}

pub(super) async fn list(args: DisputesArgs) -> anyhow::Result<()> {
    let partner = args.partner.unwrap_or_default();
    let request = ListDisputesRequest { window: args.window, partner };
    let found = args.connection.client().await?.list_disputes(request).await?.disputes;
    let json: Vec<Value> = found.iter().map(dispute_json).collect();
    args.connection.output.show(&json, |_| {
        let mut table =
            Table::new(&["dispute", "partner", "at", "because", "evidence", "answer", "by"]);
        for dispute in &found {
            table.row([
                dispute.dispute.clone(),
                dispute.partner.clone(),
                time_text(dispute.at.as_ref()),
                code_word(dispute.code()).to_owned(),
                dispute.evidence.clone(),
                dispute.answer.clone(),
                dispute.answered_by.clone(),
            ]);
        }
        table.text("nobody objects")
    })
}

pub(super) async fn answer(args: AnswerArgs) -> anyhow::Result<()> {
    let request = AnswerDisputeRequest {
        request_id: request_id(args.request_id),
        dispute: args.dispute,
        adjustment: args.adjustment.unwrap_or_default(),
        answer: args.text,
    };
    let answer = args.connection.client().await?.answer_dispute(request).await?;
    show(&args.connection, &answer.dispute.unwrap_or_default())
}

fn show(connection: &Connection, dispute: &Dispute) -> anyhow::Result<()> {
    connection.output.show(&dispute_json(dispute), |_| {
        let state = match (dispute.answered_at.is_some(), dispute.accepted) {
            (false, _) => "waits for an answer",
            (true, true) => "is accepted",
            (true, false) => "is rejected",
        };
        format!("dispute {} of {} {state}", dispute.dispute, dispute.partner)
    })
}

/// `ID:redemption:USD`, in the words that statements have.
fn line(text: &str) -> anyhow::Result<DisputedLine> {
    let mut parts = text.split(':');
    let (Some(id), Some(kind), Some(currency), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        bail!("{text}: a line is an id, a kind and a currency: ID:redemption:USD");
    };
    let wanted = kind.replace(['_', '-'], " ");
    let kind = (1..=13).find(|number| amount_kind(*number) == wanted);
    let kind = kind.with_context(|| format!("{wanted}: no kind of a line"))?;
    let kind = AmountKind::try_from(kind)?.into();
    Ok(DisputedLine { request_id: id.to_owned(), kind, currency: currency.to_owned() })
}

const fn code_word(code: DisputeCode) -> &'static str {
    match code {
        DisputeCode::NotOurs => "not ours",
        DisputeCode::Points => "points",
        DisputeCode::Price => "price",
        DisputeCode::Twice => "twice",
        DisputeCode::Member => "member",
        DisputeCode::Period => "period",
        DisputeCode::Other => "other",
        DisputeCode::Unspecified => "?",
    }
}

fn dispute_json(dispute: &Dispute) -> Value {
    json!({
        "dispute": dispute.dispute,
        "window": dispute.window,
        "partner": dispute.partner,
        "lines": dispute.lines.iter().map(|line| json!({
            "request_id": line.request_id,
            "kind": amount_kind(line.kind),
            "currency": line.currency,
        })).collect::<Vec<_>>(),
        "code": code_word(dispute.code()),
        "evidence": dispute.evidence,
        "at": time_text(dispute.at.as_ref()),
        "actor": dispute.actor,
        "answered_at": dispute.answered_at.as_ref().map(|at| time_text(Some(at))),
        "answered_by": dispute.answered_by,
        "answer": dispute.answer,
        "accepted": dispute.accepted,
        "adjustment": dispute.adjustment,
    })
}
