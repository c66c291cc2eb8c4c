//! `entente bench`: what a hub does in a second on this machine, measured from outside: a hub in a
//! process of its own, callers over real mutual TLS, each of which waits for an answer before it
//! sends the next request. `pgbench` on the same PostgreSQL, in the same run, is the yardstick.

mod args;
mod coalition;
mod hub;
mod lane;
mod machine;
mod meter;
mod mixed;
mod pgbench;
mod report;
mod seen;
mod stage;
mod streamed;
mod unary;
mod verify;

use anyhow::bail;

pub(crate) use args::BenchArgs;
use args::Scenario;
use meter::{Meter, Readings};
use report::{Measured, Report};
use seen::Seen;
use stage::Stage;

use crate::demo::progress::Progress;

/// Runs the command.
pub(crate) async fn run(args: BenchArgs) -> anyhow::Result<()> {
    args.check()?;
    let progress = Progress::new(args.output);
    let stage = Stage::build(&args, progress).await?;
    let measured = measure(&args, &stage, progress).await;
    let closed = stage.strike(args.keep).await;
    let report = measured?;
    closed?;
    args.output.show(&report.json(), |_| report.text())?;
    if !report.is_good() {
        bail!("the ledger does not hold what was acknowledged; see above");
    }
    Ok(())
}

/// The yardstick first, then each scenario alone, then what the ledger says of all of them.
async fn measure(args: &BenchArgs, stage: &Stage, progress: Progress) -> anyhow::Result<Report> {
    let meter = Meter::of(stage).await?;
    let pgbench = if args.without_pgbench {
        None
    } else {
        pgbench::run(args, stage, meter, progress).await?
    };
    let mut scenarios = Vec::new();
    let mut all = Seen::of_first_earns(stage.first_earns());
    for scenario in args.scenarios() {
        progress.step(format!("{} for {} s", scenario.text(), args.seconds));
        entente_store::checkpoint(&stage.owner_url()).await?;
        let (seen, readings) = play(scenario, args, stage, &meter).await?;
        all.add(&seen)?;
        scenarios.push(Measured { scenario, seen, readings });
    }
    progress.step("verifying what was acknowledged, and every invariant, on the database");
    let verified = verify::verify(stage, &all).await?;
    let machine = machine::Machine::here(stage);
    Ok(Report { settings: args.settings(), machine, pgbench, scenarios, verified })
}

/// Plays one scenario, warm-up included; what is measured begins after the warm-up.
async fn play(
    scenario: Scenario,
    args: &BenchArgs,
    stage: &Stage,
    meter: &Meter,
) -> anyhow::Result<(Seen, Readings)> {
    let span = lane::Span::begin(args.warm_up(), args.measured());
    let readings = meter.read_over(span);
    let seen = async {
        match scenario {
            Scenario::Unary => unary::play(args, stage, span).await,
            Scenario::Stream => streamed::play(args, stage, span).await,
            Scenario::Mixed => mixed::play(args, stage, span).await,
        }
    };
    let (seen, readings) = tokio::join!(seen, readings);
    Ok((seen?, readings?))
}
