//! Random commands of many callers, against two second opinions: a member's own count of every answer and
//! every balance, and a replay of everything in memory.

use std::time::Instant;

use anyhow::Result;

use crate::{
    kills::{crew, ended},
    load::{Crew, Load},
    stage::Stage,
    table::Row,
    world::World,
};

/// So many that batches are large.
const CALLERS: usize = 256;

/// About how many operations a member has, where there are many: a replay looks through all lots of a
/// member for each.
const OF_A_MEMBER: u64 = 250;

/// Nothing fails here but what is wrong.
pub(crate) async fn random_commands_of_many_callers(world: &World) -> Result<Row> {
    let seed = world.settings.seed_of(8);
    let stage = Stage::build(world, "").await?;
    let operations = world.settings.operations;
    let members = usize::try_from(operations / OF_A_MEMBER)?.div_ceil(CALLERS).max(2);
    let crew = Crew { callers: CALLERS, members, operations: Some(operations), ..crew(seed) };
    // Straight to the hub: the network between fails nothing here.
    let load = Load::start(&stage, stage.brands_straight().await?, crew).await?;
    let begun = Instant::now();
    let done = load.ended().await?;
    let took = begun.elapsed();
    let members = done.members.len();
    let what = format!("{operations} random commands on {members} members of three brands");
    let mut row = ended(stage, done, what, Vec::new()).await?;
    row.seen = format!("{:.0} s for the commands; {}", took.as_secs_f64(), row.seen);
    Ok(row)
}
