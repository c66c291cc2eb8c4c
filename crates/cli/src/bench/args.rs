//! What to measure, for how long, and with how many callers.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::ensure;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::home::Home;
use crate::output::Format;

const EXAMPLES: &str = "\
Examples:
  entente bench
  entente bench --scenario unary --seconds 30 --in-flight 256
  entente bench --output json > bench.json";

/// How to measure. Data is made anew for each run, and removed afterwards.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct BenchArgs {
    /// What to play.
    #[arg(long, default_value = "all")]
    scenario: Chosen,
    /// How long each scenario, and pgbench, is measured.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub(crate) seconds: u64,
    /// How long each scenario runs before it is measured.
    #[arg(long, value_name = "SECONDS", default_value_t = 2)]
    #[arg(value_parser = clap::value_parser!(u64).range(0..=600))]
    warm_up: u64,
    /// Connections of all partners together.
    #[arg(long, default_value_t = 8)]
    pub(crate) connections: usize,
    /// Requests that wait for their answer, over all connections.
    #[arg(long, default_value_t = 1_024)]
    pub(crate) in_flight: usize,
    /// Lines of each stream that wait for their answer; a stream on each connection.
    #[arg(long, default_value_t = 512)]
    pub(crate) lines: usize,
    /// Members, each known to one partner and to the next.
    #[arg(long, default_value_t = 10_000)]
    pub(crate) members: usize,
    /// Partners.
    #[arg(long, default_value_t = 4)]
    pub(crate) partners: usize,
    /// Operations that the ledger has before anything is measured: earns and burns of these members, in
    /// closed windows. 1.4 kilobytes each.
    #[arg(long, value_name = "OPERATIONS", default_value_t = 0)]
    #[arg(value_parser = clap::value_parser!(u64).range(..=1_000_000_000))]
    pub(crate) history: u64,
    /// How often each member is met.
    #[arg(long, default_value = "zipf")]
    pub(crate) popularity: Popularity,
    /// How often each scenario is played; the run with the median rate is told.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub(crate) repeat: u16,
    /// What the requests follow from.
    #[arg(long, default_value_t = 2026)]
    pub(crate) seed: u64,
    /// pgbench: how many times 100,000 accounts.
    #[arg(long, value_name = "SCALE", default_value_t = 10)]
    pub(crate) pgbench_scale: u32,
    /// pgbench: how many sessions at once.
    #[arg(long, value_name = "SESSIONS", default_value_t = 16)]
    pub(crate) pgbench_clients: u32,
    /// Do without pgbench.
    #[arg(long)]
    pub(crate) without_pgbench: bool,
    /// A setting of the database, such as `shared_buffers=1GB`.
    #[arg(long, value_name = "NAME=VALUE", value_parser = setting)]
    pub(crate) database_setting: Vec<(String, String)>,
    /// Let the hub ask for no tokens, nor for what is revoked: to see what that costs.
    /// Only in a build with the feature `unguarded`.
    #[arg(long)]
    without_checks: bool,
    /// Keep the data, to look at it; the next run removes it.
    #[arg(long)]
    pub(crate) keep: bool,
    /// How to print.
    #[arg(long, env = "ENTENTE_OUTPUT", default_value = "table", hide_env_values = true)]
    pub(crate) output: Format,
    #[command(flatten)]
    pub(crate) home: Home,
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("a setting is NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Chosen {
    /// Each after the other.
    All,
    /// Earns, one call each.
    Unary,
    /// Earns, as lines of streams.
    Stream,
    /// Earns, burns, authorizations with their captures and voids, reversals, balances.
    Mixed,
    /// Unary earns, then with one partner that makes seven of ten, then with a cap of that partner.
    Hot,
    /// Unary earns, then at half and at four fifths of their rate, whether others are answered or not.
    Open,
}

/// How often a member is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Popularity {
    /// Each as often as any other.
    Uniform,
    /// About as often as its rank says: the hundredth a hundredth as often as the first.
    Zipf,
}

/// A way to load the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scenario {
    /// Earns, one call each.
    Unary,
    /// Earns, as lines of streams.
    Stream,
    /// A day's mixture of calls.
    Mixed,
    /// Earns, of which one partner makes seven of ten.
    Hot,
    /// The same, and what that partner may owe is capped: its cap is tested, and never reached.
    HotCapped,
    /// Earns that come at half of the rate that unary earns reached, whether others are answered or not.
    Half,
    /// Earns that come at four fifths of that rate.
    FourFifths,
}

impl Scenario {
    /// Its name.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Unary => "unary earn",
            Self::Stream => "streamed earn",
            Self::Mixed => "mixed",
            Self::Hot => "one hot partner",
            Self::HotCapped => "the same, capped",
            Self::Half => "earn at 50 % load",
            Self::FourFifths => "earn at 80 % load",
        }
    }

    /// The share of the unary rate at which calls come, where they do not wait for answers.
    pub(crate) const fn load(self) -> Option<f64> {
        match self {
            Self::Half => Some(0.5),
            Self::FourFifths => Some(0.8),
            Self::Unary | Self::Stream | Self::Mixed | Self::Hot | Self::HotCapped => None,
        }
    }

    /// Its name in JSON.
    pub(crate) const fn key(self) -> &'static str {
        match self {
            Self::Unary => "unary",
            Self::Stream => "stream",
            Self::Mixed => "mixed",
            Self::Hot => "hot",
            Self::HotCapped => "hot_capped",
            Self::Half => "half_load",
            Self::FourFifths => "four_fifths_load",
        }
    }
}

impl BenchArgs {
    /// The scenarios that were chosen, in order.
    pub(crate) fn scenarios(&self) -> Vec<Scenario> {
        use Scenario::{FourFifths, Half, Hot, HotCapped, Mixed, Stream, Unary};
        match self.scenario {
            Chosen::All => vec![Unary, Half, FourFifths, Stream, Mixed, Hot, HotCapped],
            Chosen::Unary => vec![Unary],
            Chosen::Stream => vec![Stream],
            Chosen::Mixed => vec![Mixed],
            Chosen::Hot => vec![Unary, Hot, HotCapped],
            Chosen::Open => vec![Unary, Half, FourFifths],
        }
    }

    /// Whether the numbers fit together.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        for (name, number, most) in [
            ("partners", self.partners, 100),
            ("connections", self.connections, 200),
            ("members", self.members, 10_000_000),
            ("in-flight", self.in_flight, 100_000),
            ("lines", self.lines, 1_024),
        ] {
            ensure!((1..=most).contains(&number), "--{name} has to be 1 to {most}");
        }
        let can = self.checks() || cfg!(feature = "unguarded");
        ensure!(can, "this build checks always; build one with --features unguarded");
        ensure!(self.connections >= self.partners, "each partner needs a connection");
        ensure!(self.members >= self.partners, "each partner needs a member");
        ensure!(self.in_flight >= self.connections, "each connection needs a request in flight");
        Ok(())
    }

    /// Whether the hub checks tokens, as every hub that serves does.
    pub(crate) const fn checks(&self) -> bool {
        !self.without_checks
    }

    /// How long a scenario runs before it is measured.
    pub(crate) const fn warm_up(&self) -> Duration {
        Duration::from_secs(self.warm_up)
    }

    /// How long it is measured.
    pub(crate) const fn measured(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    /// What was chosen, for the report.
    pub(crate) fn settings(&self) -> Value {
        json!({
            "seconds": self.seconds,
            "warm_up_seconds": self.warm_up,
            "connections": self.connections,
            "in_flight": self.in_flight,
            "lines": self.lines,
            "members": self.members,
            "partners": self.partners,
            "history": self.history,
            "popularity": match self.popularity {
                Popularity::Uniform => "uniform",
                Popularity::Zipf => "zipf",
            },
            "repeat": self.repeat,
            "seed": self.seed,
            "checks": self.checks(),
            "pgbench_scale": self.pgbench_scale,
            "pgbench_clients": self.pgbench_clients,
            "database_settings": self.database_setting.iter().cloned().collect::<BTreeMap<_, _>>(),
        })
    }
}
