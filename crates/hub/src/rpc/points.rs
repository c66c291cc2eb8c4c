//! PointsService: parse, post, map. The rules are in `entente_loyalty`, the pipeline in `posting`.

use std::{sync::Arc, time::Duration};

use entente_api::{
    error::ErrorReason,
    points::{
        AuthorizeRequest, AuthorizeResponse, BurnRequest, BurnResponse, CaptureRequest,
        CaptureResponse, DonateRequest, DonateResponse, EarnRequest, EarnResponse,
        EarnStreamRequest, ExchangeRequest, ExchangeResponse, GetOperationRequest,
        GetOperationResponse, QuoteBurnRequest, QuoteBurnResponse, QuoteEarnRequest,
        QuoteEarnResponse, ReverseRequest, ReverseResponse, TransferRequest, TransferResponse,
        VoidRequest, VoidResponse, get_operation_response::Outcome as WireOutcome,
        points_service_server::PointsService,
    },
    types,
};
use entente_ledger::PartnerId;
use entente_loyalty::Partner;
use entente_store::{Outcome, StoreError};
use prost::Message;
use sqlx::PgPool;
use tonic::{Request, Response, Status, Streaming};
use tonic_types::pb;

use super::earn_stream::{Lines, Outcomes};
use crate::{
    authorization::Permit,
    catalogue::CatalogueCache,
    deadline::Deadline,
    error::{Refused, RpcError},
    fingerprint::Said,
    method::{WriteRequest, WriteResponse},
    parse::{
        self, Violations,
        points::{Asked, AskedQuote},
    },
    personal::Vault,
    posting::{self, Posting, Quotes, Submission},
    sandbox::{self, Magic},
    streams::Streams,
};

/// PointsService over the pipeline.
#[derive(Debug)]
pub struct Points {
    /// Where writes go.
    pub posting: Posting,
    /// Where quotes go.
    pub quotes: Quotes,
    /// Where outcomes are read.
    pub pool: PgPool,
    /// Who the partners are.
    pub catalogue: Arc<CatalogueCache>,
    /// What streams may do.
    pub streams: Streams,
    /// How long a line of a stream may take.
    pub line_deadline: Duration,
    /// How members are found.
    pub vault: Arc<Vault>,
}

impl Points {
    /// Every write of points, in one straight line: who asks, what is asked, post it, answer.
    async fn post<R>(&self, request: Request<R>) -> Result<Response<R::Response>, Status>
    where
        R: WriteRequest,
        for<'a> Asked: TryFrom<&'a R, Error = Refused>,
    {
        let deadline = Deadline::of(&request);
        let caller = self.caller(&request).await?;
        let request = request.into_inner();
        let submission =
            submission(caller.id, &request, (deadline, &self.vault)).map_err(RpcError::from)?;
        let (id, receipt) = (submission.request_id, &submission.receipt_reference);
        if let Ok(Some(Magic::Delay(delay))) = sandbox::magic(&caller, id, receipt) {
            tokio::time::sleep(delay).await;
        }
        let posted = self.posting.submit(submission).await?;
        let mut response =
            R::Response::decode(posted.answer.as_slice()).map_err(RpcError::internal)?;
        if posted.replayed {
            response.set_replayed();
        }
        Ok(Response::new(response))
    }

    async fn quote<R>(
        &self,
        request: Request<R>,
        parse: fn(&R) -> Result<AskedQuote, Refused>,
    ) -> Result<(types::Operation, types::Balances), Status> {
        let caller = self.caller(&request).await?;
        let (member, action) = parse(request.get_ref()).map_err(RpcError::from)?;
        let member = self.vault.lookup(caller.id, &member);
        let quote = self.quotes.quote(caller.id, member, action).await?;
        let operation = &quote.decision.operation;
        let mut operation = posting::wire_operation(&caller, quote.link_token, operation);
        operation.request_id.clear();
        Ok((operation, posting::wire_balances(quote.decision.wallet)))
    }

    async fn caller<R>(&self, request: &Request<R>) -> Result<Partner, RpcError> {
        self.catalogue.caller(Permit::of(request)?).await
    }
}

#[tonic::async_trait]
impl PointsService for Points {
    async fn earn(&self, request: Request<EarnRequest>) -> Result<Response<EarnResponse>, Status> {
        self.post(request).await
    }

    type EarnStreamStream = Outcomes;

    async fn earn_stream(
        &self,
        request: Request<Streaming<EarnStreamRequest>>,
    ) -> Result<Response<Outcomes>, Status> {
        let caller = self.caller(&request).await?;
        let (outbox, outcomes, ending) =
            self.streams.open(&request, caller.id).map_err(RpcError::from)?;
        let lines = Lines {
            posting: self.posting.clone(),
            partner: caller.id,
            deadline: self.line_deadline,
            vault: Arc::clone(&self.vault),
        };
        tokio::spawn(lines.run(request.into_inner(), outbox, ending));
        Ok(Response::new(outcomes))
    }

    async fn burn(&self, request: Request<BurnRequest>) -> Result<Response<BurnResponse>, Status> {
        self.post(request).await
    }

    async fn authorize(
        &self,
        request: Request<AuthorizeRequest>,
    ) -> Result<Response<AuthorizeResponse>, Status> {
        self.post(request).await
    }

    async fn capture(
        &self,
        request: Request<CaptureRequest>,
    ) -> Result<Response<CaptureResponse>, Status> {
        self.post(request).await
    }

    async fn void(&self, request: Request<VoidRequest>) -> Result<Response<VoidResponse>, Status> {
        self.post(request).await
    }

    async fn reverse(
        &self,
        request: Request<ReverseRequest>,
    ) -> Result<Response<ReverseResponse>, Status> {
        self.post(request).await
    }

    async fn exchange(
        &self,
        request: Request<ExchangeRequest>,
    ) -> Result<Response<ExchangeResponse>, Status> {
        self.post(request).await
    }

    async fn transfer(
        &self,
        request: Request<TransferRequest>,
    ) -> Result<Response<TransferResponse>, Status> {
        self.post(request).await
    }

    async fn donate(
        &self,
        request: Request<DonateRequest>,
    ) -> Result<Response<DonateResponse>, Status> {
        self.post(request).await
    }

    async fn get_operation(
        &self,
        request: Request<GetOperationRequest>,
    ) -> Result<Response<GetOperationResponse>, Status> {
        let caller = self.caller(&request).await?;
        let mut violations = Violations::default();
        let id = violations.field("request_id", parse::request_id(&request.get_ref().request_id));
        let id = id.ok_or_else(|| RpcError::from(violations.refused()))?;
        let key = (caller.id, id);
        let mut connection =
            self.pool.acquire().await.map_err(|error| RpcError::from(StoreError::from(error)))?;
        let outcomes = entente_store::outcomes(&mut connection, &[key]).await;
        let outcome = outcomes.map_err(RpcError::from)?.remove(&key);
        // A write that changes no points has an outcome too, but no operation.
        let outcome = outcome.filter(|outcome| outcome.place.is_some());
        Ok(Response::new(wire_outcome(&outcome.ok_or_else(unknown)?)?))
    }

    async fn quote_earn(
        &self,
        request: Request<QuoteEarnRequest>,
    ) -> Result<Response<QuoteEarnResponse>, Status> {
        let (operation, balances) = self.quote(request, parse::points::quote_earn).await?;
        let (operation, balances) = (Some(operation), Some(balances));
        Ok(Response::new(QuoteEarnResponse { operation, balances }))
    }

    async fn quote_burn(
        &self,
        request: Request<QuoteBurnRequest>,
    ) -> Result<Response<QuoteBurnResponse>, Status> {
        let (operation, balances) = self.quote(request, parse::points::quote_burn).await?;
        let (operation, balances) = (Some(operation), Some(balances));
        Ok(Response::new(QuoteBurnResponse { operation, balances }))
    }
}

/// What a write asks for, on its way into the pipeline.
pub(super) fn submission<R>(
    partner: PartnerId,
    request: &R,
    (deadline, vault): (Deadline, &Vault),
) -> Result<Submission, Refused>
where
    R: WriteRequest,
    for<'a> Asked: TryFrom<&'a R, Error = Refused>,
{
    let asked = Asked::try_from(request)?;
    Ok(Submission {
        partner,
        request_id: asked.request_id,
        fingerprint: Said::of(request).fingerprint(vault, (partner, asked.request_id)),
        receipt_reference: asked.receipt_reference,
        ask: asked.ask,
        target: asked.target.looked_up(|reference| vault.lookup(partner, &reference)),
        deadline: deadline.0.into(),
    })
}

fn wire_outcome(outcome: &Outcome) -> Result<GetOperationResponse, RpcError> {
    if outcome.refused {
        let refusal = pb::Status::decode(outcome.answer.as_slice()).map_err(RpcError::internal)?;
        let outcome = Some(WireOutcome::Refusal(refusal));
        return Ok(GetOperationResponse { outcome, balances: None });
    }
    let answer = EarnResponse::decode(outcome.answer.as_slice()).map_err(RpcError::internal)?;
    let outcome = answer.operation.map(WireOutcome::Operation);
    Ok(GetOperationResponse { outcome, balances: answer.balances })
}

fn unknown() -> RpcError {
    let message = "this partner has no final outcome under this request id";
    Refused::new(ErrorReason::OperationUnknown, message).into()
}
