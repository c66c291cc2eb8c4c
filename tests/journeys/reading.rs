//! What partners and operators read: lists page by page, terms, balances, and nobody else's.

use entente_client::{
    Client,
    api::{
        error::ErrorReason,
        ledger::{AdvanceClockRequest, GetLedgerRequest},
        member::{GetBalanceRequest, ListOperationsRequest, ListOperationsResponse},
        partner::{
            GetPartnerRequest, GetTermsInForceRequest, ListPartnersRequest, ListTermsRequest,
        },
    },
};
use entente_testkit::{
    TestHub,
    cast::{self, GROCER, HARBOR, PARTNERS, ROVER, attach, burn, earn, enrol, wire_time},
    morning,
};
use jiff::ToSpan;

fn reason<T>(answer: Result<T, entente_client::Error>) -> Option<ErrorReason> {
    answer.err().and_then(|error| error.refusal().map(|refusal| refusal.reason))
}

fn operations(reference: &str, page_size: i32, page_token: &str) -> ListOperationsRequest {
    let (member_reference, page_token) = (reference.to_owned(), page_token.to_owned());
    ListOperationsRequest { member_reference, page_size, page_token }
}

async fn list(client: &Client, reference: &str, size: i32) -> Vec<ListOperationsResponse> {
    let (mut pages, mut token) = (Vec::new(), String::new());
    loop {
        let page = client.list_operations(operations(reference, size, &token)).await.unwrap();
        token.clone_from(&page.next_page_token);
        pages.push(page);
        if token.is_empty() {
            return pages;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_lists_its_own_operations_newest_first() {
    let hub = TestHub::with_cast().await;
    let (harbor, rover) = (hub.partner(HARBOR).await, hub.partner(ROVER).await);
    for reference in ["guest", "other"] {
        enrol(&harbor, reference).await;
    }
    attach(&hub.operator().await, HARBOR, "guest", ROVER).await;
    let mut sent = Vec::new();
    for n in 1..=5 {
        let request = earn("guest", n * 10_000_000, "EUR");
        sent.push(request.request_id.clone());
        harbor.earn(request).await.unwrap();
        harbor.earn(earn("other", 1_000_000, "EUR")).await.unwrap();
        hub.advance_to(morning() + n.hours()).await;
    }
    // Refused for ever, and another partner's: neither is listed.
    assert!(harbor.burn(burn("guest", 1_000_000)).await.is_err());
    rover.burn(burn("guest", 10)).await.unwrap();
    sent.reverse();
    for size in [1, 2, 5, 0] {
        let pages = list(&harbor, "guest", size).await;
        let listed = pages.iter().flat_map(|page| &page.operations);
        let ids: Vec<_> = listed.map(|operation| operation.request_id.clone()).collect();
        assert_eq!(ids, sent, "pages of {size}");
    }
    let all = list(&harbor, "", 3).await;
    assert_eq!(all.iter().map(|page| page.operations.len()).sum::<usize>(), 10);
    assert_eq!(list(&rover, "guest", 0).await[0].operations.len(), 1);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_token_serves_its_caller_and_its_filter_alone() {
    let hub = TestHub::with_cast().await;
    let (harbor, rover) = (hub.partner(HARBOR).await, hub.partner(ROVER).await);
    for client in [&harbor, &rover] {
        enrol(client, "guest").await;
    }
    for _ in 0..2 {
        harbor.earn(earn("guest", 1_000_000, "EUR")).await.unwrap();
    }
    let first = harbor.list_operations(operations("guest", 1, "")).await.unwrap();
    let token = first.next_page_token;
    assert!(harbor.list_operations(operations("guest", 1, &token)).await.is_ok());
    let mut changed = token.clone();
    let last = if changed.pop() == Some('A') { 'B' } else { 'A' };
    changed.push(last);
    for (client, request) in [
        (&rover, operations("guest", 1, &token)),
        (&harbor, operations("", 1, &token)),
        (&harbor, operations("guest", 1, &changed)),
        (&harbor, operations("guest", 1, "\0")),
        (&harbor, operations("guest", -1, "")),
        (&harbor, operations("guest", 1_001, "")),
        (&harbor, operations("gu\0est", 1, "")),
    ] {
        let refused = reason(client.list_operations(request.clone()).await);
        assert_eq!(refused, Some(ErrorReason::Malformed), "{request:?}");
    }
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_reads_itself_alone() {
    let hub = TestHub::with_cast().await;
    let (harbor, operator) = (hub.partner(HARBOR).await, hub.operator().await);
    let of = |partner: &str| GetPartnerRequest { partner: partner.to_owned() };
    for own in ["", HARBOR] {
        let partner = harbor.get_partner(of(own)).await.unwrap().partner.unwrap();
        assert_eq!(partner.code, HARBOR);
    }
    // Refused before any look-up: whether a partner exists is not told.
    for other in [ROVER, "nobody"] {
        assert_eq!(reason(harbor.get_partner(of(other)).await), Some(ErrorReason::NotAllowed));
    }
    let terms = ListTermsRequest { partner: ROVER.to_owned(), ..ListTermsRequest::default() };
    assert_eq!(reason(harbor.list_terms(terms).await), Some(ErrorReason::NotAllowed));
    let every = ListPartnersRequest::default();
    assert_eq!(reason(harbor.list_partners(every).await), Some(ErrorReason::NotAllowed));
    let to = Some(wire_time(morning() + 1.hours()));
    let forward = harbor.advance_clock(AdvanceClockRequest { to }).await;
    assert_eq!(reason(forward), Some(ErrorReason::NotAllowed));
    assert_eq!(reason(operator.get_partner(of("nobody")).await), Some(ErrorReason::PartnerUnknown));
    assert_eq!(reason(operator.get_partner(of("")).await), Some(ErrorReason::Malformed));
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_that_is_not_created_is_nobody() {
    let hub = TestHub::start().await;
    let harbor = hub.partner(HARBOR).await;
    let nobody = Some(ErrorReason::Unauthenticated);
    assert_eq!(reason(harbor.get_ledger(GetLedgerRequest {}).await), nobody);
    assert_eq!(reason(harbor.get_partner(GetPartnerRequest::default()).await), nobody);
    let balance = GetBalanceRequest { member_reference: "guest".to_owned() };
    assert_eq!(reason(harbor.get_balance(balance).await), nobody);
    cast::onboard(&hub.operator().await, HARBOR, cast::agreement(HARBOR)).await;
    let ledger = harbor.get_ledger(GetLedgerRequest {}).await.unwrap();
    assert!(ledger.simulation && ledger.now == Some(wire_time(morning())));
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn partners_are_listed_by_code_and_terms_from_the_newest() {
    let hub = TestHub::with_cast().await;
    let operator = hub.operator().await;
    let (mut codes, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListPartnersRequest { page_size: 2, page_token };
        let page = operator.list_partners(request).await.unwrap();
        codes.extend(page.partners.into_iter().map(|partner| partner.code));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    let mut expected = PARTNERS.map(str::to_owned);
    expected.sort();
    assert_eq!(codes, expected);

    let agreement = cast::agreement(GROCER);
    cast::publish(&operator, GROCER, morning() + 1.hours(), agreement).await;
    let grocer = hub.partner(GROCER).await;
    let versions = |page_token: String| {
        let request = ListTermsRequest { partner: String::new(), page_size: 1, page_token };
        grocer.list_terms(request)
    };
    let first = versions(String::new()).await.unwrap();
    let second = versions(first.next_page_token).await.unwrap();
    assert_eq!((first.terms[0].version, second.terms[0].version), (2, 1));
    assert_eq!(second.terms[0].effective_to, first.terms[0].effective_from);
    assert!(second.next_page_token.is_empty());
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_terms_in_force_are_those_of_the_time_that_is_asked() {
    let hub = TestHub::with_cast().await;
    let operator = hub.operator().await;
    let (before, after) = (morning() + 1.hours(), morning() + 3.hours());
    cast::publish(&operator, ROVER, morning() + 2.hours(), cast::agreement(ROVER)).await;
    let rover = hub.partner(ROVER).await;
    let in_force =
        |at| rover.get_terms_in_force(GetTermsInForceRequest { at, ..Default::default() });
    for (at, version) in [(None, 1), (Some(before), 1), (Some(after), 2)] {
        let terms = in_force(at.map(wire_time)).await.unwrap().terms.unwrap();
        assert_eq!(terms.version, version, "{at:?}");
    }
    hub.advance_to(after).await;
    assert_eq!(in_force(None).await.unwrap().terms.unwrap().version, 2);
    let long_ago = wire_time("2019-12-31T23:59:59Z".parse().unwrap());
    assert_eq!(reason(in_force(Some(long_ago)).await), Some(ErrorReason::TermsUnknown));
    hub.close().await;
}
