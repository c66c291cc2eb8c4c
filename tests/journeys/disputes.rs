//! What a partner objects to within the objection period, and what operators answer.

use entente_client::{
    Client,
    api::{
        error::ErrorReason,
        member::EraseMemberRequest,
        settlement::{
            AdjustRequest, AgreeStatementRequest, AmountKind, AnswerDisputeRequest, Dispute,
            DisputeCode, DisputeLinesRequest, DisputedLine, GetWindowRequest, ListDisputesRequest,
            StatementState, WindowState,
        },
    },
    new_request_id,
};
use entente_testkit::{
    TestHub,
    cast::{HARBOR, ROVER, earn, enrol, money},
};
use jiff::Timestamp;

use crate::{
    dump::dump,
    obligations::state,
    steps::{cents, close, reason, until},
};

/// A dispute of one line.
pub(crate) fn objection(operation: &str, kind: AmountKind, currency: &str) -> DisputeLinesRequest {
    DisputeLinesRequest {
        request_id: new_request_id(),
        window: "2026-03".to_owned(),
        partner: String::new(),
        lines: vec![DisputedLine {
            request_id: operation.to_owned(),
            kind: kind.into(),
            currency: currency.to_owned(),
        }],
        code: DisputeCode::Price.into(),
        evidence: "the terms of March say .0090\nas agreed on the 2nd".to_owned(),
        totals: Vec::new(),
    }
}

pub(crate) fn answer(dispute: &str, adjustment: &str) -> AnswerDisputeRequest {
    AnswerDisputeRequest {
        request_id: new_request_id(),
        dispute: dispute.to_owned(),
        adjustment: adjustment.to_owned(),
        answer: "looked into".to_owned(),
    }
}

pub(crate) async fn standing(client: &Client) -> StatementState {
    let request = GetWindowRequest { window: "2026-03".to_owned(), partner: HARBOR.to_owned() };
    client.get_window(request).await.unwrap().standings[0].state()
}

pub(crate) async fn disputes(client: &Client) -> Vec<Dispute> {
    let request = ListDisputesRequest { window: "2026-03".to_owned(), partner: String::new() };
    client.list_disputes(request).await.unwrap().disputes
}

/// A closed window in which Harbor issued points for 1.00.
async fn with_an_earn() -> (TestHub, String, Timestamp) {
    let hub = TestHub::with_cast().await;
    let harbor = hub.partner(HARBOR).await;
    enrol(&harbor, "guest").await;
    let earned = harbor.earn(earn("guest", cents(10_000), "EUR")).await.unwrap();
    let closed = close(&*hub.operator().await, "2026-03").await.window.unwrap();
    let until = closed.objection_until.unwrap();
    let until = Timestamp::new(until.seconds, until.nanos).unwrap();
    (hub, earned.operation.unwrap().request_id, until)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dispute_holds_the_window_open_until_operators_answer_it() {
    let (hub, earned, _) = with_an_earn().await;
    let (operator, harbor) = (hub.operator().await, hub.partner(HARBOR).await);
    let request = objection(&earned, AmountKind::Issue, "EUR");
    let made = harbor.dispute_lines(request.clone()).await.unwrap().dispute.unwrap();
    assert_eq!((&made.dispute, made.partner.as_str()), (&request.request_id, HARBOR));
    assert!(harbor.dispute_lines(request).await.unwrap().replayed);
    assert_eq!(standing(&harbor).await, StatementState::Disputed);
    assert_eq!(disputes(&operator).await.len(), 1);
    assert_eq!(disputes(&hub.partner(ROVER).await).await, [], "nobody else's");
    let agree = AgreeStatementRequest {
        request_id: new_request_id(),
        window: "2026-03".to_owned(),
        partner: String::new(),
    };
    let refused = harbor.agree_statement(agree).await.unwrap_err();
    assert_eq!(reason(&refused), ErrorReason::StatementState, "it has objected");
    for (operation, kind, currency) in [
        (new_request_id(), AmountKind::Issue, "EUR"),
        (earned.clone(), AmountKind::Redemption, "EUR"),
        (earned.clone(), AmountKind::Issue, "USD"),
    ] {
        let refused = harbor.dispute_lines(objection(&operation, kind, currency)).await;
        assert_eq!(reason(&refused.unwrap_err()), ErrorReason::LineUnknown);
    }
    let malformed =
        DisputeLinesRequest { lines: vec![], ..objection(&earned, AmountKind::Issue, "EUR") };
    let refused = harbor.dispute_lines(malformed).await.unwrap_err();
    assert_eq!(reason(&refused), ErrorReason::Malformed);

    let adjust = AdjustRequest {
        request_id: new_request_id(),
        window: "2026-03".to_owned(),
        corrects: earned.clone(),
        payer: "hub".to_owned(),
        payee: HARBOR.to_owned(),
        amount: Some(money(cents(10), "EUR")),
        reason: "priced by old terms".to_owned(),
        break_id: String::new(),
    };
    let adjustment = operator.adjust(adjust).await.unwrap().adjustment;
    let unknown = operator.answer_dispute(answer(&made.dispute, &new_request_id())).await;
    assert_eq!(reason(&unknown.unwrap_err()), ErrorReason::OperationUnknown);
    let answered = operator.answer_dispute(answer(&made.dispute, &adjustment)).await.unwrap();
    assert!(answered.dispute.unwrap().accepted);
    assert_eq!(standing(&harbor).await, StatementState::Agreed);
    assert_eq!(state(&operator, "2026-03").await, WindowState::Settling);
    let again = operator.answer_dispute(answer(&made.dispute, "")).await.unwrap_err();
    assert_eq!(reason(&again), ErrorReason::DisputeUnknown, "it is answered");
    let told = disputes(&harbor).await;
    assert_eq!(
        (told[0].answered_by.as_str(), told[0].adjustment.as_str()),
        ("hub", adjustment.as_str())
    );
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_write_in_a_dispute_is_sealed_and_goes_with_an_erased_member() {
    let (hub, earned, _) = with_an_earn().await;
    let (operator, harbor) = (hub.operator().await, hub.partner(HARBOR).await);
    let pool = hub.database().owner_pool().await;
    let request = objection(&earned, AmountKind::Issue, "EUR");
    let words = request.evidence.clone();
    let open = DisputeLinesRequest { request_id: new_request_id(), ..request.clone() };
    for request in [&request, &open] {
        let made = harbor.dispute_lines(request.clone()).await.unwrap().dispute.unwrap();
        assert_eq!(made.evidence, "", "requests keep what they answer");
    }
    operator.answer_dispute(answer(&request.request_id, "")).await.unwrap();
    let told = disputes(&harbor).await;
    assert!(told.iter().all(|dispute| dispute.evidence == words), "{told:?}");
    let answers: Vec<_> = told.iter().map(|dispute| dispute.answer.as_str()).collect();
    assert!(answers.contains(&"looked into") && answers.contains(&""), "{answers:?}");
    let dump = dump(&pool).await;
    for said in [words.lines().next().unwrap(), "looked into"].map(str::as_bytes) {
        assert!(!dump.windows(said.len()).any(|found| found == said), "in the dump");
    }

    let erase = EraseMemberRequest {
        request_id: new_request_id(),
        partner: HARBOR.to_owned(),
        member_reference: "guest".to_owned(),
    };
    operator.erase_member(erase).await.unwrap();
    operator.answer_dispute(answer(&open.request_id, "")).await.unwrap();
    let again = DisputeLinesRequest { request_id: new_request_id(), ..request };
    let refused = harbor.dispute_lines(again).await.unwrap_err();
    assert_eq!(reason(&refused), ErrorReason::StatementState, "all is answered");
    let told = disputes(&operator).await;
    let said = |dispute: &Dispute| (dispute.evidence.clone(), dispute.answer.clone());
    let nothing = vec![(String::new(), String::new()); 2];
    assert_eq!(told.iter().map(said).collect::<Vec<_>>(), nothing);
    assert!(told.iter().all(|dispute| dispute.lines[0].request_id == earned));

    // Words that are there nevertheless are found.
    let planted = "UPDATE disputes SET sealed = '\\x01' WHERE dispute_id IN
        (SELECT dispute_id FROM disputes LIMIT 1)";
    sqlx::query(planted).execute(&pool).await.unwrap();
    let verdicts = entente_store::check::run(&pool).await.unwrap();
    let mut found = verdicts.iter().flat_map(|verdict| &verdict.offenders);
    assert!(found.any(|offender| offender.ends_with("what a dispute says")), "{verdicts:?}");
    sqlx::query("UPDATE disputes SET sealed = NULL").execute(&pool).await.unwrap();
    pool.close().await;
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_objects_after_the_period_and_an_open_dispute_is_no_silence() {
    let (hub, earned, over) = with_an_earn().await;
    let (operator, harbor) = (hub.operator().await, hub.partner(HARBOR).await);
    let made = harbor.dispute_lines(objection(&earned, AmountKind::Issue, "EUR")).await.unwrap();
    hub.advance_to(over).await;
    let late = harbor.dispute_lines(objection(&earned, AmountKind::Issue, "EUR")).await;
    assert_eq!(reason(&late.unwrap_err()), ErrorReason::ObjectionOver);
    assert_eq!(standing(&harbor).await, StatementState::Disputed);
    let id = made.dispute.unwrap().dispute;
    operator.answer_dispute(answer(&id, "")).await.unwrap();
    assert_eq!(standing(&harbor).await, StatementState::Agreed, "rejected, and done");
    until(&hub, "SELECT bool_and(agreed_at IS NOT NULL) FROM windows WHERE closed_at IS NOT NULL")
        .await;
    hub.close().await;
}
