//! The second phase: the hub's operations of the window stream past the lines, then those of other
//! windows that the lines left over name; and the report is kept. Nobody can cut it short.

use std::{collections::HashSet, sync::Arc};

use entente_api::settlement::{ReconcileRequest, ReconcileResponse};
use entente_ledger::Currency;
use entente_settlement::reconcile::{Matcher, Matching, Report, Unexplained};
use entente_store::{
    StoreError, archive,
    control::Control,
    settlement::reconciliation::{self, Found, HubRow, HubSide},
};
use tokio::sync::mpsc;
use tonic::Streaming;

use super::{
    Ended, Reconciliations, Work, hub_side,
    intake::{End, Intake, progress},
    not_taken,
    record::Naming,
    record_refused, telling, wire,
};
use crate::{
    control,
    error::RpcError,
    ids,
    streams::{Ending, Outbox, Stalled},
};

/// Lines that are looked up elsewhere in one statement.
const LOOKED_UP: usize = 1_000;
/// How often progress is told, in operations.
const TELL_EVERY: u64 = 50_000;

impl Reconciliations {
    /// A record, from its header to its answer.
    pub(super) async fn run(
        &self,
        work: Work,
        mut record: Streaming<ReconcileRequest>,
        outbox: &Outbox<ReconcileResponse>,
        ending: Ending,
    ) -> Result<(), Ended> {
        let already = reconciliation::is_kept(&self.pool, work.id).await?;
        if !already {
            let usual = usual(&work)?;
            let rules = work.asked.rules(&work.window, self.most_lines);
            let matcher = Matcher::new(rules, ids::seed());
            let mut end: End = Box::pin(ending.reached());
            let (names, partner) = (work.asked.names, work.partner.id);
            let naming = Naming { names, partner, vault: Arc::clone(&self.vault) };
            let intake = Intake::new(matcher, (naming, usual), self.patience, outbox);
            let matcher = intake.whole(&mut record, &mut end).await?;
            let report = self.compare(&work, matcher, usual, outbox).await?;
            self.keep(&work, report).await?;
        }
        let whom = (&self.catalogue, work.caller.role());
        telling::tell(&self.pool, whom, (work.id, already), outbox).await
    }

    async fn compare(
        &self,
        work: &Work,
        matcher: Matcher,
        usual: Currency,
        outbox: &Outbox<ReconcileResponse>,
    ) -> Result<Report, Ended> {
        let line_count = matcher.file().count;
        let mut matching = matcher.against();
        let (partner, names) = (work.partner.id, work.asked.names);
        let side = HubSide::new(self.pages.clone(), partner, &work.window, names)?;
        let mut pages = ahead(side);
        let (mut operations, mut told) = (0_u64, 0);
        while let Some(page) = pages.recv().await {
            for row in &page? {
                let operation = hub_side::operation(row, work.window.id, usual)?;
                matching.operation(operation, hub_side::texts(row)).map_err(not_taken)?;
                operations += 1;
            }
            if operations.saturating_sub(told) >= TELL_EVERY {
                told = operations;
                // Whoever does not read is not waited for here; the report is kept all the same.
                if outbox.send(progress(line_count, operations)).await == Err(Stalled::Unread) {
                    return Err(Stalled::Unread.into());
                }
            }
        }
        self.look_elsewhere(work, &mut matching, usual).await?;
        let finished = tokio::task::spawn_blocking(move || matching.finish()).await;
        finished.map_err(RpcError::internal)?.map_err(|error| match error {
            Unexplained::Overflow(_) => {
                record_refused("a sum of the record is beyond the range").into()
            }
            Unexplained::Amounts { .. } => RpcError::internal(error).into(),
        })
    }

    /// Gives what the lines left over name in other windows. It is bounded by the lines.
    async fn look_elsewhere(
        &self,
        work: &Work,
        matching: &mut Matching,
        usual: Currency,
    ) -> Result<(), Ended> {
        let (mut from, mut seen) = (0, HashSet::new());
        loop {
            let mut asked = reconciliation::Asked::default();
            let mut last = None;
            for (place, line, texts) in matching.unmatched(from).take(LOOKED_UP) {
                asked.request_ids.extend(line.request_id.map(|id| id.0));
                if !texts.receipt.is_empty() {
                    asked.receipts.push(texts.receipt.to_owned());
                }
                last = Some(place);
            }
            let Some(last) = last else { return Ok(()) };
            let whose = (work.partner.id, work.window.id);
            let named = (asked.request_ids.as_slice(), asked.receipts.as_slice());
            archive::look_up(&self.pool, whose.0, named).await?;
            for row in reconciliation::elsewhere(&self.pool, whose, &asked).await? {
                if seen.insert(row.request_id) {
                    let operation = hub_side::operation(&row, work.window.id, usual)?;
                    matching.operation(operation, hub_side::texts(&row)).map_err(not_taken)?;
                }
            }
            from = last.saturating_add(1);
        }
    }

    /// Keeps a report. Where another hub was first with the same record, its report stands.
    async fn keep(&self, work: &Work, report: Report) -> Result<(), Ended> {
        let found = Arc::new(found(work, &report));
        let (pool, report) = (self.pool.clone(), Arc::new(report));
        let keep = move || {
            let (pool, found, report) = (pool.clone(), Arc::clone(&found), Arc::clone(&report));
            async move {
                let mut control = Control::begin_without_heads(&pool).await?;
                let breaks = report.breaks().map(|found| wire::new_break(&found));
                if reconciliation::keep(&mut control, &found, breaks).await? {
                    control.commit().await?;
                } else {
                    control.rollback().await?;
                }
                Ok::<_, control::Ended>(())
            }
        };
        Ok(self.controls.run_for(work.caller.role(), keep).await?)
    }
}

/// Reads one page ahead, so that neither the database nor the matcher waits for the other.
fn ahead(mut side: HubSide) -> mpsc::Receiver<Result<Vec<HubRow>, StoreError>> {
    let (pages, read) = mpsc::channel(1);
    tokio::spawn(async move {
        while let Some(page) = side.page().await.transpose() {
            let failed = page.is_err();
            if pages.send(page).await.is_err() || failed {
                return;
            }
        }
    });
    read
}

/// The currency of what names none: that of the partner's newest terms.
fn usual(work: &Work) -> Result<Currency, StoreError> {
    let newest = work.partner.terms.last().map(|terms| terms.agreement.currency);
    let any = || "XXX".parse().map_err(|_| StoreError::inconsistent("terms", "currency", "none"));
    newest.map_or_else(any, Ok)
}

fn found(work: &Work, report: &Report) -> Found {
    Found {
        id: work.id,
        partner: work.partner.id,
        window: work.window.id,
        file_sha256: work.asked.file_sha256.clone(),
        file_name: work.asked.file_name.clone(),
        reading: work.asked.reading.clone(),
        made_by: work.made_by.clone(),
        with_money: work.asked.with_money,
        hub: report.hub().clone(),
        file: report.file().clone(),
        stated: work.asked.stated.clone(),
        unreadable: report.unreadable().to_vec(),
    }
}
