//! The posting pipeline: every change of points goes through here.
//!
//! 1. `rpc/points.rs` parses a request and calls [`Posting::submit`].
//! 2. The resolver answers an id that has an outcome, then finds the member and its cell.
//! 3. The command waits in its cell's bounded queue, in its partner's lane.
//! 4. A writer takes all that is queued as one batch, in one transaction: `batch.rs`.
//! 5. Each caller is answered after the commit. What is due though nobody asks: `sweep.rs`.
//!
//! No caller owns a transaction: one that cancels loses its answer, never a half-done batch.

mod answer;
mod batch;
pub(crate) mod erasing;
mod measure;
pub(crate) mod merging;
mod needs;
mod pace;
mod queue;
mod quote;
mod resolver;
mod submission;
mod sweep;
mod told;
mod writer;

use std::{sync::Arc, time::Duration};

use entente_ledger::PartnerId;
use entente_store::personal::Lookup;
use sqlx::PgPool;
use tokio::{
    sync::{oneshot, watch},
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
    expiring::KeptSums,
    feed::Heads,
};
use queue::{Queue, Via};
pub(crate) use resolver::Resolved;
use resolver::{Remembered, Resolver};
use submission::Queued;

/// How many references the resolver remembers.
const REFERENCES: usize = 100_000;

/// The way into the pipeline. Clones share it.
#[derive(Debug, Clone)]
pub struct Posting {
    resolver: Resolver,
    queues: Arc<[Queue<Queued>]>,
    sums: KeptSums,
}

/// The answer to a queued command.
#[derive(Debug)]
pub(crate) enum Answer {
    /// Nothing has to be posted for it.
    Known(Result<Posted, RpcError>),
    /// It comes after the commit.
    Awaited(oneshot::Receiver<Result<Posted, RpcError>>),
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
        let (links, sums) = (Remembered::new(REFERENCES), KeptSums::new());
        let (resolver, resolving) =
            Resolver::start(pool.clone(), links.clone(), limits, stopped.clone());
        tasks.spawn(resolving);
        let mut queues = Vec::with_capacity(limits.writers);
        for _ in 0..limits.writers.max(1) {
            let (queue, queued) = queue::queue(limits.queue, limits.lines());
            let (catalogue, heads) = (Arc::clone(catalogue), heads.clone());
            let (pool, links, sums) = (pool.clone(), links.clone(), sums.clone());
            let within = limits.transaction();
            let context = batch::Context { pool, within, catalogue, heads, links, sums };
            tasks.spawn(writer::run(context, queued, limits.batch, stopped.clone()));
            queues.push(queue);
        }
        (Self { resolver, queues: queues.into(), sums }, PostingTasks { tasks, stop })
    }

    /// Sweeps on connections of the pipeline.
    #[must_use]
    pub fn sweeps(
        pool: &PgPool,
        catalogue: &Arc<CatalogueCache>,
        heads: &Heads,
        limits: &PostingLimits,
    ) -> Sweeps {
        let (catalogue, heads) = (Arc::clone(catalogue), heads.clone());
        // A sweep names no reference, and moves on nothing that is kept.
        let (links, sums) = (Remembered::new(1), KeptSums::new());
        let (pool, within) = (pool.clone(), limits.transaction());
        Sweeps::new(batch::Context { pool, within, catalogue, heads, links, sums })
    }

    /// Posts a command, and answers after its commit. A full queue refuses it, and one in which its
    /// partner has its share.
    pub async fn submit(&self, submission: Submission) -> Result<Posted, RpcError> {
        let via = Via::Call(submission.deadline);
        let resolved = self.resolver.resolve(&submission, via).await?;
        self.enqueue(submission, resolved, via).await.posted().await
    }

    /// A reference is no longer what it was remembered as.
    pub(crate) fn forget(&self, partner: PartnerId, reference: Lookup) {
        self.resolver.forget(partner, reference);
    }

    /// What is kept of members with many lots.
    pub(crate) fn sums(&self) -> KeptSums {
        self.sums.clone()
    }

    /// What a submission's reference is remembered as.
    pub(crate) fn remembered(&self, submission: &Submission) -> Option<Resolved> {
        self.resolver.remembered(submission)
    }

    /// Finds the member of a stream's line, for [`Posting::queue`]. It waits for its place.
    pub(crate) async fn resolve(&self, submission: &Submission) -> Result<Resolved, RpcError> {
        self.resolver.resolve(submission, Via::Line).await
    }

    /// Queues a stream's line that was resolved; what is queued in order is posted in order, member
    /// by member. It waits for its place.
    pub(crate) async fn queue(&self, submission: Submission, resolved: Resolved) -> Answer {
        self.enqueue(submission, resolved, Via::Line).await
    }

    async fn enqueue(&self, submission: Submission, resolved: Resolved, via: Via) -> Answer {
        let resolution = match resolved {
            Resolved::Answered(outcome) => {
                return Answer::Known(batch::replay(&submission.fingerprint, &outcome));
            }
            Resolved::Found(resolution) => resolution,
        };
        let (reply, answer) = oneshot::channel();
        let queued = Queued::new(submission, resolution, reply);
        let cell = usize::try_from(queued.link.cell.0).unwrap_or_default();
        let partner = queued.command.partner;
        match self.queues[cell % self.queues.len()].send(partner, queued, via).await {
            Ok(()) => Answer::Awaited(answer),
            Err(refused) => Answer::Known(Err(refused.into())),
        }
    }
}

impl Answer {
    /// What became of the command, after its commit.
    pub(crate) async fn posted(self) -> Result<Posted, RpcError> {
        match self {
            Self::Known(known) => known,
            Self::Awaited(answer) => {
                answer.await.unwrap_or_else(|_| Err(Refused::overloaded().into()))
            }
        }
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
