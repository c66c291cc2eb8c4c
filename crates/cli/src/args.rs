//! The command line.

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};

use crate::commands::{
    archive, audit, breaks, check, config, earn, erasures, key, ledger, member, migrate, operator,
    partner, pki, proposal, reconcile, report, serve, settle, terms, watch, webhook,
};
use crate::{bench, demo};

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed
  2  wrong usage
  3  refused by the hub
  4  the hub cannot be reached, or the outcome is unknown
  5  check found an offender";

const EXAMPLES: &str = "\
Examples:
  entente demo --serve
  entente serve --embedded
  entente partner list --certificates certs --as operator/ops
  entente member balance guest-0001 --as harbor-hotels
  entente settle statement 2026-03 --partner rover-rides --output json";

/// The hub of a coalition loyalty network, and what operators and partners' engineers need with it.
#[derive(Debug, Parser)]
#[command(name = "entente", version, after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
#[command(propagate_version = true, max_term_width = 100)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) log: LogArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// How the program speaks of itself, on the standard error.
#[derive(Debug, ClapArgs)]
pub(crate) struct LogArgs {
    /// What to log: a level, or directives such as `entente_hub=debug,info`.
    #[arg(long, global = true, env = "ENTENTE_LOG", value_name = "FILTER", hide_env_values = true)]
    pub(crate) log: Option<String>,
    /// How to log.
    #[arg(
        long,
        global = true,
        env = "ENTENTE_LOG_FORMAT",
        value_name = "FORMAT",
        default_value = "text",
        hide_env_values = true
    )]
    pub(crate) log_format: LogFormat,
}

/// How to log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// A line for people.
    Text,
    /// A JSON object a line.
    Json,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the hub.
    Serve(serve::ServeArgs),
    /// See it all work: three brands, a month of earning and burning, and who owes whom.
    Demo(demo::DemoArgs),
    /// Bring a database to this version's schema.
    Migrate(migrate::MigrateArgs),
    /// Make certificates: the hub's, its operators', its partners'.
    #[command(subcommand)]
    Pki(pki::PkiCommand),
    /// Make the first operators, and see who they are.
    #[command(subcommand)]
    Operator(operator::OperatorCommand),
    /// Keep the keys by which the caller signs assertions.
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Keep partners: create, read, suspend, resume.
    #[command(subcommand)]
    Partner(partner::PartnerCommand),
    /// See what operators proposed; approve or reject it.
    #[command(subcommand)]
    Proposal(proposal::ProposalCommand),
    /// Propose and read terms.
    #[command(subcommand)]
    Terms(terms::TermsCommand),
    /// Read what members have; give and donate points.
    #[command(subcommand)]
    Member(member::MemberCommand),
    /// Tell a partner's events, a line each, as they happen or from a time on.
    Watch(watch::WatchArgs),
    /// Send a file of purchases in one stream.
    Earn(earn::EarnArgs),
    /// Keep the endpoints that are told of a partner's events, and see what was not delivered.
    #[command(subcommand)]
    Webhook(webhook::WebhookCommand),
    /// Close windows, read positions and statements, record payments.
    #[command(subcommand)]
    Settle(settle::SettleCommand),
    /// Add up what the ledger holds: accounts, points, the pool, fees.
    #[command(subcommand)]
    Report(report::ReportCommand),
    /// Compare a partner's own record of a closed window with the hub's.
    Reconcile(reconcile::ReconcileArgs),
    /// Follow up what reconciliations found: assign, agree, reject, adjust, write off.
    #[command(subcommand)]
    Breaks(breaks::BreaksCommand),
    /// Read the trail of security events: tokens, keys, certificates, proposals, suspensions.
    Audit(audit::AuditArgs),
    /// Keep the journal of erased members, and apply it to a database that was restored.
    #[command(subcommand)]
    Erasures(erasures::ErasuresCommand),
    /// Take old months out of the ledger, into files, and bring them back.
    #[command(subcommand)]
    Archive(archive::ArchiveCommand),
    /// Read the ledger's kind and clock; move the clock of a simulation.
    #[command(subcommand)]
    Ledger(ledger::LedgerCommand),
    /// Verify each invariant on a live database and name any offender.
    Check(check::CheckArgs),
    /// Measure what a hub does in a second on this machine, beside pgbench.
    Bench(bench::BenchArgs),
    /// Print the configuration in force, secrets hidden.
    Config(config::ConfigArgs),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Args::command().debug_assert();
    }

    #[test]
    fn help_says_what_the_exit_codes_mean() {
        let help = Args::command().render_long_help().to_string();
        assert!(help.contains("refused by the hub"), "{help}");
    }
}
