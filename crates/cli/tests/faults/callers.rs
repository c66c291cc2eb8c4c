//! Callers that hang up, and hubs that go away while another is there.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use entente_testkit::cast::{self, HARBOR};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use sqlx::PgPool;
use tokio::task::JoinSet;

use crate::{
    kills::{crew, ended},
    load::{Crew, Load, PATIENCE},
    stage::{Stage, partner},
    table::Row,
    verify,
    world::World,
};

/// Calls at once after callers have hung up: more than there are connections to the database.
const HEALTHY: usize = 200;

/// Every call is dropped at a random moment, then sent again.
pub(crate) async fn calls_dropped_at_random_moments(world: &World) -> Result<Row> {
    let seed = world.settings.seed_of(6);
    let stage = Stage::build(world, "").await?;
    let within = Some(Duration::from_millis(40));
    let crew = Crew { callers: 32, members: 2, dropped_within: within, ..crew(seed) };
    let load = Load::start(&stage, stage.brands().await?, crew).await?;
    let begun = Instant::now();
    while load.dropped() < world.settings.dropped_calls {
        load.look()?;
        ensure!(begun.elapsed() < PATIENCE * 10, "{} were dropped", load.dropped());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let done = load.finish().await?;
    let dropped = done.tally.unknown.load(Ordering::Relaxed);
    let pool = verify::pool(&stage.ledger.owner_url).await?;
    nothing_is_open(&pool).await?;
    pool.close().await;
    healthy(&stage).await?;
    let what = format!("{dropped} calls dropped within 40 ms, and sent again");
    // The members of the last look are not the load's.
    let mut row = ended(stage, done, what, Vec::new()).await?;
    row.seen = format!("no transaction left open, {HEALTHY} calls at once after it; {}", row.seen);
    Ok(row)
}

/// Waits until no session sits in a transaction; none may for long.
async fn nothing_is_open(pool: &PgPool) -> Result<()> {
    let begun = Instant::now();
    loop {
        let open: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid()
                 AND (state LIKE 'idle in transaction%' OR xact_start < now() - interval '5 s')",
        )
        .fetch_one(pool)
        .await?;
        if open == 0 {
            return Ok(());
        }
        // The server itself would end them after 30 s: they have to be gone long before.
        ensure!(begun.elapsed() < Duration::from_secs(15), "{open} transactions are open");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Reads by more callers at once than the hub has connections.
async fn healthy(stage: &Stage<'_>) -> Result<()> {
    let [harbor, ..] = stage.brands().await?;
    let mut reading = JoinSet::new();
    for _ in 0..HEALTHY {
        let client = harbor.clone();
        reading.spawn(async move { cast::balances(&client, "m-0-0").await });
    }
    while let Some(read) = reading.join_next().await {
        read?;
    }
    Ok(())
}

/// Two hubs on one ledger; one after the other is killed, and callers go on at the one that is left.
pub(crate) async fn one_of_two_hubs_killed_under_load(world: &World) -> Result<Row> {
    let seed = world.settings.seed_of(7);
    let mut stage = Stage::build(world, "").await?;
    let mut other = stage.another().await?;
    let second = entente_testkit::Network::to(other.addresses.partners).await;
    let brands = stage.brands_at(&[stage.front.address(), second.address()]).await?;
    let load = Load::start(&stage, brands, crew(seed)).await?;
    let mut rng = StdRng::seed_from_u64(seed);
    let mut back_after = Vec::new();
    for number in 0..world.settings.failovers {
        tokio::time::sleep(Duration::from_millis(rng.random_range(200..700))).await;
        let moment = Instant::now();
        if number % 2 == 0 {
            stage.kill().await?;
            back_after.push(load.back_since(moment).await?);
            stage.start().await?;
        } else {
            other.kill().await?;
            back_after.push(load.back_since(moment).await?);
            other = stage.another().await?;
            second.turn_to(other.addresses.partners);
        }
        // Both are used again before the next one goes.
        connected(&stage, second.address()).await?;
    }
    let done = load.finish().await?;
    other.kill().await?;
    let kills = world.settings.failovers;
    ended(stage, done, format!("{kills} kills of one of two hubs"), back_after).await
}

/// Whether a hub takes a connection and answers on it.
async fn connected(stage: &Stage<'_>, address: std::net::SocketAddr) -> Result<()> {
    let options = stage.options(&partner(HARBOR)?, &[address])?;
    entente_client::Client::connect(options).await?;
    Ok(())
}
