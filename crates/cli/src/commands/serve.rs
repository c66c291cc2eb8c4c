//! `entente serve`: runs the hub until it is told to stop.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use entente_embedded::{Embedded, Options};
use entente_hub::Hub;
use entente_hub::config::{Config, DatabaseUrl, Overrides};
use entente_hub::security::bootstrap;
use entente_identity::{Identity, Name, pki::DomainDirectory};

use crate::database;
use crate::descriptors;
use crate::home::Home;
use crate::hub;
use crate::output::{say, warn};
use crate::stop;

const EXAMPLES: &str = "\
Examples:
  entente pki init && entente serve --embedded
  entente serve --config hub.toml
  ENTENTE_DATABASE_URL=postgres://entente_runtime:...@db/entente entente serve";

/// How to run the hub.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    hub: HubArgs,
    /// Run a private PostgreSQL beside the hub, in the folder `database` of --home.
    #[arg(long, conflicts_with = "database_url")]
    embedded: bool,
    #[command(flatten)]
    home: Home,
    /// Stop when the standard input, a pipe, is closed: for a program that runs a hub.
    #[arg(long, hide = true)]
    until_input_ends: bool,
    /// Ask for no tokens: for `bench --without-checks`.
    #[cfg(feature = "unguarded")]
    #[arg(long, hide = true, requires = "until_input_ends")]
    unguarded: bool,
}

/// Where the hub's configuration comes from. What is given here wins over file and environment.
#[derive(Debug, Args)]
#[command(next_help_heading = "Configuration")]
pub(crate) struct HubArgs {
    /// The configuration file, in TOML; `entente config` prints one.
    #[arg(long, env = "ENTENTE_CONFIG", value_name = "FILE", hide_env_values = true)]
    config: Option<PathBuf>,
    /// Where partners connect.
    #[arg(long, value_name = "ADDRESS")]
    partner_listen: Option<SocketAddr>,
    /// Where operators connect.
    #[arg(long, value_name = "ADDRESS")]
    operator_listen: Option<SocketAddr>,
    /// Where liveness, readiness and metrics are; a loopback address.
    #[arg(long, value_name = "ADDRESS")]
    plain_listen: Option<SocketAddr>,
    /// The database, as the runtime role.
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,
    /// The folder of certificates, as `entente pki` makes it.
    #[arg(long, value_name = "DIR")]
    certificates: Option<PathBuf>,
    /// The folder of keys that must not be in the database; made at the first start.
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
}

impl HubArgs {
    /// The configuration in force.
    pub(crate) fn load(self) -> anyhow::Result<Config> {
        let overrides = Overrides {
            partner_listen: self.partner_listen,
            operator_listen: self.operator_listen,
            plain_listen: self.plain_listen,
            database_url: self.database_url.map(DatabaseUrl::new),
            certificates: self.certificates,
            keys: self.keys,
        };
        Ok(Config::load(self.config.as_deref(), &overrides)?)
    }
}

/// Runs the command.
pub(crate) async fn run(args: ServeArgs) -> anyhow::Result<()> {
    descriptors::take_all();
    let mut config = args.hub.load()?;
    let mut database = None;
    if args.embedded {
        let folder = args.home.folder("database")?;
        let options = Options::new(folder).on_notice(|notice| warn(&notice.to_string()));
        let embedded = Embedded::start(options).await?;
        config.database_url = Some(database::prepare(&embedded, None).await?);
        // Whoever runs a private database owns it: its operators and partners are those of the folder.
        let domain = DomainDirectory::open(&config.certificates)?;
        let owner = database::owner_url(&embedded);
        let partners = with_keys(&domain)?;
        bootstrap(&owner, &domain, &domain.operators()?, &partners).await?;
        database = Some(embedded);
    }
    #[cfg(not(feature = "unguarded"))]
    let hub = hub::start(&config).await?;
    #[cfg(feature = "unguarded")]
    let hub = if args.unguarded {
        hub::start_unguarded(&config).await?
    } else {
        hub::start(&config).await?
    };
    say(&hub.addresses().to_string())?;
    let stopped = async {
        if args.until_input_ends {
            tokio::select! {
                asked = stop::asked_for() => asked,
                ended = stop::input_ended() => ended,
            }
        } else {
            stop::asked_for().await
        }
    };
    tokio::select! {
        stopped = stopped => stopped?,
        never = reload_on_hangup(&hub) => never?,
    }
    hub.drain().await;
    if let Some(database) = database {
        database.stop().await?;
    }
    Ok(())
}

/// The partners of a folder whose keys are there.
fn with_keys(domain: &DomainDirectory) -> anyhow::Result<Vec<Name>> {
    let mut partners = domain.partners()?;
    partners.retain(|code| domain.assertion_jwk(&Identity::Partner(code.clone())).exists());
    Ok(partners)
}

/// Loads the certificates whenever a SIGHUP comes, without waiting for the hub to see the change.
async fn reload_on_hangup(hub: &Hub) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut hangups = signal(SignalKind::hangup())?;
        while hangups.recv().await.is_some() {
            hub.reload().await;
        }
    }
    std::future::pending().await
}
