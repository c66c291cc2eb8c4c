//! MemberService: parse, call, map.

use std::sync::Arc;

use entente_api::member::{
    EnrolMemberRequest, EnrolMemberResponse, GetBalanceRequest, GetBalanceResponse,
    ListOperationsRequest, ListOperationsResponse, member_service_server::MemberService,
};
use entente_ledger::{Cell, Seq};
use entente_store::member::OperationPlace;
use jiff::Timestamp;
use prost::Message;
use tonic::{Request, Response, Status};

use crate::{
    authorization::Permit,
    catalogue::CatalogueCache,
    control::{Claim, Controls},
    error::RpcError,
    page_token::{Binding, PageTokens},
    parse,
    reading::Reading,
};

/// MemberService over control writes and reads.
#[derive(Debug)]
pub struct Members {
    /// Where writes go.
    pub controls: Controls,
    /// Where members are read.
    pub reading: Reading,
    /// Who the partners are.
    pub catalogue: Arc<CatalogueCache>,
    /// Where lists go on.
    pub page_tokens: Arc<PageTokens>,
}

/// Where a list of operations goes on: after this one.
#[derive(Clone, PartialEq, Message)]
struct AfterOperation {
    #[prost(int64, tag = "1")]
    posted_at_micros: i64,
    #[prost(int32, tag = "2")]
    cell: i32,
    #[prost(int64, tag = "3")]
    seq: i64,
}

#[tonic::async_trait]
impl MemberService for Members {
    async fn enrol_member(
        &self,
        request: Request<EnrolMemberRequest>,
    ) -> Result<Response<EnrolMemberResponse>, Status> {
        let caller = self.catalogue.caller(Permit::of(&request)?).await?;
        let request = request.into_inner();
        let (id, enrol) = parse::member::enrol(caller.id, &request).map_err(RpcError::from)?;
        let claim = Claim::new(caller.id, id, &request);
        Ok(Response::new(self.controls.write(claim, enrol).await?))
    }

    async fn get_balance(
        &self,
        request: Request<GetBalanceRequest>,
    ) -> Result<Response<GetBalanceResponse>, Status> {
        let caller = self.catalogue.caller(Permit::of(&request)?).await?;
        let reference = parse::member::reference(&request.get_ref().member_reference);
        let reference = reference.map_err(RpcError::from)?;
        Ok(Response::new(self.reading.balance(caller.id, reference).await?))
    }

    async fn list_operations(
        &self,
        request: Request<ListOperationsRequest>,
    ) -> Result<Response<ListOperationsResponse>, Status> {
        let permit = Permit::of(&request)?;
        let caller = self.catalogue.caller(permit).await?;
        let asked = request.get_ref();
        let binding = Binding::new(permit.caller(), "operations", &[&asked.member_reference]);
        let (size, after) = parse::page::<AfterOperation>(
            &self.page_tokens,
            &binding,
            asked.page_size,
            &asked.page_token,
        )
        .map_err(RpcError::from)?;
        let member = match asked.member_reference.as_str() {
            "" => None,
            reference => Some(parse::member::reference(reference).map_err(RpcError::from)?),
        };
        let after = after.as_ref().map(place).transpose()?;
        let (operations, next) = self.reading.operations(caller.id, member, after, size).await?;
        let next = next.map(|next| self.page_tokens.seal(&binding, &position(next)));
        let next_page_token = next.unwrap_or_default();
        Ok(Response::new(ListOperationsResponse { operations, next_page_token }))
    }
}

fn position(place: OperationPlace) -> AfterOperation {
    AfterOperation {
        posted_at_micros: place.posted_at.as_microsecond(),
        cell: place.cell.0.into(),
        seq: place.seq.0,
    }
}

/// The place that a token seals: the hub wrote it, so it is well formed.
fn place(position: &AfterOperation) -> Result<OperationPlace, RpcError> {
    Ok(OperationPlace {
        posted_at: Timestamp::from_microsecond(position.posted_at_micros)
            .map_err(RpcError::internal)?,
        cell: Cell(i16::try_from(position.cell).map_err(RpcError::internal)?),
        seq: Seq(position.seq),
    })
}
