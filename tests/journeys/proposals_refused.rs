//! Proposals that come to nothing: late, ended, malformed, or for an act that the ledger refuses.

use entente_client::{
    Client, Error,
    api::{
        error::ErrorReason as R,
        partner::{CreatePartnerRequest, PublishTermsRequest},
        proposal::{
            Act, ApproveRequest, GetProposalRequest, ListProposalsRequest, Proposal, ProposalState,
            ProposeRequest, RejectRequest, act::Act as OneAct,
        },
    },
    new_request_id,
};
use entente_testkit::{
    OPERATOR, SECOND_OPERATOR, TestHub,
    cast::{HARBOR, ROVER, agreement, wire_time},
    morning,
};
use jiff::SignedDuration;
use prost::Message;

use crate::{
    proposals::{approval, assert_trail, attachment, get, propose, refusal, terms, version_count},
    published::assert_refused,
    wire::{Rpc, Wire},
};

const NEW: &str = "blue-fuel";

async fn end(operator: &Client, proposal: &str) -> Result<Proposal, Error> {
    let reason = "the partner changed its mind".to_owned();
    let request =
        RejectRequest { request_id: new_request_id(), proposal: proposal.to_owned(), reason };
    let answer = operator.reject(request).await?;
    Ok(answer.proposal.expect("the proposal"))
}

fn assert_ended(answer: Result<Proposal, Error>, reason: R, metadata: &[(&str, &str)]) {
    let error = answer.expect_err("it was not open");
    assert_refused(error.refusal().expect("a refusal"), reason, metadata, "not open");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_approves_what_is_not_there() {
    let hub = TestHub::with_cast().await;
    let operators = hub.operator().await;
    let nothing = new_request_id();
    let told = refusal(operators.approve(approval(&nothing)).await, "approve");
    assert_refused(&told, R::ProposalUnknown, &[], "approve");
    assert_ended(end(&operators, &nothing).await, R::ProposalUnknown, &[]);
    let read = operators.get_proposal(GetProposalRequest { proposal: nothing }).await;
    let error = read.expect_err("get");
    assert_refused(error.refusal().expect("a refusal"), R::ProposalUnknown, &[], "get");
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ended_proposal_stays_ended() {
    let hub = TestHub::with_cast().await;
    let operators = hub.operator().await;
    let enders = [
        (&*operators, ProposalState::Withdrawn, "WITHDRAWN"),
        (operators.approver(), ProposalState::Rejected, "REJECTED"),
    ];
    for (who, state, name) in enders {
        let id = propose(&operators, terms(HARBOR, 24)).await;
        let ended = end(who, &id).await.unwrap();
        assert_eq!(ended.state(), state);
        let found = get(&operators, &id).await;
        assert_eq!((found.state(), found.decided_by.as_str()), (state, ended.decided_by.as_str()));
        assert_eq!(found.decided_by == SECOND_OPERATOR, state == ProposalState::Rejected);
        assert_eq!(found.decision_reason, "the partner changed its mind");
        let told = [("Proposed", OPERATOR, "OPEN"), ("Rejected", &ended.decided_by, name)];
        assert_trail(&hub, &id, &told).await;

        let request = approval(&id);
        for says in ["first", "replayed"] {
            let told = refusal(operators.approver().approve(request.clone()).await, says);
            assert_refused(&told, R::ProposalNotOpen, &[("state", name)], says);
        }
        for who in [&*operators, operators.approver()] {
            assert_ended(end(who, &id).await, R::ProposalNotOpen, &[("state", name)]);
        }
    }
    assert_eq!(version_count(&operators, HARBOR).await, 1);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proposal_can_be_approved_for_seven_days() {
    let hub = TestHub::with_cast().await;
    let operators = hub.operator().await;
    let (in_time, late) = (
        propose(&operators, terms(HARBOR, 240)).await,
        propose(&operators, terms(ROVER, 240)).await,
    );
    let week = SignedDuration::from_hours(7 * 24);
    assert_eq!(get(&operators, &late).await.expires_at, Some(wire_time(morning() + week)));
    hub.advance_to(morning() + week - SignedDuration::from_secs(1)).await;
    operators.approver().approve(approval(&in_time)).await.unwrap();
    hub.advance_to(morning() + week).await;

    let request = approval(&late);
    for says in ["first", "replayed"] {
        let told = refusal(operators.approver().approve(request.clone()).await, says);
        assert_refused(&told, R::ProposalExpired, &[], says);
    }
    for who in [&*operators, operators.approver()] {
        assert_ended(end(who, &late).await, R::ProposalExpired, &[]);
    }
    let found = get(&operators, &late).await;
    assert_eq!((found.state(), found.decided_by.as_str()), (ProposalState::Expired, ""));
    let count = async |state: ProposalState| {
        let request = ListProposalsRequest { state: state.into(), ..Default::default() };
        let listed = operators.list_proposals(request).await.unwrap().proposals;
        listed.iter().filter(|listed| listed.proposal == late).count()
    };
    assert_eq!(count(ProposalState::Expired).await, 1);
    assert_eq!(count(ProposalState::Open).await, 0);
    assert_eq!(version_count(&operators, ROVER).await, 1);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_act_that_is_refused_for_good_ends_its_proposal_with_the_refusal() {
    let hub = TestHub::with_cast().await;
    let operators = hub.operator().await;
    let id = propose(&operators, terms(HARBOR, 24)).await;
    hub.advance_to(morning() + SignedDuration::from_hours(25)).await;
    let request = approval(&id);
    for says in ["first", "replayed"] {
        let told = refusal(operators.approver().approve(request.clone()).await, says);
        assert_refused(&told, R::TermsInPast, &[], says);
    }
    let told = refusal(operators.approver().approve(approval(&id)).await, "another id");
    assert_refused(&told, R::ProposalNotOpen, &[("state", "REFUSED")], "another id");

    let found = get(&operators, &id).await;
    assert_eq!(found.state(), ProposalState::Refused);
    assert_eq!(found.decided_by, SECOND_OPERATOR);
    let kept = entente_client::Refusal::from_kept(&found.refusal.expect("the refusal"));
    assert_refused(&kept, R::TermsInPast, &[], "kept with the proposal");
    let told = [("Proposed", OPERATOR, "OPEN"), ("Approved", SECOND_OPERATOR, "REFUSED")];
    assert_trail(&hub, &id, &told).await;
    assert_eq!(version_count(&operators, HARBOR).await, 1);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_that_can_be_cured_leaves_the_proposal_open() {
    let hub = TestHub::with_cast().await;
    let operators = hub.operator().await;
    let publish = propose(&operators, terms(NEW, -24)).await;
    let attach = propose(&operators, attachment(ROVER)).await;
    let (published, attached) = (approval(&publish), approval(&attach));
    let told = refusal(operators.approver().approve(published.clone()).await, "no partner");
    assert_refused(&told, R::PartnerUnknown, &[], "no partner");
    let told = refusal(operators.approver().approve(attached.clone()).await, "no member");
    assert_refused(&told, R::MemberUnknown, &[], "no member");
    assert_eq!(get(&operators, &publish).await.state(), ProposalState::Open);

    let create = CreatePartnerRequest {
        request_id: new_request_id(),
        code: NEW.to_owned(),
        display_name: "Blue Fuel".to_owned(),
        testing: false,
    };
    operators.create_partner(create).await.unwrap();
    entente_testkit::cast::enrol(&hub.partner(HARBOR).await, "guest").await;
    for request in [published, attached] {
        let told = operators.approver().approve(request).await.unwrap();
        assert!(!told.replayed, "the same id was free");
    }
    assert_eq!(version_count(&operators, NEW).await, 1);
    hub.close().await;
}

type Case = (Rpc, Vec<u8>, &'static [&'static str]);

fn proposal(act: Option<OneAct>) -> ProposeRequest {
    ProposeRequest {
        request_id: new_request_id(),
        reason: "a reason".to_owned(),
        act: act.map(|act| Act { act: Some(act) }),
    }
}

fn bad_proposals() -> Vec<Case> {
    let rpc = ("proposal", "Propose");
    let publish = |request_id: String, partner: &str, nanos| {
        let effective_from = Some(prost_types::Timestamp { seconds: 0, nanos });
        let agreement = Some(agreement(HARBOR));
        let partner = partner.to_owned();
        proposal(Some(OneAct::PublishTerms(PublishTermsRequest {
            request_id,
            partner,
            effective_from,
            agreement,
        })))
    };
    let good = || publish(String::new(), HARBOR, 0);
    let mut cases: Vec<Case> = vec![
        (rpc, proposal(None).encode_to_vec(), &["act"]),
        (rpc, Vec::new(), &["request_id", "reason", "act"]),
        (
            rpc,
            publish(new_request_id(), "Harbor", -1).encode_to_vec(),
            &[
                "act.publish_terms.request_id",
                "act.publish_terms.partner",
                "act.publish_terms.effective_from",
            ],
        ),
    ];
    let nothing = ProposeRequest { act: Some(Act::default()), ..good() };
    cases.push((rpc, nothing.encode_to_vec(), &["act.act"]));
    let OneAct::AttachReference(mut attach) = attachment(ROVER) else { unreachable!() };
    "a\0b".clone_into(&mut attach.target_member_reference);
    let attach = proposal(Some(OneAct::AttachReference(attach)));
    let field = &["act.attach_reference.target_member_reference"];
    cases.push((rpc, attach.encode_to_vec(), field));
    for bad in ["", "a\nb", &"r".repeat(257)] {
        let reason = ProposeRequest { reason: bad.to_owned(), ..good() };
        cases.push((rpc, reason.encode_to_vec(), &["reason"]));
    }
    let OneAct::PublishTerms(mut huge) = terms(HARBOR, 24) else { unreachable!() };
    huge.partner = "p".repeat(300_000);
    cases.push((rpc, proposal(Some(OneAct::PublishTerms(huge))).encode_to_vec(), &["act"]));
    cases
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_malformed_is_named_before_anything_is_looked_up() {
    let hub = TestHub::with_cast().await;
    let wire = Wire::operator(&hub).await;
    let (id, none) = (new_request_id, String::new);
    let reject = |request_id, proposal, reason: &str| {
        RejectRequest { request_id, proposal, reason: reason.to_owned() }.encode_to_vec()
    };
    let approve = |request_id, proposal| ApproveRequest { request_id, proposal }.encode_to_vec();
    let list = |state, page_size| {
        ListProposalsRequest { state, page_size, page_token: String::new() }.encode_to_vec()
    };
    let mut cases = bad_proposals();
    cases.extend::<[Case; 8]>([
        (("proposal", "Approve"), approve(none(), none()), &["request_id", "proposal"]),
        (("proposal", "Approve"), approve(id(), "terms".to_owned()), &["proposal"]),
        (("proposal", "Reject"), reject(none(), none(), ""), &["request_id", "proposal", "reason"]),
        (("proposal", "Reject"), reject(id(), id(), "a\0b"), &["reason"]),
        (("proposal", "GetProposal"), Vec::new(), &["proposal"]),
        (("proposal", "ListProposals"), list(7, 0), &["state"]),
        (("proposal", "ListProposals"), list(0, 1_001), &["page_size"]),
        (("proposal", "ListProposals"), list(0, -1), &["page_size"]),
    ]);
    for (rpc, message, fields) in cases {
        let refusal = wire.call(rpc, &message).await.expect_err(rpc.1);
        assert_refused(&refusal, R::Malformed, &[], rpc.1);
        let named: Vec<_> = refusal.violations.iter().map(|bad| bad.field.as_str()).collect();
        assert_eq!(named, fields, "{}", rpc.1);
    }
    let operators = hub.operator().await;
    let listed = operators.list_proposals(ListProposalsRequest::default()).await.unwrap();
    let others = listed.proposals.iter().filter(|listed| listed.reason == "a reason").count();
    assert_eq!(others, 0, "a malformed proposal was kept");
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_partner_comes_near_a_proposal() {
    let hub = TestHub::with_cast().await;
    let operators = hub.operator().await;
    let id = propose(&operators, terms(HARBOR, 24)).await;
    let harbor = Wire::partner(&hub, HARBOR).await;
    let good = proposal(Some(terms(HARBOR, 24))).encode_to_vec();
    let read = GetProposalRequest { proposal: id.clone() }.encode_to_vec();
    for (method, message) in [
        ("Propose", good),
        ("Approve", approval(&id).encode_to_vec()),
        ("Reject", approval(&id).encode_to_vec()),
        ("GetProposal", read),
        ("ListProposals", Vec::new()),
    ] {
        let refusal = harbor.call(("proposal", method), &message).await.expect_err(method);
        assert_refused(&refusal, R::NotAllowed, &[], method);
    }
    for gone in [("partner", "PublishTerms"), ("member", "AttachReference")] {
        for wire in [&harbor, &Wire::operator(&hub).await] {
            let refusal = wire.call(gone, &[]).await.expect_err("there is no such call");
            assert_refused(&refusal, R::NotAllowed, &[], gone.1);
        }
    }
    assert_eq!(get(&operators, &id).await.state(), ProposalState::Open);
    hub.close().await;
}
