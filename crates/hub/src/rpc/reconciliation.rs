//! ReconciliationService: parse, call, map.

use std::sync::Arc;

use entente_api::settlement::{
    GetBreakRequest, GetBreakResponse, GetReconciliationRequest, GetReconciliationResponse,
    ListBreaksRequest, ListBreaksResponse, ListReconciliationsRequest, ListReconciliationsResponse,
    ReconcileRequest, ReconcileResponse, StepBreakRequest, StepBreakResponse,
    reconciliation_service_server::ReconciliationService,
};
use entente_ledger::PartnerId;
use entente_store::settlement::reconciliation::{BeforeBreak, Place};
use jiff::Timestamp;
use prost::Message;
use tonic::{Request, Response, Status, Streaming};

use crate::{
    authorization::Permit,
    caller::Role,
    catalogue::CatalogueCache,
    control::{Claim, Controls, StepBreak},
    error::{Refused, RpcError},
    page_token::{Binding, PageTokens},
    parse::{self, Violations},
    reconciliation::{AskedBreaks, Reconciliations},
    streams::Inbox,
};

/// ReconciliationService over what is compared and kept, and what becomes of it.
#[derive(Debug)]
pub struct Reconciling {
    /// Where records are compared and reports read.
    pub reconciliations: Reconciliations,
    /// Where writes go.
    pub controls: Controls,
    /// Who the partners are.
    pub catalogue: Arc<CatalogueCache>,
    /// Where lists go on.
    pub page_tokens: Arc<PageTokens>,
}

/// Where a list of reports, or of breaks, goes on.
#[derive(Clone, PartialEq, Message)]
struct Before {
    #[prost(int64, tag = "1")]
    made_at_micros: i64,
    #[prost(int64, tag = "2")]
    entry: i64,
    #[prost(int32, tag = "3")]
    number: i32,
}

impl Before {
    fn of(place: Place, number: i32) -> Self {
        Self { made_at_micros: place.made_at.as_microsecond(), entry: place.entry, number }
    }

    /// The place that a token seals: the hub wrote it, so it is well formed.
    fn place(&self) -> Result<Place, RpcError> {
        let made_at = Timestamp::from_microsecond(self.made_at_micros);
        Ok(Place { made_at: made_at.map_err(RpcError::internal)?, entry: self.entry })
    }
}

/// Whose side a caller sees: its own, or for an operator all; and what it is.
type Whose = (Option<PartnerId>, Role);

impl Reconciling {
    async fn whose(&self, permit: &Permit) -> Result<Whose, RpcError> {
        Ok((self.reconciliations.whose(permit).await?, permit.caller().role()))
    }
}

#[tonic::async_trait]
impl ReconciliationService for Reconciling {
    type ReconcileStream = Inbox<ReconcileResponse>;

    async fn reconcile(
        &self,
        request: Request<Streaming<ReconcileRequest>>,
    ) -> Result<Response<Self::ReconcileStream>, Status> {
        Ok(Response::new(self.reconciliations.serve(request).await?))
    }

    async fn get_reconciliation(
        &self,
        request: Request<GetReconciliationRequest>,
    ) -> Result<Response<GetReconciliationResponse>, Status> {
        let whose = self.whose(Permit::of(&request)?).await?;
        let mut violations = Violations::default();
        let id = parse::request_id(&request.get_ref().reconciliation);
        let id = violations.field("reconciliation", id);
        let id = id.ok_or_else(|| RpcError::from(violations.refused()))?;
        let report = Some(self.reconciliations.report(whose, id.0).await?);
        Ok(Response::new(GetReconciliationResponse { report }))
    }

    async fn list_reconciliations(
        &self,
        request: Request<ListReconciliationsRequest>,
    ) -> Result<Response<ListReconciliationsResponse>, Status> {
        let permit = Permit::of(&request)?;
        self.catalogue.own(permit).await?;
        let asked = request.get_ref();
        let named = parse::reconciliation::reports(&asked.window, &asked.partner);
        let (window, partner) = named.map_err(RpcError::from)?;
        let filter = [asked.window.as_str(), &asked.partner];
        let binding = Binding::new(permit.caller(), "reconciliations", &filter);
        let (size, token) = (asked.page_size, &asked.page_token);
        let (size, before) = parse::page::<Before>(&self.page_tokens, &binding, size, token)
            .map_err(RpcError::from)?;
        let partner = self.catalogue.subject(permit, partner).await?.map(|partner| partner.id);
        let whom = (partner, permit.caller().role());
        let before = before.map(|before| before.place()).transpose()?;
        let page = self.reconciliations.reports(whom, window.as_deref(), (before, size)).await?;
        let (mut response, next) = page;
        if let Some(next) = next {
            response.next_page_token = self.page_tokens.seal(&binding, &Before::of(next, 0));
        }
        Ok(Response::new(response))
    }

    async fn list_breaks(
        &self,
        request: Request<ListBreaksRequest>,
    ) -> Result<Response<ListBreaksResponse>, Status> {
        let permit = Permit::of(&request)?;
        let own = self.catalogue.own(permit).await?;
        let asked = request.get_ref();
        let named = parse::reconciliation::breaks(asked).map_err(RpcError::from)?;
        if own.is_some() && named.owner.is_some() {
            // Partners are not told who they are.
            return Err(RpcError::from(Refused::not_allowed()).into());
        }
        let binding = binding(permit, asked);
        let (size, token) = (asked.page_size, &asked.page_token);
        let (size, before) = parse::page::<Before>(&self.page_tokens, &binding, size, token)
            .map_err(RpcError::from)?;
        let partner = self.catalogue.subject(permit, named.partner.clone()).await?;
        let partner = partner.map(|partner| partner.id);
        let (unresolved, role) = (asked.unresolved, permit.caller().role());
        let asked = AskedBreaks { named, unresolved, partner, role };
        let before = match before {
            Some(before) => Some(BeforeBreak { place: before.place()?, number: before.number }),
            None => None,
        };
        let (mut response, next) = self.reconciliations.breaks(&asked, (before, size)).await?;
        if let Some(next) = next {
            let next = Before::of(next.place, next.number);
            response.next_page_token = self.page_tokens.seal(&binding, &next);
        }
        Ok(Response::new(response))
    }

    async fn get_break(
        &self,
        request: Request<GetBreakRequest>,
    ) -> Result<Response<GetBreakResponse>, Status> {
        let whose = self.whose(Permit::of(&request)?).await?;
        let id = parse::reconciliation::named(&request.get_ref().break_id);
        let id = id.map_err(RpcError::from)?;
        Ok(Response::new(self.reconciliations.living_break(whose, id).await?))
    }

    async fn step_break(
        &self,
        request: Request<StepBreakRequest>,
    ) -> Result<Response<StepBreakResponse>, Status> {
        let permit = Permit::of(&request)?;
        let own = self.catalogue.own(permit).await?;
        let asked = request.get_ref();
        let parsed = parse::reconciliation::step(asked).map_err(RpcError::from)?;
        let parse::reconciliation::Step { id, break_id, to, reason } = parsed;
        if own.is_some() && to.is_operators() {
            return Err(RpcError::from(Refused::not_allowed()).into());
        }
        let claim = Claim::of_caller(own.as_ref(), id, asked);
        let (caller, own) = (permit.caller().clone(), own.map(|own| own.id));
        let step = StepBreak { break_id, to, reason, caller, own };
        Ok(Response::new(self.controls.write(claim, step).await?))
    }
}

/// What a list of breaks is bound to: all of its filter.
fn binding(permit: &Permit, asked: &ListBreaksRequest) -> Binding {
    let (kind, state) = (asked.kind.to_string(), asked.state.to_string());
    let filter = [
        asked.reconciliation.as_str(),
        &asked.window,
        &asked.partner,
        &kind,
        &state,
        &asked.owner,
        if asked.unresolved { "unresolved" } else { "all" },
    ];
    Binding::new(permit.caller(), "breaks", &filter)
}
