//! The answer, from what is kept: the report, then its breaks, page by page, as fast as they are read.

use std::sync::Arc;

use entente_api::settlement::{FoundBreaks, ReconcileResponse, reconcile_response::Part};
use entente_store::{StoreError, settlement::reconciliation};
use sqlx::PgPool;
use uuid::Uuid;

use super::{Ended, reconciliation_unknown, wire};
use crate::{caller::Role, catalogue::CatalogueCache, streams::Outbox};

/// Breaks in a message.
const PAGE: u16 = 500;

/// Tells all of a reconciliation.
pub(super) async fn tell(
    pool: &PgPool,
    (catalogue, role): (&Arc<CatalogueCache>, Role),
    (id, already): (Uuid, bool),
    outbox: &Outbox<ReconcileResponse>,
) -> Result<(), Ended> {
    let catalogue = catalogue.current().await?;
    let (kept, totals) = {
        let mut connection = pool.acquire().await.map_err(StoreError::from)?;
        let kept = reconciliation::find(&mut connection, id).await?;
        let totals = reconciliation::totals(&mut connection, id).await?;
        (kept.ok_or_else(reconciliation_unknown)?, totals)
    };
    let mut report = wire::report(&kept, &totals, (&catalogue, role))?;
    report.already = already;
    let (window, partner) = (report.window.clone(), report.partner.clone());
    outbox.send(ReconcileResponse { part: Some(Part::Report(report)) }).await?;
    let mut after = 0;
    loop {
        let page = reconciliation::breaks(pool, id, after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.number;
        let breaks = page.into_iter().map(|kept| wire::kept_break(kept, (&window, &partner), role));
        let breaks = FoundBreaks { breaks: breaks.collect::<Result<_, _>>()? };
        outbox.send(ReconcileResponse { part: Some(Part::Breaks(breaks)) }).await?;
    }
}
