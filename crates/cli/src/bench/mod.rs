//! `entente bench`: what a hub does in a second on this machine, measured from outside: a hub in a
//! process of its own, callers over real mutual TLS, each of which waits for an answer before it
//! sends the next request, or calls at its time whatever became of others. `pgbench` on the same PostgreSQL, in the same run, is the yardstick.

mod args;
mod coalition;
mod history;
mod hub;
mod lane;
mod machine;
mod meter;
mod mixed;
mod paced;
mod pgbench;
mod report;
mod round;
mod seen;
mod stage;
mod streamed;
mod unary;
mod verify;

use anyhow::{Context as _, bail};

pub(crate) use args::BenchArgs;
use args::Scenario;
use meter::Meter;
use report::{Measured, Report};
use round::Round;
use seen::Seen;
use stage::Stage;
use verify::Verified;

use crate::demo::progress::Progress;

/// Runs the command.
pub(crate) async fn run(args: BenchArgs) -> anyhow::Result<()> {
    args.check()?;
    let progress = Progress::new(args.output);
    let stage = Stage::build(&args, progress).await?;
    let verified = measure_and_verify(&args, &stage, progress).await;
    let closed = stage.strike(args.keep).await;
    let verified = verified?;
    closed?;
    if !verified.is_good() {
        bail!("the ledger does not hold what was acknowledged; see above");
    }
    Ok(())
}

/// Tells people the figures before the ledger is verified, which takes long on a large one; programs are
/// told everything at once, the figures also where it could not be verified.
async fn measure_and_verify(
    args: &BenchArgs,
    stage: &Stage,
    progress: Progress,
) -> anyhow::Result<Verified> {
    let (report, seen) = measure(args, stage, progress).await?;
    args.output.note(&report.text())?;
    progress.step("verifying what was acknowledged, and every invariant, on the database");
    let capped = args.scenarios().contains(&Scenario::HotCapped);
    let verified = verify::verify(stage, &seen, u64::from(capped)).await;
    let ledger = verified.as_ref().ok();
    let text = || ledger.map_or_else(|| "the ledger was not verified".to_owned(), Verified::text);
    args.output.show(&report.json(ledger), |_| text())?;
    verified
}

/// The yardstick first, then each scenario alone; and what callers were told in all of them.
async fn measure(
    args: &BenchArgs,
    stage: &Stage,
    progress: Progress,
) -> anyhow::Result<(Report, Seen)> {
    let meter = Meter::of(stage).await?;
    let pgbench = if args.without_pgbench {
        None
    } else {
        pgbench::run(args, stage, meter, progress).await?
    };
    let mut scenarios: Vec<Measured> = Vec::new();
    let mut all = Seen::of_before(stage.acknowledged());
    for scenario in args.scenarios() {
        if scenario == Scenario::HotCapped {
            coalition::cap(stage.operator()).await?;
        }
        let unary = scenarios.iter().find(|one| one.scenario == Scenario::Unary);
        let rate = unary.map(|one| one.seen.per_second());
        let mut rounds = Vec::new();
        for number in 0..args.repeat {
            progress.step(format!("{} for {} s", scenario.text(), args.seconds));
            entente_store::checkpoint(&stage.owner_url()).await?;
            let span = lane::Span::begin(args.warm_up(), args.measured());
            let round = Round { args, stage, scenario, number, span };
            let (seen, readings) = tokio::join!(play(&round, rate), meter.read_over(span));
            let seen = seen?;
            all.add(&seen)?;
            rounds.push((seen, readings?));
        }
        scenarios.push(Measured::median(scenario, rounds));
    }
    let machine = machine::Machine::here(stage);
    let (settings, past) = (args.settings(), stage.past().clone());
    Ok((Report { settings, machine, past, pgbench, scenarios }, all))
}

/// Plays a scenario once, warm-up included; what is measured begins after the warm-up. `rate` is what
/// unary earns reached in a second.
async fn play(round: &Round<'_>, rate: Option<f64>) -> anyhow::Result<Seen> {
    match round.scenario {
        Scenario::Unary | Scenario::Hot | Scenario::HotCapped => unary::play(round).await,
        Scenario::Stream => streamed::play(round).await,
        Scenario::Mixed => mixed::play(round).await,
        Scenario::Half | Scenario::FourFifths => {
            let load = round.scenario.load().zip(rate).map(|(share, rate)| share * rate);
            paced::play(round, load.context("unary earns are played first")?).await
        }
    }
}
