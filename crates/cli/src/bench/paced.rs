//! Earns at a given rate: each is sent at its time, whether earlier ones are answered or not, and its
//! latency counts from that time on. So a hub that stalls is charged for all who would have called.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::lane::Span;
use super::round::Round;
use super::seen::Seen;
use super::unary::Earner;

/// Plays earns, so many a second over all connections.
pub(crate) async fn play(round: &Round<'_>, per_second: f64) -> anyhow::Result<Seen> {
    ensure!(per_second > 0.0, "no rate to play at: nothing was answered before");
    let callers = u32::try_from(round.args.connections)?;
    let apart = Duration::from_secs_f64(f64::from(callers) / per_second);
    let begun = Instant::now();
    let mut running = JoinSet::new();
    for (caller, number) in (0..callers).zip(0_usize..) {
        let earner = Earner::of(round, number);
        let first = begun + apart * caller / callers;
        running.spawn(one(earner, (first, apart), round.args.in_flight, round.span));
    }
    let mut all = Seen::new(round.span.length());
    while let Some(seen) = running.join_next().await {
        all.add(&seen??)?;
    }
    Ok(all)
}

/// One connection's earns, evenly apart. So many at most are unanswered at once: beyond that they are sent
/// late, and are charged for it.
async fn one(
    mut earner: Earner,
    (first, apart): (Instant, Duration),
    unanswered: usize,
    span: Span,
) -> anyhow::Result<Seen> {
    let places = Arc::new(Semaphore::new(unanswered));
    let (mut seen, mut calls) = (Seen::new(span.length()), JoinSet::new());
    let mut intended = first;
    while intended < span.to && !span.is_over() {
        tokio::time::sleep_until(intended.into()).await;
        let place = Arc::clone(&places).acquire_owned().await?;
        let (call, at) = (earner.next(), intended);
        calls.spawn(async move {
            let told = call.await;
            drop(place);
            (told, span.took(at))
        });
        intended += apart;
        while let Some(call) = calls.try_join_next() {
            let (told, took) = call?;
            seen.count(told, took);
        }
    }
    while let Some(call) = calls.join_next().await {
        let (told, took) = call?;
        seen.count(told, took);
    }
    Ok(seen)
}
