//! One scenario's hub: a ledger of its own, the real binary, a network before it, perhaps one behind it.

use std::{ffi::OsString, net::SocketAddr, time::Duration};

use anyhow::{Context as _, Result};
use entente_client::{Client, Operators, Options, Retry};
use entente_identity::{Identity, Name, pki::DomainDirectory};
use entente_testkit::{
    Network, OPERATOR, SECOND_OPERATOR,
    cast::{self, PARTNERS},
};

use crate::{
    hub_process::{HubProcess, Recipe},
    world::{Ledger, World},
};

/// How a caller of this house tries: once, so that the scenario itself decides what comes next.
pub(crate) const ONCE: Retry = Retry {
    deadline: Duration::from_secs(10),
    attempt_deadline: Duration::from_secs(3),
    attempts: 1,
    first_wait: Duration::from_millis(20),
    longest_wait: Duration::from_millis(500),
};

/// How whoever sets the scene tries.
pub(crate) const PATIENT: Retry = Retry {
    deadline: Duration::from_mins(1),
    attempt_deadline: Duration::from_secs(20),
    attempts: 10,
    ..ONCE
};

/// A client of each partner of the cast.
pub(crate) type Brands = [Client; PARTNERS.len()];

/// What plays.
#[derive(Debug)]
pub(crate) struct Stage<'w> {
    pub(crate) world: &'w World,
    pub(crate) ledger: Ledger,
    recipe: Recipe,
    hub: Option<HubProcess>,
    /// Between partners and the hub.
    pub(crate) front: Network,
    /// Between the hub and its database, if one was asked for.
    pub(crate) back: Option<Network>,
}

impl<'w> Stage<'w> {
    /// A hub with the whole cast, configured further.
    pub(crate) async fn build(world: &'w World, configuration: &str) -> Result<Self> {
        Box::pin(Self::over(world, configuration, false, Vec::new())).await
    }

    /// The same, in a process with an environment.
    pub(crate) async fn with_environment(
        world: &'w World,
        configuration: &str,
        environment: Vec<(&'static str, OsString)>,
    ) -> Result<Self> {
        Box::pin(Self::over(world, configuration, false, environment)).await
    }

    /// The same, with a network between hub and database.
    pub(crate) async fn with_network_behind(world: &'w World, configuration: &str) -> Result<Self> {
        Box::pin(Self::over(world, configuration, true, Vec::new())).await
    }

    async fn over(
        world: &'w World,
        configuration: &str,
        behind: bool,
        environment: Vec<(&'static str, OsString)>,
    ) -> Result<Self> {
        let ledger = world.ledger().await?;
        let port = world.cluster.server().port();
        let back = if behind { Some(Network::to(local(port)).await) } else { None };
        let database_url = back.as_ref().map_or_else(
            || ledger.runtime_url.clone(),
            |network| through(&ledger.runtime_url, port, network.address()),
        );
        let recipe = Recipe {
            database_url,
            certificates: world.certificates(),
            keys: world.folder().join("keys"),
            configuration: configuration.to_owned(),
            environment,
            folder: world.folder().join(&ledger.database),
        };
        let hub = HubProcess::start(&recipe).await?;
        let front = Network::to(hub.addresses.partners).await;
        let stage = Self { world, ledger, recipe, hub: Some(hub), front, back };
        let operators = stage.operators().await?;
        for partner in PARTNERS {
            cast::onboard(&operators, partner, cast::agreement(partner)).await;
        }
        Ok(stage)
    }

    /// The running hub.
    pub(crate) fn hub(&mut self) -> &mut HubProcess {
        self.hub.as_mut().expect("it runs")
    }

    /// Another hub on the same ledger.
    pub(crate) async fn another(&self) -> Result<HubProcess> {
        let folder = self.recipe.folder.join("other");
        HubProcess::start(&Recipe { folder, ..self.recipe.clone() }).await
    }

    /// Kills the hub.
    pub(crate) async fn kill(&mut self) -> Result<()> {
        self.hub.take().context("it runs")?.kill().await
    }

    /// Starts it again.
    pub(crate) async fn start(&mut self) -> Result<()> {
        let hub = HubProcess::start(&self.recipe).await?;
        self.front.turn_to(hub.addresses.partners);
        self.hub = Some(hub);
        Ok(())
    }

    /// From its next start on, the hub finds its ledger on another server, whose port is another.
    pub(crate) fn move_to(&mut self, from: u16, to: u16) {
        for url in [
            &mut self.recipe.database_url,
            &mut self.ledger.owner_url,
            &mut self.ledger.runtime_url,
        ] {
            *url = through(url, from, local(to));
        }
    }

    /// The two operators, straight to the hub.
    pub(crate) async fn operators(&self) -> Result<Operators> {
        let address = self.hub.as_ref().context("it runs")?.addresses.operators;
        let client = async |name: &str| {
            let identity = Identity::Operator(name.parse::<Name>()?);
            let options = self.options(&identity, &[address])?.retry(PATIENT);
            anyhow::Ok(Client::connect(options).await?)
        };
        Ok(Operators::new(client(OPERATOR).await?, client(SECOND_OPERATOR).await?))
    }

    /// Clients of the cast through the network, who try once.
    pub(crate) async fn brands(&self) -> Result<Brands> {
        self.brands_at(&[self.front.address()]).await
    }

    /// The same, straight to the hub.
    pub(crate) async fn brands_straight(&self) -> Result<Brands> {
        let address = self.hub.as_ref().context("it runs")?.addresses.partners;
        self.brands_at(&[address]).await
    }

    /// The same at other addresses.
    pub(crate) async fn brands_at(&self, addresses: &[SocketAddr]) -> Result<Brands> {
        let client = async |code: &str| {
            let options = self.options(&partner(code)?, addresses)?;
            anyhow::Ok(Client::connect(options).await?)
        };
        let [first, second, third] = PARTNERS;
        Ok([client(first).await?, client(second).await?, client(third).await?])
    }

    /// How an identity connects.
    pub(crate) fn options(&self, identity: &Identity, addresses: &[SocketAddr]) -> Result<Options> {
        let directory = self.directory()?;
        let (first, others) = addresses.split_first().context("an address")?;
        let mut options = Options::new(
            format!("https://{first}"),
            directory.ca_certificate(&Identity::Hub),
            directory.certificate(identity),
            directory.key(identity),
        )
        .assertion_key(directory.assertion_key(identity))
        .retry(ONCE);
        for other in others {
            options = options.endpoint(format!("https://{other}"));
        }
        Ok(options)
    }

    /// The hub's own address for partners, without the network.
    pub(crate) fn partner_address(&self) -> Result<SocketAddr> {
        Ok(self.hub.as_ref().context("it runs")?.addresses.partners)
    }

    /// The certificates.
    pub(crate) fn directory(&self) -> Result<DomainDirectory> {
        Ok(DomainDirectory::open(&self.recipe.certificates)?)
    }

    /// Ends it, and forgets its ledger.
    pub(crate) async fn end(mut self) -> Result<()> {
        if let Some(hub) = self.hub.take() {
            hub.kill().await?;
        }
        self.world.forget(&self.ledger).await
    }
}

/// A partner of the cast.
pub(crate) fn partner(code: &str) -> Result<Identity> {
    Ok(Identity::Partner(code.parse()?))
}

/// The address of a database, by way of a network.
fn through(url: &str, port: u16, network: SocketAddr) -> String {
    url.replace(&format!("127.0.0.1:{port}"), &network.to_string())
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}
