//! What a close makes of E2 and of each way E3 can end: gross amounts, nets in words, statements.

use entente_client::{
    Client,
    api::{
        partner::{Agreement, Funding},
        settlement::{
            AmountKind, Direction, GetStatementRequest, GetStatementResponse, ListWindowsRequest,
            Net, RecordPaymentRequest, StatementBalance, StatementClosing,
            get_statement_response::Part,
        },
    },
    new_request_id,
};
use entente_testkit::{
    TestHub,
    cast::{self, GROCER, HARBOR, ROVER, agreement_in, burn, earn},
};
use prost::Message as _;

use crate::steps::{
    authorize, capture, cents, close, everywhere, gross, gross_rows, has, net_rows, nets, position,
    refund_points, void, with_the_member_of_e3,
};

/// The window of E2: everybody pays in USD for points when they are issued.
async fn with_the_window_of_e2() -> TestHub {
    let hub = TestHub::start().await;
    let operator = hub.operator().await;
    for (partner, issue_price_micros, reimbursement_micros) in
        [(HARBOR, 10_000, 7_000), (ROVER, 12_000, 6_500), (GROCER, 11_000, 7_200)]
    {
        let agreement = agreement_in("USD", Funding::AtIssue);
        let agreement = Agreement { issue_price_micros, reimbursement_micros, ..agreement };
        cast::onboard(&operator, partner, agreement).await;
    }
    everywhere(&hub, "guest").await;
    for (partner, issued) in [(HARBOR, 120_000), (ROVER, 80_000), (GROCER, 50_000)] {
        let partner = hub.partner(partner).await;
        partner.earn(earn("guest", cents(issued * 100), "USD")).await.unwrap();
    }
    for (partner, redeemed) in [(HARBOR, 60_000), (ROVER, 20_000), (GROCER, 40_000)] {
        hub.partner(partner).await.burn(burn("guest", redeemed)).await.unwrap();
    }
    hub
}

/// A statement's parts.
pub(crate) async fn statement(client: &Client, window: &str, partner: &str) -> Vec<Part> {
    let request = GetStatementRequest {
        window: window.to_owned(),
        partner: partner.to_owned(),
        ..GetStatementRequest::default()
    };
    let mut stream = client.get_statement(request).await.unwrap();
    let mut parts = Vec::new();
    while let Some(part) = stream.next().await.unwrap() {
        parts.push(part);
    }
    parts
}

fn bytes(parts: &[Part]) -> Vec<u8> {
    let message = |part: &Part| GetStatementResponse { part: Some(part.clone()) };
    parts.iter().flat_map(|part| message(part).encode_length_delimited_to_vec()).collect()
}

fn closings(parts: &[Part]) -> Vec<StatementClosing> {
    let closings = parts.iter().filter_map(|part| match part {
        Part::Closing(closing) => Some(closing.clone()),
        _ => None,
    });
    closings.collect()
}

/// What each party pays, less what each receives.
fn sum(nets: &[Net], currency: &str) -> i64 {
    let signed = nets.iter().map(|net| {
        let amount = net.amount.as_ref().unwrap();
        assert!(amount.micros >= 0, "a direction says who pays");
        match net.direction() {
            _ if amount.currency != currency => 0,
            Direction::Pays => amount.micros,
            _ => -amount.micros,
        }
    });
    signed.sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn three_that_pay_when_they_issue_settle_with_the_pool() {
    let hub = with_the_window_of_e2().await;
    let operator = hub.operator().await;
    let expected_gross = gross_rows(&[
        (HARBOR, "hub", AmountKind::Issue, 120_000, cents(120_000)),
        (ROVER, "hub", AmountKind::Issue, 80_000, cents(96_000)),
        (GROCER, "hub", AmountKind::Issue, 50_000, cents(55_000)),
        ("hub", HARBOR, AmountKind::Redemption, 60_000, cents(42_000)),
        ("hub", ROVER, AmountKind::Redemption, 20_000, cents(13_000)),
        ("hub", GROCER, AmountKind::Redemption, 40_000, cents(28_800)),
    ]);
    let expected_nets = net_rows(&[
        (HARBOR, Direction::Pays, cents(78_000)),
        (ROVER, Direction::Pays, cents(83_000)),
        (GROCER, Direction::Pays, cents(26_200)),
        ("hub", Direction::Receives, cents(187_200)),
    ]);
    let open = position(&operator, "").await;
    assert_eq!(gross(&open, "USD"), expected_gross);
    assert_eq!(nets(&open.nets, "USD"), expected_nets);
    let closed = close(&operator, "2026-03").await;
    assert!(!closed.already_closed);
    assert_eq!(nets(&closed.nets, "USD"), expected_nets);
    assert_eq!(sum(&closed.nets, "USD"), 0);
    assert_eq!(gross(&position(&operator, "2026-03").await, "USD"), expected_gross);
    assert_eq!(has(&hub.partner(ROVER).await, "guest").await, (130_000, 0, 0), "outstanding");
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_closed_answers_its_totals_for_ever() {
    let hub = with_the_window_of_e2().await;
    let (operator, rover) = (hub.operator().await, hub.partner(ROVER).await);
    let first = close(&operator, "2026-03").await;
    let before = position(&operator, "2026-03").await;
    let refund = rover.burn(burn("guest", 1_000)).await.unwrap().operation.unwrap();
    rover.reverse(refund_points(&refund.request_id, 400)).await.unwrap();
    let again = close(&operator, "2026-03").await;
    assert!(again.already_closed);
    assert_eq!((&first.window, &first.nets), (&again.window, &again.nets));
    let after = position(&operator, "2026-03").await;
    assert_eq!((before.gross, before.nets), (after.gross, after.nets));
    let next = position(&operator, "").await;
    let expected = gross_rows(&[
        ("hub", ROVER, AmountKind::Redemption, 1_000, cents(650)),
        (ROVER, "hub", AmountKind::RedemptionRefunded, 400, cents(260)),
    ]);
    assert_eq!(gross(&next, "USD"), expected, "in the next window");
    let closed = close(&operator, "2026-04").await;
    let expected =
        net_rows(&[(ROVER, Direction::Receives, cents(390)), ("hub", Direction::Pays, cents(390))]);
    assert_eq!(nets(&closed.nets, "USD"), expected);
    let windows = operator.list_windows(ListWindowsRequest::default()).await.unwrap().windows;
    let names: Vec<_> = windows.iter().map(|window| window.name.as_str()).collect();
    assert_eq!(names, ["", "2026-04", "2026-03"]);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_closes_with_the_net_and_is_the_same_bytes_each_time() {
    let hub = with_the_window_of_e2().await;
    let operator = hub.operator().await;
    let open = GetStatementRequest {
        window: String::new(),
        partner: HARBOR.to_owned(),
        ..GetStatementRequest::default()
    };
    assert!(operator.get_statement(open).await.is_err(), "an open window has no statement");
    close(&operator, "2026-03").await;
    let expected = [(HARBOR, 78_000), (ROVER, 83_000), (GROCER, 26_200)];
    for (partner, hundredths) in expected {
        let own = statement(&hub.partner(partner).await, "2026-03", "").await;
        let amount = Some(cast::money(cents(hundredths), "USD"));
        let direction = Direction::Pays.into();
        let closing = StatementClosing { direction, amount, line_count: 2 };
        assert_eq!(closings(&own), [closing]);
        let lines = own.iter().filter(|part| matches!(part, Part::Line(_))).count();
        assert_eq!(lines, 2, "an earn and a burn");
        let Some(Part::Header(header)) = own.first() else { panic!("a header leads") };
        assert_eq!((header.partner.as_str(), header.simulation), (partner, true));
        let again = statement(&operator, "2026-03", partner).await;
        assert_eq!(bytes(&own), bytes(&again));
        hub.partner(partner).await.earn(earn("guest", cents(100), "USD")).await.unwrap();
        let later = statement(&operator, "2026-03", partner).await;
        assert_eq!(bytes(&own), bytes(&later), "whatever happens afterwards");
    }
    hub.close().await;
}

/// Closes E3's window and checks Harbor's, Rover's and the hub's dollars; Harbor and the hub's fee
/// pay and receive what they say, and Rover what lies between.
async fn assert_settled(hub: &TestHub, issuer_pays: i64, fees: i64) {
    let operator = hub.operator().await;
    let closed = close(&operator, "2026-03").await;
    let expected = match issuer_pays {
        0 => Vec::new(),
        _ => net_rows(&[
            (HARBOR, Direction::Pays, issuer_pays),
            (ROVER, Direction::Receives, issuer_pays - fees),
            ("hub", Direction::Receives, fees),
        ]),
    };
    let settled: Vec<_> =
        nets(&closed.nets, "USD").into_iter().filter(|(_, _, micros)| *micros > 0).collect();
    assert_eq!(settled, expected);
    assert!(nets(&closed.nets, "EUR").iter().all(|(_, _, micros)| *micros == 0), "dollars alone");
    for (partner, net) in [(HARBOR, issuer_pays), (ROVER, issuer_pays - fees)] {
        let statement = statement(&hub.partner(partner).await, "2026-03", "").await;
        let closing = closings(&statement).into_iter().find_map(|closing| {
            closing.amount.filter(|amount| amount.currency == "USD").map(|amount| amount.micros)
        });
        assert_eq!(closing.unwrap_or_default(), net, "{partner}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_issuer_pays_for_its_own_points_in_the_redeemers_currency() {
    let hub = with_the_member_of_e3().await;
    let (operator, rover) = (hub.operator().await, hub.partner(ROVER).await);
    let held = rover.authorize(authorize("rider", 6_500)).await.unwrap().operation.unwrap();
    assert_eq!(gross(&position(&operator, "").await, "USD"), [], "a hold moves no money");
    rover.capture(capture(&held.request_id, None)).await.unwrap();
    let expected = gross_rows(&[
        (HARBOR, ROVER, AmountKind::Redemption, 5_000, cents(4_000)),
        (ROVER, ROVER, AmountKind::Redemption, 1_500, cents(1_200)),
        (HARBOR, "hub", AmountKind::Fee, 0, cents(80)),
        (ROVER, "hub", AmountKind::Fee, 0, cents(24)),
    ]);
    assert_eq!(gross(&position(&operator, "").await, "USD"), expected);
    assert_settled(&hub, cents(4_080), cents(104)).await;
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_of_a_capture_returns_the_money_and_the_fee() {
    // Of 4,000 captured: what is refunded, what Harbor then pays, and how much of it is a fee.
    for (refunds, pays, fee) in [
        (&[][..], cents(3_264), cents(64)),
        (&[1_500], cents(2_040), cents(40)),
        (&[1_500, 2_500], 0, 0),
    ] {
        let hub = with_the_member_of_e3().await;
        let rover = hub.partner(ROVER).await;
        let held = rover.authorize(authorize("rider", 6_500)).await.unwrap().operation.unwrap();
        let captured = rover.capture(capture(&held.request_id, Some(4_000))).await.unwrap();
        let id = captured.operation.unwrap().request_id;
        for points in refunds {
            rover.reverse(refund_points(&id, *points)).await.unwrap();
        }
        assert_settled(&hub, pays, fee).await;
        hub.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_void_moves_no_money() {
    let hub = with_the_member_of_e3().await;
    let rover = hub.partner(ROVER).await;
    let held = rover.authorize(authorize("rider", 6_500)).await.unwrap().operation.unwrap();
    rover.void(void(&held.request_id)).await.unwrap();
    assert_settled(&hub, 0, 0).await;
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capture_in_the_next_window_is_paid_for_in_the_next_window() {
    let hub = with_the_member_of_e3().await;
    let (operator, rover) = (hub.operator().await, hub.partner(ROVER).await);
    let held = rover.authorize(authorize("rider", 6_500)).await.unwrap().operation.unwrap();
    close(&operator, "2026-02").await;
    rover.capture(capture(&held.request_id, None)).await.unwrap();
    assert_eq!(gross(&position(&operator, "2026-02").await, "USD"), []);
    assert_settled(&hub, cents(4_080), cents(104)).await;
    hub.close().await;
}

/// Everybody's member, with a thousand points of Harbor's, which cost half a cent each.
async fn half_cents() -> TestHub {
    let hub = TestHub::start().await;
    let operator = hub.operator().await;
    let agreement =
        || Agreement { reimbursement_micros: 5_000, ..agreement_in("USD", Funding::AtRedemption) };
    for partner in [HARBOR, ROVER, GROCER] {
        cast::onboard(&operator, partner, agreement()).await;
    }
    everywhere(&hub, "guest").await;
    hub.partner(HARBOR).await.earn(earn("guest", cents(1_000), "USD")).await.unwrap();
    hub
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_cent_is_rounded_away_from_zero_once_and_the_nets_still_sum_to_zero() {
    let hub = half_cents().await;
    let operator = hub.operator().await;
    // Rover is owed .015 by three burns of .005, Grocer .005 by one.
    for redeemer in [ROVER, ROVER, ROVER, GROCER] {
        hub.partner(redeemer).await.burn(burn("guest", 1)).await.unwrap();
    }
    let open = position(&operator, "").await;
    let exact = net_rows(&[
        (HARBOR, Direction::Pays, 20_000),
        (ROVER, Direction::Receives, 15_000),
        (GROCER, Direction::Receives, 5_000),
    ]);
    assert_eq!(nets(&open.nets, "USD"), exact);
    let closed = close(&operator, "2026-03").await;
    let rounded = net_rows(&[
        (HARBOR, Direction::Pays, 30_000),
        (ROVER, Direction::Receives, 20_000),
        (GROCER, Direction::Receives, 10_000),
    ]);
    assert_eq!(nets(&closed.nets, "USD"), rounded);
    assert_eq!(sum(&closed.nets, "USD"), 0);
    let rover = statement(&hub.partner(ROVER).await, "2026-03", "").await;
    assert_eq!(closings(&rover)[0].amount, Some(cast::money(20_000, "USD")));
    hub.close().await;
}

/// What was unpaid when the window opened, and when it closed.
async fn unpaid(
    client: &Client,
    window: &str,
) -> (Option<(Direction, i64)>, Option<(Direction, i64)>) {
    let told = |unpaid: &StatementBalance| {
        let amount = unpaid.amount.as_ref().unwrap();
        assert_eq!(amount.currency, "USD");
        (unpaid.direction(), amount.micros)
    };
    let (mut opening, mut balance) = (None, None);
    for part in statement(client, window, "").await {
        match part {
            Part::Opening(unpaid) => assert_eq!(opening.replace(told(&unpaid)), None),
            Part::Balance(unpaid) => assert_eq!(balance.replace(told(&unpaid)), None),
            _ => {}
        }
    }
    (opening, balance)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_opens_with_what_was_unpaid_and_no_payment_changes_it() {
    use Direction::{Pays, Receives};
    let hub = half_cents().await;
    let operator = hub.operator().await;
    let (harbor, rover) = (hub.partner(HARBOR).await, hub.partner(ROVER).await);
    let pay = async |micros| {
        let request = RecordPaymentRequest {
            request_id: new_request_id(),
            partner: HARBOR.to_owned(),
            amount: Some(cast::money(micros, "USD")),
            obligation: String::new(),
        };
        operator.record_payment(request).await.unwrap();
    };
    rover.burn(burn("guest", 6)).await.unwrap();
    close(&operator, "2026-03").await;
    // The header says how far the window has come meanwhile, which is no part of what is printed.
    let march = bytes(&statement(&harbor, "2026-03", "").await[1..]);
    assert_eq!(unpaid(&harbor, "2026-03").await, (None, Some((Pays, 30_000))));
    pay(20_000).await;
    rover.burn(burn("guest", 4)).await.unwrap();
    close(&operator, "2026-04").await;
    let expected = (Some((Pays, 30_000)), Some((Pays, 30_000)));
    assert_eq!(unpaid(&harbor, "2026-04").await, expected, ".03, less .02, and .02 more");
    let expected = (Some((Receives, 30_000)), Some((Receives, 50_000)));
    assert_eq!(unpaid(&rover, "2026-04").await, expected, "the hub has not paid it");
    pay(30_000).await;
    assert_eq!(bytes(&statement(&harbor, "2026-03", "").await[1..]), march);
    assert_eq!(unpaid(&harbor, "2026-04").await.1, Some((Pays, 30_000)));
    close(&operator, "2026-05").await;
    assert_eq!(unpaid(&harbor, "2026-05").await, (Some((Pays, 30_000)), None));
    assert_eq!(unpaid(&hub.partner(GROCER).await, "2026-05").await, (None, None));
    hub.close().await;
}
