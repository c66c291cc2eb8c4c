//! `entente member`: how members are linked, what they have, and what they give, as a partner sees it.

mod link;
mod personal;

use clap::{Args, Subcommand};
use entente_api::member::{GetBalanceRequest, GetBalanceResponse};
use entente_api::points::{DonateRequest, TransferRequest};
use entente_api::types::{Balances, Operation};
use serde_json::json;

use crate::commands::request_id;
use crate::connect::Connection;
use crate::output::{Table, points};

const EXAMPLES: &str = "\
Examples:
  entente member link guest-0001 --as harbor-hotels
  entente member code guest-0001 rover-rides --as harbor-hotels
  entente member redeem rider-0001 BCDF-2345 --as rover-rides
  entente member balance guest-0001 --as harbor-hotels
  entente member give guest-0001 guest-0002 500 --as harbor-hotels
  entente member donate guest-0001 open-hands 500 --as harbor-hotels
  entente member export guest-0001 --partner harbor-hotels --as operator/ops
  entente member erase guest-0001 --partner harbor-hotels --reason \"she asked for it\" --as operator/ops";

/// What to do.
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum MemberCommand {
    /// Link a member of one's own, by a signed assertion.
    Link(link::LinkArgs),
    /// Show whether a reference is linked.
    Check(link::CheckArgs),
    /// Remove a link, or take back one that was just confirmed.
    Unlink(link::UnlinkArgs),
    /// Make a code, by which the member is linked at another brand.
    Code(link::CodeArgs),
    /// Take a code that a member typed.
    Redeem(link::RedeemArgs),
    /// Confirm a code that was redeemed, by the number shown at the other brand.
    Confirm(link::ConfirmArgs),
    /// Take back a merge that a confirmed code made.
    Unmerge(link::UnmergeArgs),
    /// Show what a member has: available, held, debt, and when points expire.
    Balance(BalanceArgs),
    /// Give points of one member to another, within the gifts that the terms agree.
    Give(GiveArgs),
    /// Give a member's points to a charity.
    Donate(DonateArgs),
    /// Print everything that is kept of a member, for the member: as an operator.
    Export(personal::ExportArgs),
    /// Propose to remove what is personal of a member, for ever; another operator approves it.
    Erase(personal::EraseArgs),
}

/// Whose balance.
#[derive(Debug, Args)]
pub(crate) struct BalanceArgs {
    /// The partner's own reference of the member.
    member_reference: String,
    #[command(flatten)]
    connection: Connection,
}

/// What to give to whom.
#[derive(Debug, Args)]
pub(crate) struct GiveArgs {
    /// The partner's own reference of the member who gives.
    from: String,
    /// The partner's own reference of the member who receives.
    to: String,
    /// How many points.
    #[arg(value_parser = clap::value_parser!(i64).range(1..))]
    points: i64,
    /// The id of this write, to repeat it safely [default: a new one].
    #[arg(long, value_name = "UUID")]
    request_id: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

/// What to give to which charity.
#[derive(Debug, Args)]
pub(crate) struct DonateArgs {
    /// The partner's own reference of the member.
    member_reference: String,
    /// The code of the charity.
    charity: String,
    /// How many points.
    #[arg(value_parser = clap::value_parser!(i64).range(1..))]
    points: i64,
    /// The partner's own reference of the donation.
    #[arg(long, value_name = "REFERENCE", default_value = "")]
    receipt: String,
    /// The id of this write, to repeat it safely [default: a new one].
    #[arg(long, value_name = "UUID")]
    request_id: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

/// Runs the command.
pub(crate) async fn run(command: MemberCommand) -> anyhow::Result<()> {
    match command {
        MemberCommand::Link(args) => link::link(args).await,
        MemberCommand::Check(args) => link::check(args).await,
        MemberCommand::Unlink(args) => link::unlink(args).await,
        MemberCommand::Code(args) => link::code(args).await,
        MemberCommand::Redeem(args) => link::redeem(args).await,
        MemberCommand::Confirm(args) => link::confirm(args).await,
        MemberCommand::Unmerge(args) => link::unmerge(args).await,
        MemberCommand::Balance(args) => balance(args).await,
        MemberCommand::Give(args) => give(args).await,
        MemberCommand::Donate(args) => donate(args).await,
        MemberCommand::Export(args) => personal::export(args).await,
        MemberCommand::Erase(args) => personal::erase(args).await,
    }
}

async fn balance(args: BalanceArgs) -> anyhow::Result<()> {
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

async fn give(args: GiveArgs) -> anyhow::Result<()> {
    let request = TransferRequest {
        request_id: request_id(args.request_id),
        from_member_reference: args.from,
        to_member_reference: args.to,
        points: args.points,
    };
    let answer = args.connection.client().await?.transfer(request).await?;
    show(&args.connection, answer.operation, answer.balances, answer.replayed)
}

async fn donate(args: DonateArgs) -> anyhow::Result<()> {
    let request = DonateRequest {
        request_id: request_id(args.request_id),
        member_reference: args.member_reference,
        charity: args.charity,
        points: args.points,
        receipt_reference: args.receipt,
    };
    let answer = args.connection.client().await?.donate(request).await?;
    show(&args.connection, answer.operation, answer.balances, answer.replayed)
}

/// Shows what was given, out of which lots, and what the giver has left.
fn show(
    connection: &Connection,
    operation: Option<Operation>,
    balances: Option<Balances>,
    replayed: bool,
) -> anyhow::Result<()> {
    let (operation, balances) = (operation.unwrap_or_default(), balances.unwrap_or_default());
    let portions = operation
        .portions
        .iter()
        .map(|portion| json!({ "issuer": portion.issuer, "points": portion.points }));
    let json = json!({
        "request_id": operation.request_id,
        "member_token": operation.member_token,
        "counterparty_token": operation.counterparty_token,
        "charity": operation.charity,
        "points": operation.points,
        "portions": portions.collect::<Vec<_>>(),
        "available": balances.available,
        "held": balances.held,
        "debt": balances.debt,
        "replayed": replayed,
    });
    connection.output.show(&json, |_| {
        let mut table = Table::new(&["issuer", ">points"]);
        for portion in &operation.portions {
            table.row([portion.issuer.clone(), points(portion.points)]);
        }
        let (given, left) = (points(operation.points), points(balances.available));
        let again = if replayed { ", as answered before" } else { "" };
        let id = &operation.request_id;
        format!("{given} given, {left} left (request {id}{again})\n\n{}", table.text(""))
    })
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
