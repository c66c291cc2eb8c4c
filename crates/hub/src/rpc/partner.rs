//! PartnerService: parse, call, map.

use std::sync::Arc;

use entente_api::{
    error::ErrorReason,
    partner::{
        CreatePartnerRequest, CreatePartnerResponse, GetPartnerRequest, GetPartnerResponse,
        GetTermsInForceRequest, GetTermsInForceResponse, ListPartnersRequest, ListPartnersResponse,
        ListTermsRequest, ListTermsResponse, ResumePartnerRequest, ResumePartnerResponse,
        SuspendPartnerRequest, SuspendPartnerResponse, partner_service_server::PartnerService,
    },
};
use entente_ledger::RequestId;
use entente_loyalty::{Catalogue, Partner, PartnerCode};
use entente_store::{StoreError, clock};
use jiff::Timestamp;
use prost::Message;
use sqlx::PgPool;
use tonic::{Request, Response, Status};

use crate::{
    authorization::Permit,
    caller::Caller,
    catalogue::CatalogueCache,
    control::{Claim, Controls, Write, partner_unknown},
    error::{Refused, RpcError},
    method::WriteRequest,
    page_token::{Binding, PageTokens},
    parse::{self, Violations},
    wire,
};

/// PartnerService over control writes and the catalogue.
#[derive(Debug)]
pub struct Partners {
    /// Where writes go.
    pub controls: Controls,
    /// Where partners and terms are read.
    pub catalogue: Arc<CatalogueCache>,
    /// Where the clock is read.
    pub pool: PgPool,
    /// Where lists go on.
    pub page_tokens: Arc<PageTokens>,
}

/// Where a list of partners goes on: after this code.
#[derive(Clone, PartialEq, Message)]
struct AfterCode {
    #[prost(string, tag = "1")]
    code: String,
}

/// Where a list of terms goes on: before this version.
#[derive(Clone, PartialEq, Message)]
struct BeforeVersion {
    #[prost(int32, tag = "1")]
    version: i32,
}

impl Partners {
    /// Every write by an operator: parse, and run it under its request id.
    async fn write<W: Write>(
        &self,
        request: &Request<W::Request>,
        parse: impl FnOnce(&W::Request) -> Result<(RequestId, W), Refused>,
    ) -> Result<Response<<W::Request as WriteRequest>::Response>, Status> {
        Permit::of(request)?;
        let (request_id, write) = parse(request.get_ref()).map_err(RpcError::from)?;
        let claim = Claim::of_operator(request_id, request.get_ref());
        Ok(Response::new(self.controls.write(claim, write).await?))
    }

    /// The partner that a read is about, and who asks.
    async fn subject<T>(&self, request: &Request<T>, named: &str) -> Result<Subject, RpcError> {
        let permit = Permit::of(request)?;
        let named = parse::partner::optional_partner(named)?;
        let code = permit.subject(named)?.ok_or_else(|| {
            let mut violations = Violations::default();
            violations.add("partner", "the code of a partner");
            violations.refused()
        })?;
        let catalogue = self.catalogue.current().await?;
        if matches!(permit.caller(), Caller::Partner(_)) {
            permit.partner_in(&catalogue)?;
        }
        if catalogue.by_code(code.as_str()).is_none() {
            return Err(partner_unknown().into());
        }
        Ok(Subject { catalogue, code, caller: permit.caller().clone() })
    }

    async fn now(&self) -> Result<Timestamp, StoreError> {
        Ok(clock::read(&self.pool).await?.1)
    }
}

/// A partner that is in the catalogue.
struct Subject {
    catalogue: Arc<Catalogue>,
    code: PartnerCode,
    caller: Caller,
}

impl Subject {
    fn partner(&self) -> Result<&Partner, RpcError> {
        self.catalogue.by_code(self.code.as_str()).ok_or_else(|| partner_unknown().into())
    }
}

#[tonic::async_trait]
impl PartnerService for Partners {
    async fn create_partner(
        &self,
        request: Request<CreatePartnerRequest>,
    ) -> Result<Response<CreatePartnerResponse>, Status> {
        self.write(&request, parse::partner::create).await
    }

    async fn suspend_partner(
        &self,
        request: Request<SuspendPartnerRequest>,
    ) -> Result<Response<SuspendPartnerResponse>, Status> {
        let by = Permit::of(&request)?.actor();
        self.write(&request, |request| parse::partner::suspend(request, by)).await
    }

    async fn resume_partner(
        &self,
        request: Request<ResumePartnerRequest>,
    ) -> Result<Response<ResumePartnerResponse>, Status> {
        let by = Permit::of(&request)?.actor();
        self.write(&request, |request| parse::partner::resume(request, by)).await
    }

    async fn get_partner(
        &self,
        request: Request<GetPartnerRequest>,
    ) -> Result<Response<GetPartnerResponse>, Status> {
        let subject = self.subject(&request, &request.get_ref().partner).await?;
        let partner = Some(wire::partner(subject.partner()?));
        Ok(Response::new(GetPartnerResponse { partner }))
    }

    async fn list_partners(
        &self,
        request: Request<ListPartnersRequest>,
    ) -> Result<Response<ListPartnersResponse>, Status> {
        let binding = Binding::new(Permit::of(&request)?.caller(), "partners", &[]);
        let (size, token) = (request.get_ref().page_size, &request.get_ref().page_token);
        let (size, after) = self.page::<AfterCode>(&binding, size, token)?;
        let catalogue = self.catalogue.current().await.map_err(RpcError::from)?;
        let mut partners: Vec<_> = catalogue
            .partners()
            .filter(|partner| {
                after.as_ref().is_none_or(|after| *after.code < *partner.code.as_str())
            })
            .collect();
        partners.sort_unstable_by(|a, b| a.code.cmp(&b.code));
        let more = partners.len() > size;
        partners.truncate(size);
        let last = partners.last().filter(|_| more);
        let next = last.map(|last| AfterCode { code: last.code.to_string() });
        Ok(Response::new(ListPartnersResponse {
            partners: partners.into_iter().map(wire::partner).collect(),
            next_page_token: self.next_page_token(&binding, next.as_ref()),
        }))
    }

    async fn list_terms(
        &self,
        request: Request<ListTermsRequest>,
    ) -> Result<Response<ListTermsResponse>, Status> {
        let subject = self.subject(&request, &request.get_ref().partner).await?;
        let partner = subject.partner()?;
        let binding = Binding::new(&subject.caller, "terms", &[partner.code.as_str()]);
        let (size, token) = (request.get_ref().page_size, &request.get_ref().page_token);
        let (size, before) = self.page::<BeforeVersion>(&binding, size, token)?;
        let mut terms: Vec<_> = partner
            .terms
            .iter()
            .rev()
            .filter(|terms| before.as_ref().is_none_or(|before| terms.version.0 < before.version))
            .collect();
        let more = terms.len() > size;
        terms.truncate(size);
        let last = terms.last().filter(|_| more);
        let next = last.map(|last| BeforeVersion { version: last.version.0 });
        Ok(Response::new(ListTermsResponse {
            terms: terms.into_iter().map(|terms| wire::terms(&partner.code, terms)).collect(),
            next_page_token: self.next_page_token(&binding, next.as_ref()),
        }))
    }

    async fn get_terms_in_force(
        &self,
        request: Request<GetTermsInForceRequest>,
    ) -> Result<Response<GetTermsInForceResponse>, Status> {
        let subject = self.subject(&request, &request.get_ref().partner).await?;
        let mut violations = Violations::default();
        let at = violations.optional_time("at", request.get_ref().at.as_ref());
        let at = match at.ok_or_else(|| RpcError::from(violations.refused()))? {
            Some(at) => at,
            None => self.now().await.map_err(RpcError::from)?,
        };
        let partner = subject.partner()?;
        let terms = partner.terms_at(at).ok_or_else(|| {
            let message = "the partner had no terms at that time";
            RpcError::from(Refused::new(ErrorReason::TermsUnknown, message))
        })?;
        let terms = Some(wire::terms(&partner.code, terms));
        Ok(Response::new(GetTermsInForceResponse { terms }))
    }
}

impl Partners {
    /// The size of a page and where it begins.
    fn page<P: Message + Default>(
        &self,
        binding: &Binding,
        size: i32,
        token: &str,
    ) -> Result<(usize, Option<P>), RpcError> {
        let (size, position) = parse::page(&self.page_tokens, binding, size, token)?;
        Ok((size.into(), position))
    }

    fn next_page_token(&self, binding: &Binding, next: Option<&impl Message>) -> String {
        next.map(|next| self.page_tokens.seal(binding, next)).unwrap_or_default()
    }
}
