//! The stage: a trust domain, a database, a hub, and a connection for each of the cast.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::Context as _;
use entente_client::{Client, Operators, Options as ClientOptions};
use entente_embedded::{Embedded, Options as DatabaseOptions};
use entente_hub::hub::{Addresses, StartError};
use entente_hub::security::bootstrap;
use entente_hub::{Config, Hub};
use entente_identity::Identity;
use entente_identity::pki::{DomainDirectory, Overwrite};
use jiff::Timestamp;

use super::cast::{Brand, TRUST_DOMAIN};
use super::folder::Folder;
use super::play::Clients;
use super::progress::Progress;
use crate::output::warn;
use crate::{clock, database, hub};

/// The names of the operators: one proposes what needs two, the other approves it.
pub(super) const OPERATORS: [&str; 2] = ["ops", "ops-2"];

/// A certificate with fewer days left is made anew.
const FEWEST_DAYS: i64 = 7;

/// Everything that runs.
pub(crate) struct Stage {
    hub: Hub,
    database: Embedded,
    /// The cast's connections.
    pub(crate) clients: Clients,
}

impl Stage {
    /// Makes what is missing, and starts everything. A ledger that is made now has a clock that begins
    /// at `start`.
    pub(crate) async fn build(
        folder: &Folder,
        start: Timestamp,
        progress: Progress,
    ) -> anyhow::Result<Self> {
        progress.step("certificates: a root for the hub, a CA for each brand and for operators");
        let certificates = certificates(folder).context("cannot make certificates")?;
        progress.step("a private PostgreSQL");
        let options = DatabaseOptions::new(folder.database());
        let options = options.on_notice(|notice| warn(&format!("  {notice}")));
        let database = Embedded::start(options).await?;
        let database_url = database::prepare(&database, Some(start)).await?;
        register(&database, &certificates).await?;
        let config = Config {
            database_url: Some(database_url),
            certificates: folder.certificates(),
            keys: folder.keys(),
            ..Config::default()
        };
        let hub = start_hub(config).await?;
        let addresses = hub.addresses();
        progress.step(format!("the hub is up, at https://{}", addresses.partners));
        let clients = connect(&certificates, addresses).await?;
        Ok(Self { hub, database, clients })
    }

    /// Where the hub listens.
    pub(crate) fn addresses(&self) -> Addresses {
        self.hub.addresses()
    }

    /// The database, as its owner.
    pub(crate) fn owner_url(&self) -> String {
        database::owner_url(&self.database)
    }

    /// Stops everything.
    pub(crate) async fn strike(self) -> anyhow::Result<()> {
        drop(self.clients);
        self.hub.drain().await;
        self.database.stop().await?;
        Ok(())
    }
}

/// Starts the hub at its usual addresses, or at free ports where somebody else uses those.
async fn start_hub(mut config: Config) -> anyhow::Result<Hub> {
    let usual = [config.partner_listen, config.operator_listen, config.plain_listen];
    if usual.iter().all(|address| TcpListener::bind(address).is_ok()) {
        let started = hub::start(&config).await;
        let taken = |error: &anyhow::Error| {
            matches!(error.downcast_ref::<StartError>(), Some(StartError::Listen { .. }))
        };
        if !started.as_ref().is_err_and(taken) {
            return started;
        }
    }
    let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    (config.partner_listen, config.operator_listen, config.plain_listen) = (free, free, free);
    hub::start(&config).await
}

/// Makes the operators, and registers the brands' keys, as the database's owner.
async fn register(database: &Embedded, domain: &DomainDirectory) -> anyhow::Result<()> {
    let operators = [OPERATORS[0].parse()?, OPERATORS[1].parse()?];
    let mut brands = Vec::new();
    for brand in Brand::ALL {
        brands.push(brand.code().parse()?);
    }
    bootstrap(&database::owner_url(database), domain, &operators, &brands).await?;
    Ok(())
}

fn certificates(folder: &Folder) -> anyhow::Result<DomainDirectory> {
    let (path, now) = (folder.certificates(), clock::now());
    let domain = match DomainDirectory::open(&path) {
        Ok(domain) => domain,
        // A folder that was not finished has no mark yet: it is made anew.
        Err(_) => DomainDirectory::init(
            &path,
            TRUST_DOMAIN.parse()?,
            &["localhost", "127.0.0.1", "::1"],
            now,
            Overwrite::Replace,
        )?,
    };
    let partners = domain.partners()?;
    for brand in Brand::ALL {
        let code = brand.code().parse()?;
        if !partners.contains(&code) {
            domain.make_partner_ca(&code, now, Overwrite::Replace)?;
        }
    }
    renew(&domain, now)?;
    Ok(domain)
}

/// Makes the leaf certificates that are missing or soon expire.
fn renew(domain: &DomainDirectory, now: Timestamp) -> anyhow::Result<()> {
    let listed = domain.list(now)?;
    let good = |identity: &Identity| {
        let path = domain.certificate(identity);
        let one = listed.iter().find(|one| one.path == path);
        one.is_some_and(|one| one.days_left >= FEWEST_DAYS)
            && domain.key(identity).exists()
            && (*identity == Identity::Hub || domain.assertion_jwk(identity).exists())
    };
    if !good(&Identity::Hub) {
        domain.issue_hub(&["localhost", "127.0.0.1", "::1"], None, now, Overwrite::Replace)?;
    }
    for identity in cast()? {
        if !good(&identity) {
            domain.issue(&identity, None, now, Overwrite::Replace)?;
        }
        domain.make_assertion_key(&identity)?;
    }
    Ok(())
}

fn cast() -> anyhow::Result<Vec<Identity>> {
    let mut cast = Vec::new();
    for operator in OPERATORS {
        cast.push(Identity::Operator(operator.parse()?));
    }
    for brand in Brand::ALL {
        cast.push(Identity::Partner(brand.code().parse()?));
    }
    Ok(cast)
}

async fn connect(domain: &DomainDirectory, addresses: Addresses) -> anyhow::Result<Clients> {
    let client = async |identity: Identity| {
        let address = match identity {
            Identity::Operator(_) => addresses.operators,
            Identity::Partner(_) | Identity::Hub => addresses.partners,
        };
        let options = ClientOptions::new(
            format!("https://{address}"),
            domain.ca_certificate(&Identity::Hub),
            domain.certificate(&identity),
            domain.key(&identity),
        )
        .assertion_key(domain.assertion_key(&identity));
        anyhow::Ok(Client::connect(options).await?)
    };
    let brand = async |brand: Brand| client(Identity::Partner(brand.code().parse()?)).await;
    let operator = async |name: &str| client(Identity::Operator(name.parse()?)).await;
    let [first, second] = OPERATORS;
    Ok(Clients {
        operator: Operators::new(operator(first).await?, operator(second).await?),
        harbor: brand(Brand::Harbor).await?,
        rover: brand(Brand::Rover).await?,
        grocer: brand(Brand::Grocer).await?,
    })
}
