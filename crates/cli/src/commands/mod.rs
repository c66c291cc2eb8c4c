//! One file for each subcommand.

pub(crate) mod archive;
pub(crate) mod audit;
pub(crate) mod breaks;
pub(crate) mod check;
pub(crate) mod config;
pub(crate) mod earn;
pub(crate) mod erasures;
pub(crate) mod key;
pub(crate) mod ledger;
pub(crate) mod member;
pub(crate) mod migrate;
pub(crate) mod operator;
pub(crate) mod partner;
pub(crate) mod pki;
pub(crate) mod proposal;
pub(crate) mod reconcile;
pub(crate) mod report;
pub(crate) mod serve;
pub(crate) mod settle;
pub(crate) mod terms;
pub(crate) mod watch;
pub(crate) mod webhook;

use crate::args::{Args, Command};
use crate::{bench, demo};

/// Runs the command.
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    match args.command {
        Command::Serve(args) => serve::run(args).await,
        Command::Demo(args) => demo::run(args).await,
        Command::Migrate(args) => migrate::run(args).await,
        Command::Pki(command) => pki::run(command),
        Command::Partner(command) => partner::run(command).await,
        Command::Proposal(command) => proposal::run(command).await,
        Command::Terms(command) => terms::run(command).await,
        Command::Member(command) => member::run(command).await,
        Command::Watch(args) => watch::run(args).await,
        Command::Earn(args) => earn::run(args).await,
        Command::Settle(command) => Box::pin(settle::run(command)).await,
        Command::Report(command) => report::run(command).await,
        Command::Reconcile(args) => reconcile::run(args).await,
        Command::Breaks(command) => Box::pin(breaks::run(command)).await,
        Command::Webhook(command) => webhook::run(command).await,
        Command::Operator(command) => operator::run(command).await,
        Command::Key(command) => key::run(command).await,
        Command::Audit(args) => audit::run(args).await,
        Command::Erasures(command) => erasures::run(command).await,
        Command::Archive(command) => Box::pin(archive::run(command)).await,
        Command::Ledger(command) => ledger::run(command).await,
        Command::Check(args) => check::run(args).await,
        Command::Bench(args) => bench::run(args).await,
        Command::Config(args) => config::run(args),
    }
}

/// The id of a write: the one that was given, to repeat a command safely, or a new one.
pub(crate) fn request_id(given: Option<String>) -> String {
    given.unwrap_or_else(entente_client::new_request_id)
}
