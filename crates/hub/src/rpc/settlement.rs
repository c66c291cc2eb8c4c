//! SettlementService: parse, call, map.

use std::sync::Arc;

use entente_api::{
    error::ErrorReason,
    settlement::{
        CloseWindowRequest, CloseWindowResponse, GetFloatRequest, GetFloatResponse,
        GetPositionRequest, GetPositionResponse, GetStatementRequest, ListWindowsRequest,
        ListWindowsResponse, RecordPaymentRequest, RecordPaymentResponse,
        settlement_service_server::SettlementService,
    },
};
use entente_ledger::WindowId;
use entente_loyalty::BlockId;
use entente_store::settlement::WindowChoice;
use prost::Message;
use tonic::{Request, Response, Status};

use crate::{
    authorization::Permit,
    catalogue::CatalogueCache,
    control::{Claim, Controls},
    error::{Refused, RpcError},
    page_token::{Binding, PageTokens},
    parse::{self, Violations},
    settlement::{Floats, Parts, Settlements, closed},
};

/// SettlementService over control writes and reads.
#[derive(Debug)]
pub struct Settlement {
    /// Where windows are closed and payments recorded.
    pub controls: Controls,
    /// Where positions and statements are read.
    pub settlements: Settlements,
    /// Who the partners are.
    pub catalogue: Arc<CatalogueCache>,
    /// Where lists go on.
    pub page_tokens: Arc<PageTokens>,
}

/// Where a list of windows goes on: before this one.
#[derive(Clone, PartialEq, Message)]
struct BeforeWindow {
    #[prost(int32, tag = "1")]
    window: i32,
}

/// Where a list of blocks goes on: after this one.
#[derive(Clone, PartialEq, Message)]
struct AfterBlock {
    #[prost(string, tag = "1")]
    currency: String,
    #[prost(int32, tag = "2")]
    block: i32,
}

#[tonic::async_trait]
impl SettlementService for Settlement {
    type GetStatementStream = Parts;

    async fn get_position(
        &self,
        request: Request<GetPositionRequest>,
    ) -> Result<Response<GetPositionResponse>, Status> {
        let permit = Permit::of(&request)?;
        let (window, named) =
            parse::settlement::position(request.get_ref()).map_err(RpcError::from)?;
        let partner = self.catalogue.subject(permit, named).await?;
        let position = self.settlements.position(window, partner.map(|partner| partner.id));
        Ok(Response::new(position.await?))
    }

    async fn get_float(
        &self,
        request: Request<GetFloatRequest>,
    ) -> Result<Response<GetFloatResponse>, Status> {
        let permit = Permit::of(&request)?;
        let asked = request.get_ref();
        let named = parse::settlement::partner(&asked.partner).map_err(RpcError::from)?;
        let partner = self.catalogue.subject(permit, named).await?;
        let code = partner.as_ref().map(|partner| partner.code.as_str()).unwrap_or_default();
        let binding = Binding::new(permit.caller(), "blocks", &[code]);
        let (size, token) = (asked.page_size, &asked.page_token);
        let (size, after) = parse::page::<AfterBlock>(&self.page_tokens, &binding, size, token)
            .map_err(RpcError::from)?;
        let after = after.map(|after| (after.currency, BlockId(after.block)));
        let partner = partner.map(|partner| partner.id);
        let Floats { mut answer, next } = self.settlements.floats(partner, after, size).await?;
        let next = next
            .map(|(currency, block)| AfterBlock { currency: currency.to_string(), block: block.0 });
        answer.next_page_token =
            next.map(|next| self.page_tokens.seal(&binding, &next)).unwrap_or_default();
        Ok(Response::new(answer))
    }

    async fn close_window(
        &self,
        request: Request<CloseWindowRequest>,
    ) -> Result<Response<CloseWindowResponse>, Status> {
        let actor = Permit::of(&request)?.actor().name;
        let name = parse::settlement::close(request.get_ref()).map_err(RpcError::from)?;
        let answer = self.controls.close_window(name, request.get_ref().testing, actor).await?;
        let names = self.settlements.names().await.map_err(RpcError::from)?;
        Ok(Response::new(closed(&answer, &names)?))
    }

    async fn list_windows(
        &self,
        request: Request<ListWindowsRequest>,
    ) -> Result<Response<ListWindowsResponse>, Status> {
        let permit = Permit::of(&request)?;
        let partner = self.catalogue.subject(permit, None).await?;
        let testing = partner.map_or(request.get_ref().testing, |partner| partner.testing);
        let kind = if testing { "testing" } else { "live" };
        let binding = Binding::new(permit.caller(), "windows", &[kind]);
        let (size, token) = (request.get_ref().page_size, &request.get_ref().page_token);
        let (size, before) = parse::page::<BeforeWindow>(&self.page_tokens, &binding, size, token)
            .map_err(RpcError::from)?;
        let before = before.map(|before| WindowId(before.window));
        let (windows, next) = self.settlements.windows(testing, before, size).await?;
        let next = next.map(|next| BeforeWindow { window: next.0 });
        let next_page_token =
            next.map(|next| self.page_tokens.seal(&binding, &next)).unwrap_or_default();
        Ok(Response::new(ListWindowsResponse { windows, next_page_token }))
    }

    async fn get_statement(
        &self,
        request: Request<GetStatementRequest>,
    ) -> Result<Response<Self::GetStatementStream>, Status> {
        let permit = Permit::of(&request)?;
        let asked = parse::settlement::statement(request.get_ref()).map_err(RpcError::from)?;
        let named = self.catalogue.subject(permit, asked.partner).await?;
        let partner = named.ok_or_else(nobody_named)?;
        let WindowChoice::Closed(name) = asked.window else { return Err(not_closed().into()) };
        let parts = self.settlements.statement(partner, &name, asked.lines_per_message).await?;
        Ok(Response::new(parts))
    }

    async fn record_payment(
        &self,
        request: Request<RecordPaymentRequest>,
    ) -> Result<Response<RecordPaymentResponse>, Status> {
        let actor = Permit::of(&request)?.actor().name;
        let (id, payment) =
            parse::settlement::payment(request.get_ref(), actor).map_err(RpcError::from)?;
        let claim = Claim::of_operator(id, request.get_ref());
        Ok(Response::new(self.controls.write(claim, payment).await?))
    }
}

pub(super) fn nobody_named() -> RpcError {
    let mut violations = Violations::default();
    violations.add("partner", "the code of a partner");
    violations.refused().into()
}

fn not_closed() -> RpcError {
    let message = "a statement is made of a closed window alone; name one";
    Refused::new(ErrorReason::WindowNotClosed, message).into()
}
