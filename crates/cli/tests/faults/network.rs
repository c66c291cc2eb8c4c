//! Networks that delay, cut, reset and fall silent, before the hub and behind it, also in the middle of
//! a commit.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use entente_testkit::{Blow, Lost};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use crate::{
    kills::{crew, ended},
    load::Load,
    stage::Stage,
    table::Row,
    world::World,
};

/// How long a network stays silent before somebody learns of it.
const SILENCE: Duration = Duration::from_millis(700);

/// Between partners and the hub.
pub(crate) async fn networks_before_the_hub_fail(world: &World) -> Result<Row> {
    let seed = world.settings.seed_of(3);
    let stage = Stage::build(world, "").await?;
    let load = Load::start(&stage, stage.brands().await?, crew(seed)).await?;
    let mut rng = StdRng::seed_from_u64(seed);
    let mut back_after = Vec::new();
    for number in 0..world.settings.blows {
        stage.front.delay(Duration::from_millis(rng.random_range(0..15)));
        tokio::time::sleep(Duration::from_millis(rng.random_range(50..300))).await;
        let moment = Instant::now();
        match number % 3 {
            0 => stage.front.strike(Blow::Cut),
            1 => stage.front.strike(Blow::Reset),
            _ => {
                stage.front.strike(Blow::Silence);
                tokio::time::sleep(SILENCE).await;
                stage.front.strike(Blow::Reset);
            }
        }
        back_after.push(load.back_since(moment).await?);
    }
    stage.front.delay(Duration::ZERO);
    let done = load.finish().await?;
    let what = "blows between partners and hub, under delays of 0 to 15 ms: cut, reset, silence";
    ended(stage, done, format!("{} {what}", world.settings.blows), back_after).await
}

/// Between the hub and its database.
pub(crate) async fn networks_behind_the_hub_fail(world: &World) -> Result<Row> {
    let seed = world.settings.seed_of(4);
    let stage = Stage::with_network_behind(world, "").await?;
    let back = stage.back.as_ref().context("there is one")?;
    let load = Load::start(&stage, stage.brands().await?, crew(seed)).await?;
    let mut rng = StdRng::seed_from_u64(seed);
    let mut back_after = Vec::new();
    for number in 0..world.settings.blows {
        back.delay(Duration::from_millis(rng.random_range(0..3)));
        tokio::time::sleep(Duration::from_millis(rng.random_range(50..300))).await;
        let moment = Instant::now();
        match number % 5 {
            0 => back.strike(Blow::Cut),
            1 => back.strike(Blow::Reset),
            2 => back.lose_commits(Lost::Before, rng.random_range(1..=3)),
            3 => back.lose_commits(Lost::After, rng.random_range(1..=3)),
            _ => {
                back.strike(Blow::Silence);
                tokio::time::sleep(SILENCE).await;
                back.strike(Blow::Reset);
            }
        }
        back_after.push(load.back_since(moment).await?);
    }
    back.delay(Duration::ZERO);
    let lost = back.lost();
    let done = load.finish().await?;
    let what = format!(
        "{} blows between hub and database, under delays of 0 to 2 ms: cut, reset, silence, and {lost} \
         commits lost before or after the database read them",
        world.settings.blows,
    );
    ended(stage, done, what, back_after).await
}

/// A database that is silent for ever, as one whose machine is gone: nobody resets the connections.
pub(crate) async fn a_silent_database_is_given_up(world: &World) -> Result<Row> {
    let seed = world.settings.seed_of(5);
    let stage = Stage::with_network_behind(world, "[posting]\ntransaction_ms = 2000\n").await?;
    let back = stage.back.as_ref().context("there is one")?;
    let load = Load::start(&stage, stage.brands().await?, crew(seed)).await?;
    let moment = Instant::now();
    load.back_since(moment).await?;
    let moment = Instant::now();
    back.strike(Blow::Silence);
    let back_after = vec![load.back_since(moment).await?];
    let done = load.finish().await?;
    let what =
        "every connection to the database silent for ever; `transaction_ms` = 2000".to_owned();
    ended(stage, done, what, back_after).await
}
