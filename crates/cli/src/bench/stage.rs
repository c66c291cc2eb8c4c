//! What is measured: a database of its own, a hub in its own process, and partners who are
//! connected to it. All of it is made anew, so that a run does not depend on the one before.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use entente_client::{Client, Operators, Options as ClientOptions};
use entente_embedded::{Embedded, Options as DatabaseOptions};
use entente_hub::security::bootstrap;
use entente_identity::Identity;
use entente_identity::pki::{DomainDirectory, Overwrite};

use super::args::BenchArgs;
use super::coalition::{self, Members};
use super::history::{self, Past};
use super::hub::HubProcess;
use super::seen::Acknowledged;
use crate::demo::progress::Progress;
use crate::output::warn;
use crate::{clock, database};

/// The trust domain of all certificates.
const TRUST_DOMAIN: &str = "entente.bench";

/// The names of the operators: one proposes what needs two, the other approves it.
const OPERATORS: [&str; 2] = ["ops", "ops-2"];

/// A folder for the data of one run.
#[derive(Clone, Debug)]
pub(crate) struct Folder(PathBuf);

/// A partner's connection.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    /// Whose.
    pub(crate) partner: usize,
    /// The way to the hub.
    pub(crate) client: Client,
}

/// Everything that runs.
#[derive(Debug)]
pub(crate) struct Stage {
    folder: Folder,
    hub: HubProcess,
    database: Embedded,
    operator: Operators,
    connections: Vec<Connection>,
    /// More connections of the first partner: seven of ten of a coalition in which it is hot.
    hot: Vec<Connection>,
    members: Members,
    first_earns: Acknowledged,
    past: Past,
}

impl Folder {
    /// Where the private PostgreSQL lies.
    pub(crate) fn database(&self) -> PathBuf {
        self.0.join("database")
    }

    /// Where certificates lie.
    pub(crate) fn certificates(&self) -> PathBuf {
        self.0.join("certs")
    }

    /// Where the hub's keys lie.
    pub(crate) fn keys(&self) -> PathBuf {
        self.0.join("keys")
    }

    fn marker(&self) -> PathBuf {
        self.0.join("bench")
    }

    /// Makes the folder, without what an earlier run left in it.
    async fn make(&self) -> anyhow::Result<()> {
        self.clean().await?;
        fs::create_dir_all(&self.0)
            .and_then(|()| fs::write(self.marker(), "the data of `entente bench`\n"))
            .with_context(|| format!("cannot write in {}", self.0.display()))
    }

    /// Removes the data of a run; what else lies there stays.
    async fn clean(&self) -> anyhow::Result<()> {
        if !self.0.exists() {
            return Ok(());
        }
        if !self.marker().exists() {
            bail!("{} holds no data of a bench, so nothing in it is removed", self.0.display());
        }
        Embedded::clean(&self.database()).await?;
        for folder in [self.certificates(), self.keys()] {
            absent(fs::remove_dir_all(&folder))
                .with_context(|| format!("cannot remove {}", folder.display()))?;
        }
        // Last: until then, cleaning can be begun again.
        absent(fs::remove_file(self.marker()))?;
        for empty in [Some(self.0.as_path()), self.0.parent()].into_iter().flatten() {
            // A folder that holds something else stays.
            drop(fs::remove_dir(empty));
        }
        Ok(())
    }
}

impl Stage {
    /// Makes and starts everything.
    pub(crate) async fn build(args: &BenchArgs, progress: Progress) -> anyhow::Result<Self> {
        let folder = Folder(args.home.folder("bench")?);
        folder.make().await?;
        progress.step(format!("a hub and its PostgreSQL; data lies in {}", folder.0.display()));
        let certificates = certificates(&folder.certificates(), args.partners)
            .context("cannot make certificates")?;
        let options = DatabaseOptions::new(folder.database());
        let mut options = options.on_notice(|notice| warn(&format!("  {notice}")));
        for (name, value) in &args.database_setting {
            options = options.setting(name, value)?;
        }
        let database = Embedded::start(options).await?;
        let database_url = database::prepare(&database, None).await?;
        let mut codes = Vec::with_capacity(args.partners);
        for partner in 0..args.partners {
            codes.push(coalition::code(partner).parse()?);
        }
        let owner = database::owner_url(&database);
        let operators = [OPERATORS[0].parse()?, OPERATORS[1].parse()?];
        bootstrap(&owner, &certificates, &operators, &codes).await?;
        let hub = HubProcess::start(&folder, &database_url, args.checks()).await?;
        let client = async |identity| client(&certificates, &hub, &identity).await;
        let [first, second] = OPERATORS;
        let first = client(Identity::Operator(first.parse()?)).await?;
        let operator = Operators::new(first, client(Identity::Operator(second.parse()?)).await?);
        let mut connections = Vec::with_capacity(args.connections);
        for partner in (0..args.partners).cycle().take(args.connections) {
            let identity = Identity::Partner(coalition::code(partner).parse()?);
            connections.push(Connection { partner, client: client(identity).await? });
        }
        let mut hot = Vec::new();
        for _ in 0..(args.connections * 7).div_ceil(10) {
            let identity = Identity::Partner(coalition::code(0).parse()?);
            hot.push(Connection { partner: 0, client: client(identity).await? });
        }
        let members =
            Members { count: args.members, partners: args.partners, popularity: args.popularity };
        progress.step(format!("{} members of {} partners", args.members, args.partners));
        coalition::join(&operator, args.partners).await?;
        let partners = connections.iter().take(args.partners);
        let partners: Vec<Client> = partners.map(|one| one.client.clone()).collect();
        let first_earns = coalition::enrol((&operator, &partners), members, progress).await?;
        let mut past = Past::default();
        if args.history > 0 {
            progress.step(format!("{} operations of history", args.history));
            past = history::fill((&operator, &partners), (&owner, args.history), progress).await?;
        }
        Ok(Self { folder, hub, database, operator, connections, hot, members, first_earns, past })
    }

    /// Where everything lies.
    pub(crate) const fn folder(&self) -> &Folder {
        &self.folder
    }

    /// The hub.
    pub(crate) const fn hub(&self) -> &HubProcess {
        &self.hub
    }

    /// The database.
    pub(crate) const fn database(&self) -> &Embedded {
        &self.database
    }

    /// The operators' connections.
    pub(crate) const fn operator(&self) -> &Operators {
        &self.operator
    }

    /// The connection of a caller: callers share connections evenly.
    pub(crate) fn connection(&self, caller: usize) -> &Connection {
        &self.connections[caller % self.connections.len()]
    }

    /// The connection of a caller where one partner is hot: seven of ten callers are that partner's.
    pub(crate) fn hot_connection(&self, caller: usize) -> &Connection {
        if caller % 10 < 7 { &self.hot[caller % self.hot.len()] } else { self.connection(caller) }
    }

    /// Who has which members.
    pub(crate) const fn members(&self) -> Members {
        self.members
    }

    /// What was acknowledged before anything is measured.
    pub(crate) fn acknowledged(&self) -> Acknowledged {
        let mut all = self.first_earns;
        all.add(self.past.acknowledged);
        all
    }

    /// What was there before.
    pub(crate) const fn past(&self) -> &Past {
        &self.past
    }

    /// The database, as its owner.
    pub(crate) fn owner_url(&self) -> String {
        database::owner_url(&self.database)
    }

    /// Stops everything, and removes it unless it is to be kept.
    pub(crate) async fn strike(self, keep: bool) -> anyhow::Result<()> {
        drop((self.operator, self.connections, self.hot));
        self.hub.stop().await?;
        self.database.stop().await?;
        if keep { Ok(()) } else { self.folder.clean().await }
    }
}

fn absent(removed: std::io::Result<()>) -> std::io::Result<()> {
    match removed {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn certificates(folder: &Path, partners: usize) -> anyhow::Result<DomainDirectory> {
    let (now, replace) = (clock::now(), Overwrite::Replace);
    let hosts = ["localhost", "127.0.0.1"];
    let domain = DomainDirectory::init(folder, TRUST_DOMAIN.parse()?, &hosts, now, replace)?;
    for operator in OPERATORS {
        domain.issue(&Identity::Operator(operator.parse()?), None, now, replace)?;
    }
    for partner in 0..partners {
        let code = coalition::code(partner).parse()?;
        domain.make_partner_ca(&code, now, replace)?;
        domain.issue(&Identity::Partner(code), None, now, replace)?;
    }
    Ok(domain)
}

async fn client(
    domain: &DomainDirectory,
    hub: &HubProcess,
    identity: &Identity,
) -> anyhow::Result<Client> {
    let address = match identity {
        Identity::Operator(_) => hub.addresses().operators,
        Identity::Partner(_) | Identity::Hub => hub.addresses().partners,
    };
    let options = ClientOptions::new(
        format!("https://{address}"),
        domain.ca_certificate(&Identity::Hub),
        domain.certificate(identity),
        domain.key(identity),
    )
    .assertion_key(domain.assertion_key(identity));
    Ok(Client::connect(options).await?)
}
