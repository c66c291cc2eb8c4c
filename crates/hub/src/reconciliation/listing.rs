//! Reports and breaks, as operators and partners read them: lists page by page, and the life of one break.

use entente_api::settlement::{GetBreakResponse, ListBreaksResponse, ListReconciliationsResponse};
use entente_ledger::{PartnerId, WindowId};
use entente_store::{
    StoreError, clock,
    settlement::{
        self,
        reconciliation::{
            self, BeforeBreak, BreakFilter, BreakId, Place, find_break, list, list_breaks,
        },
    },
};

use super::{Reconciliations, break_unknown, reconciliation_unknown, wire};
use crate::{
    caller::Role,
    error::RpcError,
    parse::{self, wire_timestamp},
    settlement::window_unknown,
};

/// Which breaks a caller asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// As the request names them.
    pub named: parse::reconciliation::Breaks,
    /// None that are rejected, adjusted or written off.
    pub unresolved: bool,
    /// Whose they are.
    pub partner: Option<PartnerId>,
    /// What the caller is.
    pub role: Role,
}

impl Reconciliations {
    /// A page of reports, and where the next one begins.
    pub async fn reports(
        &self,
        (partner, role): (Option<PartnerId>, Role),
        window: Option<&str>,
        (before, size): (Option<Place>, u16),
    ) -> Result<(ListReconciliationsResponse, Option<Place>), RpcError> {
        let window = self.window(window).await?;
        let mut found = list(&self.pool, (partner, window), before, i64::from(size) + 1).await?;
        let more = found.len() > usize::from(size);
        found.truncate(size.into());
        let next = found.last().filter(|_| more).map(|last| last.place);
        let catalogue = self.catalogue.current().await?;
        let told = found.into_iter().map(|listed| wire::listed(listed, (&catalogue, role)));
        let reconciliations = told.collect::<Result<_, _>>()?;
        let next_page_token = String::new();
        Ok((ListReconciliationsResponse { reconciliations, next_page_token }, next))
    }

    /// A page of breaks, and where the next one begins.
    pub async fn breaks(
        &self,
        asked: &Asked,
        (before, size): (Option<BeforeBreak>, u16),
    ) -> Result<(ListBreaksResponse, Option<BeforeBreak>), RpcError> {
        let filter = self.filter(asked).await?;
        let mut found = list_breaks(&self.pool, &filter, before, i64::from(size) + 1).await?;
        let more = found.len() > usize::from(size);
        found.truncate(size.into());
        let last = found.last().filter(|_| more);
        let next =
            last.map(|(place, last)| BeforeBreak { place: *place, number: last.kept.number });
        let catalogue = self.catalogue.current().await?;
        let told =
            found.into_iter().map(|(_, found)| wire::wire_break(found, &catalogue, asked.role));
        let response = ListBreaksResponse {
            breaks: told.collect::<Result<_, _>>()?,
            next_page_token: String::new(),
            as_of: Some(wire_timestamp(clock::read(&self.pool).await?.1)),
        };
        Ok((response, next))
    }

    /// A break and its life, of one partner's record or of anybody's.
    pub async fn living_break(
        &self,
        (own, role): (Option<PartnerId>, Role),
        id: BreakId,
    ) -> Result<GetBreakResponse, RpcError> {
        let mut connection = self.pool.acquire().await.map_err(StoreError::from)?;
        let found = find_break(&mut connection, id).await?;
        let found = found.filter(|found| own.is_none_or(|own| own == found.found.partner));
        let found = found.ok_or_else(break_unknown)?;
        let catalogue = self.catalogue.current().await?;
        let steps = found.life.steps().iter().map(|step| wire::step(step, role)).collect();
        Ok(GetBreakResponse {
            found: Some(wire::wire_break(found.found, &catalogue, role)?),
            steps,
            superseded: found.superseded,
            as_of: Some(wire_timestamp(clock::read(&mut *connection).await?.1)),
        })
    }

    async fn filter(&self, asked: &Asked) -> Result<BreakFilter, RpcError> {
        let (named, partner) = (&asked.named, asked.partner);
        let window = self.window(named.window.as_deref()).await?;
        let report = named.reconciliation.map(|id| id.0);
        if let Some(id) = report {
            let mut connection = self.pool.acquire().await.map_err(StoreError::from)?;
            let kept = reconciliation::find(&mut connection, id).await?;
            let kept =
                kept.filter(|kept| partner.is_none_or(|partner| partner == kept.found.partner));
            kept.ok_or_else(reconciliation_unknown)?;
        }
        let (kind, state, owner) = (named.kind, named.state, named.owner.clone());
        let unresolved = asked.unresolved;
        Ok(BreakFilter { reconciliation: report, partner, window, kind, state, owner, unresolved })
    }

    async fn window(&self, name: Option<&str>) -> Result<Option<WindowId>, RpcError> {
        let Some(name) = name else { return Ok(None) };
        let window = settlement::window_by_name(&self.pool, name).await?;
        Ok(Some(window.ok_or_else(window_unknown)?.id))
    }
}
