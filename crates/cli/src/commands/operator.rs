//! `entente operator`: who the operators are, and the first of them.

use std::path::PathBuf;

use anyhow::bail;
use clap::{Args, Subcommand, ValueEnum};
use entente_api::identity::{GrantRolesRequest, ListOperatorsRequest, Operator, OperatorRole};
use entente_api::proposal::act::Act;
use entente_hub::security::bootstrap;
use entente_identity::{Name, pki::DomainDirectory};
use serde_json::{Value, json};

use super::proposal::{self, ProposeArgs};
use crate::connect::Connection;
use crate::output::{Table, operator_role, say, time_text};

const EXAMPLES: &str = "\
Examples:
  entente operator bootstrap postgres://entente@db/entente
  entente operator bootstrap --operator ops --operator ops-2
  entente operator grant ops-3 --role settlement --role auditor --reason \"new colleague\"
  entente operator list --as operator/ops";

/// What to do with operators.
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum OperatorCommand {
    /// Make the first operators, with every role: by the owner of the database, once.
    Bootstrap(BootstrapArgs),
    /// List operators and their roles.
    List(ListArgs),
    /// Propose the roles of an operator, new or known; another operator approves them.
    Grant(GrantArgs),
}

/// The first operators.
#[derive(Debug, Args)]
pub(crate) struct BootstrapArgs {
    /// The database, as its owner.
    #[arg(env = "ENTENTE_OWNER_URL", value_name = "URL", hide_env_values = true)]
    owner_url: String,
    /// The trust domain's folder, with the public half of each operator's assertion key.
    #[arg(
        long,
        env = "ENTENTE_CERTIFICATES",
        value_name = "DIR",
        default_value = "certs",
        hide_env_values = true
    )]
    certificates: PathBuf,
    /// An operator to make; may be repeated [default: every operator of the folder].
    #[arg(long = "operator", value_name = "NAME")]
    operators: Vec<Name>,
}

/// All operators.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    connection: Connection,
}

/// All the roles of an operator.
#[derive(Debug, Args)]
pub(crate) struct GrantArgs {
    /// The name in its certificate.
    operator: Name,
    /// A role; may be repeated. None takes all roles away.
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<Role>,
    #[command(flatten)]
    propose: ProposeArgs,
    #[command(flatten)]
    connection: Connection,
}

/// What an operator may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// Partners, terms, keys, members' references.
    Onboarding,
    /// Closing windows, payments, adjustments.
    Settlement,
    /// Roles, revocation, suspension, the trail of security events.
    Security,
    /// Reads, and changes nothing.
    Auditor,
}

/// Runs the command.
pub(crate) async fn run(command: OperatorCommand) -> anyhow::Result<()> {
    match command {
        OperatorCommand::Bootstrap(args) => first(args).await,
        OperatorCommand::List(args) => list(&args).await,
        OperatorCommand::Grant(args) => grant(args).await,
    }
}

async fn first(args: BootstrapArgs) -> anyhow::Result<()> {
    let domain = DomainDirectory::open(&args.certificates)?;
    let operators =
        if args.operators.is_empty() { domain.operators()? } else { args.operators.clone() };
    if operators.len() < 2 {
        bail!("sensitive acts need two operators: make another with `entente pki issue`");
    }
    if !bootstrap(&args.owner_url, &domain, &operators, &[]).await? {
        bail!("the ledger has operators already; they make further ones by proposals");
    }
    let names: Vec<_> = operators.iter().map(Name::as_str).collect();
    say(&format!("the operators {} have every role", names.join(", ")))?;
    Ok(())
}

async fn grant(args: GrantArgs) -> anyhow::Result<()> {
    let roles = args.roles.iter().map(|role| match role {
        Role::Onboarding => OperatorRole::Onboarding.into(),
        Role::Settlement => OperatorRole::Settlement.into(),
        Role::Security => OperatorRole::Security.into(),
        Role::Auditor => OperatorRole::Auditor.into(),
    });
    let (request_id, operator) = (String::new(), args.operator.as_str().to_owned());
    let act = GrantRolesRequest { request_id, operator, roles: roles.collect() };
    proposal::propose(&args.connection, args.propose, Act::GrantRoles(act)).await
}

async fn list(args: &ListArgs) -> anyhow::Result<()> {
    let client = args.connection.client().await?;
    let response = client.list_operators(ListOperatorsRequest {}).await?;
    let shown: Vec<Value> = response.operators.iter().map(shown).collect();
    args.connection.output.show(&shown, |_| {
        let mut table = Table::new(&["operator", "roles", "since"]);
        for operator in &response.operators {
            let since = time_text(operator.created_at.as_ref());
            table.row([operator.name.clone(), roles(operator).join(", "), since]);
        }
        table.text("no operators")
    })
}

pub(super) fn shown(operator: &Operator) -> Value {
    json!({
        "operator": operator.name,
        "roles": roles(operator),
        "since": time_text(operator.created_at.as_ref()),
    })
}

fn roles(operator: &Operator) -> Vec<&'static str> {
    operator.roles().map(operator_role).collect()
}
