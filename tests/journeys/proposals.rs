//! Four eyes: what needs two operators is proposed by one and applied when the other approves it,
//! exactly once, and who did what stays on record.

use entente_client::{
    Client, Error, Operators, Refusal,
    api::{
        error::ErrorReason,
        member::AttachReferenceRequest,
        partner::{CreatePartnerRequest, Funding, ListTermsRequest, PublishTermsRequest},
        proposal::{
            Act, ActKind, ApproveRequest, ApproveResponse, GetProposalRequest,
            ListProposalsRequest, Proposal, ProposalState, ProposeRequest, act::Act as OneAct,
            applied::Answer,
        },
    },
    new_request_id,
};
use entente_identity::Identity;
use entente_store::security::{self, EventFilter};
use entente_testkit::{
    OPERATOR, SECOND_OPERATOR, TestHub,
    cast::{GROCER, HARBOR, ROVER, agreement_in, balances, enrol, wire_time},
    morning,
};
use futures::future::join_all;
use jiff::SignedDuration;

use crate::published::assert_refused;

/// Why everything here is proposed.
const REASON: &str = "agreed on the phone, 2 March";

/// Terms that begin in so many hours.
pub(crate) fn terms(partner: &str, hours: i64) -> OneAct {
    OneAct::PublishTerms(PublishTermsRequest {
        request_id: String::new(),
        partner: partner.to_owned(),
        effective_from: Some(wire_time(morning() + SignedDuration::from_hours(hours))),
        agreement: Some(agreement_in("EUR", Funding::AtIssue)),
    })
}

/// The guest of Harbor gets the same reference at another brand.
pub(crate) fn attachment(target: &str) -> OneAct {
    OneAct::AttachReference(AttachReferenceRequest {
        request_id: String::new(),
        partner: HARBOR.to_owned(),
        member_reference: "guest".to_owned(),
        target_partner: target.to_owned(),
        target_member_reference: "guest".to_owned(),
    })
}

/// Proposes an act, and answers the proposal's id.
pub(crate) async fn propose(operator: &Client, act: OneAct) -> String {
    let request = ProposeRequest {
        request_id: new_request_id(),
        reason: REASON.to_owned(),
        act: Some(Act { act: Some(act) }),
    };
    let id = request.request_id.clone();
    let answer = operator.propose(request).await.expect("a good proposal");
    let proposal = answer.proposal.expect("the proposal");
    assert_eq!((&proposal.proposal, proposal.state()), (&id, ProposalState::Open));
    id
}

pub(crate) fn approval(proposal: &str) -> ApproveRequest {
    ApproveRequest { request_id: new_request_id(), proposal: proposal.to_owned() }
}

pub(crate) async fn get(operator: &Client, proposal: &str) -> Proposal {
    let request = GetProposalRequest { proposal: proposal.to_owned() };
    operator.get_proposal(request).await.unwrap().proposal.expect("the proposal")
}

pub(crate) async fn version_count(operator: &Client, partner: &str) -> usize {
    let request = ListTermsRequest { partner: partner.to_owned(), ..Default::default() };
    operator.list_terms(request).await.unwrap().terms.len()
}

pub(crate) fn refusal(answer: Result<ApproveResponse, Error>, case: &str) -> Refusal {
    answer.expect_err(case).refusal().expect(case).clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_act_takes_two_operators_and_both_are_on_record() {
    let hub = TestHub::with_cast().await;
    let operators = hub.operator().await;
    let id = propose(&operators, terms(HARBOR, 24)).await;
    assert_eq!(version_count(&operators, HARBOR).await, 1, "proposed is not published");
    let own = refusal(operators.approve(approval(&id)).await, "the proposer's own");
    assert_refused(&own, ErrorReason::OwnProposal, &[], "the proposer's own");
    assert_eq!(version_count(&operators, HARBOR).await, 1, "approved by nobody else");

    let request = approval(&id);
    let told = operators.approver().approve(request.clone()).await.unwrap();
    assert!(!told.replayed);
    let again = operators.approver().approve(request).await.unwrap();
    assert!(again.replayed && again.proposal == told.proposal);
    assert_eq!(version_count(&operators, HARBOR).await, 2);

    let found = get(&operators, &id).await;
    assert_eq!((found.state(), found.kind()), (ProposalState::Applied, ActKind::PublishTerms));
    let names = (found.proposed_by.as_str(), found.decided_by.as_str());
    assert_eq!((names, found.reason.as_str()), ((OPERATOR, SECOND_OPERATOR), REASON));
    assert_eq!(found.proposed_at, Some(wire_time(morning())));
    assert_eq!(found.act, Some(Act { act: Some(terms(HARBOR, 24)) }));
    assert_eq!(Some(&found.applied), told.proposal.as_ref().map(|told| &told.applied));
    let Some(Answer::PublishTerms(published)) = found.applied.and_then(|done| done.answer) else {
        panic!("the answer is that of the act");
    };
    assert_eq!(published.terms.expect("the version").version, 2);
    assert_trail(
        &hub,
        &id,
        &[("Proposed", OPERATOR, "OPEN"), ("Approved", SECOND_OPERATOR, "APPLIED")],
    )
    .await;
    let late = refusal(operators.approver().approve(approval(&id)).await, "a second approval");
    let metadata = [("state", "APPLIED")];
    assert_refused(&late, ErrorReason::ProposalNotOpen, &metadata, "a second approval");
    hub.close().await;
}

/// Asserts what the trail tells of a proposal, first to last: kind, operator and state.
pub(crate) async fn assert_trail(hub: &TestHub, proposal: &str, expected: &[(&str, &str, &str)]) {
    let pool = hub.database().owner_pool().await;
    let filter = EventFilter::default();
    let mut told = security::list_events(&pool, &filter, None, 1_000).await.unwrap();
    told.retain(|event| event.subject == format!("proposal/{proposal}"));
    told.reverse();
    let found: Vec<_> = told
        .iter()
        .map(|event| {
            assert_eq!(event.certificate.as_ref().map(Vec::len), Some(32), "{event:?}");
            assert!(!event.details.contains(REASON), "free text in the trail: {event:?}");
            let state = event.details.split("\"state\": \"").nth(1).expect("a state");
            let state = state.split('"').next().expect("a quote").to_owned();
            (format!("{:?}", event.kind), event.actor.clone(), state)
        })
        .collect();
    let expected = expected.iter().map(|(kind, operator, state)| {
        ((*kind).to_owned(), format!("operator/{operator}"), (*state).to_owned())
    });
    assert_eq!(found, expected.collect::<Vec<_>>());
    pool.close().await;
}

/// Approves each of the acts many times at once, on two hubs, each time by the id that is given.
async fn assert_once(clients: &[Client], proposal: &str, ids: &[String]) {
    let approvals = ids.iter().enumerate().map(|(n, id)| {
        let request = ApproveRequest { request_id: id.clone(), proposal: proposal.to_owned() };
        clients[n % clients.len()].approve(request)
    });
    let answers = join_all(approvals).await;
    let first = answers.iter().flatten().filter(|told| !told.replayed).count();
    assert_eq!(first, 1, "{answers:?}");
    for answer in answers {
        match answer {
            Ok(told) => assert!(told.proposal.expect("the proposal").applied.is_some()),
            Err(error) => {
                let refusal = error.refusal().expect("a refusal");
                let metadata = [("state", "APPLIED")];
                assert_refused(refusal, ErrorReason::ProposalNotOpen, &metadata, "a race");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn approvals_that_race_on_two_hubs_apply_an_act_once() {
    let hub = TestHub::with_cast().await;
    let other = hub.another().await;
    let operators = hub.operator().await;
    enrol(&hub.partner(HARBOR).await, "guest").await;
    let second = Identity::Operator(SECOND_OPERATOR.parse().unwrap());
    let there = hub.client(&second, other.addresses().operators).await;
    let clients = [operators.approver().clone(), there];
    // Terms lock all heads, a link locks none.
    for (hours, target) in [(24, ROVER), (48, GROCER)] {
        for act in [terms(HARBOR, hours), attachment(target)] {
            let id = propose(&operators, act).await;
            let one_id = hours == 24;
            let (one, many) = (new_request_id(), || new_request_id());
            let ids: Vec<_> = (0..8).map(|_| if one_id { one.clone() } else { many() }).collect();
            assert_once(&clients, &id, &ids).await;
        }
    }
    assert_eq!(version_count(&operators, HARBOR).await, 3);
    for partner in [ROVER, GROCER] {
        assert_eq!(balances(&hub.partner(partner).await, "guest").await.available, 0);
    }
    other.drain().await;
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_proposal_sent_many_times_at_once_is_one() {
    let hub = TestHub::with_cast().await;
    let operators = hub.operator().await;
    let act = Some(Act { act: Some(terms(HARBOR, 24)) });
    let request = ProposeRequest { request_id: new_request_id(), reason: REASON.to_owned(), act };
    let answers = join_all((0..8).map(|_| operators.propose(request.clone()))).await;
    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers.iter().filter(|told| !told.replayed).count(), 1);
    assert!(answers.iter().all(|told| told.proposal == answers[0].proposal));
    assert_eq!(listed(&operators, ProposalState::Open, 0).await.concat().len(), 1);
    hub.close().await;
}

/// The pages of a list, each the ids of its proposals.
async fn listed(operator: &Client, state: ProposalState, page_size: i32) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListProposalsRequest { state: state.into(), page_size, page_token };
        let page = operator.list_proposals(request).await.unwrap();
        for proposal in &page.proposals {
            assert!(proposal.act.is_none() && proposal.applied.is_none(), "{proposal:?}");
            assert!(state == ProposalState::Unspecified || proposal.state() == state);
        }
        pages.push(page.proposals.into_iter().map(|listed| listed.proposal).collect());
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return pages;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn proposals_are_listed_newest_first_page_by_page_and_by_state() {
    let hub = TestHub::start().await;
    let operators = hub.operator().await;
    let create = CreatePartnerRequest {
        request_id: new_request_id(),
        code: HARBOR.to_owned(),
        display_name: "Harbor Hotels".to_owned(),
        testing: false,
    };
    operators.create_partner(create).await.unwrap();
    let mut made = Vec::new();
    for hour in 1..=5_i64 {
        made.insert(0, propose(&operators, terms(HARBOR, 24 * hour)).await);
        hub.advance_to(morning() + SignedDuration::from_mins(hour)).await;
    }
    operators.approver().approve(approval(&made[4])).await.unwrap();
    for (size, lengths) in [(2, vec![2, 2, 1]), (5, vec![5]), (0, vec![5]), (1_000, vec![5])] {
        let pages = listed(&operators, ProposalState::Unspecified, size).await;
        assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), lengths);
        assert_eq!(pages.concat(), made);
    }
    let open = listed(&operators, ProposalState::Open, 3).await;
    assert_eq!(open, [made[..3].to_vec(), made[3..4].to_vec()]);
    assert_eq!(listed(&operators, ProposalState::Applied, 1).await.concat(), made[4..]);
    assert_eq!(listed(&operators, ProposalState::Rejected, 1).await.concat(), [""; 0]);

    let first = ListProposalsRequest { page_size: 2, ..Default::default() };
    let token = operators.list_proposals(first.clone()).await.unwrap().next_page_token;
    let theirs = ListProposalsRequest { page_token: token.clone(), ..first.clone() };
    let filtered = ListProposalsRequest { state: 1, page_token: token, ..first.clone() };
    let changed = ListProposalsRequest { page_token: "page 2".to_owned(), ..first };
    for (client, request) in
        [(operators.approver(), theirs), (&*operators, filtered), (&*operators, changed)]
    {
        let error = client.list_proposals(request).await.expect_err("another list's token");
        let refusal = error.refusal().expect("a refusal");
        assert_refused(refusal, ErrorReason::Malformed, &[], "another list's token");
        assert_eq!(refusal.violations[0].field, "page_token");
    }
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proposal_outlives_its_hub() {
    let mut hub = TestHub::with_cast().await;
    let id = propose(&hub.operator_named(OPERATOR).await, terms(HARBOR, 24)).await;
    hub.restart().await;
    let operators: Operators = hub.operator().await;
    operators.approver().approve(approval(&id)).await.unwrap();
    assert_eq!(version_count(&operators, HARBOR).await, 2);
    hub.close().await;
}
