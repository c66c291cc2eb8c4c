//! Floats: a prepaid partner issues what it bought ahead, block by block, and not a point more.

use entente_client::{
    Client, Error, Operators, Refusal,
    api::{
        error::ErrorReason,
        event::event::What,
        partner::{Agreement, ExchangeRate, Funding},
        points::{EarnRequest, ExchangeRequest, exchange_request::Amount},
        settlement::{
            AmountKind, BuyBlockRequest, BuyBlockResponse, Direction, FloatBlock, GetFloatRequest,
            GetFloatResponse, GetStatementRequest, get_statement_response::Part,
        },
        types::Money,
    },
    new_request_id,
};
use entente_testkit::{
    TestHub,
    cast::{self, GROCER, HARBOR, ROVER, agreement_in, earn, give, money},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    events::{caught_up, since},
    steps::{
        at, cents, close, everywhere, exposure, gross, gross_rows, has, net_rows, nets, position,
        reason, refund_spend, reverse, tampering_is_found,
    },
    streaming::Stream,
    wire::Wire,
};

/// One point per 1.00, bought ahead.
fn prepaid() -> Agreement {
    Agreement { prepaid: true, ..agreement_in("EUR", Funding::AtIssue) }
}

/// Harbor is prepaid; Rover and Grocer pay when their points are burned.
async fn with_prepaid(harbor: Agreement) -> TestHub {
    let hub = TestHub::start().await;
    let operator = hub.operator().await;
    cast::onboard(&operator, HARBOR, harbor).await;
    for partner in [ROVER, GROCER] {
        cast::onboard(&operator, partner, agreement_in("EUR", Funding::AtRedemption)).await;
    }
    everywhere(&hub, "guest").await;
    hub
}

/// So many points at so many micros each.
fn block(points: i64, price_micros: i64) -> BuyBlockRequest {
    BuyBlockRequest {
        request_id: new_request_id(),
        partner: HARBOR.to_owned(),
        currency: "EUR".to_owned(),
        points,
        price_micros,
        is_reserve: false,
    }
}

fn reserve(points: i64, price_micros: i64) -> BuyBlockRequest {
    BuyBlockRequest { is_reserve: true, ..block(points, price_micros) }
}

async fn buy(operator: &Operators, block: BuyBlockRequest) -> BuyBlockResponse {
    Box::pin(operator.buy_block(block)).await.unwrap()
}

/// Two blocks of 1,000 at .0100 and .0090, and a reserve of 500 at .0150: 26.50 in all.
async fn stocked(operator: &Operators) {
    for (number, bought) in
        [(1, reserve(500, 15_000)), (2, block(1_000, 10_000)), (3, block(1_000, 9_000))]
    {
        let cost = bought.points * bought.price_micros;
        let bought = buy(operator, bought).await;
        assert_eq!(bought.block.unwrap().number, number);
        assert_eq!(bought.cost, Some(money(cost, "EUR")));
    }
}

/// An earn of so many points.
fn of(points: i64) -> EarnRequest {
    earn("guest", cents(100 * points), "EUR")
}

async fn float(client: &Client, partner: &str) -> Result<GetFloatResponse, Error> {
    let request = GetFloatRequest { partner: partner.to_owned(), ..GetFloatRequest::default() };
    client.get_float(request).await
}

/// What is left of each block, by number.
fn left(float: &GetFloatResponse) -> Vec<i64> {
    let mut blocks: Vec<&FloatBlock> = float.blocks.iter().collect();
    blocks.sort_by_key(|block| block.number);
    blocks.iter().map(|block| block.points_left).collect()
}

fn assert_exhausted<T: std::fmt::Debug>(outcome: Result<T, Error>, left: i64, asked: i64) {
    let error = outcome.unwrap_err();
    exhausted(error.refusal().unwrap(), left, asked);
}

fn exhausted(refusal: &Refusal, left: i64, asked: i64) {
    assert_eq!(refusal.reason, ErrorReason::FloatExhausted);
    assert_eq!(refusal.code, tonic::Code::ResourceExhausted);
    assert_eq!(refusal.metadata["left"], left.to_string());
    assert_eq!(refusal.metadata["asked"], asked.to_string());
    assert_eq!(refusal.retry_after, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_issued_is_drawn_block_by_block_and_owed_when_it_is_bought() {
    let hub = with_prepaid(prepaid()).await;
    let (harbor, operator) = (hub.partner(HARBOR).await, hub.operator().await);
    assert_exhausted(harbor.earn(of(1)).await, 0, 1);
    stocked(&operator).await;
    assert_eq!(exposure(&operator, HARBOR, "EUR").await, cents(2_650));

    harbor.earn(of(1_200)).await.unwrap();
    assert_eq!(left(&float(&harbor, "").await.unwrap()), [500, 0, 800]);
    harbor.earn(of(900)).await.unwrap();
    let own = float(&harbor, "").await.unwrap();
    assert_eq!(left(&own), [400, 0, 0]);
    assert_eq!(own.floats[0].worth, Some(money(400 * 15_000, "EUR")), "at the reserve's price");
    assert_eq!((own.floats[0].points_left, own.floats[0].level), (0, 2_000));
    let too_much = of(401);
    for _ in 0..2 {
        assert_exhausted(harbor.earn(too_much.clone()).await, 400, 401);
    }
    assert_eq!(has(&harbor, "guest").await, (2_100, 0, 0), "nothing of it is issued");
    harbor.earn(of(400)).await.unwrap();
    assert_exhausted(harbor.earn(of(1)).await, 0, 1);
    buy(&operator, block(10, 20_000)).await;
    assert_exhausted(harbor.earn(too_much).await, 400, 401);
    harbor.earn(of(10)).await.unwrap();

    let open = position(&operator, "").await;
    let bought = cents(2_650) + 10 * 20_000;
    let expected = gross_rows(&[(HARBOR, "hub", AmountKind::Prepaid, 0, bought)]);
    assert_eq!(gross(&open, "EUR"), expected, "an issue moves no money");
    assert_eq!(open.floats.len(), 1);
    hub.partner(GROCER).await.burn(cast::burn("guest", 1_000)).await.unwrap();
    let closed = close(&operator, "2026-03").await;
    let expected = net_rows(&[
        (HARBOR, Direction::Pays, bought),
        (GROCER, Direction::Receives, cents(700)),
        ("hub", Direction::Receives, bought - cents(700)),
    ]);
    assert_eq!(nets(&closed.nets, "EUR"), expected, "the pool pays for what it was paid for");
    assert_eq!(prepaid_total(&harbor).await, Some(money(bought, "EUR")));
    hub.close().await;
}

/// What the statement's totals say was bought ahead.
async fn prepaid_total(harbor: &Client) -> Option<Money> {
    let request = GetStatementRequest {
        window: "2026-03".to_owned(),
        partner: String::new(),
        ..GetStatementRequest::default()
    };
    let mut statement = harbor.get_statement(request).await.unwrap();
    let mut found = None;
    while let Some(part) = statement.next().await.unwrap() {
        if let Part::Total(total) = part
            && total.kind() == AmountKind::Prepaid
        {
            assert_eq!(total.direction(), Direction::Pays);
            found = total.amount;
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reversed_earn_returns_to_its_blocks_though_the_next_was_begun() {
    let hub = with_prepaid(Agreement {
        exchange_in: Some(ExchangeRate { give: 1, receive: 1, ..ExchangeRate::default() }),
        gifts: cast::agreement(HARBOR).gifts,
        ..prepaid()
    })
    .await;
    let (harbor, operator) = (hub.partner(HARBOR).await, hub.operator().await);
    stocked(&operator).await;
    let first = harbor.earn(of(600)).await.unwrap().operation.unwrap().request_id;
    let second = harbor.earn(of(700)).await.unwrap().operation.unwrap().request_id;
    assert_eq!(left(&float(&operator, HARBOR).await.unwrap()), [500, 0, 700]);
    harbor.reverse(reverse(&first)).await.unwrap();
    assert_eq!(left(&float(&operator, HARBOR).await.unwrap()), [500, 600, 700]);
    // 350 of the second: the 300 of its last block come first.
    harbor.reverse(refund_spend(&second, cents(35_000), "EUR")).await.unwrap();
    assert_eq!(left(&float(&operator, HARBOR).await.unwrap()), [500, 650, 1_000]);
    harbor.reverse(reverse(&second)).await.unwrap();
    assert_eq!(left(&float(&operator, HARBOR).await.unwrap()), [500, 1_000, 1_000]);

    // What the member no longer has returns as well; the debt is repaid to the pool.
    let third = harbor.earn(of(1_000)).await.unwrap().operation.unwrap().request_id;
    hub.partner(GROCER).await.burn(cast::burn("guest", 400)).await.unwrap();
    harbor.reverse(reverse(&third)).await.unwrap();
    assert_eq!(left(&float(&operator, HARBOR).await.unwrap()), [500, 1_000, 1_000]);
    let inward = |points| ExchangeRequest {
        request_id: new_request_id(),
        member_reference: "guest".to_owned(),
        receipt_reference: String::new(),
        amount: Some(Amount::OwnPoints(points)),
    };
    assert_exhausted(harbor.exchange(inward(2_501)).await, 2_500, 2_501);
    harbor.exchange(inward(1_100)).await.unwrap();
    assert_eq!(has(&harbor, "guest").await, (700, 0, 0));
    assert_eq!(left(&float(&operator, HARBOR).await.unwrap()), [500, 0, 900]);
    cast::enrol(&harbor, "friend").await;
    harbor.transfer(give("guest", "friend", 500)).await.unwrap();
    assert_eq!(left(&float(&operator, HARBOR).await.unwrap()), [500, 0, 900], "a gift draws none");
    hub.close().await;
}

/// Sends lines of so many points over one stream; what each line is answered: `None` for points issued, or
/// what was left of the float.
async fn streamed(hub: &TestHub, lines: &[EarnRequest], expected: &[Option<i64>]) {
    let wire = Wire::partner(hub, HARBOR).await;
    let mut stream = Stream::open(wire.channel()).await.unwrap();
    for (sequence, line) in (1..).zip(lines) {
        assert!(stream.send(sequence, line.clone()).await);
    }
    for (line, expected) in lines.iter().zip(expected) {
        let (_, id, became) = stream.next().await.unwrap();
        assert_eq!(id, line.request_id);
        let asked = line.spend.as_ref().unwrap().micros / cents(100);
        match (became, expected) {
            (Ok(earned), None) => assert_eq!(earned.operation.unwrap().points, asked),
            (Err(refusal), Some(left)) => exhausted(&refusal, *left, asked),
            (became, _) => panic!("{asked} points: {became:?}"),
        }
    }
    drop(stream.lines);
    assert!(stream.outcomes.message().await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_float_that_ends_in_the_middle_of_a_stream_refuses_that_line_and_not_a_smaller_one() {
    let hub = with_prepaid(prepaid()).await;
    let (harbor, operator) = (hub.partner(HARBOR).await, hub.operator().await);
    stocked(&operator).await;
    let lines = [1_200, 1_000, 400, 250, 51, 50, 1].map(of);
    let expected = [None, None, Some(300), None, Some(50), None, Some(0)];
    streamed(&hub, &lines, &expected).await;
    assert_eq!(left(&float(&harbor, "").await.unwrap()), [0, 0, 0]);
    assert_eq!(has(&harbor, "guest").await, (2_500, 0, 0), "what was bought, and not a point more");
    let drawn = exposure(&operator, HARBOR, "EUR").await;
    assert_eq!(drawn, cents(2_650), "a stream issues without a price");

    // The same lines again are answered the same, whatever was bought or returned meanwhile.
    buy(&operator, block(1_000, 8_000)).await;
    harbor.reverse(reverse(&lines[3].request_id)).await.unwrap();
    streamed(&hub, &lines, &expected).await;
    let more = [of(1_251), of(1_250)];
    streamed(&hub, &more, &[Some(1_250), None]).await;
    assert_eq!(has(&harbor, "guest").await, (3_500, 0, 0));
    assert_eq!(left(&float(&harbor, "").await.unwrap()), [0, 0, 0, 0]);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn earns_through_two_hubs_at_once_never_overdraw() {
    let hub = with_prepaid(prepaid()).await;
    let other = hub.another().await;
    let operator = hub.operator().await;
    stocked(&operator).await;
    let here = hub.partner(HARBOR).await;
    let there = hub.partner_at(HARBOR, other.addresses().partners).await;
    for n in 0..10 {
        cast::enrol(&here, &format!("member-{n}")).await;
    }
    let calls: Vec<_> = (0..50)
        .map(|n| {
            let client = if n % 2 == 0 { here.clone() } else { there.clone() };
            let earn = earn(&format!("member-{}", n % 10), cents(7_000), "EUR");
            tokio::spawn(async move { client.earn(earn).await })
        })
        .collect();
    let (mut issued, mut kept) = (0, None);
    for call in calls {
        match call.await.unwrap() {
            Ok(earned) if issued == 0 => {
                issued += 70;
                kept = earned.operation;
            }
            Ok(_) => issued += 70,
            Err(error) => assert_eq!(reason(&error), ErrorReason::FloatExhausted),
        }
    }
    assert_eq!(issued, 2_450, "35 of 50: what is left does not do for another");
    assert_eq!(left(&float(&operator, HARBOR).await.unwrap()), [50, 0, 0]);
    there.reverse(reverse(&kept.unwrap().request_id)).await.unwrap();
    here.earn(earn("member-0", cents(12_000), "EUR")).await.unwrap();
    assert_eq!(left(&float(&operator, HARBOR).await.unwrap()), [0, 0, 0]);
    the_check_names_what_is_tampered_with(&hub).await;
    other.drain().await;
    hub.close().await;
}

/// What somebody does to a float in the database is told by the check.
async fn the_check_names_what_is_tampered_with(hub: &TestHub) {
    let pool = hub.database().owner_pool().await;
    for (done, undone, said) in [
        (
            "UPDATE float_blocks SET points_left = 1, open = true WHERE block = 2",
            "UPDATE float_blocks SET points_left = 0, open = false WHERE block = 2",
            "block 2 of partner 1 in EUR has 1 points left",
        ),
        (
            "UPDATE float_draws SET points = points + 1 WHERE block = 3 AND points > 0",
            "UPDATE float_draws SET points = points - 1 WHERE block = 3 AND points > 0",
            "prepaid points and drew",
        ),
        (
            "UPDATE float_draws SET points = points - 1 WHERE points < 0",
            "UPDATE float_draws SET points = points + 1 WHERE points < 0",
            "points were taken back and",
        ),
        (
            "UPDATE float_blocks SET price_micros = 9001 WHERE block = 3",
            "UPDATE float_blocks SET price_micros = 9000 WHERE block = 3",
            "block 3 of partner 1 costs",
        ),
    ] {
        tampering_is_found(&pool, (done, undone), said).await;
    }
    pool.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_becomes_prepaid_in_the_middle_and_buys_before_that() {
    let hub = with_prepaid(agreement_in("EUR", Funding::AtIssue)).await;
    let (harbor, operator) = (hub.partner(HARBOR).await, hub.operator().await);
    let refused = async |block| reason(&Box::pin(operator.buy_block(block)).await.unwrap_err());
    assert_eq!(refused(block(10, 10_000)).await, ErrorReason::FloatNotAgreed);
    let early = harbor.earn(of(100)).await.unwrap().operation.unwrap().request_id;
    let then = at("2026-03-03T00:00:00Z");
    cast::publish(&operator, HARBOR, then, prepaid()).await;
    let first = block(100, 9_000);
    let bought = buy(&operator, first.clone()).await;
    let again = buy(&operator, first).await;
    assert!(again.replayed);
    assert_eq!(again, BuyBlockResponse { replayed: true, ..bought });
    harbor.earn(of(100)).await.unwrap();
    assert_eq!(left(&float(&harbor, "").await.unwrap()), [100], "not yet");
    hub.advance_to(then).await;
    harbor.earn(of(60)).await.unwrap();
    assert_exhausted(harbor.earn(of(60)).await, 40, 60);
    let late =
        EarnRequest { activity_at: Some(cast::wire_time(at("2026-03-02T12:00:00Z"))), ..of(500) };
    harbor.earn(late).await.unwrap();
    harbor.reverse(reverse(&early)).await.unwrap();
    assert_eq!(left(&float(&harbor, "").await.unwrap()), [40], "by the terms of their time");
    let expected = gross_rows(&[
        (HARBOR, "hub", AmountKind::Issue, 760, cents(700)),
        ("hub", HARBOR, AmountKind::IssueCancelled, 100, cents(100)),
        (HARBOR, "hub", AmountKind::Prepaid, 0, cents(90)),
    ]);
    assert_eq!(gross(&position(&operator, "").await, "EUR"), expected);

    buy(&operator, reserve(5, 20_000)).await;
    let dollars = BuyBlockRequest { currency: "USD".to_owned(), ..block(1, 1) };
    let nobody = BuyBlockRequest { partner: "nobody".to_owned(), ..block(1, 1) };
    for (block, expected) in [
        (reserve(5, 20_000), ErrorReason::ReserveLeft),
        (dollars, ErrorReason::FloatNotAgreed),
        (nobody, ErrorReason::PartnerUnknown),
        (block(0, 1), ErrorReason::Malformed),
        (block(1, 0), ErrorReason::Malformed),
        (block(1_000_000_000_001, 1), ErrorReason::Malformed),
        (block(1_000_000_000_000, 10_001), ErrorReason::Malformed),
    ] {
        assert_eq!(refused(block).await, expected);
    }
    harbor.earn(of(45)).await.unwrap();
    buy(&operator, reserve(5, 20_000)).await;
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_is_told_how_its_own_float_goes_and_sees_no_other() {
    let hub = with_prepaid(prepaid()).await;
    let (harbor, operator) = (hub.partner(HARBOR).await, hub.operator().await);
    stocked(&operator).await;
    for points in [1_000, 900, 100, 1] {
        harbor.earn(of(points)).await.unwrap();
    }
    let mut watch = harbor.watch(since(at("2026-03-01T00:00:00Z"))).await.unwrap();
    let told = caught_up(&mut watch).await.into_iter().filter_map(|event| match event.what {
        Some(What::FloatThreshold(told)) => {
            Some((told.percent, told.points_left, told.level, told.reserve_left))
        }
        _ => None,
    });
    let expected =
        [(50, 1_000, 2_000, 500), (20, 100, 2_000, 500), (5, 100, 2_000, 500), (0, 0, 2_000, 500)];
    assert_eq!(told.collect::<Vec<_>>(), expected);

    let rover = hub.partner(ROVER).await;
    assert_eq!(float(&rover, "").await.unwrap(), GetFloatResponse::default());
    assert_eq!(reason(&float(&rover, HARBOR).await.unwrap_err()), ErrorReason::NotAllowed);
    assert!(position(&rover, "").await.floats.is_empty());
    assert_eq!(reason(&float(&operator, "nobody").await.unwrap_err()), ErrorReason::PartnerUnknown);
    let all = float(&operator, "").await.unwrap();
    assert_eq!((all.floats.len(), all.exposures.len(), all.blocks.len()), (1, 1, 0));

    let page =
        |page_token| GetFloatRequest { partner: HARBOR.to_owned(), page_size: 2, page_token };
    let first = operator.get_float(page(String::new())).await.unwrap();
    let rest = operator.get_float(page(first.next_page_token.clone())).await.unwrap();
    let numbers: Vec<_> = first.blocks.iter().chain(&rest.blocks).map(|one| one.number).collect();
    assert_eq!((numbers, rest.next_page_token.as_str()), (vec![3, 2, 1], ""));
    let changed = operator.get_float(page("changed".to_owned())).await.unwrap_err();
    assert_eq!(reason(&changed), ErrorReason::Malformed);
    measured(&hub, "entente_float_reserve_left{partner=\"harbor-hotels\",currency=\"EUR\"} 499")
        .await;
    hub.close().await;
}

/// Waits until the hub's metrics have a line.
async fn measured(hub: &TestHub, line: &str) {
    for _ in 0..300 {
        let mut stream = TcpStream::connect(hub.plain_address()).await.unwrap();
        let request = b"GET /metrics HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        if text.lines().any(|found| found == line) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("it was never measured: {line}");
}
