//! The posting pipeline: every change of points goes through here.
//!
//! 1. `rpc/points.rs` parses a request and calls [`Posting::submit`].
//! 2. The resolver answers an id that has an outcome, then finds the member and its cell.
//! 3. The command waits in its cell's bounded queue.
//! 4. A writer takes all that is queued as one batch, in one transaction: `batch.rs`.
//! 5. Each caller is answered after the commit.
//!
//! What is due of members whom nobody asks for is posted by the same phases: `sweep.rs`.
//!
//! No caller owns a transaction: one that cancels loses its answer, never a half-done batch.

mod answer;
mod batch;
mod measure;
mod needs;
mod quote;
mod resolver;
mod submission;
mod sweep;
mod told;
mod writer;

use std::{sync::Arc, time::Duration};

use sqlx::PgPool;
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
};

pub use answer::{
    COALITION, balances as wire_balances, kind as wire_kind, operation as wire_operation,
};
pub use quote::{Quote, Quotes};
pub use submission::{Ask, Posted, Submission, Target};
pub use sweep::{Sweeps, Swept};

use crate::{
    catalogue::CatalogueCache,
    config::PostingLimits,
    error::{Refused, RpcError},
    feed::Heads,
};
use resolver::{Resolved, Resolver};
use submission::Queued;

/// How many references the resolver remembers.
const REFERENCES: usize = 100_000;

/// The way into the pipeline. Clones share it.
#[derive(Debug, Clone)]
pub struct Posting {
    resolver: Resolver,
    queues: Arc<[mpsc::Sender<Queued>]>,
}

/// The tasks behind a [`Posting`].
#[derive(Debug)]
pub struct PostingTasks {
    tasks: JoinSet<()>,
    stop: watch::Sender<bool>,
}

impl Posting {
    /// Starts the resolver and the writers.
    #[must_use]
    pub fn start(
        pool: &PgPool,
        catalogue: &Arc<CatalogueCache>,
        heads: &Heads,
        limits: &PostingLimits,
    ) -> (Self, PostingTasks) {
        let mut tasks = JoinSet::new();
        let (stop, stopped) = watch::channel(false);
        let (resolver, resolving) = Resolver::start(pool.clone(), limits, stopped.clone());
        tasks.spawn(resolving);
        let mut queues = Vec::with_capacity(limits.writers);
        for _ in 0..limits.writers.max(1) {
            let (queue, queued) = mpsc::channel(limits.queue);
            let (catalogue, heads) = (Arc::clone(catalogue), heads.clone());
            let context = batch::Context { pool: pool.clone(), catalogue, heads };
            tasks.spawn(writer::run(context, queued, limits.batch, stopped.clone()));
            queues.push(queue);
        }
        (Self { resolver, queues: queues.into() }, PostingTasks { tasks, stop })
    }

    /// Sweeps on connections of the pipeline.
    #[must_use]
    pub fn sweeps(pool: &PgPool, catalogue: &Arc<CatalogueCache>, heads: &Heads) -> Sweeps {
        let (catalogue, heads) = (Arc::clone(catalogue), heads.clone());
        Sweeps::new(batch::Context { pool: pool.clone(), catalogue, heads })
    }

    /// Posts a command, and answers after its commit.
    pub async fn submit(&self, submission: Submission) -> Result<Posted, RpcError> {
        let resolved = match self.resolver.resolve(&submission).await? {
            Resolved::Answered(outcome) => {
                return batch::replay(&submission.fingerprint, &outcome);
            }
            Resolved::Found(resolved) => resolved,
        };
        let (reply, answer) = oneshot::channel();
        let queued = Queued::new(submission, resolved, reply);
        let cell = usize::try_from(queued.link.cell.0).unwrap_or_default();
        let queue = &self.queues[cell % self.queues.len()];
        queue.try_send(queued).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Refused::overloaded(),
            mpsc::error::TrySendError::Closed(_) => Refused::shutting_down(),
        })?;
        answer.await.unwrap_or_else(|_| Err(Refused::overloaded().into()))
    }
}

impl PostingTasks {
    /// Takes nothing more, and waits until everything queued is answered, at most for `bound`.
    pub async fn drained(mut self, bound: Duration) -> bool {
        self.stop.send_replace(true);
        let all = async { while self.tasks.join_next().await.is_some() {} };
        tokio::time::timeout(bound, all).await.is_ok()
    }
}

/// Takes all that is queued, up to `most`, into `taken`; once stopped, the queue is closed, and
/// what is still in it is taken too. `false` when there is nothing more to come.
async fn take<T>(
    queue: &mut mpsc::Receiver<T>,
    taken: &mut Vec<T>,
    most: usize,
    stopped: &mut watch::Receiver<bool>,
) -> bool {
    let received = tokio::select! {
        biased;
        _ = stopped.wait_for(|stopped| *stopped) => None,
        received = queue.recv_many(taken, most) => Some(received),
    };
    if let Some(received) = received {
        return received > 0;
    }
    queue.close();
    queue.recv_many(taken, most).await > 0
}
