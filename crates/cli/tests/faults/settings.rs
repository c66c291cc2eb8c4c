//! How much is run: little unless asked for more, so that every change can be tested by it.

use std::{env, str::FromStr, time::Duration};

/// What the environment asks for.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Of everything that is chance.
    pub(crate) seed: u64,
    /// How often a hub is killed.
    pub(crate) hub_kills: usize,
    /// How often PostgreSQL is killed.
    pub(crate) database_kills: usize,
    /// How often a network strikes.
    pub(crate) blows: usize,
    /// How many calls are dropped.
    pub(crate) dropped_calls: u64,
    /// How often one of two hubs is killed.
    pub(crate) failovers: usize,
    /// How long a hub is flooded.
    pub(crate) flood: Duration,
    /// How many operations the random run has.
    pub(crate) operations: u64,
    /// How many connections that say nothing attack the edge.
    pub(crate) attackers: usize,
    /// How many handshakes that never end are under way at a time.
    pub(crate) handshakes: usize,
}

impl Settings {
    /// Reads the environment.
    pub(crate) fn read() -> Self {
        let number = |name: &str, usual: usize| given(name).unwrap_or(usual);
        Self {
            seed: given("SEED").unwrap_or_else(rand::random),
            hub_kills: number("HUB_KILLS", 20),
            database_kills: number("DATABASE_KILLS", 5),
            blows: number("BLOWS", 12),
            dropped_calls: given("DROPPED_CALLS").unwrap_or(2_000),
            failovers: number("FAILOVERS", 3),
            flood: Duration::from_secs(given("FLOOD_SECONDS").unwrap_or(4)),
            operations: given("OPERATIONS").unwrap_or(100_000),
            attackers: number("ATTACKERS", 300),
            handshakes: number("HANDSHAKES", 2_500),
        }
    }

    /// A seed of one scenario's own.
    pub(crate) const fn seed_of(&self, scenario: u64) -> u64 {
        self.seed.wrapping_mul(31).wrapping_add(scenario)
    }
}

/// The value of `ENTENTE_FAULTS_` and a name.
pub(crate) fn given<T: FromStr>(name: &str) -> Option<T> {
    #[expect(clippy::disallowed_methods, reason = "the one place where the tests' wishes are read")]
    let value = env::var(format!("ENTENTE_FAULTS_{name}")).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("ENTENTE_FAULTS_{name}={value} is no number")))
}
