//! Reports, and breaks with their age and owner.

use clap::{Args, ValueEnum};
use entente_api::settlement::{
    Break, BreakKind, BreakState, ListBreaksRequest, ListReconciliationsRequest,
    ListedReconciliation,
};
use entente_client::Client;
use prost_types::Timestamp as Wire;
use serde_json::{Value, json};

use super::name::{all_reports, report_id, short, shortened};
use crate::commands::reconcile::{break_json, breaks_csv, moneys, receipt};
use crate::commands::settle::money_json;
use crate::connect::Connection;
use crate::output::{
    Format, Table, break_kind, break_state, count, dim, points, say, stamp, time_text,
};

/// Which reports.
#[derive(Debug, Args)]
pub(crate) struct ReportsArgs {
    /// Those of one closed window.
    #[arg(long, value_name = "NAME")]
    window: Option<String>,
    /// Those of one partner; a partner sees its own.
    #[arg(long, value_name = "CODE")]
    partner: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

/// Which breaks.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Those of one closed window.
    #[arg(long, value_name = "NAME")]
    window: Option<String>,
    /// Those of one partner; a partner sees its own.
    #[arg(long, value_name = "CODE")]
    partner: Option<String>,
    /// Those of one report, also of one that a later record superseded.
    #[arg(long, value_name = "ID")]
    report: Option<String>,
    /// Those of one kind.
    #[arg(long)]
    kind: Option<Kind>,
    /// Those that stand here [default: open, assigned and agreed].
    #[arg(long)]
    state: Option<State>,
    /// Those that somebody looks into.
    #[arg(long, value_name = "NAME")]
    owner: Option<String>,
    /// Those that are resolved, too.
    #[arg(long, conflicts_with = "state")]
    all: bool,
    /// How many the table shows; `--output csv` has all.
    #[arg(long, value_name = "N", default_value_t = 50)]
    show: usize,
    #[command(flatten)]
    connection: Connection,
}

/// What kind of difference.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    /// The file lists what the hub does not know.
    MissingAtHub,
    /// The hub posted what the file does not list.
    MissingAtPartner,
    /// Other points.
    Amount,
    /// The same points, other money.
    Rate,
    /// Another window.
    Timing,
    /// Listed more than once.
    DuplicateInFile,
    /// Reversed or refused on one side.
    Status,
    /// Another member.
    Member,
    /// The hub refused it: too late.
    LateRejected,
    /// Another currency.
    Currency,
}

/// Where a break stands.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum State {
    /// Nobody looks into it.
    Open,
    /// Somebody does.
    Assigned,
    /// It is to be corrected, or borne.
    Agreed,
    /// The hub's side stands.
    Rejected,
    /// An adjustment corrected it.
    Adjusted,
    /// It is borne.
    WrittenOff,
}

/// Breaks, whether there are more, and of when they are.
struct Found {
    breaks: Vec<Break>,
    more: bool,
    as_of: Option<Wire>,
}

pub(super) async fn reports(args: ReportsArgs) -> anyhow::Result<()> {
    let request = ListReconciliationsRequest {
        window: args.window.unwrap_or_default(),
        partner: args.partner.unwrap_or_default(),
        ..ListReconciliationsRequest::default()
    };
    let found = all_reports(&args.connection.client().await?, request).await?;
    let json: Vec<Value> = found.iter().map(report_json).collect();
    args.connection.output.show(&json, |_| {
        let columns = [
            "report",
            "partner",
            "window",
            "made at",
            "by",
            "file",
            ">breaks",
            ">unresolved",
            ">points",
            ">money",
            "",
        ];
        let mut table = Table::new(&columns);
        for report in &found {
            let difference = report.difference.clone().unwrap_or_default();
            let number = |number: i64| count(u64::try_from(number).unwrap_or_default());
            table.row([
                shortened(&report.reconciliation).to_owned(),
                report.partner.clone(),
                report.window.clone(),
                time_text(report.made_at.as_ref()),
                report.made_by.clone(),
                report.file_name.clone(),
                number(difference.count),
                number(report.unresolved_count),
                points(difference.points),
                moneys(&difference.money),
                if report.superseded { dim("superseded") } else { String::new() },
            ]);
        }
        table.text("nothing was reconciled")
    })
}

pub(super) async fn run(args: ListArgs) -> anyhow::Result<()> {
    let client = args.connection.client().await?;
    let report = match &args.report {
        Some(given) => report_id(&client, given).await?,
        None => String::new(),
    };
    let request = ListBreaksRequest {
        reconciliation: report,
        window: args.window.unwrap_or_default(),
        partner: args.partner.unwrap_or_default(),
        kind: args.kind.map(BreakKind::from).unwrap_or_default().into(),
        state: args.state.map(BreakState::from).unwrap_or_default().into(),
        owner: args.owner.unwrap_or_default(),
        unresolved: args.state.is_none() && !args.all,
        ..ListBreaksRequest::default()
    };
    let output = args.connection.output;
    let most = if output == Format::Table { args.show } else { usize::MAX };
    let found = breaks(&client, request, most).await?;
    match output {
        Format::Table => say(&table(&found))?,
        Format::Csv => say(breaks_csv(&found.breaks)?.trim_end())?,
        Format::Json => {
            let as_of = found.as_of.as_ref();
            let json = found.breaks.iter().map(|one| one_json(one, as_of)).collect::<Vec<_>>();
            say(&serde_json::to_string_pretty(&json)?)?;
        }
    }
    Ok(())
}

async fn breaks(
    client: &Client,
    mut request: ListBreaksRequest,
    most: usize,
) -> anyhow::Result<Found> {
    let mut breaks = Vec::new();
    loop {
        let rest = most.saturating_sub(breaks.len()).clamp(1, 1_000);
        request.page_size = i32::try_from(rest)?;
        let mut page = client.list_breaks(request.clone()).await?;
        breaks.append(&mut page.breaks);
        let more = !page.next_page_token.is_empty();
        if !more || breaks.len() >= most {
            return Ok(Found { breaks, more, as_of: page.as_of });
        }
        request.page_token = page.next_page_token;
    }
}

fn table(found: &Found) -> String {
    let columns = [
        "break", "partner", "window", "kind", "receipt", ">points", ">money", "state", "owner",
        ">age",
    ];
    let mut table = Table::new(&columns);
    for one in &found.breaks {
        table.row([
            short(one),
            one.partner.clone(),
            one.window.clone(),
            break_kind(one.kind).to_owned(),
            receipt(one).to_owned(),
            points(one.points),
            moneys(&one.money),
            break_state(one.state).to_owned(),
            if one.owner.is_empty() { "-".to_owned() } else { one.owner.clone() },
            age(one.since.as_ref(), found.as_of.as_ref()),
        ]);
    }
    let mut text = table.text("no breaks");
    if found.more {
        text.push_str(&dim("\n\nand more; --show N shows them, --output csv has all of them"));
    }
    text
}

/// How long ago it happened: `3 d`, `5 h`.
pub(super) fn age(since: Option<&Wire>, as_of: Option<&Wire>) -> String {
    let Some((since, as_of)) = stamp(since).zip(stamp(as_of)) else { return "-".to_owned() };
    match as_of.duration_since(since).as_hours() {
        hours @ 48.. => format!("{} d", points(hours.div_euclid(24))),
        hours @ 1.. => format!("{hours} h"),
        _ => "< 1 h".to_owned(),
    }
}

/// A break for programs, with its age.
pub(super) fn one_json(found: &Break, as_of: Option<&Wire>) -> Value {
    let mut json = break_json(found);
    let seconds = stamp(found.since.as_ref()).zip(stamp(as_of));
    let seconds = seconds.map(|(since, as_of)| as_of.duration_since(since).as_secs());
    if let Value::Object(fields) = &mut json {
        let id = format!("{}/{}", found.reconciliation, found.number);
        fields.insert("break_id".to_owned(), json!(id));
        fields.insert("window".to_owned(), json!(found.window));
        fields.insert("partner".to_owned(), json!(found.partner));
        fields.insert("age_seconds".to_owned(), json!(seconds));
    }
    json
}

fn report_json(report: &ListedReconciliation) -> Value {
    let difference = report.difference.clone().unwrap_or_default();
    json!({
        "reconciliation": report.reconciliation,
        "partner": report.partner,
        "window": report.window,
        "file_name": report.file_name,
        "made_by": report.made_by,
        "made_at": time_text(report.made_at.as_ref()),
        "break_count": difference.count,
        "unresolved_count": report.unresolved_count,
        "points": difference.points,
        "money": difference.money.iter().map(money_json).collect::<Vec<_>>(),
        "superseded": report.superseded,
    })
}

impl From<Kind> for BreakKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::MissingAtHub => Self::MissingAtHub,
            Kind::MissingAtPartner => Self::MissingAtPartner,
            Kind::Amount => Self::Amount,
            Kind::Rate => Self::Rate,
            Kind::Timing => Self::Timing,
            Kind::DuplicateInFile => Self::DuplicateInFile,
            Kind::Status => Self::Status,
            Kind::Member => Self::Member,
            Kind::LateRejected => Self::LateRejected,
            Kind::Currency => Self::Currency,
        }
    }
}

impl From<State> for BreakState {
    fn from(state: State) -> Self {
        match state {
            State::Open => Self::Open,
            State::Assigned => Self::Assigned,
            State::Agreed => Self::Agreed,
            State::Rejected => Self::Rejected,
            State::Adjusted => Self::Adjusted,
            State::WrittenOff => Self::WrittenOff,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_told_in_days_and_below_two_of_them_in_hours() {
        let at = |seconds| Some(Wire { seconds, nanos: 0 });
        for (hours, expected) in [(0, "< 1 h"), (1, "1 h"), (47, "47 h"), (48, "2 d"), (71, "2 d")]
        {
            assert_eq!(age(at(0).as_ref(), at(hours * 3_600).as_ref()), expected);
        }
        assert_eq!(age(None, at(0).as_ref()), "-");
    }
}
