//! Bad input of operators, and of readers: each has one code and one reason.

use entente_client::{
    Error,
    api::{
        error::ErrorReason as R,
        ledger::AdvanceClockRequest,
        member::{AttachReferenceRequest, GetBalanceRequest},
        partner::{
            CreatePartnerRequest, Funding, GetPartnerRequest, GetTermsInForceRequest,
            ListTermsRequest, PublishTermsRequest, ResumePartnerRequest, SuspendPartnerRequest,
        },
        settlement::{
            CloseWindowRequest, GetPositionRequest, GetStatementRequest, RecordPaymentRequest,
        },
    },
    new_request_id,
};
use entente_testkit::{
    Database, TestHub,
    cast::{self, GROCER, HARBOR, ROVER, agreement, agreement_in, earn, enrol, money, wire_time},
    morning,
};
use jiff::{SignedDuration, Timestamp};

use crate::{
    published::{assert_refused, is_kept},
    wire::{Rpc, Wire},
};
use prost::Message;

const NOBODY: &str = "nobody-at-all";

fn refused<T: std::fmt::Debug>(answer: Result<T, Error>, reason: R, says: &str) {
    let error = answer.expect_err(says);
    assert_refused(error.refusal().expect(says), reason, &[], says);
}

fn publish_at(partner: &str, from: Timestamp) -> PublishTermsRequest {
    PublishTermsRequest {
        request_id: new_request_id(),
        partner: partner.to_owned(),
        effective_from: Some(wire_time(from)),
        agreement: Some(agreement_in("EUR", Funding::AtIssue)),
    }
}

fn attach_to(from: (&str, &str), target: (&str, &str)) -> AttachReferenceRequest {
    AttachReferenceRequest {
        request_id: new_request_id(),
        partner: from.0.to_owned(),
        member_reference: from.1.to_owned(),
        target_partner: target.0.to_owned(),
        target_member_reference: target.1.to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_that_nobody_created_is_unknown_to_every_rpc_that_names_one() {
    let hub = TestHub::with_cast().await;
    let operator = Wire::operator(&hub).await;
    let (request_id, partner) = (new_request_id(), NOBODY.to_owned());
    let now = publish_at(NOBODY, morning());
    let attached = attach_to((HARBOR, "guest"), (NOBODY, "guest"));
    let attaching = attach_to((NOBODY, "guest"), (HARBOR, "guest"));
    let resume = ResumePartnerRequest { request_id: request_id.clone(), partner: partner.clone() };
    let cases: [(Rpc, Vec<u8>); 5] = [
        (("partner", "SuspendPartner"), resume.encode_to_vec()),
        (("partner", "ResumePartner"), resume.encode_to_vec()),
        (("partner", "GetPartner"), GetPartnerRequest { partner: partner.clone() }.encode_to_vec()),
        (
            ("partner", "ListTerms"),
            ListTermsRequest { partner: partner.clone(), ..Default::default() }.encode_to_vec(),
        ),
        (
            ("partner", "GetTermsInForce"),
            GetTermsInForceRequest { partner, at: None }.encode_to_vec(),
        ),
    ];
    for (rpc, message) in cases {
        let refusal = operator.call(rpc, &message).await.expect_err(rpc.1);
        assert_refused(&refusal, R::PartnerUnknown, &[], rpc.1);
    }
    let operators = hub.operator().await;
    refused(operators.publish_terms(now).await, R::PartnerUnknown, "PublishTerms");
    for attaching in [attached, attaching] {
        refused(operators.attach_reference(attaching).await, R::PartnerUnknown, "AttachReference");
    }
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_brand_is_created_once() {
    let hub = TestHub::with_cast().await;
    let operator = hub.operator().await;
    let create = CreatePartnerRequest {
        request_id: new_request_id(),
        code: HARBOR.to_owned(),
        display_name: "Another Harbor".to_owned(),
        testing: false,
    };
    for says in ["first", "replayed"] {
        refused(operator.create_partner(create.clone()).await, R::PartnerExists, says);
    }
    let read = GetPartnerRequest { partner: HARBOR.to_owned() };
    let partner = operator.get_partner(read).await.unwrap().partner.unwrap();
    assert_eq!(partner.display_name, HARBOR);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn terms_never_change_the_past_and_never_overlap() {
    let hub = TestHub::with_cast().await;
    let operator = hub.operator().await;
    let later = morning() + SignedDuration::from_hours(48);
    operator.publish_terms(publish_at(HARBOR, later)).await.unwrap();
    let past = publish_at(HARBOR, morning() - SignedDuration::from_secs(1));
    refused(operator.publish_terms(past.clone()).await, R::TermsInPast, "in the past");
    for (says, from) in [("the same start", later), ("before it", morning())] {
        refused(operator.publish_terms(publish_at(HARBOR, from)).await, R::TermsOverlap, says);
    }
    refused(operator.publish_terms(past).await, R::TermsInPast, "replayed");

    let before_all = "2019-12-31T23:59:59Z".parse().unwrap();
    let at = Some(wire_time(before_all));
    let read = GetTermsInForceRequest { partner: HARBOR.to_owned(), at };
    refused(operator.get_terms_in_force(read).await, R::TermsUnknown, "before its first terms");
    let list = ListTermsRequest { partner: HARBOR.to_owned(), ..Default::default() };
    assert_eq!(operator.list_terms(list).await.unwrap().terms.len(), 2);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reference_names_one_member_and_a_member_has_one_reference_at_a_partner() {
    let hub = TestHub::with_cast().await;
    let operator = hub.operator().await;
    let (harbor, rover) = (hub.partner(HARBOR).await, hub.partner(ROVER).await);
    enrol(&harbor, "guest").await;
    enrol(&rover, "rider").await;
    let nobody = attach_to((HARBOR, "nobody"), (ROVER, "nobody"));
    refused(operator.attach_reference(nobody).await, R::MemberUnknown, "nobody");
    let taken = attach_to((HARBOR, "guest"), (ROVER, "rider"));
    refused(operator.attach_reference(taken).await, R::ReferenceTaken, "another's");
    operator.attach_reference(attach_to((HARBOR, "guest"), (ROVER, "guest"))).await.unwrap();
    let second = attach_to((HARBOR, "guest"), (ROVER, "second"));
    refused(operator.attach_reference(second).await, R::MemberAlreadyLinked, "a second one");
    let read = GetBalanceRequest { member_reference: "second".to_owned() };
    refused(rover.get_balance(read).await, R::MemberUnknown, "a reference that was refused");
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clock_goes_forward_only_and_only_in_a_simulation() {
    let hub = TestHub::start().await;
    let to = Some(wire_time(morning() - SignedDuration::from_secs(1)));
    let answer = hub.operator().await.advance_clock(AdvanceClockRequest { to }).await;
    refused(answer, R::ClockBackwards, "backwards");
    hub.close().await;
    let hub = TestHub::over(Database::fresh_in_real_time().await).await;
    let to = Some(wire_time(morning()));
    let answer = hub.operator().await.advance_clock(AdvanceClockRequest { to }).await;
    refused(answer, R::NotASimulation, "a real ledger");
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_closed_has_no_statement_and_nobody_pays_more_than_it_owes() {
    let hub = TestHub::with_cast().await;
    let operator = hub.operator().await;
    let harbor = hub.partner(HARBOR).await;
    enrol(&harbor, "guest").await;
    harbor.earn(earn("guest", 100_000_000, "EUR")).await.unwrap();
    let statement = |window: &str| GetStatementRequest {
        window: window.to_owned(),
        partner: HARBOR.to_owned(),
        ..GetStatementRequest::default()
    };
    let position = |window: &str, partner: &str| GetPositionRequest {
        window: window.to_owned(),
        partner: partner.to_owned(),
    };
    refused(operator.get_position(position("none", HARBOR)).await, R::WindowUnknown, "position");
    refused(operator.get_position(position("", NOBODY)).await, R::PartnerUnknown, "position");
    refused(operator.get_statement(statement("none")).await, R::WindowUnknown, "statement");
    refused(operator.get_statement(statement("")).await, R::WindowNotClosed, "statement");
    operator
        .close_window(CloseWindowRequest { name: "2026-03".to_owned(), testing: false })
        .await
        .unwrap();

    // Harbor owes the pool 100 points at .0100.
    let pay = |partner: &str, micros| RecordPaymentRequest {
        request_id: new_request_id(),
        partner: partner.to_owned(),
        amount: Some(money(micros, "EUR")),
        obligation: String::new(),
    };
    refused(operator.record_payment(pay(NOBODY, 1)).await, R::PartnerUnknown, "payment");
    for (partner, micros, owed) in [(HARBOR, 1_000_001, "1000000"), (GROCER, 1, "0")] {
        let request = pay(partner, micros);
        for says in ["first", "replayed"] {
            let error = operator.record_payment(request.clone()).await.expect_err(says);
            let (reason, refusal) = (R::PaymentExceedsObligation, error.refusal().unwrap());
            assert!(is_kept(reason));
            assert_refused(refusal, reason, &[("owed_micros", owed)], partner);
        }
    }
    let paid = operator.record_payment(pay(HARBOR, 1_000_000)).await.unwrap();
    assert_eq!(paid.remaining.unwrap().micros, 0);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn suspending_twice_is_no_error_and_changes_nothing_more() {
    let hub = TestHub::start().await;
    let operator = hub.operator().await;
    cast::onboard(&operator, HARBOR, agreement(HARBOR)).await;
    for _ in 0..2 {
        let (request_id, partner) = (new_request_id(), HARBOR.to_owned());
        let suspend = SuspendPartnerRequest { request_id, partner };
        let answer = operator.suspend_partner(suspend).await.unwrap();
        assert!(!answer.replayed);
        assert_eq!(answer.partner.unwrap().state().as_str_name(), "PARTNER_STATE_SUSPENDED");
    }
    hub.close().await;
}
