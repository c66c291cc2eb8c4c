//! Invariant 9, nobody else's: what a partner is told of members and of other issuers.

use entente_client::{
    Client,
    api::{
        error::ErrorReason,
        member::{GetBalanceRequest, ListOperationsRequest},
        partner::Funding,
        points::{
            AuthorizeRequest, CaptureRequest, GetOperationRequest, QuoteBurnRequest,
            QuoteEarnRequest, ReverseRequest, VoidRequest, authorize_request, quote_burn_request,
        },
        types::Operation,
    },
    new_request_id,
};
use entente_testkit::{
    TestHub,
    cast::{self, GROCER, HARBOR, PARTNERS, ROVER, agreement, agreement_in, burn, earn, money},
    signer,
};
use prost::Message;

use crate::wire::{Rpc, Wire};

/// A member that has points of three issuers, everybody's by the same reference.
async fn with_a_member_of_all() -> TestHub {
    let hub = TestHub::start().await;
    let operator = hub.operator().await;
    let mut rover = agreement_in("USD", Funding::AtRedemption);
    rover.net_debit_caps = vec![money(1_500_000, "EUR")];
    for (partner, agreement) in
        [(HARBOR, agreement(HARBOR)), (ROVER, rover), (GROCER, agreement(GROCER))]
    {
        cast::onboard(&operator, partner, agreement).await;
    }
    cast::enrol(&hub.partner(HARBOR).await, "guest").await;
    for partner in [ROVER, GROCER] {
        cast::attach(&operator, HARBOR, "guest", partner).await;
    }
    for (partner, currency) in [(ROVER, "USD"), (GROCER, "EUR"), (HARBOR, "EUR")] {
        let client = hub.partner(partner).await;
        client.earn(earn("guest", 200_000_000, currency)).await.unwrap();
    }
    hub
}

/// Every answer that Harbor can get about the member, as sent over the wire.
async fn all_answers(harbor: &Wire) -> Vec<(Rpc, Vec<u8>)> {
    let guest = || "guest".to_owned();
    let hold = |points| AuthorizeRequest {
        request_id: new_request_id(),
        member_reference: guest(),
        amount: Some(authorize_request::Amount::Points(points)),
        receipt_reference: String::new(),
    };
    let (captured, voided, burned) = (hold(50), hold(50), burn("guest", 210));
    let capture = CaptureRequest {
        request_id: new_request_id(),
        authorization_request_id: captured.request_id.clone(),
        points: None,
    };
    let void = VoidRequest {
        request_id: new_request_id(),
        authorization_request_id: voided.request_id.clone(),
    };
    let reverse = ReverseRequest {
        request_id: new_request_id(),
        original_request_id: burned.request_id.clone(),
        part: None,
    };
    let enrol = cast::link(&signer(HARBOR), "guest");
    let quote_earn = QuoteEarnRequest {
        member_reference: guest(),
        spend: Some(money(1_000_000, "EUR")),
        category: "stay".to_owned(),
        activity_at: None,
        ..QuoteEarnRequest::default()
    };
    let amount = Some(quote_burn_request::Amount::Points(300));
    let quote_burn = QuoteBurnRequest { member_reference: guest(), amount };
    let asked = GetOperationRequest { request_id: burned.request_id.clone() };
    let balance = GetBalanceRequest { member_reference: guest() };
    let requests: [(Rpc, Vec<u8>); 13] = [
        (("member", "LinkMember"), enrol.encode_to_vec()),
        (("points", "Earn"), earn("guest", 1_000_000, "EUR").encode_to_vec()),
        (("points", "QuoteEarn"), quote_earn.encode_to_vec()),
        (("points", "QuoteBurn"), quote_burn.encode_to_vec()),
        (("points", "Authorize"), captured.encode_to_vec()),
        (("points", "Authorize"), voided.encode_to_vec()),
        (("points", "Capture"), capture.encode_to_vec()),
        (("points", "Void"), void.encode_to_vec()),
        (("points", "Burn"), burned.encode_to_vec()),
        (("points", "Reverse"), reverse.encode_to_vec()),
        (("points", "GetOperation"), asked.encode_to_vec()),
        (("member", "GetBalance"), balance.encode_to_vec()),
        (("member", "ListOperations"), ListOperationsRequest::default().encode_to_vec()),
    ];
    let mut answers = Vec::new();
    for (rpc, message) in requests {
        answers.push((rpc, harbor.call(rpc, &message).await.expect(rpc.1)));
    }
    answers
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

async fn token(client: &Client) -> String {
    let request = GetBalanceRequest { member_reference: "guest".to_owned() };
    client.get_balance(request).await.unwrap().member_token
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_to_a_partner_has_the_members_id_or_another_issuers_name() {
    let hub = with_a_member_of_all().await;
    let pool = hub.database().owner_pool().await;
    let members: Vec<(uuid::Uuid,)> =
        sqlx::query_as("SELECT member_id FROM wallets").fetch_all(&pool).await.unwrap();
    pool.close().await;
    let [(member,)] = members[..] else { panic!("one member: {members:?}") };
    let others = [
        token(&hub.partner(ROVER).await).await,
        token(&hub.partner(GROCER).await).await,
        ROVER.to_owned(),
        GROCER.to_owned(),
        member.to_string(),
        member.simple().to_string(),
    ];
    for ((_, method), answer) in all_answers(&Wire::partner(&hub, HARBOR).await).await {
        assert!(!contains(&answer, member.as_bytes()), "{method} has the member's id");
        for secret in &others {
            assert!(!contains(&answer, secret.as_bytes()), "{method} tells {secret}");
        }
    }
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lots_of_others_are_the_coalitions() {
    let hub = with_a_member_of_all().await;
    let harbor = hub.partner(HARBOR).await;
    let burned = harbor.burn(burn("guest", 410)).await.unwrap().operation.unwrap();
    let issuers = |operation: &Operation| -> Vec<(String, i64)> {
        operation.portions.iter().map(|part| (part.issuer.clone(), part.points)).collect()
    };
    // The lots of Rover and Grocer are older, and are burned first.
    let mut coalition: i64 = 0;
    for (issuer, points) in issuers(&burned) {
        match issuer.as_str() {
            "coalition" => coalition += points,
            HARBOR => assert_eq!(points, 10),
            other => panic!("{other} is told"),
        }
    }
    assert_eq!(coalition, 400);
    let request = GetBalanceRequest { member_reference: "guest".to_owned() };
    let left = harbor.get_balance(request).await.unwrap().expiries;
    let left: Vec<_> = left.iter().map(|part| (part.issuer.as_str(), part.points)).collect();
    assert_eq!(left, [(HARBOR, 190)]);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_has_another_token_at_each_partner_and_the_same_one_each_time() {
    let hub = with_a_member_of_all().await;
    let mut tokens = Vec::new();
    for code in PARTNERS {
        let client = hub.partner(code).await;
        let first = token(&client).await;
        assert_eq!(token(&client).await, first, "{code}");
        let earned = if code == ROVER { "USD" } else { "EUR" };
        let operation = client.earn(earn("guest", 1_000_000, earned)).await.unwrap().operation;
        assert_eq!(operation.unwrap().member_token, first, "{code}");
        tokens.push(first);
    }
    tokens.sort();
    tokens.dedup();
    assert_eq!(tokens.len(), PARTNERS.len());
    hub.close().await;
}

/// Rover may owe 1.50 EUR: 214 points at .0070.
#[tokio::test(flavor = "multi_thread")]
async fn another_partners_cap_is_told_to_nobody_else() {
    let hub = with_a_member_of_all().await;
    let rover = hub.partner(ROVER).await;
    rover.earn(earn("guest", 200_000_000, "USD")).await.unwrap();
    let error = hub.partner(HARBOR).await.burn(burn("guest", 800)).await.unwrap_err();
    let refusal = error.refusal().expect("a refusal");
    assert_eq!(refusal.reason, ErrorReason::NetDebitCapExceeded);
    assert!(refusal.metadata.is_empty(), "{refusal:?}");
    assert!(!refusal.message.contains(ROVER), "{refusal:?}");
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_lists_its_own_operations_alone() {
    let hub = with_a_member_of_all().await;
    for code in PARTNERS {
        let client = hub.partner(code).await;
        for member_reference in ["", "guest"] {
            let member_reference = member_reference.to_owned();
            let request = ListOperationsRequest { member_reference, ..Default::default() };
            let listed = client.list_operations(request).await.unwrap().operations;
            let partners: Vec<_> = listed.iter().map(|operation| &operation.partner).collect();
            assert_eq!(partners, [code]);
        }
    }
    hub.close().await;
}
