//! Invariant 10, bounded: sizes of messages, headers and pages, and page tokens that are somebody's.

use std::collections::HashSet;

use entente_client::{
    Client, Refusal,
    api::{
        error::ErrorReason,
        member::{ListOperationsRequest, ListOperationsResponse},
        partner::{
            Funding, ListPartnersRequest, ListPartnersResponse, ListTermsRequest, ListTermsResponse,
        },
        settlement::{CloseWindowRequest, ListWindowsRequest, ListWindowsResponse},
    },
};
use entente_testkit::{
    TestHub,
    cast::{self, HARBOR, ROVER, agreement_in, earn, enrol},
    morning,
};
use jiff::SignedDuration;
use prost::Message;
use tonic::{Code, Request};

use crate::wire::{Rpc, Wire, path};

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_too_long_is_malformed_and_the_connection_goes_on() {
    let hub = TestHub::with_cast().await;
    let harbor = hub.partner(HARBOR).await;
    enrol(&harbor, "guest").await;
    let wire = Wire::partner(&hub, HARBOR).await;
    let mut long = earn("guest", 1_000_000, "EUR");
    long.receipt_reference = "9".repeat(2_000_000);
    let refusal = wire.call(("points", "Earn"), &long.encode_to_vec()).await.unwrap_err();
    assert_eq!(refusal.code, Code::InvalidArgument, "{refusal:?}");
    assert_eq!(refusal.reason, ErrorReason::Malformed);
    long.receipt_reference.clear();
    wire.call(("points", "Earn"), &long.encode_to_vec()).await.expect("the id is still free");
    assert_eq!(cast::balances(&harbor, "guest").await.available, 1);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_is_too_long_never_reaches_a_handler() {
    let hub = TestHub::with_cast().await;
    let harbor = hub.partner(HARBOR).await;
    enrol(&harbor, "guest").await;
    let wire = Wire::partner(&hub, HARBOR).await;
    let message = earn("guest", 1_000_000, "EUR").encode_to_vec();
    let mut request = Request::new(message.clone());
    request.metadata_mut().insert("x-long", "x".repeat(20_000).parse().unwrap());
    wire.send(&path(("points", "Earn")), request).await.expect_err("too long");
    assert_eq!(cast::balances(&harbor, "guest").await.available, 0);
    wire.call(("points", "Earn"), &message).await.expect("the connection goes on");
    hub.close().await;
}

/// Every list: how it is asked for a page, and how its answer names the next one.
struct List {
    rpc: Rpc,
    ask: fn(i32, &str) -> Vec<u8>,
    next: fn(&[u8]) -> String,
}

fn lists_of_operators() -> [List; 3] {
    [
        List {
            rpc: ("partner", "ListPartners"),
            ask: |page_size, token| {
                ListPartnersRequest { page_size, page_token: token.to_owned() }.encode_to_vec()
            },
            next: |answer| ListPartnersResponse::decode(answer).unwrap().next_page_token,
        },
        List {
            rpc: ("partner", "ListTerms"),
            ask: |page_size, token| {
                let (partner, page_token) = (HARBOR.to_owned(), token.to_owned());
                ListTermsRequest { partner, page_size, page_token }.encode_to_vec()
            },
            next: |answer| ListTermsResponse::decode(answer).unwrap().next_page_token,
        },
        windows(),
    ]
}

fn lists_of_partners() -> [List; 2] {
    [
        List {
            rpc: ("member", "ListOperations"),
            ask: |page_size, token| operations("", page_size, token).encode_to_vec(),
            next: |answer| ListOperationsResponse::decode(answer).unwrap().next_page_token,
        },
        windows(),
    ]
}

fn windows() -> List {
    List {
        rpc: ("settlement", "ListWindows"),
        ask: |page_size, token| {
            ListWindowsRequest { page_size, page_token: token.to_owned(), testing: false }
                .encode_to_vec()
        },
        next: |answer| ListWindowsResponse::decode(answer).unwrap().next_page_token,
    }
}

fn operations(reference: &str, page_size: i32, token: &str) -> ListOperationsRequest {
    let (member_reference, page_token) = (reference.to_owned(), token.to_owned());
    ListOperationsRequest { member_reference, page_size, page_token }
}

/// A hub on which every list has more than one item.
async fn with_lists() -> TestHub {
    let hub = TestHub::with_cast().await;
    let operator = hub.operator().await;
    let later = morning() + SignedDuration::from_hours(24);
    cast::publish(&operator, HARBOR, later, agreement_in("EUR", Funding::AtIssue)).await;
    cast::publish(&operator, ROVER, later, agreement_in("USD", Funding::AtIssue)).await;
    operator
        .close_window(CloseWindowRequest { name: "first".to_owned(), testing: false })
        .await
        .unwrap();
    for (code, currency) in [(HARBOR, "EUR"), (ROVER, "USD")] {
        let client = hub.partner(code).await;
        for reference in ["guest", "other"] {
            enrol(&client, reference).await;
            for _ in 0..2 {
                client.earn(earn(reference, 1_000_000, currency)).await.unwrap();
            }
        }
    }
    hub
}

async fn assert_not_opened(wire: &Wire, list: &List, token: &str, case: &str) {
    let case = format!("{}, {case}", list.rpc.1);
    let answer = wire.call(list.rpc, &(list.ask)(1, token)).await;
    assert_field(&answer.expect_err(&case), "page_token", &case);
}

fn assert_field(refusal: &Refusal, field: &str, case: &str) {
    assert_eq!(refusal.reason, ErrorReason::Malformed, "{case}: {refusal:?}");
    assert_eq!(refusal.code, Code::InvalidArgument, "{case}");
    let fields: Vec<_> = refusal.violations.iter().map(|bad| bad.field.as_str()).collect();
    assert_eq!(fields, [field], "{case}");
}

/// Asks for bad sizes, and for pages after tokens that were changed; answers the good token.
async fn assert_bounded(wire: &Wire, list: &List) -> String {
    for size in [-1, 1_001, i32::MIN, i32::MAX] {
        let refusal = wire.call(list.rpc, &(list.ask)(size, "")).await.expect_err(list.rpc.1);
        assert_field(&refusal, "page_size", list.rpc.1);
    }
    let first = wire.call(list.rpc, &(list.ask)(1, "")).await.expect(list.rpc.1);
    let token = (list.next)(&first);
    assert!(!token.is_empty(), "{} has a second page", list.rpc.1);
    let mut flipped = token.clone().into_bytes();
    let middle = flipped.len() / 2;
    flipped[middle] = if flipped[middle] == b'A' { b'B' } else { b'A' };
    let flipped = String::from_utf8(flipped).unwrap();
    let longer = format!("{token}AAAA");
    for bad in [flipped.as_str(), &longer, &token[..token.len() - 4], "page 2", "\0"] {
        assert_not_opened(wire, list, bad, "changed").await;
    }
    let second = wire.call(list.rpc, &(list.ask)(1, &token)).await.expect(list.rpc.1);
    assert_ne!(first, second, "{}", list.rpc.1);
    token
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_bounded_and_every_token_is_its_callers_and_its_lists() {
    let hub = with_lists().await;
    let operator = Wire::operator(&hub).await;
    let harbor = Wire::partner(&hub, HARBOR).await;
    let rover = Wire::partner(&hub, ROVER).await;
    let mut tokens = Vec::new();
    for list in lists_of_operators() {
        tokens.push((list.rpc, "operator", assert_bounded(&operator, &list).await));
    }
    for list in lists_of_partners() {
        tokens.push((list.rpc, HARBOR, assert_bounded(&harbor, &list).await));
    }
    for (rpc, caller, token) in &tokens {
        for list in lists_of_operators() {
            if (list.rpc, "operator") != (*rpc, *caller) {
                assert_not_opened(&operator, &list, token, "of another list or caller").await;
            }
        }
        for list in lists_of_partners() {
            assert_not_opened(&rover, &list, token, "of another caller").await;
        }
    }
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_bound_to_the_filter_it_was_made_for() {
    let hub = with_lists().await;
    let harbor = hub.partner(HARBOR).await;
    let list = |reference, token: String| harbor.list_operations(operations(reference, 1, &token));
    let guests = list("guest", String::new()).await.unwrap().next_page_token;
    let everybodys = list("", String::new()).await.unwrap().next_page_token;
    assert!(list("guest", guests.clone()).await.is_ok());
    for (reference, token) in [("other", guests.clone()), ("", guests), ("guest", everybodys)] {
        let error = list(reference, token).await.unwrap_err();
        assert_field(error.refusal().expect("a refusal"), "page_token", reference);
    }

    let operator = hub.operator().await;
    let terms = |partner: &str, page_token: String| {
        let partner = partner.to_owned();
        operator.list_terms(ListTermsRequest { partner, page_size: 1, page_token })
    };
    let harbors = terms(HARBOR, String::new()).await.unwrap().next_page_token;
    let error = terms(ROVER, harbors).await.unwrap_err();
    assert_field(error.refusal().expect("a refusal"), "page_token", "another partner's terms");
    hub.close().await;
}

/// Earns for two members until it is told to stop.
async fn keep_earning(harbor: Client, mut stop: tokio::sync::oneshot::Receiver<()>) -> usize {
    let mut earned = 0;
    while stop.try_recv().is_err() {
        let reference = if earned % 2 == 0 { "guest" } else { "other" };
        harbor.earn(earn(reference, 1_000_000, "EUR")).await.unwrap();
        earned += 1;
    }
    earned
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_have_every_operation_once_newest_first_while_writes_go_on() {
    let hub = TestHub::with_cast().await;
    let harbor = hub.partner(HARBOR).await;
    let mut expected = HashSet::new();
    for reference in ["guest", "other"] {
        enrol(&harbor, reference).await;
        for minute in 0..25 {
            let request = earn(reference, 1_000_000, "EUR");
            harbor.earn(request.clone()).await.unwrap();
            expected.insert(request.request_id);
            if minute % 5 == 0 {
                let step = SignedDuration::from_mins(1 + minute);
                let offset = if reference == "guest" { 0 } else { 60 };
                hub.advance_to(morning() + step + SignedDuration::from_mins(offset)).await;
            }
        }
    }
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let writing = tokio::spawn(keep_earning(harbor.clone(), stopped));
    let mut listed = Vec::new();
    let mut token = String::new();
    loop {
        let page = harbor.list_operations(operations("", 7, &token)).await.unwrap();
        assert!(page.operations.len() <= 7);
        listed.extend(page.operations);
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    stop.send(()).unwrap();
    assert!(writing.await.unwrap() > 0, "nothing was written meanwhile");

    let times: Vec<_> = listed
        .iter()
        .map(|operation| operation.posted_at.unwrap())
        .map(|at| (at.seconds, at.nanos))
        .collect();
    assert!(times.is_sorted_by(|newer, older| newer >= older), "newest first");
    let ids: Vec<_> = listed.into_iter().map(|operation| operation.request_id).collect();
    let distinct: HashSet<_> = ids.iter().cloned().collect();
    assert_eq!(distinct.len(), ids.len(), "an operation was listed twice");
    let missed: Vec<_> = expected.difference(&distinct).collect();
    assert!(missed.is_empty(), "not listed: {missed:?}");
    hub.close().await;
}
