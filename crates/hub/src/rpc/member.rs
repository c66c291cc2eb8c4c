//! MemberService: parse, call, map.

use std::sync::Arc;

use entente_api::{
    error::ErrorReason,
    member::{
        CheckLinkRequest, CheckLinkResponse, ConfirmLinkRequest, ConfirmLinkResponse,
        CreateLinkCodeRequest, CreateLinkCodeResponse, ExportMemberRequest, ExportMemberResponse,
        GetBalanceRequest, GetBalanceResponse, LinkMemberRequest, LinkMemberResponse,
        ListOperationsRequest, ListOperationsResponse, RedeemLinkCodeRequest,
        RedeemLinkCodeResponse, UnlinkRequest, UnlinkResponse, UnmergeMembersRequest,
        UnmergeMembersResponse, member_service_server::MemberService,
    },
};
use entente_identity::jwt::Rejected;
use prost::Message;
use tonic::{Request, Response, Status};

use super::after::AfterOperation;
use crate::{
    authorization::Permit,
    catalogue::CatalogueCache,
    control::{
        Claim, ConfirmLink, Controls, CreateLinkCode, LinkMember, RedeemLinkCode, Unlink, UnlinkBy,
        UnmergeMembers, Write,
    },
    error::RpcError,
    linking::{Asserted, Linking},
    method::WriteRequest,
    page_token::{Binding, PageTokens},
    parse::{self, member::AskedUnlink, wire_timestamp},
    posting::Posting,
    reading::Reading,
};

/// MemberService over control writes and reads.
#[derive(Debug)]
pub struct Members {
    /// Where writes go.
    pub controls: Controls,
    /// Where references are remembered.
    pub posting: Posting,
    /// Where members are read.
    pub reading: Reading,
    /// What members' links are made by.
    pub linking: Arc<Linking>,
    /// Who the partners are.
    pub catalogue: Arc<CatalogueCache>,
    /// Where lists go on.
    pub page_tokens: Arc<PageTokens>,
}

/// Where an export goes on: after so many records.
#[derive(Clone, PartialEq, Message)]
struct Passed {
    #[prost(int64, tag = "1")]
    records: i64,
}

impl Members {
    /// Makes a write that uses an assertion up; the trail is told of one that was used before.
    async fn by_assertion<W: Write>(
        &self,
        permit: &Permit,
        claim: Claim,
        write: W,
    ) -> Result<Response<<W::Request as WriteRequest>::Response>, Status> {
        let written = self.controls.write(claim, write).await;
        if let Err(RpcError::Refused(refused)) = &written
            && refused.reason() == ErrorReason::AssertionRefused
        {
            let refused = self.linking.refuse(&permit.actor(), Rejected::Claim("jti")).await;
            refused.map_err(RpcError::from)?;
        }
        Ok(Response::new(written?))
    }
}

#[tonic::async_trait]
impl MemberService for Members {
    async fn link_member(
        &self,
        request: Request<LinkMemberRequest>,
    ) -> Result<Response<LinkMemberResponse>, Status> {
        let permit = Permit::of(&request)?.clone();
        let caller = self.catalogue.caller(&permit).await?;
        let mut request = request.into_inner();
        let id = parse::member::link(&request).map_err(RpcError::from)?;
        let asserted = self.linking.read(&permit, &request.member_assertion, None).await?;
        request.member_assertion = standing_for(&asserted);
        let claim = Claim::new(caller.id, id, &request);
        let link = LinkMember { partner: caller.id, asserted, vault: self.linking.vault() };
        self.by_assertion(&permit, claim, link).await
    }

    async fn check_link(
        &self,
        request: Request<CheckLinkRequest>,
    ) -> Result<Response<CheckLinkResponse>, Status> {
        let caller = self.catalogue.caller(Permit::of(&request)?).await?;
        let reference = parse::member::reference(&request.get_ref().member_reference);
        let reference = reference.map_err(RpcError::from)?;
        let reference = self.linking.vault().lookup(caller.id, &reference);
        Ok(Response::new(self.reading.link(caller.id, reference).await?))
    }

    async fn unlink(
        &self,
        request: Request<UnlinkRequest>,
    ) -> Result<Response<UnlinkResponse>, Status> {
        let permit = Permit::of(&request)?.clone();
        let caller = self.catalogue.caller(&permit).await?;
        let request = request.into_inner();
        let (id, by) = parse::member::unlink(&request).map_err(RpcError::from)?;
        let claim = Claim::new(caller.id, id, &request);
        let by = match by {
            AskedUnlink::Reference(reference) => {
                UnlinkBy::Reference(self.linking.vault().lookup(caller.id, &reference))
            }
            AskedUnlink::Code(code) => UnlinkBy::Code(code),
        };
        let own = match by {
            UnlinkBy::Reference(reference) => Some(reference),
            UnlinkBy::Code(_) => None,
        };
        let unlink = Unlink { partner: caller.id, actor: permit.actor(), by };
        let response = self.controls.write(claim, unlink).await?;
        // Other hubs forget when a batch of theirs finds it gone.
        if let Some(reference) = own {
            self.posting.forget(caller.id, reference);
        }
        Ok(Response::new(response))
    }

    async fn create_link_code(
        &self,
        request: Request<CreateLinkCodeRequest>,
    ) -> Result<Response<CreateLinkCodeResponse>, Status> {
        let permit = Permit::of(&request)?.clone();
        let caller = self.catalogue.caller(&permit).await?;
        let request = request.into_inner();
        let (id, reference, target) =
            parse::member::create_code(&request).map_err(RpcError::from)?;
        let (issuer, testing) = (caller.id, caller.testing);
        let reference = self.linking.vault().lookup(issuer, &reference);
        let (allow_merge, key) = (request.allow_merge, self.linking.key());
        let create = CreateLinkCode {
            issuer,
            actor: permit.actor(),
            testing,
            id,
            reference,
            target,
            allow_merge,
            key,
        };
        let claim = Claim::new(issuer, id, &request);
        let mut response = self.controls.write(claim, create).await?;
        response.code = self.linking.key().code(issuer, id).shown();
        Ok(Response::new(response))
    }

    async fn redeem_link_code(
        &self,
        request: Request<RedeemLinkCodeRequest>,
    ) -> Result<Response<RedeemLinkCodeResponse>, Status> {
        let permit = Permit::of(&request)?.clone();
        let caller = self.catalogue.caller(&permit).await?;
        let mut request = request.into_inner();
        let (id, code) = parse::member::redeem(&request).map_err(RpcError::from)?;
        let asserted = self.linking.read(&permit, &request.member_assertion, Some(&code)).await?;
        request.member_assertion = standing_for(&asserted);
        request.code = self.linking.standing_for_code(caller.id, &code);
        let claim = Claim::new(caller.id, id, &request);
        let (key, settings) = (self.linking.key(), self.linking.settings().clone());
        let (partner, vault) = (caller.id, self.linking.vault());
        let redeem = RedeemLinkCode { partner, id, asserted, code, key, vault, settings };
        self.by_assertion(&permit, claim, redeem).await
    }

    async fn confirm_link(
        &self,
        request: Request<ConfirmLinkRequest>,
    ) -> Result<Response<ConfirmLinkResponse>, Status> {
        let permit = Permit::of(&request)?.clone();
        let caller = self.catalogue.caller(&permit).await?;
        let mut request = request.into_inner();
        let (id, code) = parse::member::confirm(&request).map_err(RpcError::from)?;
        let asserted = self.linking.read(&permit, &request.member_assertion, None).await?;
        request.member_assertion = standing_for(&asserted);
        let claim = Claim::new(caller.id, id, &request);
        let (number, hold_back) = (request.number, self.linking.settings().hold_back());
        let (partner, catalogue) = (caller.id, Arc::clone(&self.catalogue));
        let vault = self.linking.vault();
        let confirm =
            ConfirmLink { partner, id, asserted, code, number, hold_back, catalogue, vault };
        self.by_assertion(&permit, claim, confirm).await
    }

    async fn unmerge_members(
        &self,
        request: Request<UnmergeMembersRequest>,
    ) -> Result<Response<UnmergeMembersResponse>, Status> {
        let permit = Permit::of(&request)?.clone();
        let caller = self.catalogue.caller(&permit).await?;
        let request = request.into_inner();
        let (id, by) = parse::member::unmerge(&request).map_err(RpcError::from)?;
        let claim = Claim::new(caller.id, id, &request);
        let (actor, catalogue) = (permit.actor(), Arc::clone(&self.catalogue));
        let unmerge = UnmergeMembers { partner: caller.id, actor, id, by, catalogue };
        Ok(Response::new(self.controls.write(claim, unmerge).await?))
    }

    async fn export_member(
        &self,
        request: Request<ExportMemberRequest>,
    ) -> Result<Response<ExportMemberResponse>, Status> {
        let permit = Permit::of(&request)?;
        permit.operator().map_err(RpcError::from)?;
        let asked = request.get_ref();
        let (code, reference) = parse::member::export(asked).map_err(RpcError::from)?;
        let named = [asked.partner.as_str(), asked.member_reference.as_str()];
        let binding = Binding::new(permit.caller(), "export", &named);
        let (size, token) = (asked.page_size, &asked.page_token);
        let (size, after) = parse::page::<Passed>(&self.page_tokens, &binding, size, token)
            .map_err(RpcError::from)?;
        let passed = after.map_or(0, |after| after.records);
        let page = self.reading.export((&code, &reference), passed, size, permit.actor()).await?;
        let next = page.next.map(|records| self.page_tokens.seal(&binding, &Passed { records }));
        let next_page_token = next.unwrap_or_default();
        Ok(Response::new(ExportMemberResponse { records: page.records, next_page_token }))
    }

    async fn get_balance(
        &self,
        request: Request<GetBalanceRequest>,
    ) -> Result<Response<GetBalanceResponse>, Status> {
        let caller = self.catalogue.caller(Permit::of(&request)?).await?;
        let reference = parse::member::reference(&request.get_ref().member_reference);
        let reference = reference.map_err(RpcError::from)?;
        let reference = self.linking.vault().lookup(caller.id, &reference);
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
        let member = member.map(|reference| self.linking.vault().lookup(caller.id, &reference));
        let after = after.map(|after| after.place()).transpose()?;
        let (operations, next) = self.reading.operations(caller.id, member, after, size).await?;
        let archived_before = match next {
            Some(_) => None,
            None => self.reading.archived_before().await.map_err(RpcError::from)?,
        };
        let next = next.map(|next| self.page_tokens.seal(&binding, &AfterOperation::of(next)));
        let next_page_token = next.unwrap_or_default();
        let archived_before = archived_before.map(wire_timestamp);
        Ok(Response::new(ListOperationsResponse { operations, next_page_token, archived_before }))
    }
}

/// What is kept with a request in place of its assertion, veiled: a retry may bring a fresh one of the
/// same reference.
fn standing_for(asserted: &Asserted) -> String {
    asserted.reference.as_str().to_owned()
}
