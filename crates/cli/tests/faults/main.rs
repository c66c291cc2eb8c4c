//! Faults: hubs and databases are killed, networks fail, callers hang up, floods come; and nothing
//! that was acknowledged is lost, nothing happens twice, and every outcome becomes known.
//!
//! A program of its own: `cargo test -p entente-cli --test faults [NAME...]` runs the scenarios whose
//! names contain one of these, and prints a table. Each is short; `ENTENTE_FAULTS_*`
//! (see `settings.rs` and `docs/faults.md`) make them long, and `ENTENTE_FAULTS_SEED` repeats one.

mod backup;
mod callers;
mod clocks;
mod cluster;
mod edge;
mod handshakes;
mod hub_process;
mod kills;
mod load;
mod member;
mod network;
mod overload;
mod random;
mod replay;
mod request;
mod sent;
mod settings;
mod shifted;
mod stage;
mod table;
mod troubles;
mod verify;
mod world;

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::Result;
use futures::StreamExt as _;
use table::{Row, Table};
use world::World;

/// Runs one scenario.
macro_rules! scenarios {
    ($($module:ident::$name:ident),* $(,)?) => {
        const NAMES: &[&str] = &[$(stringify!($name)),*];

        async fn run(name: &str, world: &World) -> Result<Row> {
            match name {
                $(stringify!($name) => Box::pin($module::$name(world)).await,)*
                _ => unreachable!("only names of the list are run"),
            }
        }
    };
}

scenarios! {
    kills::hubs_killed_under_load,
    kills::databases_killed_under_load,
    network::networks_before_the_hub_fail,
    network::networks_behind_the_hub_fail,
    network::a_silent_database_is_given_up,
    callers::calls_dropped_at_random_moments,
    callers::one_of_two_hubs_killed_under_load,
    troubles::databases_in_trouble,
    overload::ten_times_what_a_hub_can_serve,
    edge::attacks_on_the_edge,
    handshakes::thousands_of_slow_handshakes,
    random::random_commands_of_many_callers,
    clocks::clocks_that_step,
    backup::a_ledger_restored_to_a_point_in_time,
}

/// Scenarios that mostly wait, and do nothing to the database that another one would notice.
const BESIDE_OTHERS: [&str; 7] = [
    "hubs_killed_under_load",
    "networks_before_the_hub_fail",
    "networks_behind_the_hub_fail",
    "a_silent_database_is_given_up",
    "calls_dropped_at_random_moments",
    "one_of_two_hubs_killed_under_load",
    "random_commands_of_many_callers",
];
const AT_A_TIME: usize = 3;

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    if wanted.iter().any(|argument| argument == "--list") {
        for name in NAMES {
            table::say(&format!("{name}: test\n"));
        }
        return ExitCode::SUCCESS;
    }
    let chosen = chosen(&wanted);
    if chosen.is_empty() {
        return ExitCode::SUCCESS;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let good = runtime.expect("a runtime").block_on(play(&chosen));
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The scenarios that contain one of the arguments that are no flags; all without any.
fn chosen(wanted: &[String]) -> Vec<&'static str> {
    let filters: Vec<_> = wanted.iter().filter(|argument| !argument.starts_with('-')).collect();
    let mut chosen = NAMES.to_vec();
    chosen.retain(|name| filters.is_empty() || filters.iter().any(|part| name.contains(*part)));
    chosen
}

/// Plays the scenarios: in turn those that do something to the database, which is everybody's, or measure;
/// then the others, some at a time. Whether all went well.
async fn play(chosen: &[&'static str]) -> bool {
    let world = World::make().await.unwrap_or_else(|error| panic!("{error:#}"));
    table::say(&format!("faults: ENTENTE_FAULTS_SEED={}\n", world.settings.seed));
    let mut table = Table::default();
    let (beside, alone): (Vec<_>, Vec<_>) =
        chosen.iter().copied().partition(|name| BESIDE_OTHERS.contains(name));
    for (names, at_a_time) in [(alone, 1), (beside, AT_A_TIME)] {
        let playing = names.into_iter().map(|name| played(name, &world));
        let mut playing = futures::stream::iter(playing).buffer_unordered(at_a_time);
        while let Some((name, took, row)) = playing.next().await {
            table.add(name, took, row);
        }
    }
    world.end().await;
    table.print();
    table.is_good()
}

/// Plays one, and says how it went.
async fn played(name: &'static str, world: &World) -> (&'static str, Duration, Option<Row>) {
    let begun = Instant::now();
    let played = run(name, world).await;
    let took = begun.elapsed();
    let verdict = match &played {
        Ok(_) => "ok".to_owned(),
        Err(error) => format!("FAILED: {error:#}"),
    };
    table::say(&format!("{name} ... {verdict} ({:.1} s)\n", took.as_secs_f64()));
    (name, took, played.ok())
}
