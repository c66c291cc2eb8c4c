//! E2, E3 and the end of E5: positions, closes, statements and payments, as operators and partners
//! see them.

use entente_client::{
    Client,
    api::{
        error::ErrorReason,
        partner::{Agreement, Funding},
        settlement::{
            AmountKind, CloseWindowRequest, CloseWindowResponse, Direction, GetPositionRequest,
            GetPositionResponse, GetStatementRequest, ListWindowsRequest, Net,
            RecordPaymentRequest, StatementLine, WindowState, get_statement_response::Part,
            settlement_service_client::SettlementServiceClient,
        },
        types::Money,
    },
    new_request_id,
};
use entente_testkit::{
    TestHub,
    cast::{self, GROCER, HARBOR, PARTNERS, ROVER, agreement_in, burn, earn, enrol, money},
};
use futures::TryStreamExt as _;
use tonic::Code;

use crate::wire::Wire;

pub(crate) const WINDOW: &str = "2026-03";

/// A hub with the cast on these terms, and one guest whom all three know.
pub(crate) async fn hub_with(agreements: [Agreement; 3]) -> TestHub {
    let hub = TestHub::start().await;
    let operator = hub.operator().await;
    for (partner, agreement) in PARTNERS.into_iter().zip(agreements) {
        cast::onboard(&operator, partner, agreement).await;
    }
    enrol(&hub.partner(HARBOR).await, "guest").await;
    for partner in [ROVER, GROCER] {
        cast::attach(&operator, HARBOR, "guest", partner).await;
    }
    hub
}

/// E2: all settle in USD and pay when points are issued, at uneven prices.
pub(crate) async fn settled_at_issue() -> TestHub {
    let prices = [(10_000, 7_000), (12_000, 6_500), (11_000, 7_200)];
    let agreements = prices.map(|(issue_price_micros, reimbursement_micros)| Agreement {
        issue_price_micros,
        reimbursement_micros,
        ..agreement_in("USD", Funding::AtIssue)
    });
    let hub = Box::pin(hub_with(agreements)).await;
    for (partner, issued) in [(HARBOR, 120_000), (ROVER, 80_000), (GROCER, 50_000)] {
        hub.partner(partner).await.earn(earn("guest", issued * 1_000_000, "USD")).await.unwrap();
    }
    for (partner, redeemed) in [(HARBOR, 60_000), (ROVER, 20_000), (GROCER, 40_000)] {
        hub.partner(partner).await.burn(burn("guest", redeemed)).await.unwrap();
    }
    hub
}

pub(crate) async fn close(operator: &Client) -> CloseWindowResponse {
    operator
        .close_window(CloseWindowRequest { name: WINDOW.to_owned(), testing: false })
        .await
        .unwrap()
}

async fn position(client: &Client, window: &str, partner: &str) -> GetPositionResponse {
    let (window, partner) = (window.to_owned(), partner.to_owned());
    client.get_position(GetPositionRequest { window, partner }).await.unwrap()
}

async fn statement(client: &Client, partner: &str) -> Vec<Part> {
    let (window, partner) = (WINDOW.to_owned(), partner.to_owned());
    let mut stream = client
        .get_statement(GetStatementRequest { window, partner, ..GetStatementRequest::default() })
        .await
        .unwrap();
    let mut parts = Vec::new();
    while let Some(part) = stream.next().await.unwrap() {
        parts.push(part);
    }
    parts
}

/// Who pays or receives how much, in the order of parties.
fn told(nets: &[Net]) -> Vec<(&str, Direction, i64)> {
    let net = |net: &'_ Net| (net.direction(), net.amount.as_ref().unwrap().micros);
    nets.iter().map(|found| (found.party.as_str(), net(found).0, net(found).1)).collect()
}

async fn pay(
    operator: &Client,
    id: &str,
    partner: &str,
    amount: Money,
) -> Result<i64, ErrorReason> {
    let request = RecordPaymentRequest {
        request_id: id.to_owned(),
        partner: partner.to_owned(),
        amount: Some(amount),
        obligation: String::new(),
    };
    match operator.record_payment(request).await {
        Ok(paid) => Ok(paid.remaining.unwrap().micros),
        Err(error) => Err(error.refusal().expect("a refusal").reason),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn partners_that_pay_at_issue_settle_with_the_pool() {
    let hub = settled_at_issue().await;
    let operator = hub.operator().await;
    let open = position(&operator, "", "").await;
    let closed = close(&operator).await;
    let expected = [
        ("hub", Direction::Receives, 1_872_000_000),
        (HARBOR, Direction::Pays, 780_000_000),
        (ROVER, Direction::Pays, 830_000_000),
        (GROCER, Direction::Pays, 262_000_000),
    ];
    assert_eq!(told(&closed.nets), expected);
    assert_eq!(told(&open.nets), expected, "nothing had to be rounded");
    assert!(!closed.already_closed);
    let again = close(&operator).await;
    assert!(again.already_closed);
    assert_eq!((again.nets, again.window), (closed.nets, closed.window));
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn issuers_that_pay_at_redemption_settle_with_the_redeemer() {
    let rover = agreement_in("USD", Funding::AtRedemption);
    let hub = hub_with([
        agreement_in("EUR", Funding::AtRedemption),
        Agreement { reimbursement_micros: 8_000, hub_fee_basis_points: 200, ..rover },
        agreement_in("USD", Funding::AtRedemption),
    ])
    .await;
    for (partner, points, currency) in
        [(HARBOR, 5_000, "EUR"), (ROVER, 3_000, "USD"), (GROCER, 2_000, "USD")]
    {
        let request = earn("guest", points * 1_000_000, currency);
        hub.partner(partner).await.earn(request).await.unwrap();
    }
    hub.partner(ROVER).await.burn(burn("guest", 6_500)).await.unwrap();
    let operator = hub.operator().await;
    let closed = close(&operator).await;
    let expected = [
        ("hub", Direction::Receives, 1_040_000),
        (HARBOR, Direction::Pays, 40_800_000),
        (ROVER, Direction::Receives, 39_760_000),
    ];
    assert_eq!(told(&closed.nets), expected);
    let memo = |part: &Part| match part {
        Part::Line(line) if line.counterparty == ROVER => Some(line.clone()),
        _ => None,
    };
    let memos: Vec<StatementLine> =
        statement(&hub.partner(ROVER).await, "").await.iter().filter_map(memo).collect();
    let memo = memos.iter().find(|line| line.kind() == AmountKind::Redemption).unwrap();
    assert_eq!((memo.points, memo.direction()), (1_500, Direction::Even));
    assert_eq!(memo.amount, Some(money(12_000_000, "USD")));
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_opens_with_a_header_adds_up_and_ends_with_what_is_paid() {
    let hub = settled_at_issue().await;
    let (operator, harbor) = (hub.operator().await, hub.partner(HARBOR).await);
    close(&operator).await;
    let parts = statement(&harbor, HARBOR).await;
    assert_eq!(parts, statement(&operator, HARBOR).await, "the same for operators, each time");
    let [Part::Header(header), .., Part::Closing(closing)] = parts.as_slice() else {
        panic!("{parts:#?}")
    };
    assert_eq!((header.partner.as_str(), header.simulation), (HARBOR, true));
    assert_eq!(header.window.as_ref().unwrap().name, WINDOW);
    assert_eq!((closing.direction(), closing.line_count), (Direction::Pays, 2));
    assert_eq!(closing.amount, Some(money(780_000_000, "USD")));
    let (mut paid, mut total) = (0, 0);
    let signed = |direction: Direction, amount: &Option<Money>| match direction {
        Direction::Pays => amount.as_ref().unwrap().micros,
        Direction::Receives => -amount.as_ref().unwrap().micros,
        Direction::Even | Direction::Unspecified => 0,
    };
    for part in &parts {
        match part {
            Part::Line(line) => paid += signed(line.direction(), &line.amount),
            Part::Elsewhere(there) => paid += signed(there.direction(), &there.amount),
            Part::Total(sum) => total += signed(sum.direction(), &sum.amount),
            Part::Lines(_) => panic!("the client takes them apart"),
            Part::Header(_) | Part::Opening(_) | Part::Balance(_) | Part::Closing(_) => {}
        }
    }
    assert_eq!((paid, total), (780_000_000, 780_000_000));
    let burned_elsewhere = parts.iter().any(|part| {
        matches!(part, Part::Elsewhere(there)
            if there.counterparty == ROVER && there.points == 20_000 && there.day == "2026-03-02")
    });
    assert!(burned_elsewhere, "{parts:#?}");
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_reads_its_own_side_and_nobody_elses() {
    let hub = settled_at_issue().await;
    let rover = hub.partner(ROVER).await;
    let own = position(&rover, "", "").await;
    assert_eq!(told(&own.nets), [(ROVER, Direction::Pays, 830_000_000)]);
    assert!(own.gross.iter().all(|gross| gross.payer == ROVER || gross.payee == ROVER));
    assert!(own.exposures.iter().all(|exposure| exposure.partner == ROVER));
    assert_eq!(own, position(&rover, "", ROVER).await);
    let asked = GetPositionRequest { window: String::new(), partner: HARBOR.to_owned() };
    let error = rover.get_position(asked).await.unwrap_err();
    assert_eq!(error.refusal().expect("a refusal").reason, ErrorReason::NotAllowed);
    let request = GetStatementRequest {
        window: WINDOW.to_owned(),
        partner: HARBOR.to_owned(),
        ..GetStatementRequest::default()
    };
    let error = rover.get_statement(request).await.unwrap_err();
    assert_eq!(error.refusal().expect("a refusal").reason, ErrorReason::NotAllowed);
    let error = rover
        .close_window(CloseWindowRequest { name: "x".to_owned(), testing: false })
        .await
        .unwrap_err();
    assert_eq!(error.refusal().expect("a refusal").reason, ErrorReason::NotAllowed);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_has_one_reason() {
    let hub = settled_at_issue().await;
    let operator = hub.operator().await;
    for (window, partner, reason) in [
        ("1999", HARBOR, ErrorReason::WindowUnknown),
        ("", HARBOR, ErrorReason::WindowNotClosed),
        ("1999", "nobody", ErrorReason::PartnerUnknown),
        ("1999", "", ErrorReason::Malformed),
        ("a/b", HARBOR, ErrorReason::Malformed),
        ("\0", HARBOR, ErrorReason::Malformed),
        (WINDOW, "No Body", ErrorReason::Malformed),
    ] {
        let (asked, named) = (window.to_owned(), partner.to_owned());
        let request =
            GetStatementRequest { window: asked, partner: named, ..GetStatementRequest::default() };
        let error = operator.get_statement(request).await.unwrap_err();
        assert_eq!(error.refusal().expect("a refusal").reason, reason, "{window:?} {partner:?}");
    }
    for name in ["", "a b", "a/b", "\0", &"x".repeat(33)] {
        let error = operator
            .close_window(CloseWindowRequest { name: name.to_owned(), testing: false })
            .await;
        let error = error.unwrap_err();
        assert_eq!(error.refusal().expect("a refusal").reason, ErrorReason::Malformed, "{name:?}");
    }
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_are_listed_newest_first_page_by_page() {
    let hub = TestHub::with_cast().await;
    let operator = hub.operator().await;
    for name in ["w1", "w2", "w3"] {
        operator
            .close_window(CloseWindowRequest { name: name.to_owned(), testing: false })
            .await
            .unwrap();
    }
    let harbor = hub.partner(HARBOR).await;
    let mut names = Vec::new();
    let mut page_token = String::new();
    loop {
        let asked =
            ListWindowsRequest { page_size: 3, page_token: page_token.clone(), testing: false };
        let page = harbor.list_windows(asked).await.unwrap();
        assert!(page.windows.len() <= 3);
        names.extend(page.windows.iter().map(|window| (window.name.clone(), window.state())));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
        let stolen =
            ListWindowsRequest { page_size: 3, page_token: page_token.clone(), testing: false };
        let error = operator.list_windows(stolen).await.unwrap_err();
        assert_eq!(error.refusal().expect("a refusal").reason, ErrorReason::Malformed);
    }
    // Nothing happened in them, so nothing is left to be paid.
    let settled = |name: &str| (name.to_owned(), WindowState::Settled);
    let open = (String::new(), WindowState::Open);
    assert_eq!(names, [open, settled("w3"), settled("w2"), settled("w1")]);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_lowers_what_is_owed_once_and_never_below_nothing() {
    let hub = settled_at_issue().await;
    let operator = hub.operator().await;
    let (early, first, last) = (new_request_id(), new_request_id(), new_request_id());
    let usd = |micros| money(micros, "USD");
    let exceeds = Err(ErrorReason::PaymentExceedsObligation);
    assert_eq!(pay(&operator, &early, HARBOR, usd(1)).await, exceeds, "the window is open");
    close(&operator).await;
    assert_eq!(pay(&operator, &early, HARBOR, usd(1)).await, exceeds, "the outcome is kept");
    let exposure = |position: GetPositionResponse| position.exposures[0].amount.clone().unwrap();
    assert_eq!(exposure(position(&operator, "", HARBOR).await), usd(780_000_000));
    assert_eq!(pay(&operator, &first, HARBOR, usd(480_000_000)).await, Ok(300_000_000));
    assert_eq!(pay(&operator, &first, HARBOR, usd(480_000_000)).await, Ok(300_000_000));
    assert_eq!(exposure(position(&operator, "", HARBOR).await), usd(300_000_000));
    let reused = pay(&operator, &first, HARBOR, usd(1)).await;
    assert_eq!(reused, Err(ErrorReason::RequestIdReused));
    assert_eq!(pay(&operator, &last, HARBOR, usd(300_000_001)).await, exceeds);
    let unknown = pay(&operator, &new_request_id(), "nobody", usd(1)).await;
    assert_eq!(unknown, Err(ErrorReason::PartnerUnknown));
    let nothing = pay(&operator, &new_request_id(), HARBOR, usd(0)).await;
    assert_eq!(nothing, Err(ErrorReason::Malformed));
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_lines_come_in_a_message_as_are_asked_for_and_they_are_the_same() {
    let hub = settled_at_issue().await;
    let operator = hub.operator().await;
    close(&operator).await;
    let told = statement(&hub.partner(HARBOR).await, "").await;
    let mut service = SettlementServiceClient::new(Wire::partner(&hub, HARBOR).await.channel());
    let mut ask = async |lines_per_message| {
        let (window, partner) = (WINDOW.to_owned(), String::new());
        let request = GetStatementRequest { window, partner, lines_per_message };
        let parts = service.get_statement(request).await?.into_inner();
        let parts = parts.map_ok(|response| response.part.unwrap());
        parts.try_collect::<Vec<Part>>().await
    };
    assert_eq!(ask(0).await.unwrap(), told, "each line is a part of its own");
    for (most, messages) in [(1, vec![1, 1]), (2, vec![2]), (1_000, vec![2])] {
        let (mut lines, mut parts) = (Vec::new(), Vec::new());
        for part in ask(most).await.unwrap() {
            match part {
                Part::Lines(together) => {
                    lines.push(together.lines.len());
                    parts.extend(together.lines.into_iter().map(Part::Line));
                }
                other => parts.push(other),
            }
        }
        assert_eq!((lines, parts), (messages, told.clone()), "{most}");
    }
    for out_of_range in [-1, 1_001, i32::MAX] {
        let refused = ask(out_of_range).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{out_of_range}");
    }
    hub.close().await;
}
