//! What partners object to, and what operators answer.

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use entente_api::settlement::{
    AmountKind, AnswerDisputeRequest, Dispute, DisputeCode, DisputeLinesRequest, DisputedLine,
    DisputedOperation, DisputedTotal, ListDisputedOperationsRequest, ListDisputesRequest,
};
use serde_json::{Value, json};

use super::money_json;
use crate::commands::request_id;
use crate::connect::Connection;
use crate::output::{Table, amount_kind, direction, money_exact, points, time_text};

/// What to object to.
#[derive(Debug, Args)]
pub(crate) struct DisputeArgs {
    /// The closed window's name.
    window: String,
    /// A line: the operation's request id, what it is for and the currency, as in ID:redemption:USD.
    #[arg(long = "line", value_name = "LINE", required_unless_present = "totals")]
    lines: Vec<String>,
    /// A total of a day: the counterparty, the UTC day, what it is for and the currency, as in
    /// rover-rides:2026-03-31:redemption:USD.
    #[arg(long = "total", value_name = "TOTAL")]
    totals: Vec<String>,
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

/// Which total of a dispute.
#[derive(Debug, Args)]
pub(crate) struct DisputedArgs {
    /// The dispute's id.
    dispute: String,
    /// The place of the total in the dispute, from 0.
    #[arg(long, value_name = "N", default_value_t = 0)]
    total: i32,
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
        totals: args.totals.iter().map(|text| total(text)).collect::<anyhow::Result<_>>()?,
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

/// The single operations behind a total, while the dispute is open.
pub(super) async fn operations(args: DisputedArgs) -> anyhow::Result<()> {
    let client = args.connection.client().await?;
    let mut request = ListDisputedOperationsRequest {
        dispute: args.dispute,
        total: args.total,
        page_size: 1_000,
        page_token: String::new(),
    };
    let mut found = Vec::new();
    loop {
        let mut page = client.list_disputed_operations(request.clone()).await?;
        found.append(&mut page.operations);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    let json: Vec<Value> = found.iter().map(operation_json).collect();
    args.connection.output.show(&json, |_| {
        let columns = ["posted at", ">points", "", ">amount", ">price of a point", ">terms"];
        let mut table = Table::new(&columns);
        for one in &found {
            table.row([
                time_text(one.posted_at.as_ref()),
                points(one.points),
                direction(one.direction).to_owned(),
                one.amount.as_ref().map(money_exact).unwrap_or_default(),
                one.price.as_ref().map(money_exact).unwrap_or_default(),
                if one.terms_version == 0 { "-".to_owned() } else { one.terms_version.to_string() },
            ]);
        }
        table.text("nothing is behind it")
    })
}

fn operation_json(one: &DisputedOperation) -> Value {
    json!({
        "posted_at": time_text(one.posted_at.as_ref()),
        "points": one.points,
        "direction": direction(one.direction),
        "amount": one.amount.as_ref().map(money_json),
        "price": one.price.as_ref().map(money_json),
        "terms_version": one.terms_version,
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
    let kind = kind_of(kind)?;
    Ok(DisputedLine { request_id: id.to_owned(), kind, currency: currency.to_owned() })
}

/// `rover-rides:2026-03-31:redemption:USD`, in the words that statements have.
fn total(text: &str) -> anyhow::Result<DisputedTotal> {
    let mut parts = text.split(':');
    let (Some(counterparty), Some(day), Some(kind), Some(currency), None) =
        (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
    else {
        bail!("{text}: a total is a party, a day, a kind and a currency: PARTY:DAY:redemption:USD");
    };
    Ok(DisputedTotal {
        counterparty: counterparty.to_owned(),
        day: day.to_owned(),
        kind: kind_of(kind)?,
        currency: currency.to_owned(),
    })
}

/// The number of a kind, by the word that statements have for it.
fn kind_of(word: &str) -> anyhow::Result<i32> {
    let wanted = word.replace(['_', '-'], " ");
    let kind = (1..=15).find(|number| amount_kind(*number) == wanted);
    let kind = kind.with_context(|| format!("{wanted}: no kind of a line"))?;
    Ok(AmountKind::try_from(kind)?.into())
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
        "totals": dispute.totals.iter().map(|total| json!({
            "counterparty": total.counterparty,
            "day": total.day,
            "kind": amount_kind(total.kind),
            "currency": total.currency,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_total_is_named_as_statements_write_it() {
        let found = total("rover-rides:2026-03-31:redemption_refunded:USD").expect("a total");
        assert_eq!(
            (found.counterparty.as_str(), found.day.as_str()),
            ("rover-rides", "2026-03-31")
        );
        assert_eq!(
            (found.kind(), found.currency.as_str()),
            (AmountKind::RedemptionRefunded, "USD")
        );
        assert_eq!(
            total("hub:2026-03-31:prepaid:EUR").expect("a total").kind(),
            AmountKind::Prepaid
        );
        for wrong in ["", "rover-rides", "a:2026-03-31:redemption", "a:b:?:EUR", "a:b:fee:EUR:1"] {
            assert!(total(wrong).is_err(), "{wrong}");
        }
    }
}
