//! Playing the plan: day after day, the clock first, then what is booked, cancelled, ridden and paid
//! on it; a window is closed with each month.

use std::pin::pin;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use entente_api::points::EarnRequest;
use entente_api::settlement::{CloseWindowRequest, Net};
use entente_api::types::Operation;
use entente_client::Resume;
use futures::{StreamExt as _, stream};
use indicatif::ProgressBar;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};

use super::plan::{Day, Plan, Step};
use super::seen::{Seen, Told};
use crate::demo::cast::Brand;
use crate::demo::plan::Linked;
use crate::demo::play::{Clients, SIDE_BY_SIDE, advance, ledger_time, link};
use crate::demo::progress::Progress;

/// A month that was settled.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    /// `2016-07`.
    pub(crate) name: String,
    /// What each party pays or receives.
    pub(crate) nets: Vec<Net>,
}

/// Plays the plan to its end.
pub(crate) async fn play(
    plan: &Plan,
    clients: &Clients,
    progress: &Progress,
) -> anyhow::Result<(Seen, Vec<Window>)> {
    let begun = Instant::now();
    let bar = progress.bar("the files", plan.step_count());
    let mut player =
        Player { clients, bar, seen: Seen::default(), now: ledger_time(clients).await? };
    player.join(plan).await?;
    let mut windows = Vec::new();
    for month in plan.days.chunk_by(|one, next| month(one.date) == month(next.date)) {
        for day in month {
            player.play_day(day).await?;
        }
        windows.extend(player.close(month).await?);
    }
    player.bar.finish_and_clear();
    player.seen.took = begun.elapsed();
    Ok((player.seen, windows))
}

struct Player<'a> {
    clients: &'a Clients,
    bar: ProgressBar,
    seen: Seen,
    now: Timestamp,
}

impl Player<'_> {
    async fn join(&mut self, plan: &Plan) -> anyhow::Result<()> {
        self.bar.set_message("members join");
        let operator = &self.clients.operator;
        for (create, publish) in &plan.partners {
            let told = operator.create_partner(create.clone()).await;
            let told = told.map(|answer| (answer.replayed, None));
            self.seen.count("CreatePartner", None, told)?;
            let told = operator.publish_terms(publish.clone()).await;
            let told = told.map(|answer| (answer.replayed, None));
            self.seen.count("PublishTerms", None, told)?;
            self.bar.inc(2);
        }
        let enrol = async |(brand, request): &(Brand, Linked)| {
            let answer = link(self.clients.of(*brand), request).await?;
            Ok((answer.replayed, None))
        };
        side_by_side("LinkMember", &plan.enrolments, |_| None, enrol, (&mut self.seen, &self.bar))
            .await?;
        let attach = async |request: &_| {
            let answer = operator.attach_reference(Clone::clone(request)).await?;
            Ok((answer.replayed, None))
        };
        side_by_side("AttachReference", &plan.links, |_| None, attach, (&mut self.seen, &self.bar))
            .await
    }

    /// Plays a day at its last second, so that all of it has happened.
    async fn play_day(&mut self, day: &Day) -> anyhow::Result<()> {
        self.bar.set_message(day.date.to_string());
        let second = SignedDuration::from_secs(1);
        let end = midnight_after(day.date)?.checked_sub(second)?;
        advance(self.clients, &mut self.now, end).await?;
        self.earn(Brand::Harbor, &day.booked).await?;
        let harbor = self.clients.of(Brand::Harbor);
        let reverse = async |step: &Step<_>| {
            let answer = harbor.reverse(Clone::clone(&step.request)).await?;
            Ok((answer.replayed, points(answer.operation.as_ref())))
        };
        let seen = (&mut self.seen, &self.bar);
        side_by_side("Reverse", &day.cancelled, |step| Some(step.points), reverse, seen).await?;
        self.earn(Brand::Rover, &day.ridden).await?;
        let rover = self.clients.of(Brand::Rover);
        let burn = async |step: &Step<_>| {
            let answer = rover.burn(Clone::clone(&step.request)).await?;
            Ok((answer.replayed, points(answer.operation.as_ref())))
        };
        let seen = (&mut self.seen, &self.bar);
        side_by_side("Burn", &day.paid, |step| Some(step.points), burn, seen).await
    }

    /// Streams a day's earns. One that the stream gives up is sent again by the next run.
    async fn earn(&mut self, brand: Brand, steps: &[Step<EarnRequest>]) -> anyhow::Result<()> {
        if steps.is_empty() {
            return Ok(());
        }
        let (mut sink, mut outcomes) = self.clients.of(brand).earn_stream(Resume::default());
        let send = async move {
            for step in steps {
                if sink.send(step.request.clone()).await.is_err() {
                    // Its outcomes say why.
                    return;
                }
            }
        };
        let (seen, bar) = (&mut self.seen, &self.bar);
        let count = async move {
            let mut waiting = steps.iter();
            while let Some(outcome) = outcomes.next().await? {
                let step = waiting.next().context("an outcome more than there are lines")?;
                let told =
                    outcome.result.map(|earn| (earn.replayed, points(earn.operation.as_ref())));
                seen.count("EarnStream", Some(step.points), told)?;
                bar.inc(1);
            }
            ensure!(waiting.next().is_none(), "the stream ended before its last line");
            Ok(())
        };
        let ((), counted) = tokio::join!(send, count);
        counted
    }

    /// Closes the month's window at its end.
    async fn close(&mut self, days: &[Day]) -> anyhow::Result<Option<Window>> {
        let Some(day) = days.last() else { return Ok(None) };
        let end = midnight_after(day.date.last_of_month())?;
        advance(self.clients, &mut self.now, end).await?;
        let name = month(day.date);
        let request = CloseWindowRequest { name: name.clone(), testing: false };
        let nets = self.clients.operator.close_window(request).await?.nets;
        Ok(Some(Window { name, nets }))
    }
}

/// Sends steps, many at once, and counts their answers.
async fn side_by_side<T>(
    what: &str,
    steps: &[T],
    expected: impl Fn(&T) -> Option<i64>,
    send: impl AsyncFn(&T) -> Told,
    (seen, bar): (&mut Seen, &ProgressBar),
) -> anyhow::Result<()> {
    let send = &send;
    let answers = stream::iter(steps).map(async |step| (step, send(step).await));
    let mut answers = pin!(answers.buffer_unordered(SIDE_BY_SIDE));
    while let Some((step, told)) = answers.next().await {
        seen.count(what, expected(step), told)?;
        bar.inc(1);
    }
    Ok(())
}

fn points(operation: Option<&Operation>) -> Option<i64> {
    operation.map(|operation| operation.points)
}

/// `2016-07`.
fn month(date: Date) -> String {
    date.strftime("%Y-%m").to_string()
}

fn midnight_after(date: Date) -> anyhow::Result<Timestamp> {
    Ok(date.checked_add(1.day())?.to_zoned(TimeZone::UTC)?.timestamp())
}
