//! The sweeper: holds and lots end at their time, and what is to be announced is, also of members
//! whom nobody asks for. It takes the longest overdue first, a bounded number in each transaction,
//! one transaction at a time, and rests between two as long as the first took: callers always find
//! a head free.

use std::time::{Duration, Instant};

use entente_store::{
    StoreError,
    sweep::{DueMember, SweepCursor, due_members, now},
};
use sqlx::PgPool;
use tokio::sync::watch;

use super::Worker;
use crate::{
    config::WorkerSettings,
    posting::{Sweeps, Swept},
};

/// Sweeps members that have something due.
pub(crate) struct Sweeper {
    pool: PgPool,
    sweeps: Sweeps,
    cell_count: i16,
    every: Duration,
    batch: u16,
}

impl Sweeper {
    /// A sweeper of all cells.
    pub(crate) const fn new(
        pool: PgPool,
        sweeps: Sweeps,
        cell_count: i16,
        settings: &WorkerSettings,
    ) -> Self {
        let (every, batch) = (settings.sweep_every(), settings.sweep_batch);
        Self { pool, sweeps, cell_count, every, batch }
    }

    /// One page of every cell, each in a transaction of its own. `false` when told to stop.
    async fn sweep(
        &self,
        page: &[DueMember],
        stopping: &watch::Receiver<bool>,
    ) -> Result<bool, StoreError> {
        for of_cell in page.chunk_by(|one, other| one.cell == other.cell) {
            if *stopping.borrow() {
                return Ok(false);
            }
            let [first, ..] = of_cell else { continue };
            let members: Vec<_> = of_cell.iter().map(|due| due.member).collect();
            let started = Instant::now();
            let swept = self.sweeps.sweep(first.cell, &members).await?;
            count(members.len(), swept);
            tokio::time::sleep(started.elapsed()).await;
        }
        Ok(true)
    }
}

impl Worker for Sweeper {
    const NAME: &'static str = "sweeper";

    fn every(&self) -> Duration {
        self.every
    }

    async fn round(&mut self, stopping: &watch::Receiver<bool>) -> Result<(), StoreError> {
        let now = now(&self.pool).await?;
        let mut cursor = SweepCursor::start(self.cell_count);
        let mut overdue = None;
        while !cursor.is_done() {
            let page = due_members(&self.pool, &cursor, now, self.batch).await?;
            if overdue.is_none() {
                let oldest = page.iter().map(|due| now.duration_since(due.due_at)).max();
                overdue = Some(oldest.unwrap_or_default().as_secs_f64());
            }
            if !self.sweep(&page, stopping).await? {
                break;
            }
            cursor = cursor.after(&page, self.batch);
        }
        metrics::gauge!("entente_sweep_overdue_seconds").set(overdue.unwrap_or_default());
        Ok(())
    }
}

fn count(members: usize, swept: Swept) {
    let members = u64::try_from(members).unwrap_or(u64::MAX);
    metrics::counter!("entente_swept_members_total").increment(members);
    metrics::counter!("entente_swept_operations_total").increment(swept.operations);
    metrics::counter!("entente_sweep_failures_total").increment(swept.failed);
}
