//! ClearingService: parse, call, map.

use std::{sync::Arc, time::Duration};

use entente_api::settlement::{
    AgreeStatementRequest, AgreeStatementResponse, AnswerDisputeRequest, AnswerDisputeResponse,
    AssignPaymentRequest, AssignPaymentResponse, DisputeLinesRequest, DisputeLinesResponse,
    ExportObligationsRequest, ExportObligationsResponse, GetArrangementRequest,
    GetArrangementResponse, GetWindowRequest, GetWindowResponse, ImportBankStatementRequest,
    ImportBankStatementResponse, ListBankEntriesRequest, ListBankEntriesResponse,
    ListConversionsRequest, ListConversionsResponse, ListDisputedOperationsRequest,
    ListDisputedOperationsResponse, ListDisputesRequest, ListDisputesResponse,
    ListObligationsRequest, ListObligationsResponse, clearing_service_server::ClearingService,
};
use entente_ledger::PartnerId;
use entente_loyalty::PartnerCode;
use entente_store::settlement::statement::BehindPlace;
use prost::Message;
use tonic::{Request, Response, Status, Streaming};

use super::{after::AfterOperation, settlement::nobody_named};
use crate::{
    authorization::Permit,
    catalogue::CatalogueCache,
    control::{AgreeStatement, Claim, Controls, DisputeLines},
    error::RpcError,
    page_token::{Binding, PageTokens},
    parse::{self, Violations},
    settlement::{Settlements, imported_statement},
};

/// The largest document of bank statements, in bytes.
const LARGEST_DOCUMENT: usize = 16 * 1_024 * 1_024;

/// How long the hub waits for the next part of one.
const PATIENCE: Duration = Duration::from_secs(30);

/// ClearingService over control writes and reads.
#[derive(Debug)]
pub struct Clearing {
    /// Where writes go.
    pub controls: Controls,
    /// Where windows are read.
    pub settlements: Settlements,
    /// Who the partners are.
    pub catalogue: Arc<CatalogueCache>,
    /// Where lists go on.
    pub page_tokens: Arc<PageTokens>,
}

/// Where a list goes on.
#[derive(Clone, PartialEq, Message)]
struct From {
    #[prost(uint64, tag = "1")]
    place: u64,
}

impl From {
    fn place(&self) -> usize {
        usize::try_from(self.place).unwrap_or(usize::MAX)
    }
}

impl Clearing {
    /// Of which closed window, and about whom, a read is; a partner whom the ledger does not know is
    /// refused before anything that it sent is read.
    async fn asked(
        &self,
        permit: &Permit,
        window: &str,
        partner: &str,
    ) -> Result<(String, Option<PartnerId>), RpcError> {
        self.catalogue.own(permit).await?;
        let (name, named) = parse::clearing::window(window, partner)?;
        let partner = self.catalogue.subject(permit, named).await?;
        Ok((name, partner.map(|partner| partner.id)))
    }

    fn next(&self, binding: &Binding, next: Option<usize>) -> String {
        let place = next.map(|next| u64::try_from(next).unwrap_or(u64::MAX));
        place.map(|place| self.page_tokens.seal(binding, &From { place })).unwrap_or_default()
    }
}

/// Whom a write of a partner, or of an operator for one, is about; whether there is one is found out
/// once the request id is known to be new.
fn about(permit: &Permit, named: Option<PartnerCode>) -> Result<PartnerCode, RpcError> {
    permit.subject(named)?.ok_or_else(nobody_named)
}

#[tonic::async_trait]
impl ClearingService for Clearing {
    async fn get_arrangement(
        &self,
        request: Request<GetArrangementRequest>,
    ) -> Result<Response<GetArrangementResponse>, Status> {
        let permit = Permit::of(&request)?;
        self.catalogue.own(permit).await?;
        Ok(Response::new(self.settlements.arrangement(permit.caller().role()).await?))
    }

    async fn get_window(
        &self,
        request: Request<GetWindowRequest>,
    ) -> Result<Response<GetWindowResponse>, Status> {
        let permit = Permit::of(&request)?;
        let asked = request.get_ref();
        let (name, partner) = self.asked(permit, &asked.window, &asked.partner).await?;
        let whom = (partner, permit.caller().role());
        Ok(Response::new(self.settlements.became(&name, whom).await?))
    }

    async fn agree_statement(
        &self,
        request: Request<AgreeStatementRequest>,
    ) -> Result<Response<AgreeStatementResponse>, Status> {
        let permit = Permit::of(&request)?;
        let own = self.catalogue.own(permit).await?;
        let asked = request.get_ref();
        let (id, window, named) = parse::clearing::agree(asked).map_err(RpcError::from)?;
        let partner = about(permit, named)?;
        let claim = Claim::of_caller(own.as_ref(), id, asked);
        let agree = AgreeStatement { window, partner, actor: permit.actor().name };
        Ok(Response::new(self.controls.write(claim, agree).await?))
    }

    async fn dispute_lines(
        &self,
        request: Request<DisputeLinesRequest>,
    ) -> Result<Response<DisputeLinesResponse>, Status> {
        let permit = Permit::of(&request)?;
        let own = self.catalogue.own(permit).await?;
        let asked = request.get_ref();
        let parsed = parse::dispute::lines(asked).map_err(RpcError::from)?;
        let parse::dispute::Disputed { id, window, partner, lines, totals, code, evidence } =
            parsed;
        let partner = about(permit, partner)?;
        let claim = Claim::of_caller(own.as_ref(), id, asked);
        let (actor, vault) = (permit.actor().name, None);
        let dispute =
            DisputeLines { id, window, partner, lines, totals, code, evidence, actor, vault };
        Ok(Response::new(self.controls.write(claim, dispute).await?))
    }

    async fn answer_dispute(
        &self,
        request: Request<AnswerDisputeRequest>,
    ) -> Result<Response<AnswerDisputeResponse>, Status> {
        let actor = Permit::of(&request)?.actor().name;
        let asked = request.get_ref();
        let (id, answer) = parse::dispute::answer(asked, actor).map_err(RpcError::from)?;
        let claim = Claim::of_operator(id, asked);
        Ok(Response::new(self.controls.write(claim, answer).await?))
    }

    async fn list_disputes(
        &self,
        request: Request<ListDisputesRequest>,
    ) -> Result<Response<ListDisputesResponse>, Status> {
        let permit = Permit::of(&request)?;
        let asked = request.get_ref();
        let (name, partner) = self.asked(permit, &asked.window, &asked.partner).await?;
        let whom = (partner, permit.caller().role());
        let disputes = self.settlements.disputes(&name, whom).await?;
        Ok(Response::new(ListDisputesResponse { disputes }))
    }

    async fn list_disputed_operations(
        &self,
        request: Request<ListDisputedOperationsRequest>,
    ) -> Result<Response<ListDisputedOperationsResponse>, Status> {
        let permit = Permit::of(&request)?;
        let own = self.catalogue.own(permit).await?.map(|own| own.id);
        let asked = request.get_ref();
        let named = parse::dispute::total_of(asked).map_err(RpcError::from)?;
        let of = [asked.dispute.as_str(), &asked.total.to_string()];
        let binding = Binding::new(permit.caller(), "disputed-operations", &of);
        let (size, token) = (asked.page_size, &asked.page_token);
        let (size, after) = parse::page::<AfterMoved>(&self.page_tokens, &binding, size, token)
            .map_err(RpcError::from)?;
        let after = after.map(|after| after.place()).transpose()?;
        let (operations, next) =
            self.settlements.disputed_operations(own, named, (after, size)).await?;
        let next = next.map(|next| self.page_tokens.seal(&binding, &AfterMoved::of(next)));
        let next_page_token = next.unwrap_or_default();
        Ok(Response::new(ListDisputedOperationsResponse { operations, next_page_token }))
    }

    async fn list_obligations(
        &self,
        request: Request<ListObligationsRequest>,
    ) -> Result<Response<ListObligationsResponse>, Status> {
        let permit = Permit::of(&request)?;
        let asked = request.get_ref();
        let (name, partner) = self.asked(permit, &asked.window, &asked.partner).await?;
        let of = [name.as_str(), asked.partner.as_str()];
        let binding = Binding::new(permit.caller(), "obligations", &of);
        let (size, token) = (asked.page_size, &asked.page_token);
        let (size, from) = parse::page::<From>(&self.page_tokens, &binding, size, token)
            .map_err(RpcError::from)?;
        let place = (from.unwrap_or_default().place(), size);
        let (obligations, next) = self.settlements.obligations(&name, partner, place).await?;
        let next_page_token = self.next(&binding, next);
        Ok(Response::new(ListObligationsResponse { obligations, next_page_token }))
    }

    async fn import_bank_statement(
        &self,
        request: Request<Streaming<ImportBankStatementRequest>>,
    ) -> Result<Response<ImportBankStatementResponse>, Status> {
        let actor = Permit::of(&request)?.actor().name;
        let document = document(request.into_inner()).await?;
        let imported = self.controls.import_bank_statement(document, actor).await?;
        let statements = imported.into_iter().map(imported_statement).collect();
        Ok(Response::new(ImportBankStatementResponse { statements }))
    }

    async fn list_bank_entries(
        &self,
        request: Request<ListBankEntriesRequest>,
    ) -> Result<Response<ListBankEntriesResponse>, Status> {
        let permit = Permit::of(&request)?;
        let asked = request.get_ref();
        let kind = if asked.waiting { "waiting" } else { "all" };
        let binding = Binding::new(permit.caller(), "bank-entries", &[kind]);
        let (size, token) = (asked.page_size, &asked.page_token);
        let (size, before) = parse::page::<BeforeEntry>(&self.page_tokens, &binding, size, token)
            .map_err(RpcError::from)?;
        let before = before.map(|before| (before.statement, before.place));
        let (entries, next) = self.settlements.bank_entries(asked.waiting, before, size).await?;
        let next = next.map(|(statement, place)| BeforeEntry { statement, place });
        let next_page_token =
            next.map(|next| self.page_tokens.seal(&binding, &next)).unwrap_or_default();
        Ok(Response::new(ListBankEntriesResponse { entries, next_page_token }))
    }

    async fn assign_payment(
        &self,
        request: Request<AssignPaymentRequest>,
    ) -> Result<Response<AssignPaymentResponse>, Status> {
        let actor = Permit::of(&request)?.actor().name;
        let asked = request.get_ref();
        let (id, assign) = parse::clearing::assign(asked, actor).map_err(RpcError::from)?;
        let claim = Claim::of_operator(id, asked);
        Ok(Response::new(self.controls.write(claim, assign).await?))
    }

    async fn list_conversions(
        &self,
        request: Request<ListConversionsRequest>,
    ) -> Result<Response<ListConversionsResponse>, Status> {
        let permit = Permit::of(&request)?;
        let asked = request.get_ref();
        let binding = Binding::new(permit.caller(), "conversions", &[]);
        let (size, token) = (asked.page_size, &asked.page_token);
        let (size, before) =
            parse::page::<BeforeConversion>(&self.page_tokens, &binding, size, token)
                .map_err(RpcError::from)?;
        let before = before.map(|before| before.number);
        let (conversions, next) = self.settlements.conversions(before, size).await?;
        let next = next.map(|number| BeforeConversion { number });
        let next_page_token =
            next.map(|next| self.page_tokens.seal(&binding, &next)).unwrap_or_default();
        Ok(Response::new(ListConversionsResponse { conversions, next_page_token }))
    }

    async fn export_obligations(
        &self,
        request: Request<ExportObligationsRequest>,
    ) -> Result<Response<ExportObligationsResponse>, Status> {
        let permit = Permit::of(&request)?;
        let asked = request.get_ref();
        let (window, on) = parse::clearing::export(asked).map_err(RpcError::from)?;
        let binding = Binding::new(permit.caller(), "export", &[&window, &asked.on]);
        let (_, from) = parse::page::<From>(&self.page_tokens, &binding, 0, &asked.page_token)
            .map_err(RpcError::from)?;
        let from = from.unwrap_or_default().place();
        let (mut document, next) = self.settlements.export(&window, on, from).await?;
        document.next_page_token = self.next(&binding, next);
        Ok(Response::new(document))
    }
}

/// Where a list of bank entries goes on: before this one.
#[derive(Clone, PartialEq, Message)]
struct BeforeEntry {
    #[prost(int64, tag = "1")]
    statement: i64,
    #[prost(int32, tag = "2")]
    place: i32,
}

/// Where a list of conversions goes on: before this one.
#[derive(Clone, PartialEq, Message)]
struct BeforeConversion {
    #[prost(int32, tag = "1")]
    number: i32,
}

/// Where a list of disputed operations goes on: after what this one moved one way.
#[derive(Clone, PartialEq, Message)]
struct AfterMoved {
    #[prost(message, required, tag = "1")]
    operation: AfterOperation,
    #[prost(int32, tag = "2")]
    side: i32,
}

impl AfterMoved {
    fn of(BehindPlace { operation, side }: BehindPlace) -> Self {
        Self { operation: AfterOperation::of(operation), side }
    }

    fn place(&self) -> Result<BehindPlace, RpcError> {
        Ok(BehindPlace { operation: self.operation.place()?, side: self.side })
    }
}

/// A document that comes in parts.
async fn document(mut parts: Streaming<ImportBankStatementRequest>) -> Result<Vec<u8>, RpcError> {
    let mut document = Vec::new();
    let mut violations = Violations::default();
    loop {
        match tokio::time::timeout(PATIENCE, parts.message()).await {
            Ok(Ok(Some(part))) if document.len() + part.chunk.len() <= LARGEST_DOCUMENT => {
                document.extend_from_slice(&part.chunk);
            }
            Ok(Ok(None)) if !document.is_empty() => return Ok(document),
            Ok(Ok(_)) => {
                violations.add("chunk", format!("1 to {LARGEST_DOCUMENT} bytes in all"));
                return Err(violations.refused().into());
            }
            Ok(Err(_)) | Err(_) => {
                violations.add("chunk", "the next part in time");
                return Err(violations.refused().into());
            }
        }
    }
}
