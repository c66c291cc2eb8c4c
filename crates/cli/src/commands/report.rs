//! `entente report`: what the ledger comes to.

use clap::{Args, Subcommand};
use entente_api::{
    settlement::{
        AccountBalance, Breakage, Fees, GetBreakageRequest, GetFeesRequest,
        GetOutstandingPointsRequest, GetPoolCoverageRequest, GetTrialBalanceRequest,
        OutstandingPoints, PoolCoverage,
    },
    types::Money,
};
use serde_json::{Value, json};

use super::settle::money_json;
use crate::connect::Connection;
use crate::output::{Table, money_exact, points};

const EXAMPLES: &str = "\
Examples:
  entente report trial
  entente report trial 2026-03 --output csv
  entente report outstanding --partner harbor-hotels
  entente report pool
  entente report breakage 2026-03
  entente report fees --output json";

/// What to add up.
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum ReportCommand {
    /// Debits and credits of each account: they are equal in each unit.
    Trial(TrialArgs),
    /// Points that members hold, by issuer and the month in which they expire, and what redeeming
    /// them would cost.
    Outstanding(OutstandingArgs),
    /// What the pool holds, and what it stands for.
    Pool(PoolArgs),
    /// What became of each issuer's points: redeemed, expired, left.
    Breakage(WindowArgs),
    /// The hub's fees by who pays them.
    Fees(WindowArgs),
}

/// Of which window.
#[derive(Debug, Args)]
pub(crate) struct TrialArgs {
    /// A closed window's name [default: the whole ledger].
    window: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

/// Whose points.
#[derive(Debug, Args)]
pub(crate) struct OutstandingArgs {
    /// One issuer alone; a partner sees itself.
    #[arg(long, value_name = "CODE")]
    partner: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

/// The pool of each currency.
#[derive(Debug, Args)]
pub(crate) struct PoolArgs {
    #[command(flatten)]
    connection: Connection,
}

/// Of which window, and about whom.
#[derive(Debug, Args)]
pub(crate) struct WindowArgs {
    /// A closed window's name [default: the whole ledger].
    window: Option<String>,
    /// One partner alone; a partner sees itself.
    #[arg(long, value_name = "CODE")]
    partner: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

/// Runs the command.
pub(crate) async fn run(command: ReportCommand) -> anyhow::Result<()> {
    match command {
        ReportCommand::Trial(args) => trial(args).await,
        ReportCommand::Outstanding(args) => outstanding(args).await,
        ReportCommand::Pool(args) => pool(args).await,
        ReportCommand::Breakage(args) => breakage(args).await,
        ReportCommand::Fees(args) => fees(args).await,
    }
}

async fn trial(args: TrialArgs) -> anyhow::Result<()> {
    let request = GetTrialBalanceRequest { window: args.window.unwrap_or_default() };
    let answer = args.connection.client().await?.get_trial_balance(request).await?;
    let json: Vec<Value> = answer.accounts.iter().map(account_json).collect();
    args.connection.output.show(&json, |_| {
        let mut table = Table::new(&["account", "partner", "in", ">debits", ">credits"]);
        for account in &answer.accounts {
            let unit = if account.currency.is_empty() { "points" } else { &account.currency };
            let amount = |amount| in_unit(&account.currency, amount);
            table.row([
                account.account.clone(),
                account.partner.clone(),
                unit.to_owned(),
                amount(account.debits),
                amount(account.credits),
            ]);
        }
        let table = table.text("nothing was posted");
        format!("{table}\n\n{}", equal(&answer.accounts))
    })
}

/// Whether the debits of each unit are its credits, in words.
fn equal(accounts: &[AccountBalance]) -> &'static str {
    let mut sums = std::collections::BTreeMap::<&str, (i128, i128)>::new();
    for account in accounts {
        let (debits, credits) = sums.entry(&account.currency).or_default();
        *debits += i128::from(account.debits);
        *credits += i128::from(account.credits);
    }
    if sums.values().all(|(debits, credits)| debits == credits) {
        "debits equal credits in each unit"
    } else {
        "debits do NOT equal credits: run `entente check`"
    }
}

async fn outstanding(args: OutstandingArgs) -> anyhow::Result<()> {
    let request = GetOutstandingPointsRequest { partner: args.partner.unwrap_or_default() };
    let answer = args.connection.client().await?.get_outstanding_points(request).await?;
    let json: Vec<Value> = answer.points.iter().map(outstanding_json).collect();
    args.connection.output.show(&json, |_| {
        let titles = ["issuer", "expire in", "paid by", ">points", ">held", ">would cost"];
        let mut table = Table::new(&titles);
        for one in &answer.points {
            table.row([
                one.issuer.clone(),
                one.month.clone(),
                paid_by(one.at_issue).to_owned(),
                points(one.points),
                points(one.held),
                money_exact(&one.liability.clone().unwrap_or_default()),
            ]);
        }
        table.text("no member holds a point")
    })
}

async fn pool(args: PoolArgs) -> anyhow::Result<()> {
    let client = args.connection.client().await?;
    let answer = client.get_pool_coverage(GetPoolCoverageRequest {}).await?;
    let json: Vec<Value> = answer.pools.iter().map(pool_json).collect();
    args.connection.output.show(&json, |_| {
        let mut table = Table::new(&[
            "pool",
            ">holds",
            ">for points",
            ">would cost",
            ">covered",
            ">open on fx",
            ">gained by conversions",
        ]);
        for pool in &answer.pools {
            table.row([
                pool.currency.clone(),
                in_unit(&pool.currency, pool.balance_micros),
                points(pool.points),
                in_unit(&pool.currency, pool.liability_micros),
                covered(pool),
                in_unit(&pool.currency, pool.fx_micros),
                in_unit(&pool.currency, pool.fx_difference_micros),
            ]);
        }
        table.text("no pool holds anything")
    })
}

async fn breakage(args: WindowArgs) -> anyhow::Result<()> {
    let request = GetBreakageRequest {
        window: args.window.unwrap_or_default(),
        partner: args.partner.unwrap_or_default(),
    };
    let answer = args.connection.client().await?.get_breakage(request).await?;
    let json: Vec<Value> = answer.issuers.iter().map(breakage_json).collect();
    args.connection.output.show(&json, |_| {
        let mut table = Table::new(&[
            "issuer",
            ">issued",
            ">cancelled",
            ">redeemed",
            ">expired",
            ">donated",
            ">left",
            ">expired of issued",
        ]);
        for one in &answer.issuers {
            let cancelled = one.cancelled - one.reinstated;
            table.row([
                one.issuer.clone(),
                points(one.issued),
                points(cancelled),
                points(one.redeemed + one.repaid - one.refunded),
                points(one.expired),
                points(one.donated),
                points(one.outstanding),
                percent(one.expired, one.issued - cancelled),
            ]);
        }
        table.text("nobody issued anything")
    })
}

async fn fees(args: WindowArgs) -> anyhow::Result<()> {
    let request = GetFeesRequest {
        window: args.window.unwrap_or_default(),
        partner: args.partner.unwrap_or_default(),
    };
    let answer = args.connection.client().await?.get_fees(request).await?;
    let json: Vec<Value> = answer.fees.iter().map(fees_json).collect();
    args.connection.output.show(&json, |_| {
        let mut table = Table::new(&["payer", ">charged", ">refunded"]);
        for one in &answer.fees {
            let payer = if one.payer == "hub" { "the pool" } else { &one.payer };
            table.row([
                payer.to_owned(),
                money_exact(&one.charged.clone().unwrap_or_default()),
                money_exact(&one.refunded.clone().unwrap_or_default()),
            ]);
        }
        table.text("nobody paid a fee")
    })
}

/// An amount of money, or of points where no currency is named.
fn in_unit(currency: &str, amount: i64) -> String {
    match currency {
        "" => points(amount),
        currency => money_exact(&Money { currency: currency.to_owned(), micros: amount }),
    }
}

/// Who pays when points are redeemed.
const fn paid_by(at_issue: bool) -> &'static str {
    if at_issue { "the pool" } else { "the issuer" }
}

fn covered(pool: &PoolCoverage) -> String {
    match pool.balance_micros {
        ..0 => "advanced by the hub".to_owned(),
        balance => percent(balance, pool.liability_micros),
    }
}

/// A share of a whole in percent, with one decimal, rounded down.
fn percent(part: i64, whole: i64) -> String {
    if whole <= 0 {
        return "-".to_owned();
    }
    let tenths = i128::from(part) * 1_000 / i128::from(whole);
    format!("{}.{} %", tenths / 10, tenths % 10)
}

fn account_json(account: &AccountBalance) -> Value {
    json!({
        "account": account.account,
        "partner": account.partner,
        "currency": account.currency,
        "debits": account.debits,
        "credits": account.credits,
    })
}

fn outstanding_json(one: &OutstandingPoints) -> Value {
    json!({
        "issuer": one.issuer,
        "month": one.month,
        "paid_by": if one.at_issue { "pool" } else { "issuer" },
        "points": one.points,
        "held": one.held,
        "liability": one.liability.as_ref().map(money_json),
    })
}

fn pool_json(pool: &PoolCoverage) -> Value {
    json!({
        "currency": pool.currency,
        "balance_micros": pool.balance_micros,
        "liability_micros": pool.liability_micros,
        "points": pool.points,
        "fx_micros": pool.fx_micros,
        "fx_difference_micros": pool.fx_difference_micros,
    })
}

fn breakage_json(one: &Breakage) -> Value {
    json!({
        "issuer": one.issuer,
        "issued": one.issued,
        "cancelled": one.cancelled,
        "reinstated": one.reinstated,
        "redeemed": one.redeemed,
        "refunded": one.refunded,
        "repaid": one.repaid,
        "expired": one.expired,
        "donated": one.donated,
        "outstanding": one.outstanding,
    })
}

fn fees_json(one: &Fees) -> Value {
    json!({
        "payer": one.payer,
        "charged": one.charged.as_ref().map(money_json),
        "refunded": one.refunded.as_ref().map(money_json),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_told_in_percent_and_never_rounded_up() {
        assert_eq!(percent(999, 10_000), "9.9 %");
        assert_eq!(percent(10_000, 10_000), "100.0 %");
        assert_eq!(percent(1, 0), "-");
        assert_eq!(percent(i64::MAX, 1), "922337203685477580700.0 %");
    }

    #[test]
    fn accounts_out_of_balance_are_called_so() {
        let account = |currency: &str, debits, credits| AccountBalance {
            currency: currency.to_owned(),
            debits,
            credits,
            ..AccountBalance::default()
        };
        assert_eq!(
            equal(&[account("", 5, 0), account("", 0, 5)]),
            "debits equal credits in each unit"
        );
        let off = equal(&[account("USD", 5, 0), account("EUR", 0, 5)]);
        assert!(off.contains("NOT"), "{off}");
    }
}
