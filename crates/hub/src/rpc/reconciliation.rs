//! ReconciliationService: parse, call, map.

use entente_api::settlement::{
    GetReconciliationRequest, GetReconciliationResponse, ReconcileRequest, ReconcileResponse,
    reconciliation_service_server::ReconciliationService,
};
use tonic::{Request, Response, Status, Streaming};

use crate::{
    authorization::Permit,
    error::RpcError,
    parse::{self, Violations},
    reconciliation::Reconciliations,
    streams::Inbox,
};

/// ReconciliationService over what is compared and kept.
#[derive(Debug)]
pub struct Reconciling {
    /// Where records are compared and reports read.
    pub reconciliations: Reconciliations,
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
        let own = self.reconciliations.whose(Permit::of(&request)?).await?;
        let mut violations = Violations::default();
        let id = parse::request_id(&request.get_ref().reconciliation);
        let id = violations.field("reconciliation", id);
        let id = id.ok_or_else(|| RpcError::from(violations.refused()))?;
        let report = Some(self.reconciliations.report(own, id.0).await?);
        Ok(Response::new(GetReconciliationResponse { report }))
    }
}
