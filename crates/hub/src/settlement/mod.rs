//! What operators and partners read of settlement: positions, windows, statements. Nothing here has
//! an effect.

mod bank;
mod clearing;
mod conversions;
mod disputes;
mod floats;
mod names;
mod obligations;
mod reports;
mod statement;
mod wire;

use std::sync::Arc;

use entente_api::settlement::{
    GetArrangementResponse, GetPositionResponse, GetWindowResponse, Window,
};
use entente_ledger::{PartnerId, WindowId};
use entente_loyalty::Partner;
use entente_store::{
    StoreError, archive,
    catalogue::catalogue_epoch,
    clock,
    settlement::{
        self, WindowChoice, WindowPools, agreement, arrangement_in_force, statement::Statement,
    },
};
use tokio::sync::Semaphore;

pub(crate) use bank::imported_statement;
pub(crate) use clearing::{named, wire_standing, wire_window_state};
pub(crate) use conversions::wire_conversion;
pub(crate) use disputes::{ANSWER, EVIDENCE, dispute_unknown, wire_dispute};
pub(crate) use floats::{Floats, wire_block};
pub(crate) use names::{HUB, Names};
pub use reports::Reports;
use statement::Told;
pub use statement::{Parts, window_unknown};
pub(crate) use wire::closed;

use crate::{
    caller::Role,
    catalogue::CatalogueCache,
    error::{Refused, RpcError},
    personal::Vault,
};

/// How many positions are read at the same time; the others wait.
const POSITIONS_AT_ONCE: usize = 4;
/// How many statements are read at the same time, each by some three connections; the others are told to come
/// again.
const STATEMENTS_AT_ONCE: usize = 8;

/// Reads of settlement. Clones share its bounds.
#[derive(Debug, Clone)]
pub struct Settlements {
    windows: WindowPools,
    catalogue: Arc<CatalogueCache>,
    vault: Arc<Vault>,
    positions: Arc<Semaphore>,
    statements: Arc<Semaphore>,
}

impl Settlements {
    /// Reads from a database.
    #[must_use]
    pub fn new(windows: WindowPools, catalogue: Arc<CatalogueCache>, vault: Arc<Vault>) -> Self {
        let (positions, statements) =
            (Semaphore::new(POSITIONS_AT_ONCE), Semaphore::new(STATEMENTS_AT_ONCE));
        let (positions, statements) = (Arc::new(positions), Arc::new(statements));
        Self { windows, catalogue, vault, positions, statements }
    }

    /// The position of a partner in a window, or of all.
    pub async fn position(
        &self,
        window: WindowChoice,
        partner: Option<PartnerId>,
    ) -> Result<GetPositionResponse, RpcError> {
        let place = Arc::clone(&self.positions).acquire_owned().await;
        let place = place.map_err(|_| Refused::shutting_down())?;
        let pool = self.windows.totals.clone();
        // The snapshot is a transaction, so it lives in a task that no caller can cancel.
        let task = tokio::spawn(async move {
            let _place = place;
            settlement::position(&pool, &window, partner).await
        });
        let position = task.await.map_err(RpcError::internal)??.ok_or_else(window_unknown)?;
        let (_, now) = clock::read(&self.windows.totals).await?;
        wire::position(&position, &self.names().await?, now)
    }

    /// Windows of one kind, newest first, and from where the next page goes on, if there is one.
    pub async fn windows(
        &self,
        testing: bool,
        before: Option<WindowId>,
        size: u16,
    ) -> Result<(Vec<Window>, Option<WindowId>), RpcError> {
        let mut windows =
            settlement::list_windows(&self.windows.totals, testing, before, size.saturating_add(1))
                .await?;
        let more = windows.len() > usize::from(size);
        windows.truncate(size.into());
        let next = windows.last().filter(|_| more).map(|last| last.id);
        Ok((windows.iter().map(wire::window).collect(), next))
    }

    /// How the coalition settles, as a caller of a role is told it.
    pub async fn arrangement(&self, role: Role) -> Result<GetArrangementResponse, RpcError> {
        let mut connection = self.windows.totals.acquire().await.map_err(StoreError::from)?;
        let found = arrangement_in_force(&mut connection).await?;
        clearing::in_force(&found, &self.names().await?, role)
    }

    /// What became of a closed window: for one partner, or for all.
    pub async fn became(
        &self,
        window: &str,
        whom: (Option<PartnerId>, Role),
    ) -> Result<GetWindowResponse, RpcError> {
        let mut connection = self.windows.totals.acquire().await.map_err(StoreError::from)?;
        let found = settlement::window_by_name(&mut *connection, window).await?;
        let window = found.ok_or_else(window_unknown)?;
        let standings = agreement::standings(&mut connection, window.id).await?;
        let changes = agreement::changes(&mut *connection, window.id).await?;
        clearing::became(&window, (standings, changes), whom, &self.names().await?)
    }

    /// The statement of a partner in a closed window, part by part; so many lines in one, or each a part of
    /// its own where 0 are to be.
    pub async fn statement(
        &self,
        partner: Partner,
        window: &str,
        lines_per_message: u16,
    ) -> Result<Parts, RpcError> {
        let place = Arc::clone(&self.statements).try_acquire_owned();
        let place = place.map_err(|_| Refused::overloaded())?;
        let found = settlement::window_by_name(&self.windows.totals, window).await?;
        let window = found.ok_or_else(window_unknown)?;
        archive::whole_window(&self.windows.totals, window.id).await?;
        let (ledger, _) = clock::read(&self.windows.totals).await?;
        let names = self.names().await?;
        let header = wire::header(&partner, &window, ledger);
        let statement = Statement::new(self.windows.clone(), partner.id, window);
        let told = Told::new(partner, names, lines_per_message);
        Ok(statement::stream(header, statement, told, place))
    }

    /// The codes of partners, as new as anything that was read before.
    pub(crate) async fn names(&self) -> Result<Names, StoreError> {
        let epoch = catalogue_epoch(&self.windows.totals).await?;
        Ok(Names::new(self.catalogue.at_least(epoch).await?))
    }
}
