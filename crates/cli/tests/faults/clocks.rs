//! Clocks that step: the machine's, which hub and database share here, or that of one of them alone. The
//! ledger's time stands still where its clock goes back; where the two clocks disagree, nothing is done.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use entente_client::{
    Client, Error, Refusal,
    api::{
        error::ErrorReason,
        partner::PublishTermsRequest,
        points::{AuthorizeRequest, EarnRequest, authorize_request},
        settlement::CloseWindowRequest,
    },
    new_request_id,
};
use entente_testkit::cast::{self, HARBOR, ROVER, balances, earn, enrol};
use sqlx::PgPool;
use tonic::Code;

use crate::{
    kills::crew,
    load::{Load, PATIENCE},
    shifted::Clocks,
    stage::{Stage, partner},
    table::Row,
    verify,
    world::World,
};

/// A step that both clocks make: less than certificates are backdated by, so that callers may connect anew.
const STEP: i64 = 240;
/// A step that one clock makes.
const HOUR: i64 = 3_600;
/// How long holds live here.
const HOLD_SECONDS: i64 = 120;

const SETTINGS: &str = "[workers]\nsweep_every_ms = 100\n[tokens]\nlook_every_ms = 100\n";

/// Each kind of step in turn: under load where no hold ends by it, then one by one.
pub(crate) async fn clocks_that_step(world: &World) -> Result<Row> {
    let clocks = Clocks::start(world).await?;
    let mut stage = Stage::with_environment(world, SETTINGS, clocks.of_hub()).await?;
    let load = Load::start(&stage, stage.brands().await?, crew(world.settings.seed_of(10))).await?;
    let mut back_after = Vec::new();
    for (hub, database) in [(-60, -60), (-STEP, -STEP), (-STEP, -STEP - 20), (0, 0)] {
        clocks.set(hub, database)?;
        load.back_since(Instant::now()).await?;
    }
    for (hub, database) in [(0, HOUR), (-HOUR, 0)] {
        clocks.set(hub, database)?;
        ready(&mut stage, 503).await?;
        // Nobody is cut for a certificate that only this clock takes for not valid yet.
        stage.hub().reload()?;
        tokio::time::sleep(Duration::from_millis(200)).await;
        let moment = Instant::now();
        clocks.set(0, 0)?;
        back_after.push(load.back_since(moment).await?);
    }
    let mut done = load.finish().await?;
    verify::all(&stage, &mut done).await?;
    let pool = verify::pool(&stage.ledger.owner_url).await?;
    let mut operations = done.operations();
    operations += holds_and_windows(&stage, &clocks, &pool).await?;
    operations += clocks_apart(&mut stage, &clocks, &pool).await?;
    a_caller_by_another_time(&stage, &clocks).await?;
    verify::invariants(&pool).await?;
    in_order(&pool).await?;
    pool.close().await;
    stage.end().await?;
    clocks.end(world).await?;
    Ok(Row {
        done: "both clocks back and forth, then each alone by an hour".to_owned(),
        operations,
        unknown: done.tally.doubted(),
        back_after,
        seen: format!("CLOCKS_APART while they disagree; {}", done.tally.told()),
    })
}

/// Holds end and windows close by a time that never goes back.
async fn holds_and_windows(stage: &Stage<'_>, clocks: &Clocks, pool: &PgPool) -> Result<u64> {
    let [harbor, ..] = stage.brands().await?;
    let operators = stage.operators().await?;
    let agreement = cast::agreement(HARBOR);
    let agreement = Some(entente_client::api::partner::Agreement {
        hold_life_seconds: HOLD_SECONDS,
        ..agreement
    });
    let (request_id, partner) = (new_request_id(), HARBOR.to_owned());
    let terms = PublishTermsRequest { request_id, partner, effective_from: None, agreement };
    Box::pin(operators.publish_terms(terms)).await?;
    enrol(&harbor, "guest").await;
    harbor.earn(earn("guest", 100_000_000, "EUR")).await?;
    harbor.authorize(authorize(10)).await?;

    // Back: time stands still, and nothing ends early.
    clocks.set(-STEP, -STEP)?;
    harbor.authorize(authorize(20)).await?;
    operators.close_window(CloseWindowRequest { name: "back".to_owned(), testing: false }).await?;
    harbor.earn(earn("guest", 1_000_000, "EUR")).await?;
    ensure!(balances(&harbor, "guest").await.held == 30, "a hold ended though time went back");
    in_order(pool).await?;

    // Forward again, beyond the end of holds: they end by themselves.
    clocks.set(STEP, STEP)?;
    let begun = Instant::now();
    while balances(&harbor, "guest").await.held > 0 {
        ensure!(begun.elapsed() < PATIENCE, "a hold does not end");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    harbor.authorize(authorize(40)).await?;

    // Back once more: what was authorized in what is now the future lives as long as any.
    clocks.set(0, 0)?;
    harbor.authorize(authorize(50)).await?;
    operators.close_window(CloseWindowRequest { name: "again".to_owned(), testing: false }).await?;
    harbor.earn(earn("guest", 1_000_000, "EUR")).await?;
    let now = balances(&harbor, "guest").await;
    ensure!((now.available, now.held) == (12, 90), "{now:?}");
    Ok(7)
}

/// While the clocks disagree, whoever is wrong, nothing is posted, nothing ends, and everybody is told.
async fn clocks_apart(stage: &mut Stage<'_>, clocks: &Clocks, pool: &PgPool) -> Result<u64> {
    let [_, rover, _] = stage.brands().await?;
    enrol(&rover, "rider").await;
    rover.earn(earn("rider", 1_000_000, "USD")).await?;
    let before = operations(pool).await?;
    for (hub, database) in [(0, HOUR), (0, -HOUR), (HOUR, 0), (-HOUR, 0)] {
        clocks.set(hub, database)?;
        let request = earn("rider", 1_000_000, "USD");
        // The first may be refused by its batch, later ones at the door.
        for _ in 0..3 {
            refused(&rover, &request).await?;
        }
        ready(stage, 503).await?;
        refused(&rover, &request).await?;
        // Nobody new gets a token either, or a connection, by a hub that is wrong about certificates.
        let options = stage.options(&partner(ROVER)?, &[stage.front.address()])?;
        if let Ok(newcomer) = Client::connect(options).await {
            let answer = newcomer.earn(request).await;
            ensure!(answer.is_err(), "a token was given by a clock that nobody confirms");
        }
        ensure!(operations(pool).await? == before, "something was posted meanwhile");
        clocks.set(0, 0)?;
        ready(stage, 200).await?;
    }
    Ok(1)
}

/// An earn that is to be refused for the clocks.
async fn refused(client: &Client, request: &EarnRequest) -> Result<()> {
    let refusal = refusal(client.earn(request.clone()).await)?;
    ensure!(refusal.reason_name() == "CLOCKS_APART", "{refusal}");
    ensure!(refusal.code == Code::Unavailable && refusal.retry_after.is_some(), "{refusal}");
    ensure!(refusal.metadata.contains_key("seconds"), "{refusal}");
    Ok(())
}

/// A caller whose clock is not the hub's is told what time it is there.
async fn a_caller_by_another_time(stage: &Stage<'_>, clocks: &Clocks) -> Result<()> {
    for step in [STEP, -STEP] {
        clocks.set(step, step)?;
        let options = stage.options(&partner(ROVER)?, &[stage.front.address()])?;
        let refused = match Client::connect(options).await {
            Ok(client) => refusal(client.earn(earn("rider", 1_000_000, "USD")).await)?,
            Err(error) => refusal::<()>(Err(error))?,
        };
        ensure!(refused.reason == ErrorReason::AssertionRefused, "{refused}");
        ensure!(refused.metadata.contains_key("hub_time"), "{refused}");
    }
    clocks.set(0, 0)
}

fn refusal<T>(answer: Result<T, Error>) -> Result<Refusal> {
    match answer {
        Err(Error::Refused(refusal)) => Ok(*refusal),
        Err(error) => bail!("{error}"),
        Ok(_) => bail!("it was done"),
    }
}

fn authorize(points: i64) -> AuthorizeRequest {
    AuthorizeRequest {
        request_id: new_request_id(),
        member_reference: "guest".to_owned(),
        amount: Some(authorize_request::Amount::Points(points)),
        ..AuthorizeRequest::default()
    }
}

/// How many there are; that terms came into force may be told whenever the clocks agree.
async fn operations(pool: &PgPool) -> Result<i64> {
    let counted = sqlx::query_scalar("SELECT count(*) FROM operations WHERE kind <> 12");
    Ok(counted.fetch_one(pool).await?)
}

/// In each cell, later numbers have no earlier times; and every operation is within its window.
async fn in_order(pool: &PgPool) -> Result<()> {
    let (reordered, outside): (i64, i64) = sqlx::query_as(
        "SELECT count(*) FILTER (WHERE posted_at < before),
                count(*) FILTER (WHERE posted_at < opened_at OR posted_at > closed_at)
         FROM (SELECT posted_at, window_id,
                      lag(posted_at) OVER (PARTITION BY cell ORDER BY seq) AS before
               FROM operations) AS o
         JOIN windows USING (window_id)",
    )
    .fetch_one(pool)
    .await?;
    ensure!(reordered == 0, "{reordered} operations are before their predecessors");
    ensure!(outside == 0, "{outside} operations are outside their windows");
    Ok(())
}

/// Waits for what readiness answers.
async fn ready(stage: &mut Stage<'_>, expected: u16) -> Result<()> {
    let begun = Instant::now();
    while stage.hub().plain("/ready").await.context("it lives")? != expected {
        ensure!(begun.elapsed() < PATIENCE, "/ready does not answer {expected}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}
