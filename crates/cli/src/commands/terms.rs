//! `entente terms`: what is agreed with each partner, version by version.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use entente_api::partner::{
    Agreement, EarnCategory, ExchangeBonus, ExchangeRate, GetTermsInForceRequest, ListTermsRequest,
    PublishTermsRequest, Terms,
};
use entente_api::proposal::act::Act;
use entente_api::types::Money;
use serde_json::{Value, json};

use super::proposal::{self, ProposeArgs};
use crate::agreement::{AgreementFile, limits};
use crate::connect::Connection;
use crate::output::{Table, funding, money, parse_time, points, proto_time, rounding, time_text};

const EXAMPLES: &str = "\
Examples:
  entente terms in-force rover-rides --at 2026-04-01
  entente terms publish rover-rides spring.toml --from 2026-04-01 --reason \"spring prices\"
  entente terms list harbor-hotels --as harbor-hotels";

const FILE: &str = "\
A terms file, with amounts in quotes:
  currency = \"EUR\"
  funding = \"at-issue\"            # or at-redemption
  rounding = \"down\"               # or half-up
  issue_price = \"0.0060\"
  prepaid = false                 # true: points are bought ahead, by the block, at issue alone
  reimbursement = \"0.0050\"
  point_value = \"0.0050\"
  hub_fee_basis_points = 150
  lot_life_days = 730
  hold_life_seconds = 604800
  late_limit_days = 14
  net_debit_caps = { EUR = \"250000\" }
  claim_limit_days = 180
  gifts = { max_points_per_operation = 5000, max_points_per_member_month = 20000 }
  exchange_in = { give = 3, receive = 1, minimum = 3000, increment = 3 }
  exchange_out = { give = 1, receive = 2 }
  [limits]                        # in an hour or a day (UTC); what is left out is not limited
  member_operations_per_hour = 30
  member_points_earned_per_day = 20000
  member_foreign_points_burned_per_day = 20000
  member_points_given_per_day = 5000
  operations_per_hour = 100000
  points_issued_per_hour = 5000000
  foreign_points_burned_per_hour = 1000000
  foreign_points_burned_per_day = 5000000
  member_points_burned_elsewhere_alert = 10000   # refuses nothing: the partner is told
  [[categories]]
  category = \"room\"
  rules = [{ points = 5, per_spend = \"1\" }]
  [[categories]]
  category = \"gift-card\"          # earns nothing
  rules = [{ points = 0, per_spend = \"1\" }]";

/// What to do with terms.
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum TermsCommand {
    /// Propose a version from a file; another operator approves it.
    Publish(PublishArgs),
    /// List a partner's versions, newest first.
    List(ListArgs),
    /// Show the version in force at a time.
    InForce(InForceArgs),
}

/// A new version.
#[derive(Debug, Args)]
#[command(after_help = FILE)]
pub(crate) struct PublishArgs {
    /// The partner's code.
    partner: String,
    /// The terms, in TOML.
    file: PathBuf,
    /// When the version begins: 2026-04-01T00:00:00Z, or a day [default: now].
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    #[command(flatten)]
    propose: ProposeArgs,
    #[command(flatten)]
    connection: Connection,
}

/// Whose versions.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// The partner's code.
    partner: String,
    #[command(flatten)]
    connection: Connection,
}

/// Whose version, and when.
#[derive(Debug, Args)]
pub(crate) struct InForceArgs {
    /// The partner's code.
    partner: String,
    /// When: 2026-04-01T00:00:00Z, or a day [default: now].
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

/// Runs the command.
pub(crate) async fn run(command: TermsCommand) -> anyhow::Result<()> {
    match command {
        TermsCommand::Publish(args) => Box::pin(publish(args)).await,
        TermsCommand::List(args) => list(args).await,
        TermsCommand::InForce(args) => in_force(args).await,
    }
}

async fn publish(args: PublishArgs) -> anyhow::Result<()> {
    let name = args.file.display().to_string();
    let text =
        std::fs::read_to_string(&args.file).with_context(|| format!("cannot read {name}"))?;
    let agreement = AgreementFile::read(&text).context(name)?.into_api();
    let publish = PublishTermsRequest {
        request_id: String::new(),
        partner: args.partner,
        effective_from: args.from.as_deref().map(parse_time).transpose()?.map(proto_time),
        agreement: Some(agreement),
    };
    proposal::propose(&args.connection, args.propose, Act::PublishTerms(publish)).await
}

async fn list(args: ListArgs) -> anyhow::Result<()> {
    let client = args.connection.client().await?;
    let mut versions = Vec::new();
    let mut page_token = String::new();
    loop {
        let partner = args.partner.clone();
        let request = ListTermsRequest { partner, page_size: 1_000, page_token };
        let mut page = client.list_terms(request).await?;
        versions.append(&mut page.terms);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return show(&args.connection, &versions);
        }
    }
}

async fn in_force(args: InForceArgs) -> anyhow::Result<()> {
    let at = args.at.as_deref().map(parse_time).transpose()?.map(proto_time);
    let request = GetTermsInForceRequest { partner: args.partner, at };
    let answer = args.connection.client().await?.get_terms_in_force(request).await?;
    let terms = answer.terms.unwrap_or_default();
    args.connection.output.show(&json(&terms), |_| {
        let agreement = terms.agreement.clone().unwrap_or_default();
        [head(&terms), agreement_text(&agreement)].join("\n\n")
    })
}

fn show(connection: &Connection, versions: &[Terms]) -> anyhow::Result<()> {
    let json: Vec<Value> = versions.iter().map(json).collect();
    connection.output.show(&json, |_| {
        let mut table = Table::new(&[
            "partner",
            ">version",
            "from",
            "until",
            "funding",
            ">issue price",
            ">reimbursement",
        ]);
        for terms in versions {
            let agreement = terms.agreement.clone().unwrap_or_default();
            table.row([
                terms.partner.clone(),
                terms.version.to_string(),
                time_text(terms.effective_from.as_ref()),
                time_text(terms.effective_to.as_ref()),
                funding(agreement.funding).to_owned(),
                if agreement.prepaid {
                    "prepaid".to_owned()
                } else {
                    price(&agreement, agreement.issue_price_micros)
                },
                price(&agreement, agreement.reimbursement_micros),
            ]);
        }
        table.text("no terms")
    })
}

/// What is agreed, for people.
pub(super) fn agreement_text(agreement: &Agreement) -> String {
    [prices(agreement), earning(agreement), exchanges(agreement)].join("\n\n")
}

fn head(terms: &Terms) -> String {
    let from = time_text(terms.effective_from.as_ref());
    let until = match &terms.effective_to {
        Some(end) => format!("until {}", time_text(Some(end))),
        None => "until further notice".to_owned(),
    };
    format!("{} version {}, from {from} {until}", terms.partner, terms.version)
}

fn prices(agreement: &Agreement) -> String {
    let mut table = Table::new(&["agreed", ">"]);
    let mut row = |name: &str, value: String| {
        table.row([name.to_owned(), value]);
    };
    row("currency", agreement.currency.clone());
    row("funding", funding(agreement.funding).to_owned());
    if agreement.prepaid {
        row("issue price of a point", "bought ahead, by the block".to_owned());
    } else {
        row("issue price of a point", price(agreement, agreement.issue_price_micros));
    }
    row("reimbursement of a point", price(agreement, agreement.reimbursement_micros));
    row("value of a point at the till", price(agreement, agreement.point_value_micros));
    row("hub fee, basis points", agreement.hub_fee_basis_points.to_string());
    row("earns are rounded", rounding(agreement.rounding).to_owned());
    row("points live, days", agreement.lot_life_days.to_string());
    row("holds live, seconds", points(agreement.hold_life_seconds));
    row("activity may be late, days", agreement.late_limit_days.to_string());
    row(
        "purchases may be claimed, days",
        match agreement.claim_limit_days {
            0 => "not at all".to_owned(),
            days => days.to_string(),
        },
    );
    for cap in &agreement.net_debit_caps {
        row("net debit cap", money(cap));
    }
    if let Some(most) = agreement.max_points_per_operation {
        row("most points an earn", points(most));
    }
    if let Some(most) = agreement.max_points_per_member_year {
        row("most points a member and year", points(most));
    }
    if let Some(gifts) = &agreement.gifts {
        row("most points a gift", points(gifts.max_points_per_operation));
        row("most points given, a member and month", points(gifts.max_points_per_member_month));
    }
    for (name, most) in agreement.limits.iter().flat_map(limits::rows) {
        row(name, points(most));
    }
    if agreement.accepts_donations {
        row("members may donate to it", "yes".to_owned());
    }
    table.text("")
}

fn earning(agreement: &Agreement) -> String {
    let mut table = Table::new(&["category", ">from a spend of", ">points", ">for each"]);
    for EarnCategory { category, rules } in &agreement.categories {
        for rule in rules {
            table.row([
                category.clone(),
                price(agreement, rule.minimum_spend_micros),
                points(rule.points),
                price(agreement, rule.per_spend_micros),
            ]);
        }
    }
    table.text("purchases earn nothing here")
}

fn exchanges(agreement: &Agreement) -> String {
    let mut table = Table::new(&[
        "exchange",
        ">for each",
        ">points",
        ">from",
        ">in steps of",
        ">bonus",
        ">for each",
    ]);
    let mut row = |name: &str, rate: Option<&ExchangeRate>| {
        let Some(rate) = rate else { return };
        let steps = points(rate.increment.max(1));
        let steps = if rate.exact_increments { format!("{steps}, exactly") } else { steps };
        let bonus = |number: fn(&ExchangeBonus) -> i64| {
            rate.bonus.as_ref().map_or_else(String::new, |bonus| points(number(bonus)))
        };
        table.row([
            name.to_owned(),
            points(rate.give),
            points(rate.receive),
            points(rate.minimum.max(1)),
            steps,
            bonus(|bonus| bonus.points),
            bonus(|bonus| bonus.threshold),
        ]);
    };
    row("own points in", agreement.exchange_in.as_ref());
    row("own points out", agreement.exchange_out.as_ref());
    table.text("no exchange with its own points")
}

fn price(agreement: &Agreement, micros: i64) -> String {
    money(&Money { currency: agreement.currency.clone(), micros })
}

/// A version, as a program reads it.
pub(super) fn json(terms: &Terms) -> Value {
    json!({
        "partner": terms.partner,
        "version": terms.version,
        "effective_from": time_text(terms.effective_from.as_ref()),
        "effective_to": terms.effective_to.as_ref().map(|time| time_text(Some(time))),
        "agreement": terms.agreement.as_ref().map(AgreementFile::from_api),
    })
}
