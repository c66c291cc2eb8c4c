//! Requests about members.

use entente_api::member::{AttachReferenceRequest, EnrolMemberRequest};
use entente_ledger::{PartnerId, RequestId};

use super::{MemberReference, Violations, member_reference, partner_code, request_id};
use crate::{
    control::{AttachReference, EnrolMember},
    error::Refused,
};

/// An enrolment by a partner.
pub fn enrol(
    partner: PartnerId,
    request: &EnrolMemberRequest,
) -> Result<(RequestId, EnrolMember), Refused> {
    let mut violations = Violations::default();
    let id = violations.field("request_id", request_id(&request.request_id));
    let reference =
        violations.field("member_reference", member_reference(&request.member_reference));
    match (id, reference) {
        (Some(id), Some(reference)) => Ok((id, EnrolMember { partner, reference })),
        _ => Err(violations.refused()),
    }
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
            let attach = AttachReference { partner, reference, target_partner, target_reference };
            Ok((id, attach))
        }
        _ => Err(violations.refused()),
    }
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
        let refused = enrol(PartnerId(1), &EnrolMemberRequest::default()).expect_err("empty");
        assert_eq!(refused.message(), "the request is malformed: request_id, member_reference");
    }

    #[test]
    fn a_reference_with_a_nul_is_refused() {
        let request = EnrolMemberRequest {
            request_id: "7d0c1e1c-6f0b-4d1b-9c59-0d3b1f6f7a10".to_owned(),
            member_reference: "guest\0".to_owned(),
        };
        let refused = enrol(PartnerId(1), &request).expect_err("a NUL");
        assert_eq!(refused.message(), "the request is malformed: member_reference");
        assert!(reference("guest-1").is_ok());
    }
}
