//! Reconciliation: a partner streams its own record of a closed window, the hub streams its operations
//! past it, and what differs is kept and answered.
//!
//! 1. `record.rs` reads the header and what it is about; a record that is kept already is answered;
//! 2. `intake.rs` takes the lines, which live in memory alone until the record's end;
//! 3. `comparing.rs` gives the matcher the hub's operations of the window, and those of other windows that
//!    the lines left over name, and keeps the report;
//! 4. `telling.rs` answers it from what is kept, so that the first answer and any later one are the same.
//!
//! What became of breaks is read in `listing.rs`; their steps are writes (`control/breaks.rs`).

mod comparing;
mod hub_side;
mod intake;
mod listing;
mod record;
mod telling;
mod wire;

use std::{sync::Arc, time::Duration};

use entente_api::{
    error::ErrorReason,
    settlement::{ReconcileRequest, ReconcileResponse, Reconciliation, RecordHeader},
};
use entente_ledger::PartnerId;
use entente_loyalty::Partner;
use entente_settlement::reconcile::NotTaken;
use entente_store::{
    StoreError,
    settlement::{self, ListedWindow, reconciliation},
};
use sqlx::PgPool;
use tokio::sync::Semaphore;
use tonic::{Request, Streaming};
use uuid::Uuid;

use crate::{
    authorization::Permit,
    caller::{Caller, Role},
    catalogue::CatalogueCache,
    config::Limits,
    control::{Controls, testing_apart},
    error::{Refused, RpcError},
    personal::Vault,
    settlement::window_unknown,
    streams::{Inbox, Stalled, Streams},
};

pub use listing::Asked as AskedBreaks;
use record::Asked;
pub(crate) use wire::wire_break;

/// How many records are compared at the same time; the others are told to come again.
const AT_ONCE: usize = 2;

/// Reconciliations. Clones share their bounds.
#[derive(Debug, Clone)]
pub struct Reconciliations {
    pool: PgPool,
    pages: PgPool,
    controls: Controls,
    catalogue: Arc<CatalogueCache>,
    vault: Arc<Vault>,
    streams: Streams,
    places: Arc<Semaphore>,
    most_lines: usize,
    patience: Duration,
}

/// A record that is about to be taken.
#[derive(Debug)]
struct Work {
    id: Uuid,
    asked: Asked,
    partner: Partner,
    window: ListedWindow,
    made_by: String,
    caller: Caller,
}

/// Why a reconciliation has no answer.
#[derive(Debug)]
enum Ended {
    /// The caller is told this.
    Told(RpcError),
    /// Nobody is there to be told, or nobody reads.
    Stalled(Stalled),
}

impl Reconciliations {
    /// Over connections by key, and others for pages of windows. A partner has one stream.
    #[must_use]
    pub fn new(
        (pool, pages): (PgPool, PgPool),
        (controls, catalogue, vault): (Controls, Arc<CatalogueCache>, Arc<Vault>),
        streams: Streams,
        limits: &Limits,
    ) -> Self {
        Self {
            pool,
            pages,
            controls,
            catalogue,
            vault,
            streams,
            places: Arc::new(Semaphore::new(AT_ONCE)),
            most_lines: limits.reconciliation_lines,
            patience: limits.stream_unread(),
        }
    }

    /// Serves a stream: what is wrong with its header is answered at once.
    pub async fn serve(
        &self,
        request: Request<Streaming<ReconcileRequest>>,
    ) -> Result<Inbox<ReconcileResponse>, RpcError> {
        let (metadata, extensions, mut record) = request.into_parts();
        let request = Request::from_parts(metadata, extensions, ());
        let permit = Permit::of(&request)?;
        self.whose(permit).await?;
        let header = record::first(&mut record).await?;
        let work = self.work(permit, &header).await?;
        let (outbox, inbox, ending) = self.streams.open(&request, work.partner.id)?;
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| Refused::overloaded())?;
        let this = self.clone();
        tokio::spawn(async move {
            let _place = place;
            match this.run(work, record, &outbox, ending).await {
                Ok(()) => outbox.end(Ok(())),
                Err(Ended::Told(error)) => outbox.fail(error),
                Err(Ended::Stalled(Stalled::Unread)) => {
                    outbox.end(Err(Refused::stream_unread()));
                }
                Err(Ended::Stalled(Stalled::Gone)) => {}
            }
        });
        Ok(inbox)
    }

    /// Whose records a caller may read: `None` for everybody's.
    pub async fn whose(&self, permit: &Permit) -> Result<Option<PartnerId>, RpcError> {
        Ok(self.catalogue.own(permit).await?.map(|own| own.id))
    }

    /// A report, as its breaks stand now, of one partner's record or of anybody's.
    pub async fn report(
        &self,
        (own, role): (Option<PartnerId>, Role),
        id: Uuid,
    ) -> Result<Reconciliation, RpcError> {
        let mut connection = self.pool.acquire().await.map_err(StoreError::from)?;
        let kept = reconciliation::find(&mut connection, id).await?;
        let kept = kept.filter(|kept| own.is_none_or(|own| own == kept.found.partner));
        let kept = kept.ok_or_else(reconciliation_unknown)?;
        let totals = reconciliation::totals(&mut connection, id).await?;
        let catalogue = self.catalogue.current().await?;
        wire::report(&kept, &totals, (&catalogue, role))
    }

    /// Whose record of what it is.
    async fn work(&self, permit: &Permit, header: &RecordHeader) -> Result<Work, RpcError> {
        let asked = record::asked(header)?;
        let partner = self.catalogue.subject(permit, asked.partner.clone()).await?;
        let partner = partner.ok_or_else(record::nobody_named)?;
        let window = settlement::window_by_name(&self.pool, &asked.window).await?;
        let window = window.ok_or_else(window_unknown)?;
        if window.is_testing() != partner.testing {
            let message = "the window and the partner are not of one kind";
            return Err(testing_apart(message).into());
        }
        let id = record::id(header, (partner.id, window.id));
        let (made_by, caller) = (permit.caller().to_string(), permit.caller().clone());
        Ok(Work { id, asked, partner, window, made_by, caller })
    }
}

impl From<Stalled> for Ended {
    fn from(stalled: Stalled) -> Self {
        Self::Stalled(stalled)
    }
}

impl<E: Into<RpcError>> From<E> for Ended {
    fn from(error: E) -> Self {
        Self::Told(error.into())
    }
}

/// The refusal of an id that names no reconciliation, or another partner's.
fn reconciliation_unknown() -> Refused {
    let message = "there is no reconciliation by this id";
    Refused::new(ErrorReason::ReconciliationUnknown, message)
}

/// The refusal of an id that names no break, or another partner's.
pub(crate) fn break_unknown() -> Refused {
    Refused::new(ErrorReason::BreakUnknown, "there is no break by this id")
}

/// The refusal of a record as a whole.
fn record_refused(message: impl Into<String>) -> Refused {
    Refused::new(ErrorReason::RecordRefused, message)
}

fn not_taken(why: NotTaken) -> Refused {
    match why {
        NotTaken::TooManyLines(most) => {
            record_refused(format!("the record has more than {most} lines")).with("most", most)
        }
        NotTaken::Overflow(_) => record_refused("a sum of the record is beyond the range"),
    }
}
