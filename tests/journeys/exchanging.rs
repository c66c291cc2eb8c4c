//! E7: a partner's own points become shared points, and shared points its own.

use entente_client::{
    Client, Error,
    api::{
        error::ErrorReason as R,
        partner::{Agreement, ExchangeBonus, ExchangeRate, Funding, PublishTermsRequest},
        points::{ExchangeRequest, ExchangeResponse, exchange_request::Amount},
        settlement::{
            AmountKind, CloseWindowRequest, Direction, GetStatementRequest, StatementLine,
            get_statement_response::Part,
        },
        types::{Exchange, ExchangeDirection, OperationKind},
    },
    new_request_id,
};
use entente_testkit::{
    TestHub,
    cast::{self, GROCER, HARBOR, ROVER, agreement_in, earn, money, wire_time},
};

use crate::{
    published::assert_refused,
    steps::{at, cents, everywhere, gross, gross_rows, has, position, reason, reverse},
};

/// 3 for 1, from 3,000 on, in threes, 5,000 more for every 60,000.
fn e7() -> ExchangeRate {
    ExchangeRate {
        give: 3,
        receive: 1,
        minimum: 3_000,
        increment: 3,
        exact_increments: false,
        bonus: Some(ExchangeBonus { threshold: 60_000, points: 5_000 }),
    }
}

fn one_for(receive: i64) -> ExchangeRate {
    ExchangeRate { give: 1, receive, ..ExchangeRate::default() }
}

/// What Harbor agrees: .0100 a point issued, .0080 a point redeemed, fee 2 %.
fn exchanging(exchange_in: ExchangeRate, exchange_out: ExchangeRate) -> Agreement {
    Agreement {
        exchange_in: Some(exchange_in),
        exchange_out: Some(exchange_out),
        reimbursement_micros: 8_000,
        hub_fee_basis_points: 200,
        ..agreement_in("EUR", Funding::AtIssue)
    }
}

async fn with(harbor: Agreement) -> TestHub {
    let hub = TestHub::start().await;
    let operator = hub.operator().await;
    cast::onboard(&operator, HARBOR, harbor).await;
    for (partner, currency) in [(ROVER, "USD"), (GROCER, "EUR")] {
        cast::onboard(&operator, partner, agreement_in(currency, Funding::AtRedemption)).await;
    }
    everywhere(&hub, "guest").await;
    hub
}

fn asks(amount: Amount) -> ExchangeRequest {
    ExchangeRequest {
        request_id: new_request_id(),
        member_reference: "guest".to_owned(),
        amount: Some(amount),
        receipt_reference: "X-1".to_owned(),
    }
}

async fn exchange(partner: &Client, amount: Amount) -> Result<ExchangeResponse, Error> {
    partner.exchange(asks(amount)).await
}

/// The lines of the caller's own statement.
async fn lines(partner: &Client, window: &str) -> Vec<StatementLine> {
    let request = GetStatementRequest {
        window: window.to_owned(),
        partner: String::new(),
        ..GetStatementRequest::default()
    };
    let mut stream = partner.get_statement(request).await.unwrap();
    let mut lines = Vec::new();
    while let Some(part) = stream.next().await.unwrap() {
        if let Part::Line(line) = part {
            lines.push(line);
        }
    }
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn own_points_come_in_at_the_ratio_with_its_bonus_and_go_out_again() {
    let hub = with(exchanging(e7(), one_for(2))).await;
    let harbor = hub.partner(HARBOR).await;
    let mut sum = 0;
    for (own_points, points, left) in
        [(3_000, 1_000, 0), (59_999, 19_999, 2), (60_000, 25_000, 0), (120_000, 50_000, 0)]
    {
        let request = asks(Amount::OwnPoints(own_points));
        let answer = harbor.exchange(request.clone()).await.unwrap();
        let operation = answer.operation.unwrap();
        assert_eq!(operation.kind(), OperationKind::Exchange);
        assert_eq!((operation.points, operation.receipt_reference.as_str()), (points, "X-1"));
        let expected = Exchange {
            direction: ExchangeDirection::In.into(),
            own_points: own_points - left,
            own_points_left: left,
        };
        assert_eq!(operation.exchange, Some(expected), "{own_points}");
        sum += points;
        assert_eq!(answer.balances.unwrap().available, sum);
        let again = harbor.exchange(request).await.unwrap();
        assert!(again.replayed && again.operation.unwrap().exchange == operation.exchange);
    }
    let out = exchange(&harbor, Amount::Points(25_000)).await.unwrap().operation.unwrap();
    let direction = ExchangeDirection::Out.into();
    let expected = Exchange { direction, own_points: 50_000, own_points_left: 0 };
    assert_eq!((out.points, out.exchange), (25_000, Some(expected)));
    assert_eq!(has(&harbor, "guest").await, (sum - 25_000, 0, 0));
    let refusal = harbor.reverse(reverse(&out.request_id)).await.unwrap_err();
    assert_eq!(reason(&refusal), R::NotReversible);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_is_settled_as_an_issue_and_as_a_redemption() {
    let hub = with(exchanging(e7(), one_for(2))).await;
    let (harbor, grocer) = (hub.partner(HARBOR).await, hub.partner(GROCER).await);
    grocer.earn(earn("guest", cents(10_000), "EUR")).await.unwrap();
    hub.advance_to(at("2026-03-03T09:00:00Z")).await;
    exchange(&harbor, Amount::OwnPoints(3_000)).await.unwrap();
    let out = exchange(&harbor, Amount::Points(250)).await.unwrap().operation.unwrap();
    let portions: Vec<_> = out.portions.iter().map(|p| (p.issuer.as_str(), p.points)).collect();
    assert_eq!(portions, [("coalition", 100), (HARBOR, 150)], "in burn order");
    let operator = hub.operator().await;
    let expected = [
        (GROCER, HARBOR, AmountKind::Redemption, 100, cents(80)),
        (GROCER, "hub", AmountKind::Fee, 0, 16_000),
        (HARBOR, "hub", AmountKind::Issue, 1_000, cents(1_000)),
        ("hub", HARBOR, AmountKind::Redemption, 150, cents(120)),
        ("hub", "hub", AmountKind::Fee, 0, 24_000),
    ];
    assert_eq!(gross(&position(&operator, "").await, "EUR"), gross_rows(&expected));
    operator
        .close_window(CloseWindowRequest { name: "w".to_owned(), testing: false })
        .await
        .unwrap();
    let lines = lines(&harbor, "w").await;
    let told: Vec<_> = lines
        .iter()
        .map(|line| (line.kind(), line.direction(), line.points, line.counterparty.as_str()))
        .collect();
    let expected = [
        (AmountKind::Issue, Direction::Pays, 1_000, "hub"),
        (AmountKind::Redemption, Direction::Receives, 150, "hub"),
        (AmountKind::Redemption, Direction::Receives, 100, "coalition"),
    ];
    assert_eq!(told, expected);
    assert!(lines.iter().all(|line| line.receipt_reference == "X-1" && line.terms_version == 1));
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_exchange_has_one_reason_and_changes_nothing() {
    let exact = ExchangeRate { exact_increments: true, ..e7() };
    let capped = Agreement {
        net_debit_caps: vec![money(cents(1_500), "EUR")],
        ..exchanging(exact, one_for(2))
    };
    let hub = with(capped).await;
    let (harbor, rover) = (hub.partner(HARBOR).await, hub.partner(ROVER).await);
    exchange(&harbor, Amount::OwnPoints(3_000)).await.unwrap();
    let cap = &[("cap_micros", "15000000"), ("currency", "EUR"), ("partner", HARBOR)][..];
    for (partner, amount, reason, told) in [
        (&rover, Amount::OwnPoints(3_000), R::ExchangeNotAgreed, &[][..]),
        (&rover, Amount::Points(1), R::ExchangeNotAgreed, &[]),
        (&harbor, Amount::OwnPoints(2_999), R::ExchangeBelowMinimum, &[("minimum", "3000")]),
        (&harbor, Amount::OwnPoints(59_999), R::ExchangeOffIncrement, &[("increment", "3")]),
        (&harbor, Amount::OwnPoints(i64::MAX - 1), R::AmountTooLarge, &[]),
        (&harbor, Amount::Points(1_001), R::PointsInsufficient, &[("available", "1000")]),
        (&harbor, Amount::OwnPoints(3_000), R::NetDebitCapExceeded, cap),
    ] {
        let request = asks(amount);
        for _ in 0..2 {
            let refusal = partner.exchange(request.clone()).await.unwrap_err();
            let says = format!("{amount:?}");
            assert_refused(refusal.refusal().expect(&says), reason, told, &says);
        }
        assert_eq!(has(&harbor, "guest").await, (1_000, 0, 0));
    }
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn terms_under_which_points_grow_by_going_around_are_not_published() {
    let hub = with(exchanging(e7(), one_for(2))).await;
    let operator = hub.operator().await;
    let publish = |agreement| PublishTermsRequest {
        request_id: new_request_id(),
        partner: HARBOR.to_owned(),
        effective_from: Some(wire_time(at("2026-04-01T00:00:00Z"))),
        agreement: Some(agreement),
    };
    let bonus = Some(ExchangeBonus { threshold: 1_000, points: 1_001 });
    for (exchange_in, exchange_out) in [
        (e7(), one_for(3)),
        (one_for(1), ExchangeRate { give: 999_999_999, ..one_for(1_000_000_000) }),
        (ExchangeRate { give: 2, ..one_for(1) }, ExchangeRate { bonus, ..one_for(1) }),
    ] {
        let gains = publish(exchanging(exchange_in, exchange_out));
        for _ in 0..2 {
            let refusal = operator.publish_terms(gains.clone()).await.unwrap_err();
            let refusal = refusal.refusal().expect("a refusal");
            assert_refused(refusal, R::ExchangeCycleGains, &[], "a cycle gains");
        }
    }
    let even = ExchangeRate { give: 5, ..one_for(12) };
    let terms = operator.publish_terms(publish(exchanging(e7(), even))).await.unwrap();
    assert_eq!(terms.terms.unwrap().version, 2, "what comes back is what went out");
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_is_priced_now() {
    let hub = with(exchanging(e7(), one_for(2))).await;
    let (harbor, operator) = (hub.partner(HARBOR).await, hub.operator().await);
    let later = exchanging(ExchangeRate { receive: 2, bonus: None, ..e7() }, one_for(1));
    cast::publish(&operator, HARBOR, at("2026-03-10T00:00:00Z"), later).await;
    for (time, version, points) in
        [("2026-03-09T23:59:59Z", 1, 1_000), ("2026-03-10T00:00:00Z", 2, 2_000)]
    {
        hub.advance_to(at(time)).await;
        let answer = exchange(&harbor, Amount::OwnPoints(3_000)).await.unwrap();
        let operation = answer.operation.unwrap();
        assert_eq!((operation.terms_version, operation.points), (version, points), "{time}");
    }
    hub.close().await;
}
