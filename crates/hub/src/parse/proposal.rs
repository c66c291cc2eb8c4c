//! Requests about proposals.

use entente_api::proposal::{ApproveRequest, ProposalState, ProposeRequest, RejectRequest};
use entente_ledger::RequestId;
use entente_store::proposals::{Choice, EndKind};
use prost::Message;

use super::{Violations, printable, request_id};
use crate::{
    authorization::OperatorRole,
    control::{AnyAct, Subject},
    error::Refused,
};

const MAX_REASON_CHARS: usize = 256;

/// The longest act, encoded.
const MAX_ACT_BYTES: usize = 262_144;

/// An id to parse an act under while it is only looked at: the one that it will run under is that of
/// its approval.
const SOME_ID: &str = "e5d0a6e2-6f7c-4c55-9a53-5f6d1b0a4c11";

/// A proposal that is well formed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposed {
    /// The request id, which is the proposal's too.
    pub id: RequestId,
    /// Why.
    pub reason: String,
    /// What the act is, by its number in the contract.
    pub kind: i16,
    /// The role that both operators need.
    pub role: OperatorRole,
    /// The act, encoded.
    pub act: Vec<u8>,
    /// The member that it is about.
    pub about: Option<Subject>,
}

/// A new proposal. What is malformed in its act is named as a field of the proposal.
pub fn propose(request: &ProposeRequest) -> Result<Proposed, Refused> {
    let mut violations = Violations::default();
    let id = violations.field("request_id", request_id(&request.request_id));
    let reason = violations.field("reason", printable(&request.reason, MAX_REASON_CHARS));
    let Some(act) = violations.required("act", request.act.as_ref()) else {
        return Err(violations.refused());
    };
    let encoded = act.encode_to_vec();
    if encoded.len() > MAX_ACT_BYTES {
        violations.add("act", format!("at most {MAX_ACT_BYTES} bytes"));
        return Err(violations.refused());
    }
    match (id, reason, AnyAct::parse(act, SOME_ID)) {
        (Some(id), Some(reason), Ok(parsed)) => {
            let kind = i16::try_from(i32::from(parsed.kind())).unwrap_or(i16::MAX);
            let (role, about) = (parsed.role(), parsed.about());
            Ok(Proposed { id, reason, kind, role, act: encoded, about })
        }
        (_, _, Ok(_)) => Err(violations.refused()),
        (_, _, Err(refused)) => Err(violations.and(refused.inside("act"))),
    }
}

/// The request id of an approval, and the proposal.
pub fn approve(request: &ApproveRequest) -> Result<(RequestId, RequestId), Refused> {
    let mut violations = Violations::default();
    let id = violations.field("request_id", request_id(&request.request_id));
    let proposal = violations.field("proposal", request_id(&request.proposal));
    id.zip(proposal).ok_or_else(|| violations.refused())
}

/// The request id of a rejection, the proposal, and why.
pub fn reject(request: &RejectRequest) -> Result<(RequestId, RequestId, String), Refused> {
    let mut violations = Violations::default();
    let id = violations.field("request_id", request_id(&request.request_id));
    let proposal = violations.field("proposal", request_id(&request.proposal));
    let reason = violations.field("reason", printable(&request.reason, MAX_REASON_CHARS));
    match (id, proposal, reason) {
        (Some(id), Some(proposal), Some(reason)) => Ok((id, proposal, reason)),
        _ => Err(violations.refused()),
    }
}

/// The proposal of a read.
pub fn named(proposal: &str) -> Result<RequestId, Refused> {
    let mut violations = Violations::default();
    violations.field("proposal", request_id(proposal)).ok_or_else(|| violations.refused())
}

/// Which proposals to list.
pub fn choice(state: i32) -> Result<Choice, Refused> {
    let Ok(state) = ProposalState::try_from(state) else {
        let mut violations = Violations::default();
        violations.add("state", "a ProposalState");
        return Err(violations.refused());
    };
    Ok(match state {
        ProposalState::Unspecified => Choice::All,
        ProposalState::Open => Choice::Open,
        ProposalState::Applied => Choice::Ended(EndKind::Applied),
        ProposalState::Refused => Choice::Ended(EndKind::Refused),
        ProposalState::Rejected => Choice::Ended(EndKind::Rejected),
        ProposalState::Withdrawn => Choice::Ended(EndKind::Withdrawn),
        ProposalState::Expired => Choice::Expired,
    })
}

#[cfg(test)]
mod tests {
    use entente_api::{
        partner::PublishTermsRequest,
        proposal::{Act, act},
    };

    use super::*;

    fn malformed<T: std::fmt::Debug>(parsed: Result<T, Refused>) -> String {
        let refused = parsed.expect_err("a refusal");
        refused.message().trim_start_matches("the request is malformed: ").to_owned()
    }

    #[test]
    fn what_is_malformed_in_an_act_is_named_from_the_proposal() {
        let request_id = SOME_ID.to_owned();
        let publish = PublishTermsRequest { request_id, ..PublishTermsRequest::default() };
        let act = Act { act: Some(act::Act::PublishTerms(publish)) };
        let request = ProposeRequest { act: Some(act), ..ProposeRequest::default() };
        assert_eq!(
            malformed(propose(&request)),
            "request_id, reason, act.publish_terms.request_id, act.publish_terms.partner, \
             act.publish_terms.agreement"
        );
        let nothing = ProposeRequest { act: Some(Act::default()), ..ProposeRequest::default() };
        assert_eq!(malformed(propose(&nothing)), "request_id, reason, act.act");
        assert_eq!(malformed(propose(&ProposeRequest::default())), "request_id, reason, act");
    }

    #[test]
    fn a_decision_names_its_proposal() {
        assert_eq!(malformed(approve(&ApproveRequest::default())), "request_id, proposal");
        assert_eq!(malformed(reject(&RejectRequest::default())), "request_id, proposal, reason");
        assert_eq!(malformed(named("1")), "proposal");
        assert_eq!(malformed(choice(7)), "state");
    }
}
