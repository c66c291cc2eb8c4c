//! A ledger with Harbor Hotels and Rover Rides, and short ways to write to it.

use std::sync::Arc;

use entente_api::{
    member::{
        AttachReferenceRequest, AttachReferenceResponse, LinkMemberRequest, LinkMemberResponse,
    },
    partner::{
        Agreement, CreatePartnerRequest, CreatePartnerResponse, Funding, PublishTermsRequest,
        PublishTermsResponse, ResumePartnerRequest, ResumePartnerResponse, SuspendPartnerRequest,
        SuspendPartnerResponse,
    },
};
use entente_hub::{
    catalogue::CatalogueCache,
    control::{Claim, Controls, LinkMember, Write},
    error::{Refused, RpcError},
    linking::Asserted,
    method::WriteRequest,
    parse,
    personal::{Consent, Vault},
    reading::Reading,
    security::Actor,
};
use entente_ledger::{PartnerId, RequestId};
use entente_testkit::{Database, morning};
use sqlx::PgPool;
use tonic::Status;
use tonic_types::StatusExt;
use uuid::Uuid;

pub(crate) const HARBOR: PartnerId = PartnerId(1);
pub(crate) const ROVER: PartnerId = PartnerId(2);

pub(crate) struct Stage {
    pub(crate) pool: PgPool,
    pub(crate) controls: Controls,
    pub(crate) reading: Reading,
    pub(crate) vault: Arc<Vault>,
    _database: Database,
}

/// A published reason, with the metadata `field` where it has one.
pub(crate) type Reason = String;

impl Stage {
    /// A ledger without partners.
    pub(crate) async fn empty() -> Self {
        let database = Database::fresh().await;
        let pool = database.runtime_pool().await;
        let catalogue = CatalogueCache::load(pool.clone()).await.expect("a catalogue");
        let vault = Arc::new(Vault::new(&[7; 32]));
        let controls = Controls::new(pool.clone(), Arc::clone(&catalogue), Arc::clone(&vault));
        let reading = Reading::new(pool.clone(), catalogue, Arc::clone(&vault));
        Self { pool, controls, reading, vault, _database: database }
    }

    pub(crate) async fn with_partners() -> Self {
        let stage = Self::empty().await;
        for code in ["harbor-hotels", "rover-rides"] {
            stage.create(&create(code)).await.expect("a new partner");
        }
        stage
    }

    pub(crate) async fn create(
        &self,
        request: &CreatePartnerRequest,
    ) -> Result<CreatePartnerResponse, Reason> {
        self.operate(request, parse::partner::create).await
    }

    pub(crate) async fn suspend(
        &self,
        request: &SuspendPartnerRequest,
    ) -> Result<SuspendPartnerResponse, Reason> {
        self.operate(request, |request| parse::partner::suspend(request, operator())).await
    }

    pub(crate) async fn resume(
        &self,
        request: &ResumePartnerRequest,
    ) -> Result<ResumePartnerResponse, Reason> {
        self.operate(request, |request| parse::partner::resume(request, operator())).await
    }

    pub(crate) async fn publish(
        &self,
        request: &PublishTermsRequest,
    ) -> Result<PublishTermsResponse, Reason> {
        self.operate(request, parse::partner::publish).await
    }

    pub(crate) async fn attach(
        &self,
        request: &AttachReferenceRequest,
    ) -> Result<AttachReferenceResponse, Reason> {
        self.operate(request, parse::member::attach).await
    }

    /// Links a member; the request stands for an assertion that was verified.
    pub(crate) async fn enrol(
        &self,
        partner: PartnerId,
        request: &LinkMemberRequest,
    ) -> Result<LinkMemberResponse, Reason> {
        let id = parse::member::link(request).expect("a good request");
        let asserted = asserted(&request.member_assertion);
        let link = LinkMember { partner, asserted, vault: Arc::clone(&self.vault) };
        self.controls.write(Claim::new(partner, id, request), link).await.map_err(reason)
    }

    async fn operate<R: WriteRequest, W: Write<Request = R>>(
        &self,
        request: &R,
        parse: impl FnOnce(&R) -> Result<(RequestId, W), Refused>,
    ) -> Result<R::Response, Reason> {
        let (id, write) = parse(request).expect("a good request");
        self.controls.write(Claim::of_operator(id, request), write).await.map_err(reason)
    }
}

fn operator() -> Actor {
    Actor { name: "operator/ops".to_owned(), certificate: None }
}

pub(crate) fn reason(error: RpcError) -> Reason {
    let status = Status::from(error);
    let details = status.get_error_details();
    let info = details.error_info().expect("every error has its reason");
    let field = info.metadata.get("field").map(|field| format!(" {field}"));
    info.reason.clone() + field.as_deref().unwrap_or_default()
}

#[expect(clippy::disallowed_methods, reason = "each call is a request of its own")]
pub(crate) fn new_id() -> String {
    Uuid::new_v4().to_string()
}

pub(crate) fn create(code: &str) -> CreatePartnerRequest {
    let (code, display_name) = (code.to_owned(), "A brand".to_owned());
    CreatePartnerRequest { request_id: new_id(), code, display_name, testing: false }
}

pub(crate) fn suspension(code: &str) -> SuspendPartnerRequest {
    SuspendPartnerRequest { request_id: new_id(), partner: code.to_owned() }
}

pub(crate) fn enrolment(reference: &str) -> LinkMemberRequest {
    LinkMemberRequest { request_id: new_id(), member_assertion: reference.to_owned() }
}

fn asserted(reference: &str) -> Asserted {
    let consent =
        Consent { given_at: morning(), wording_version: "1".to_owned(), assertion_sha256: [7; 32] };
    Asserted {
        actor: Actor { name: "partner/harbor-hotels".to_owned(), certificate: None },
        reference: parse::member_reference(reference).expect("a reference"),
        consent,
        jti: new_id(),
        replayable_until: morning(),
    }
}

pub(crate) fn attachment(reference: &str, target_reference: &str) -> AttachReferenceRequest {
    AttachReferenceRequest {
        request_id: new_id(),
        partner: "harbor-hotels".to_owned(),
        member_reference: reference.to_owned(),
        target_partner: "rover-rides".to_owned(),
        target_member_reference: target_reference.to_owned(),
    }
}

pub(crate) fn terms(code: &str) -> PublishTermsRequest {
    let agreement = Agreement {
        currency: "EUR".to_owned(),
        funding: Funding::AtRedemption.into(),
        lot_life_days: 365,
        hold_life_seconds: 60,
        ..Agreement::default()
    };
    PublishTermsRequest {
        request_id: new_id(),
        partner: code.to_owned(),
        effective_from: None,
        agreement: Some(agreement),
    }
}
