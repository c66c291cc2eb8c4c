//! Hubs and databases killed in the middle of their work, again and again.

use std::time::{Duration, Instant};

use anyhow::Result;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use crate::{
    cluster::Kill,
    load::{Crew, Done, Load},
    stage::Stage,
    table::{Row, spread},
    verify,
    world::World,
};

/// The hub is killed by SIGKILL and started again.
pub(crate) async fn hubs_killed_under_load(world: &World) -> Result<Row> {
    let seed = world.settings.seed_of(1);
    let mut stage = Stage::build(world, "").await?;
    let load = Load::start(&stage, stage.brands().await?, crew(seed)).await?;
    let mut rng = StdRng::seed_from_u64(seed);
    let mut back_after = Vec::new();
    for _ in 0..world.settings.hub_kills {
        tokio::time::sleep(Duration::from_millis(rng.random_range(20..300))).await;
        let moment = Instant::now();
        stage.kill().await?;
        stage.start().await?;
        back_after.push(load.back_since(moment).await?);
    }
    let done = load.finish().await?;
    let kills = world.settings.hub_kills;
    ended(stage, done, format!("{kills} hubs killed by SIGKILL"), back_after).await
}

/// PostgreSQL is killed: a session, a backend, the postmaster, and all of it in immediate mode.
pub(crate) async fn databases_killed_under_load(world: &World) -> Result<Row> {
    let seed = world.settings.seed_of(2);
    let stage = Stage::build(world, "").await?;
    let load = Load::start(&stage, stage.brands().await?, crew(seed)).await?;
    let mut rng = StdRng::seed_from_u64(seed);
    let (mut back_after, mut server_after) = (Vec::new(), Vec::new());
    let kills = Kill::ALL.into_iter().cycle().take(world.settings.database_kills);
    for how in kills {
        tokio::time::sleep(Duration::from_millis(rng.random_range(100..600))).await;
        let moment = Instant::now();
        world.cluster.kill(how, &stage.ledger.database).await?;
        world.cluster.up().await?;
        server_after.push(moment.elapsed());
        back_after.push(load.back_since(moment).await?);
    }
    let done = load.finish().await?;
    let kills = world.settings.database_kills;
    let what = "in turn: immediate shutdown, SIGKILL of a backend, end of a session, SIGKILL of the postmaster";
    let done = ended(stage, done, format!("{kills} kills of PostgreSQL, {what}"), back_after);
    let mut row = done.await?;
    row.seen = format!("PostgreSQL itself was back after {}; {}", spread(&server_after), row.seen);
    Ok(row)
}

/// Who calls while things are killed.
pub(crate) const fn crew(seed: u64) -> Crew {
    Crew { callers: 12, members: 3, seed, dropped_within: None, operations: None }
}

/// Compares the ledger with what callers know, and tells of it.
pub(crate) async fn ended(
    stage: Stage<'_>,
    mut done: Done,
    what: String,
    back_after: Vec<Duration>,
) -> Result<Row> {
    let replayed = verify::all(&stage, &mut done).await?;
    stage.end().await?;
    Ok(Row {
        done: what,
        operations: done.operations(),
        unknown: done.tally.doubted(),
        back_after,
        seen: format!("{replayed}; {}", done.tally.told()),
    })
}
