//! Faults: hubs and databases are killed, networks fail, callers hang up, floods come; and nothing
//! that was acknowledged is lost, nothing happens twice, and every outcome becomes known.
//!
//! A program of its own: `cargo test -p entente-cli --test faults [NAME...]` runs the scenarios whose
//! names contain one of these, one after another, and prints a table. Each is short; `ENTENTE_FAULTS_*`
//! (see `settings.rs` and `docs/faults.md`) make them long, and `ENTENTE_FAULTS_SEED` repeats one.

mod backup;
mod callers;
mod cluster;
mod edge;
mod hub_process;
mod kills;
mod load;
mod member;
mod network;
mod overload;
mod random;
mod request;
mod settings;
mod stage;
mod table;
mod troubles;
mod verify;
mod world;

use std::{process::ExitCode, time::Instant};

use anyhow::Result;
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
    random::random_commands_of_many_callers,
    backup::a_ledger_restored_to_a_point_in_time,
}

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

/// Plays the scenarios in turn; whether all went well.
async fn play(chosen: &[&str]) -> bool {
    let world = World::make().await.unwrap_or_else(|error| panic!("{error:#}"));
    table::say(&format!("faults: ENTENTE_FAULTS_SEED={}\n", world.settings.seed));
    let mut table = Table::default();
    for name in chosen {
        let begun = Instant::now();
        let played = run(name, &world).await;
        let took = begun.elapsed();
        let verdict = match &played {
            Ok(_) => "ok".to_owned(),
            Err(error) => format!("FAILED: {error:#}"),
        };
        table::say(&format!("{name} ... {verdict} ({:.1} s)\n", took.as_secs_f64()));
        table.add(name, took, played.ok());
    }
    world.end().await;
    table.print();
    table.is_good()
}
