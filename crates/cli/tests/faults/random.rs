//! Random commands of many callers, against a second opinion on every answer and every balance.

use anyhow::Result;

use crate::{
    kills::ended,
    load::{Crew, Load},
    stage::Stage,
    table::Row,
    world::World,
};

/// Nothing fails here but what is wrong.
pub(crate) async fn random_commands_of_many_callers(world: &World) -> Result<Row> {
    let seed = world.settings.seed_of(8);
    let stage = Stage::build(world, "").await?;
    let operations = world.settings.operations;
    let crew =
        Crew { callers: 48, members: 2, seed, dropped_within: None, operations: Some(operations) };
    let load = Load::start(&stage, stage.brands().await?, crew).await?;
    let done = load.ended().await?;
    let members = done.members.len();
    let what = format!("{operations} random commands on {members} members of three brands");
    ended(stage, done, what, Vec::new()).await
}
