//! Requests about members.

use entente_api::member::{
    AttachReferenceRequest, ConfirmLinkRequest, CreateLinkCodeRequest, EraseMemberRequest,
    ExportMemberRequest, LinkMemberRequest, RedeemLinkCodeRequest, UnlinkRequest,
    UnmergeMembersRequest, unlink_request::Link, unmerge_members_request,
};
use entente_ledger::RequestId;
use entente_loyalty::PartnerCode;
use entente_store::linking::MergeBy;

use super::{Expected, MemberReference, Violations, member_reference, partner_code, request_id};
use crate::{
    control::{AttachReference, EraseMember},
    error::Refused,
    linking::TypedCode,
};

/// The longest assertion, as all JWTs.
const MAX_ASSERTION_BYTES: usize = 4_096;

/// A link by a partner's assertion, which is still to be verified.
pub fn link(request: &LinkMemberRequest) -> Result<RequestId, Refused> {
    let mut violations = Violations::default();
    let id = violations.field("request_id", request_id(&request.request_id));
    let assertion = violations.field("member_assertion", assertion(&request.member_assertion));
    match (id, assertion) {
        (Some(id), Some(())) => Ok(id),
        _ => Err(violations.refused()),
    }
}

/// How a request names a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AskedUnlink {
    /// The partner's own, by its reference.
    Reference(MemberReference),
    /// The one that a code of the partner made at another.
    Code(RequestId),
}

/// The end of a link.
pub fn unlink(request: &UnlinkRequest) -> Result<(RequestId, AskedUnlink), Refused> {
    let mut violations = Violations::default();
    let id = violations.field("request_id", request_id(&request.request_id));
    let by = match &request.link {
        Some(Link::MemberReference(text)) => {
            let reference = violations.field("member_reference", member_reference(text));
            reference.map(AskedUnlink::Reference)
        }
        Some(Link::LinkCodeId(text)) => {
            violations.field("link_code_id", request_id(text)).map(AskedUnlink::Code)
        }
        None => violations.field("link", Err("a reference, or the id of a link code".into())),
    };
    match (id, by) {
        (Some(id), Some(by)) => Ok((id, by)),
        _ => Err(violations.refused()),
    }
}

/// A merge that is taken back.
pub fn unmerge(request: &UnmergeMembersRequest) -> Result<(RequestId, MergeBy), Refused> {
    use unmerge_members_request::Merge::{LinkCodeId, RedemptionId};
    let mut violations = Violations::default();
    let id = violations.field("request_id", request_id(&request.request_id));
    let by = match &request.merge {
        Some(LinkCodeId(text)) => {
            violations.field("link_code_id", request_id(text)).map(MergeBy::Code)
        }
        Some(RedemptionId(text)) => {
            violations.field("redemption_id", request_id(text)).map(MergeBy::Redemption)
        }
        None => {
            violations.field("merge", Err("the id of a link code, or of its redemption".into()))
        }
    };
    match (id, by) {
        (Some(id), Some(by)) => Ok((id, by)),
        _ => Err(violations.refused()),
    }
}

/// What a code is made for.
pub fn create_code(
    request: &CreateLinkCodeRequest,
) -> Result<(RequestId, MemberReference, PartnerCode), Refused> {
    let mut violations = Violations::default();
    let id = violations.field("request_id", request_id(&request.request_id));
    let reference =
        violations.field("member_reference", member_reference(&request.member_reference));
    let target = violations.field("target_partner", partner_code(&request.target_partner));
    match (id, reference, target) {
        (Some(id), Some(reference), Some(target)) => Ok((id, reference, target)),
        _ => Err(violations.refused()),
    }
}

/// A typed code, with an assertion that is still to be verified.
pub fn redeem(request: &RedeemLinkCodeRequest) -> Result<(RequestId, TypedCode), Refused> {
    let mut violations = Violations::default();
    let id = violations.field("request_id", request_id(&request.request_id));
    let assertion = violations.field("member_assertion", assertion(&request.member_assertion));
    let code = TypedCode::typed(&request.code).ok_or("1 to 32 characters".into());
    let code = violations.field("code", code);
    match (id, assertion, code) {
        (Some(id), Some(()), Some(code)) => Ok((id, code)),
        _ => Err(violations.refused()),
    }
}

/// A confirmation: the request's own id and that of the code.
pub fn confirm(request: &ConfirmLinkRequest) -> Result<(RequestId, RequestId), Refused> {
    let mut violations = Violations::default();
    let id = violations.field("request_id", request_id(&request.request_id));
    let assertion = violations.field("member_assertion", assertion(&request.member_assertion));
    let code = violations.field("link_code_id", request_id(&request.link_code_id));
    let good = (10..=99).contains(&request.number);
    let number = violations.field("number", good.then_some(()).ok_or("two digits".into()));
    match (id, assertion, code, number) {
        (Some(id), Some(()), Some(code), Some(())) => Ok((id, code)),
        _ => Err(violations.refused()),
    }
}

/// Whether there is an assertion at all; what is wrong with it, nobody is told.
fn assertion(text: &str) -> Result<(), Expected> {
    let good = (1..=MAX_ASSERTION_BYTES).contains(&text.len());
    good.then_some(()).ok_or("a signed member assertion of at most 4096 bytes".into())
}

/// A second brand's reference.
pub fn attach(request: &AttachReferenceRequest) -> Result<(RequestId, AttachReference), Refused> {
    let mut violations = Violations::default();
    let id = violations.field("request_id", request_id(&request.request_id));
    let partner = violations.field("partner", partner_code(&request.partner));
    let reference =
        violations.field("member_reference", member_reference(&request.member_reference));
    let target = violations.field("target_partner", partner_code(&request.target_partner));
    let target_reference = member_reference(&request.target_member_reference);
    let target_reference = violations.field("target_member_reference", target_reference);
    match (id, partner, reference, target, target_reference) {
        (
            Some(id),
            Some(partner),
            Some(reference),
            Some(target_partner),
            Some(target_reference),
        ) => {
            let vault = None;
            let attach =
                AttachReference { partner, reference, target_partner, target_reference, vault };
            Ok((id, attach))
        }
        _ => Err(violations.refused()),
    }
}

/// An erasure.
pub fn erase(request: &EraseMemberRequest) -> Result<(RequestId, EraseMember), Refused> {
    let mut violations = Violations::default();
    let id = violations.field("request_id", request_id(&request.request_id));
    let partner = violations.field("partner", partner_code(&request.partner));
    let reference =
        violations.field("member_reference", member_reference(&request.member_reference));
    match (id, partner, reference) {
        (Some(id), Some(partner), Some(reference)) => {
            Ok((id, EraseMember::of(partner, reference, id)))
        }
        _ => Err(violations.refused()),
    }
}

/// Whose data is exported.
pub fn export(request: &ExportMemberRequest) -> Result<(PartnerCode, MemberReference), Refused> {
    let mut violations = Violations::default();
    let partner = violations.field("partner", partner_code(&request.partner));
    let reference =
        violations.field("member_reference", member_reference(&request.member_reference));
    partner.zip(reference).ok_or_else(|| violations.refused())
}

/// The one reference of a read.
pub fn reference(text: &str) -> Result<MemberReference, Refused> {
    let mut violations = Violations::default();
    let reference = violations.field("member_reference", member_reference(text));
    reference.ok_or_else(|| violations.refused())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_malformed_field_of_a_link_is_named() {
        let refused = attach(&AttachReferenceRequest::default()).expect_err("all is missing");
        assert_eq!(
            refused.message(),
            "the request is malformed: request_id, partner, member_reference, target_partner, \
             target_member_reference"
        );
        let told = |refused: Refused| refused.message().replace("the request is malformed: ", "");
        let refused = told(link(&LinkMemberRequest::default()).expect_err("empty"));
        assert_eq!(refused, "request_id, member_assertion");
        let refused = told(unlink(&UnlinkRequest::default()).expect_err("empty"));
        assert_eq!(refused, "request_id, link");
        let refused = told(unmerge(&UnmergeMembersRequest::default()).expect_err("empty"));
        assert_eq!(refused, "request_id, merge");
        let refused = told(create_code(&CreateLinkCodeRequest::default()).expect_err("empty"));
        assert_eq!(refused, "request_id, member_reference, target_partner");
        let refused = told(redeem(&RedeemLinkCodeRequest::default()).expect_err("empty"));
        assert_eq!(refused, "request_id, member_assertion, code");
        let refused = told(confirm(&ConfirmLinkRequest::default()).expect_err("empty"));
        assert_eq!(refused, "request_id, member_assertion, link_code_id, number");
    }

    #[test]
    fn a_reference_with_a_nul_is_refused() {
        let refused = reference("guest\0").expect_err("a NUL");
        assert_eq!(refused.message(), "the request is malformed: member_reference");
        assert!(reference("guest-1").is_ok());
    }
}
