//! ReportService: parse, call, map.

use std::sync::Arc;

use entente_api::settlement::{
    GetBreakageRequest, GetBreakageResponse, GetFeesRequest, GetFeesResponse,
    GetOutstandingPointsRequest, GetOutstandingPointsResponse, GetPoolCoverageRequest,
    GetPoolCoverageResponse, GetTrialBalanceRequest, GetTrialBalanceResponse,
    report_service_server::ReportService,
};
use entente_ledger::PartnerId;
use tonic::{Request, Response, Status};

use crate::{
    authorization::Permit, catalogue::CatalogueCache, error::RpcError, parse, settlement::Reports,
};

/// ReportService over reads.
#[derive(Debug)]
pub struct Reporting {
    /// Where reports are read.
    pub reports: Reports,
    /// Who the partners are.
    pub catalogue: Arc<CatalogueCache>,
}

impl Reporting {
    /// Of which window and about whose points a report is.
    async fn asked(
        &self,
        permit: &Permit,
        window: &str,
        partner: &str,
    ) -> Result<(Option<String>, Option<PartnerId>), RpcError> {
        let (window, named) = parse::settlement::report(window, partner)?;
        let subject = self.catalogue.subject(permit, named).await?;
        Ok((window, subject.map(|partner| partner.id)))
    }
}

#[tonic::async_trait]
impl ReportService for Reporting {
    async fn get_trial_balance(
        &self,
        request: Request<GetTrialBalanceRequest>,
    ) -> Result<Response<GetTrialBalanceResponse>, Status> {
        let permit = Permit::of(&request)?;
        let (window, _) = self.asked(permit, &request.get_ref().window, "").await?;
        Ok(Response::new(self.reports.trial_balance(window).await?))
    }

    async fn get_outstanding_points(
        &self,
        request: Request<GetOutstandingPointsRequest>,
    ) -> Result<Response<GetOutstandingPointsResponse>, Status> {
        let permit = Permit::of(&request)?;
        let (_, issuer) = self.asked(permit, "", &request.get_ref().partner).await?;
        Ok(Response::new(self.reports.outstanding(issuer).await?))
    }

    async fn get_pool_coverage(
        &self,
        request: Request<GetPoolCoverageRequest>,
    ) -> Result<Response<GetPoolCoverageResponse>, Status> {
        Permit::of(&request)?;
        Ok(Response::new(self.reports.pools().await?))
    }

    async fn get_breakage(
        &self,
        request: Request<GetBreakageRequest>,
    ) -> Result<Response<GetBreakageResponse>, Status> {
        let (permit, asked) = (Permit::of(&request)?, request.get_ref());
        let (window, issuer) = self.asked(permit, &asked.window, &asked.partner).await?;
        Ok(Response::new(self.reports.breakage(window, issuer).await?))
    }

    async fn get_fees(
        &self,
        request: Request<GetFeesRequest>,
    ) -> Result<Response<GetFeesResponse>, Status> {
        let (permit, asked) = (Permit::of(&request)?, request.get_ref());
        let (window, payer) = self.asked(permit, &asked.window, &asked.partner).await?;
        Ok(Response::new(self.reports.fees(window, payer).await?))
    }
}
