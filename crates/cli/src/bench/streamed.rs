//! Streamed earns: a stream on each connection, with so many lines unanswered, and the next line
//! for each answer. The generated client is used as it is, without the resuming that costs nothing
//! while nothing breaks.

use std::collections::VecDeque;
use std::time::Instant;

use anyhow::Context as _;
use entente_api::points::earn_stream_response::Outcome;
use entente_api::points::points_service_client::PointsServiceClient;
use entente_api::points::{EarnStreamRequest, EarnStreamResponse};
use entente_client::{Error, Refusal};
use rand::rngs::StdRng;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;

use super::coalition::{self, Members};
use super::lane::Span;
use super::round::Round;
use super::seen::{Seen, Told};
use super::stage::Connection;

/// Plays streams of earns.
pub(crate) async fn play(round: &Round<'_>) -> anyhow::Result<Seen> {
    let mut running = JoinSet::new();
    for number in 0..round.args.connections {
        let connection = round.stage.connection(number);
        let lines = Lines {
            partner: connection.partner,
            members: round.stage.members(),
            dice: round.dice(number),
            receipts: round.receipts(number),
            sequence: 0,
        };
        running.spawn(one(connection.clone(), lines, round.args.lines, round.span));
    }
    let mut all = Seen::new(round.span.length());
    while let Some(seen) = running.join_next().await {
        all.add(&seen??)?;
    }
    Ok(all)
}

/// Plays one stream until time is up and every line is answered.
async fn one(
    connection: Connection,
    mut lines: Lines,
    unanswered: usize,
    span: Span,
) -> anyhow::Result<Seen> {
    let mut seen = Seen::new(span.length());
    let (sender, requests) = mpsc::channel(unanswered);
    let mut sender = Some(sender);
    let mut service = PointsServiceClient::new(connection.client.channel());
    let answers = service.earn_stream(ReceiverStream::new(requests)).await;
    let mut answers = answers.context("the stream does not begin")?.into_inner();
    let mut sent = VecDeque::with_capacity(unanswered);
    loop {
        if span.is_over() {
            sender = None;
        }
        while let Some(sender) = sender.as_ref().filter(|_| sent.len() < unanswered) {
            sent.push_back(Instant::now());
            // There is room for as many lines as may be unanswered.
            sender.try_send(lines.next()).context("the stream takes no more lines")?;
        }
        let answer = answers.message().await.context("the stream broke")?;
        let Some(answer) = answer else { break };
        let sent = sent.pop_front().context("an answer without a line")?;
        seen.count(told(answer), span.took(sent));
    }
    anyhow::ensure!(sent.is_empty(), "the stream ended with {} lines unanswered", sent.len());
    Ok(seen)
}

fn told(answer: EarnStreamResponse) -> Result<Told, Error> {
    match answer.outcome {
        Some(Outcome::Earned(earned)) => {
            Ok(Told::Earned(earned.operation.map_or(0, |operation| operation.points)))
        }
        Some(Outcome::Refusal(status)) => {
            Err(Error::Refused(Box::new(Refusal::from_kept(&status))))
        }
        None => Ok(Told::Read),
    }
}

/// The lines of one stream.
struct Lines {
    partner: usize,
    members: Members,
    dice: StdRng,
    receipts: String,
    sequence: i64,
}

impl Lines {
    fn next(&mut self) -> EarnStreamRequest {
        self.sequence += 1;
        let member = self.members.any_of(self.partner, &mut self.dice);
        let receipt = format!("{}-{}", self.receipts, self.sequence);
        let earn = Some(coalition::earn(member, receipt, &mut self.dice));
        EarnStreamRequest { sequence: self.sequence, earn }
    }
}
