//! What all scenarios share: a durable PostgreSQL with a template of an empty ledger, and the
//! certificates of the cast.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

use anyhow::Result;
use entente_hub::security::bootstrap;
use entente_identity::{Name, pki::DomainDirectory};
use entente_store::{LedgerOptions, RUNTIME_ROLE};
use entente_testkit::{OPERATOR, SECOND_OPERATOR, cast, make_trust_domain};
use tempfile::TempDir;

use crate::{cluster::Cluster, settings::Settings};

const TEMPLATE: &str = "faults_template";
const RUNTIME_PASSWORD: &str = "runtime";
const CELLS: i16 = 8;

/// Everything that outlives a scenario.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) settings: Settings,
    pub(crate) cluster: Cluster,
    folder: TempDir,
    ledgers: AtomicUsize,
}

/// A ledger of one scenario.
#[derive(Debug, Clone)]
pub(crate) struct Ledger {
    pub(crate) database: String,
    pub(crate) owner_url: String,
    pub(crate) runtime_url: String,
}

impl World {
    /// Makes it.
    pub(crate) async fn make() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("entente-faults-").tempdir()?;
        // Any user may run the database.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
        let cluster = Cluster::make(folder.path().join("database")).await?;
        let settings = Settings::read();
        let world = Self { settings, cluster, folder, ledgers: AtomicUsize::new(0) };
        fs::create_dir(world.certificates())?;
        make_trust_domain(&world.certificates());
        world.make_template().await?;
        Ok(world)
    }

    async fn make_template(&self) -> Result<()> {
        let server = self.cluster.server();
        server.ensure_database(TEMPLATE).await?;
        let options = LedgerOptions {
            simulation: None,
            cell_count: CELLS,
            runtime_password: Some(RUNTIME_PASSWORD.to_owned()),
        };
        let url = server.url(TEMPLATE);
        entente_store::migrate(&url, &options).await?;
        let name = |name: &str| name.parse::<Name>().expect("a name of the cast");
        let directory = DomainDirectory::open(&self.certificates())?;
        let operators = [OPERATOR, SECOND_OPERATOR].map(name);
        bootstrap(&url, &directory, &operators, &cast::PARTNERS.map(name)).await?;
        let close = format!("ALTER DATABASE {TEMPLATE} ALLOW_CONNECTIONS false IS_TEMPLATE true");
        self.cluster.execute(&close).await
    }

    /// A ledger with nobody in it.
    pub(crate) async fn ledger(&self) -> Result<Ledger> {
        let database = format!("faults_{}", self.ledgers.fetch_add(1, Ordering::Relaxed));
        self.cluster.execute(&format!("CREATE DATABASE {database} TEMPLATE {TEMPLATE}")).await?;
        let server = self.cluster.server();
        Ok(Ledger {
            owner_url: server.url(&database),
            runtime_url: server.url_as(RUNTIME_ROLE, RUNTIME_PASSWORD, &database),
            database,
        })
    }

    /// A scenario's ledger is not needed any more.
    pub(crate) async fn forget(&self, ledger: &Ledger) -> Result<()> {
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", ledger.database);
        self.cluster.execute(&drop).await
    }

    /// Certificates and keys of everybody.
    pub(crate) fn certificates(&self) -> PathBuf {
        self.folder.path().join("certs")
    }

    /// Where a scenario's files lie.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Stops the server, and removes everything.
    pub(crate) async fn end(self) {
        let Self { cluster, folder, .. } = self;
        // Its watchdog removes what is left.
        drop(tokio::task::spawn_blocking(move || drop(cluster)).await);
        drop(folder);
    }
}
