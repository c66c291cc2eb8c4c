//! `entente member`: what members have, as a partner sees it.

use clap::{Args, Subcommand};
use entente_api::member::{GetBalanceRequest, GetBalanceResponse};
use serde_json::json;

use crate::connect::Connection;
use crate::output::{Table, points};

const EXAMPLES: &str = "\
Examples:
  entente member balance guest-0001 --as harbor-hotels";

/// What to read.
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum MemberCommand {
    /// Show what a member has: available, held, debt, and when points expire.
    Balance(BalanceArgs),
}

/// Whose balance.
#[derive(Debug, Args)]
pub(crate) struct BalanceArgs {
    /// The partner's own reference of the member.
    member_reference: String,
    #[command(flatten)]
    connection: Connection,
}

/// Runs the command.
pub(crate) async fn run(command: MemberCommand) -> anyhow::Result<()> {
    let MemberCommand::Balance(args) = command;
    let request = GetBalanceRequest { member_reference: args.member_reference };
    let answer = args.connection.client().await?.get_balance(request).await?;
    let balances = answer.balances.unwrap_or_default();
    let expiries = answer.expiries.iter().map(|expiring| {
        json!({ "month": expiring.month, "issuer": expiring.issuer, "points": expiring.points })
    });
    let json = json!({
        "member_token": answer.member_token,
        "available": balances.available,
        "held": balances.held,
        "debt": balances.debt,
        "expiries": expiries.collect::<Vec<_>>(),
    });
    args.connection.output.show(&json, |_| text(&answer))
}

fn text(answer: &GetBalanceResponse) -> String {
    let balances = answer.balances.unwrap_or_default();
    let mut table = Table::new(&["", ">points"]);
    for (name, number) in
        [("available", balances.available), ("held", balances.held), ("debt", balances.debt)]
    {
        table.row([name.to_owned(), points(number)]);
    }
    let mut expiries = Table::new(&["expires in", "issuer", ">points"]);
    for expiring in &answer.expiries {
        expiries.row([expiring.month.clone(), expiring.issuer.clone(), points(expiring.points)]);
    }
    format!("{}\n\n{}", table.text(""), expiries.text("nothing expires"))
}
