//! ClearingService: parse, call, map.

use std::sync::Arc;

use entente_api::settlement::{
    AgreeStatementRequest, AgreeStatementResponse, GetArrangementRequest, GetArrangementResponse,
    GetWindowRequest, GetWindowResponse, clearing_service_server::ClearingService,
};
use entente_loyalty::PartnerCode;
use tonic::{Request, Response, Status};

use super::settlement::nobody_named;
use crate::{
    authorization::Permit,
    caller::Caller,
    catalogue::CatalogueCache,
    control::{AgreeStatement, Claim, Controls},
    error::RpcError,
    parse,
    settlement::Settlements,
};

/// ClearingService over control writes and reads.
#[derive(Debug)]
pub struct Clearing {
    /// Where writes go.
    pub controls: Controls,
    /// Where windows are read.
    pub settlements: Settlements,
    /// Who the partners are.
    pub catalogue: Arc<CatalogueCache>,
}

impl Clearing {
    /// Refuses a partner whom the ledger does not know, before anything that it sent is read.
    async fn known(&self, permit: &Permit) -> Result<(), RpcError> {
        match permit.caller() {
            Caller::Partner(_) => self.catalogue.caller(permit).await.map(|_| ()),
            Caller::Operator(_) => Ok(()),
        }
    }

    /// What a write of a partner, or of an operator for one, stands for, and whom it is about.
    async fn about(
        &self,
        permit: &Permit,
        named: Option<PartnerCode>,
    ) -> Result<PartnerCode, RpcError> {
        let partner = self.catalogue.subject(permit, named).await?.ok_or_else(nobody_named)?;
        Ok(partner.code)
    }
}

#[tonic::async_trait]
impl ClearingService for Clearing {
    async fn get_arrangement(
        &self,
        request: Request<GetArrangementRequest>,
    ) -> Result<Response<GetArrangementResponse>, Status> {
        let permit = Permit::of(&request)?;
        self.known(permit).await?;
        Ok(Response::new(self.settlements.arrangement(permit.caller().role()).await?))
    }

    async fn get_window(
        &self,
        request: Request<GetWindowRequest>,
    ) -> Result<Response<GetWindowResponse>, Status> {
        let permit = Permit::of(&request)?;
        self.known(permit).await?;
        let asked = request.get_ref();
        let (name, named) =
            parse::clearing::window(&asked.window, &asked.partner).map_err(RpcError::from)?;
        let partner = self.catalogue.subject(permit, named).await?.map(|partner| partner.id);
        let whom = (partner, permit.caller().role());
        Ok(Response::new(self.settlements.became(&name, whom).await?))
    }

    async fn agree_statement(
        &self,
        request: Request<AgreeStatementRequest>,
    ) -> Result<Response<AgreeStatementResponse>, Status> {
        let permit = Permit::of(&request)?;
        self.known(permit).await?;
        let asked = request.get_ref();
        let (id, window, named) = parse::clearing::agree(asked).map_err(RpcError::from)?;
        let partner = self.about(permit, named).await?;
        let claim = claim(&self.catalogue, permit, id, asked).await?;
        let agree = AgreeStatement { window, partner, actor: permit.actor().name };
        Ok(Response::new(self.controls.write(claim, agree).await?))
    }
}

/// A partner's request ids are its own, operators share the hub's.
async fn claim(
    catalogue: &CatalogueCache,
    permit: &Permit,
    id: entente_ledger::RequestId,
    request: &impl crate::method::WriteRequest,
) -> Result<Claim, RpcError> {
    match permit.caller() {
        Caller::Operator(_) => Ok(Claim::of_operator(id, request)),
        Caller::Partner(_) => Ok(Claim::new(catalogue.caller(permit).await?.id, id, request)),
    }
}
