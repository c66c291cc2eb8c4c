//! A writer: takes all that is queued, runs it as a batch, and answers.

use std::time::{Duration, Instant};

use entente_store::{Cure, StoreError};
use tokio::sync::watch;

use super::{
    batch::{self, Context},
    queue::Waiting,
    submission::{Posted, Queued},
};
use crate::{
    control::close_due,
    error::{Refused, RpcError, chain, is_unreachable},
};

/// How often a batch is run again before its commands run one by one.
const RERUNS: u32 = 5;
/// A batch costs milliseconds of processor time however small it is. So one of more than a few commands,
/// and less than a full one, is followed by the next no sooner than so long after it began, or than as
/// long after its end as it took: what comes meanwhile shares the cost.
const EVERY: Duration = Duration::from_millis(8);
const FEW: usize = 8;

/// Runs batches until the queue is closed and empty.
pub(super) async fn run(
    context: Context,
    mut queued: Waiting<Queued>,
    batch: usize,
    mut stopped: watch::Receiver<bool>,
) {
    let mut commands = Vec::with_capacity(batch);
    while queued.take(&mut commands, batch, &mut stopped).await {
        let (now, count) = (Instant::now(), commands.len());
        let (live, late): (Vec<_>, Vec<_>) =
            commands.drain(..).partition(|command| command.deadline > now);
        for command in late {
            let _ = command.reply.send(Err(Refused::deadline_passed().into()));
        }
        if !live.is_empty() {
            post(&context, live).await;
        }
        if (FEW..batch).contains(&count) {
            gather(now + EVERY.min(now.elapsed() * 2), &mut stopped).await;
        }
    }
}

/// Lets commands come until then, unless the hub stops.
async fn gather(until: Instant, stopped: &mut watch::Receiver<bool>) {
    tokio::select! {
        _ = stopped.wait_for(|stopped| *stopped) => {}
        () = tokio::time::sleep_until(until.into()) => {}
    }
}

/// Runs a batch, as its errors ask, and answers each caller. A window that is past its cut-off is
/// closed first.
async fn post(context: &Context, commands: Vec<Queued>) {
    let mut reruns = 0;
    loop {
        let error = match batch::run(context, &commands).await {
            Ok(answers) => return reply(commands, answers),
            Err(error) => error,
        };
        if matches!(error, StoreError::CutOffDue) {
            match close_due(&context.pool, &context.catalogue).await {
                Ok(()) => continue,
                Err(failed) if failed.is_transient() && reruns < RERUNS => {
                    reruns += 1;
                    continue;
                }
                Err(failed) => return give_up(commands, &failed),
            }
        }
        match error.cure() {
            Cure::Rerun if reruns < RERUNS => {
                reruns += 1;
                tracing::debug!(%error, reruns, "running a batch again");
                tokio::time::sleep(Duration::from_millis(u64::from(reruns))).await;
            }
            Cure::Rerun | Cure::OneByOne if commands.len() > 1 => {
                tracing::warn!(%error, count = commands.len(), "running a batch one by one");
                for command in commands {
                    Box::pin(post(context, vec![command])).await;
                }
                return;
            }
            Cure::Rerun | Cure::OneByOne | Cure::GiveUp => return give_up(commands, &error),
        }
    }
}

fn reply(commands: Vec<Queued>, answers: Vec<Result<Posted, RpcError>>) {
    for (command, answer) in commands.into_iter().zip(answers) {
        // The caller may be gone; what was posted stays posted.
        let _ = command.reply.send(answer);
    }
}

/// A database out of reach leaves the outcome unknown, and the same id may be sent again; so it may when
/// clocks disagree. Anything else is a fault of the hub.
fn give_up(commands: Vec<Queued>, error: &StoreError) {
    let (fault, unreachable) = (chain(error), is_unreachable(error));
    tracing::error!(error = fault, count = commands.len(), "a batch failed");
    for command in commands {
        let answer = match error {
            StoreError::ClocksApart { apart } => Refused::clocks_apart(*apart).into(),
            _ if unreachable => RpcError::from(Refused::overloaded()),
            _ => RpcError::internal(fault.clone()),
        };
        let _ = command.reply.send(Err(answer));
    }
}
