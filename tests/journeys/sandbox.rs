//! The sandbox: what is tested is never settled, and `docs/sandbox.md` provokes what it lists.

use entente_client::{
    Client, Error, Refusal,
    api::{
        error::ErrorReason,
        member::AttachReferenceRequest,
        partner::{Agreement, Funding},
        points::{EarnRequest, GetOperationRequest, VoidRequest, get_operation_response::Outcome},
        settlement::{
            CloseWindowRequest, GetPositionRequest, ListWindowsRequest, RecordPaymentRequest,
        },
    },
    new_request_id,
};
use entente_testkit::{
    TestHub,
    cast::{self, GROCER, HARBOR, ROVER, agreement_in, attach, burn, earn, enrol},
};

use crate::{
    published::{assert_refused, is_kept},
    steps::{at, authorize, cents, close, has, position, reason, swept},
};

/// Harbor is settled; Rover and Grocer test, and share a member.
async fn with_testers() -> TestHub {
    let hub = TestHub::start().await;
    let operator = hub.operator().await;
    let lasting = |cap: Option<i64>| Agreement {
        lot_life_days: 31,
        net_debit_caps: cap.map(|cap| cast::money(cap, "EUR")).into_iter().collect(),
        ..agreement_in("EUR", Funding::AtRedemption)
    };
    cast::onboard(&operator, HARBOR, lasting(None)).await;
    cast::onboard_testing(&operator, ROVER, lasting(Some(cents(100_000)))).await;
    cast::onboard_testing(&operator, GROCER, lasting(None)).await;
    enrol(&hub.partner(HARBOR).await, "guest").await;
    enrol(&hub.partner(ROVER).await, "tester").await;
    attach(&operator, ROVER, "tester", GROCER).await;
    hub
}

fn with_receipt(receipt: &str) -> EarnRequest {
    EarnRequest { receipt_reference: receipt.to_owned(), ..earn("tester", cents(1_000), "EUR") }
}

/// The partners of nets, sorted.
fn parties(answer: &[entente_client::api::settlement::Net]) -> Vec<&str> {
    let mut parties: Vec<_> = answer.iter().map(|net| net.party.as_str()).collect();
    parties.retain(|party| *party != "hub");
    parties.sort_unstable();
    parties
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_tested_is_in_windows_of_its_own_and_is_never_settled() {
    let hub = with_testers().await;
    let (operator, rover) = (hub.operator().await, hub.partner(ROVER).await);
    let grocer = hub.partner(GROCER).await;
    hub.partner(HARBOR).await.earn(earn("guest", cents(10_000), "EUR")).await.unwrap();
    rover.earn(earn("tester", cents(10_000), "EUR")).await.unwrap();
    grocer.burn(burn("tester", 40)).await.unwrap();
    grocer.authorize(authorize("tester", 10)).await.unwrap();
    hub.advance_to(at("2026-04-02T08:00:00Z")).await;
    swept(&hub).await;
    assert_eq!(has(&rover, "tester").await, (0, 0, 0), "what is tested expires too");

    let live = position(&operator, "").await;
    assert!(!live.window.as_ref().unwrap().testing);
    let tested = |party: &str| party == ROVER || party == GROCER;
    assert!(!live.gross.iter().any(|gross| tested(&gross.payer) || tested(&gross.payee)));
    assert!(!live.exposures.iter().any(|exposure| tested(&exposure.partner)));
    let own = GetPositionRequest { window: String::new(), partner: String::new() };
    let own = rover.get_position(own).await.unwrap();
    assert!(own.window.unwrap().testing && !own.gross.is_empty());

    let closed = close(&operator, "2026-03").await;
    assert!(!parties(&closed.nets).into_iter().any(tested));
    let ask = |name: &str| CloseWindowRequest { name: name.to_owned(), testing: true };
    let mixed = operator.close_window(ask("2026-03")).await.unwrap_err();
    assert_eq!(reason(&mixed), ErrorReason::TestingApart);
    let closed = operator.close_window(ask("test-1")).await.unwrap();
    assert!(closed.window.unwrap().testing && !closed.already_closed);
    assert_eq!(parties(&closed.nets), [GROCER, ROVER]);
    assert!(operator.close_window(ask("test-1")).await.unwrap().already_closed);
    let payment = RecordPaymentRequest {
        request_id: new_request_id(),
        partner: ROVER.to_owned(),
        amount: Some(cast::money(1, "EUR")),
        obligation: String::new(),
    };
    let nothing = operator.record_payment(payment).await.unwrap_err();
    assert_eq!(reason(&nothing), ErrorReason::PaymentExceedsObligation);
    grocer.burn(burn("tester", 1)).await.unwrap_err();
    let listed = rover.list_windows(ListWindowsRequest::default()).await.unwrap().windows;
    let names: Vec<_> =
        listed.iter().map(|window| (window.name.as_str(), window.testing)).collect();
    assert_eq!(names, [("", true), ("test-1", true)]);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn partners_that_test_share_no_member_with_others() {
    let hub = with_testers().await;
    let operator = hub.operator().await;
    for (from, reference, target) in [(HARBOR, "guest", ROVER), (ROVER, "tester", HARBOR)] {
        let request = AttachReferenceRequest {
            request_id: new_request_id(),
            partner: from.to_owned(),
            member_reference: reference.to_owned(),
            target_partner: target.to_owned(),
            target_member_reference: "both".to_owned(),
        };
        let refused = operator.attach_reference(request).await.unwrap_err();
        assert_eq!(reason(&refused), ErrorReason::TestingApart, "{from} to {target}");
    }
    hub.close().await;
}

/// The rows of the page: reason, receipt reference, first digits of the request id, code.
fn rows() -> Vec<[&'static str; 4]> {
    let rows = include_str!("../../docs/sandbox.md").lines();
    let cells = rows.map(|row| row.split('|').map(str::trim).collect::<Vec<_>>());
    let named = cells.filter(|cells| cells.len() == 7 && cells[1].starts_with('`'));
    let plain = |cell: &'static str| cell.trim_matches('`');
    named.map(|cells| [1, 2, 3, 4].map(|at| plain(cells[at]))).collect()
}

/// A refusal as published; where its code leaves the outcome unknown, the client says that instead.
fn assert_provoked(error: &Error, expected: ErrorReason, code: &str, case: &str) {
    match error {
        Error::Unknown(unknown) => {
            let said = format!("{:?}", unknown.code).to_uppercase();
            assert_eq!(said, code.replace('_', ""), "{case}");
        }
        other => {
            let refusal = other.refusal().unwrap_or_else(|| panic!("{case}: {other}"));
            assert_refused(refusal, expected, &[("sandbox", "true")], case);
        }
    }
}

/// A request id that begins with these digits.
fn id_beginning(digits: &str) -> String {
    format!("{digits}{}", &new_request_id()[digits.len()..])
}

/// What became of a request id: its final refusal, if it has one.
async fn kept(partner: &Client, request_id: &str) -> Option<Refusal> {
    let request = GetOperationRequest { request_id: request_id.to_owned() };
    match partner.get_operation(request).await {
        Ok(found) => match found.outcome.unwrap() {
            Outcome::Refusal(status) => Some(Refusal::from_kept(&status)),
            Outcome::Operation(_) => panic!("{request_id} was accepted"),
        },
        Err(unknown) => {
            assert_eq!(reason(&unknown), ErrorReason::OperationUnknown);
            None
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_line_of_the_page_provokes_what_it_says() {
    let hub = with_testers().await;
    let rover = hub.partner(ROVER).await;
    let held = rover.earn(earn("tester", cents(1_000), "EUR")).await.unwrap().operation.unwrap();
    let rows = rows();
    assert!(rows.len() > 40, "the table was not found");
    for [name, receipt, digits, code] in rows {
        let expected = ErrorReason::from_str_name(&format!("ERROR_REASON_{name}")).unwrap();
        let by_receipt = with_receipt(receipt);
        let void = VoidRequest {
            request_id: id_beginning(digits),
            authorization_request_id: held.request_id.clone(),
        };
        for again in [false, true] {
            let refused = rover.earn(by_receipt.clone()).await.unwrap_err();
            assert_provoked(&refused, expected, code, &format!("{receipt}, again {again}"));
            let refused = rover.void(void.clone()).await.unwrap_err();
            assert_provoked(&refused, expected, code, digits);
        }
        for id in [&by_receipt.request_id, &void.request_id] {
            let found = kept(&rover, id).await.map(|refusal| refusal.reason);
            assert_eq!(found, is_kept(expected).then_some(expected), "{name}");
        }
    }
    assert_eq!(has(&rover, "tester").await, (10, 0, 0), "nothing was done");
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn delays_outages_and_lost_answers_are_provoked_by_partners_that_test_alone() {
    let hub = with_testers().await;
    let (rover, harbor) = (hub.partner(ROVER).await, hub.partner(HARBOR).await);
    let late = rover.earn(with_receipt("sandbox:delay:50")).await.unwrap();
    assert_eq!(late.operation.unwrap().receipt_reference, "sandbox:delay:50");
    let outage = with_receipt("sandbox:outage");
    for _ in 0..2 {
        let refused = rover.earn(outage.clone()).await.unwrap_err();
        assert_eq!(reason(&refused), ErrorReason::Overloaded);
    }
    assert_eq!(has(&rover, "tester").await, (10, 0, 0));
    let lost = with_receipt("sandbox:lost:till-7");
    let unknown = rover.earn(lost.clone()).await.unwrap_err();
    assert!(matches!(unknown, Error::Unknown(_)), "{unknown}");
    assert_eq!(has(&rover, "tester").await, (20, 0, 0), "it was done all the same");
    let found = rover.earn(lost).await.unwrap();
    assert!(found.replayed);
    for id in ["5a5a5a5c-", "5a5a5a5d-"] {
        let request =
            EarnRequest { request_id: id_beginning(id), ..earn("tester", cents(100), "EUR") };
        rover.earn(request).await.unwrap_err();
    }
    for receipt in ["sandbox:", "sandbox:refuse:NOTHING", "sandbox:delay:40000"] {
        let refused = rover.earn(with_receipt(receipt)).await.unwrap_err();
        let refused = refused.refusal().unwrap();
        assert_eq!(refused.reason, ErrorReason::Malformed, "{receipt}");
        assert_eq!(refused.violations[0].field, "receipt_reference");
        let text = EarnRequest {
            receipt_reference: receipt.to_owned(),
            ..earn("guest", cents(100), "EUR")
        };
        harbor.earn(text).await.unwrap();
    }
    hub.close().await;
}
