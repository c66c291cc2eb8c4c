//! A partner's statement of a closed window. Lines are printed as they come, so that a long
//! statement needs no memory; programs get its canonical form and a digest.

use clap::Args;
use entente_api::settlement::get_statement_response::Part;
use entente_api::settlement::{
    GetStatementRequest, StatementBalance, StatementClosing, StatementHeader, StatementLine,
    StatementTotal,
};
use entente_client::Client;
use serde_json::{Value, json};

use super::canonical::{Canonical, Encoding};
use super::money_json;
use crate::connect::Connection;
use crate::output::{
    Format, Table, amount_kind, bold, date, dim, direction, money, money_exact, points, say,
    time_text, warn,
};

/// Which window, and whose.
#[derive(Debug, Args)]
pub(crate) struct StatementArgs {
    /// The closed window's name.
    window: String,
    /// Whose statement; a partner may leave it out for its own.
    #[arg(long, value_name = "CODE")]
    partner: Option<String>,
    /// Leave the lines out: only what they add up to.
    #[arg(long)]
    totals: bool,
    #[command(flatten)]
    connection: Connection,
}

/// What a statement adds up to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Statement {
    /// Whose it is.
    pub(crate) header: StatementHeader,
    /// How many lines came.
    pub(crate) line_count: u64,
    /// How many of them are of an earlier period.
    pub(crate) prior_period_count: u64,
    /// The totals.
    pub(crate) totals: Vec<StatementTotal>,
    /// What was unpaid when the window opened,
    pub(crate) openings: Vec<StatementBalance>,
    /// and when it closed, the window counted.
    pub(crate) balances: Vec<StatementBalance>,
    /// The nets.
    pub(crate) closings: Vec<StatementClosing>,
}

pub(super) async fn run(args: StatementArgs) -> anyhow::Result<()> {
    let client = args.connection.client().await?;
    let request = GetStatementRequest {
        window: args.window,
        partner: args.partner.unwrap_or_default(),
        ..GetStatementRequest::default()
    };
    let encoding = match args.connection.output {
        Format::Csv => Encoding::Csv,
        Format::Json => Encoding::JsonLines,
        Format::Table => return show(&client, request, args.totals).await,
    };
    if args.totals {
        let statement = read(&client, request, |_| Ok(())).await?;
        return args.connection.output.show(&statement.json(), |_| String::new());
    }
    let mut canonical = Canonical::new(encoding, std::io::stdout().lock());
    read(&client, request, |part| canonical.print(part)).await?;
    warn(&dim(&format!("sha256 {}", canonical.end()?)));
    Ok(())
}

/// The statement for people.
async fn show(client: &Client, request: GetStatementRequest, totals: bool) -> anyhow::Result<()> {
    let each = |part: &Part| if totals { Ok(()) } else { print_line(part) };
    let statement = read(client, request, each).await?;
    Ok(say(&statement.text())?)
}

/// Reads a statement, showing each part to `each`.
pub(crate) async fn read(
    client: &Client,
    request: GetStatementRequest,
    mut each: impl FnMut(&Part) -> anyhow::Result<()>,
) -> anyhow::Result<Statement> {
    let mut stream = client.get_statement(request).await?;
    let mut statement = Statement::default();
    while let Some(part) = stream.next().await? {
        each(&part)?;
        match part {
            Part::Header(header) => statement.header = header,
            Part::Line(line) => statement.count(&line),
            Part::Lines(together) => together.lines.iter().for_each(|line| statement.count(line)),
            Part::Elsewhere(_) => {}
            Part::Total(total) => statement.totals.push(total),
            Part::Opening(unpaid) => statement.openings.push(unpaid),
            Part::Balance(unpaid) => statement.balances.push(unpaid),
            Part::Closing(closing) => statement.closings.push(closing),
        }
    }
    Ok(statement)
}

impl Statement {
    fn count(&mut self, line: &StatementLine) {
        self.line_count += 1;
        self.prior_period_count += u64::from(line.prior_period);
    }

    /// The totals and what they come to.
    pub(crate) fn text(&self) -> String {
        let mut table = Table::new(&["for", "with", ">points", "", ">exact amount"]);
        for total in &self.totals {
            table.row([
                amount_kind(total.kind).to_owned(),
                total.counterparty.clone(),
                points(total.points),
                direction(total.direction).to_owned(),
                money_exact(&total.amount.clone().unwrap_or_default()),
            ]);
        }
        let mut lines = vec![table.text("nothing happened")];
        let name = &self.header.display_name;
        let unpaid = |unpaid: &StatementBalance, when: &str| {
            let amount = money(&unpaid.amount.clone().unwrap_or_default());
            dim(&format!("{when}: {name} {} {amount}", direction(unpaid.direction)))
        };
        lines.extend(self.openings.iter().map(|one| unpaid(one, "unpaid of earlier windows")));
        for closing in &self.closings {
            let amount = money(&closing.amount.clone().unwrap_or_default());
            lines.push(bold(&format!("{name} {} {amount}", direction(closing.direction))));
        }
        lines.extend(self.balances.iter().map(|one| unpaid(one, "unpaid at the close, in all")));
        lines.join("\n")
    }

    /// The totals for programs.
    pub(crate) fn json(&self) -> Value {
        json!({
            "partner": self.header.partner,
            "line_count": self.line_count,
            "prior_period_count": self.prior_period_count,
            "totals": self.totals.iter().map(total_json).collect::<Vec<_>>(),
            "openings": self.openings.iter().map(unpaid_json).collect::<Vec<_>>(),
            "balances": self.balances.iter().map(unpaid_json).collect::<Vec<_>>(),
            "closings": self.closings.iter().map(closing_json).collect::<Vec<_>>(),
        })
    }
}

fn print_line(part: &Part) -> anyhow::Result<()> {
    match part {
        Part::Header(header) => {
            let window = header.window.clone().unwrap_or_default();
            let note = if header.simulation { " (a simulation)" } else { "" };
            say(&bold(&format!("Statement of {} for {}{note}", header.display_name, window.name)))?;
        }
        Part::Line(line) => say(&line_text(line))?,
        Part::Lines(together) => {
            together.lines.iter().try_for_each(|line| say(&line_text(line)))?;
        }
        Part::Elsewhere(sum) => say(&format!(
            "{:<20}  {:<20}  {:>10}  {:<8}  {:>20}  {}",
            sum.day,
            amount_kind(sum.kind),
            points(sum.points),
            direction(sum.direction),
            money_exact(&sum.amount.clone().unwrap_or_default()),
            sum.counterparty,
        ))?,
        Part::Opening(_) | Part::Total(_) | Part::Balance(_) | Part::Closing(_) => {}
    }
    Ok(())
}

fn line_text(line: &StatementLine) -> String {
    format!(
        "{}  {:<20}  {:>10}  {:<8}  {:>20}  {:<16}  {}{}",
        time_text(line.posted_at.as_ref()),
        amount_kind(line.kind),
        points(line.points),
        direction(line.direction),
        money_exact(&line.amount.clone().unwrap_or_default()),
        line.counterparty,
        line.request_id,
        if line.prior_period {
            format!("  prior period, {}", date(line.activity_at.as_ref()))
        } else {
            String::new()
        },
    )
}

fn total_json(total: &StatementTotal) -> Value {
    json!({
        "counterparty": total.counterparty,
        "kind": amount_kind(total.kind),
        "points": total.points,
        "direction": direction(total.direction),
        "amount": total.amount.as_ref().map(money_json),
    })
}

fn unpaid_json(unpaid: &StatementBalance) -> Value {
    json!({
        "direction": direction(unpaid.direction),
        "amount": unpaid.amount.as_ref().map(money_json),
    })
}

fn closing_json(closing: &StatementClosing) -> Value {
    json!({
        "direction": direction(closing.direction),
        "amount": closing.amount.as_ref().map(money_json),
        "line_count": closing.line_count,
    })
}
