//! Gifts between members, in one cell and across cells, and donations to a charity.

use std::collections::BTreeSet;

use entente_client::{
    Client,
    api::{
        error::ErrorReason,
        event::{EventKind, WatchRequest, event::What},
        member::ListOperationsRequest,
        partner::{Agreement, Funding},
        points::{GetOperationRequest, TransferRequest, get_operation_response::Outcome},
        settlement::{
            AmountKind, Direction, GetStatementRequest, StatementElsewhere, StatementLine,
            get_statement_response::Part,
        },
        types::{Operation, OperationKind},
    },
};
use entente_testkit::{
    TestHub,
    cast::{self, GROCER, HARBOR, ROVER, agreement, agreement_in, burn, donate, earn, enrol, give},
};

use crate::{
    events::next,
    steps::{
        cents, close, expiries, exposure, gross, gross_rows, has, portions, position, reason,
        reverse,
    },
};

const MEMBERS: usize = 24;

/// Harbor's members `guest`, who has 100 points of Rover and 200 of Harbor, and `friend`.
async fn with_two_members() -> TestHub {
    with_a_rover(agreement_in("USD", Funding::AtRedemption)).await
}

async fn with_a_rover(rover: Agreement) -> TestHub {
    let hub = TestHub::start().await;
    let operator = hub.operator().await;
    let rover = Agreement { lot_life_days: 30, ..rover };
    for (partner, agreement) in
        [(HARBOR, agreement(HARBOR)), (ROVER, rover), (GROCER, agreement(GROCER))]
    {
        cast::onboard(&operator, partner, agreement).await;
    }
    let harbor = hub.partner(HARBOR).await;
    for member in ["guest", "friend"] {
        enrol(&harbor, member).await;
    }
    cast::attach(&operator, HARBOR, "guest", ROVER).await;
    harbor.earn(earn("guest", cents(20_000), "EUR")).await.unwrap();
    hub.partner(ROVER).await.earn(earn("guest", cents(10_000), "USD")).await.unwrap();
    hub
}

async fn listed(client: &Client, reference: &str) -> Vec<Operation> {
    let member_reference = reference.to_owned();
    let request = ListOperationsRequest { member_reference, ..Default::default() };
    client.list_operations(request).await.unwrap().operations
}

/// Lines and elsewheres of a statement.
async fn statement(client: &Client, window: &str) -> (Vec<StatementLine>, Vec<StatementElsewhere>) {
    let request = GetStatementRequest {
        window: window.to_owned(),
        partner: String::new(),
        ..GetStatementRequest::default()
    };
    let mut stream = client.get_statement(request).await.unwrap();
    let (mut lines, mut elsewhere) = (Vec::new(), Vec::new());
    while let Some(part) = stream.next().await.unwrap() {
        match part {
            Part::Line(line) => lines.push(line),
            Part::Elsewhere(part) => elsewhere.push(part),
            _ => {}
        }
    }
    (lines, elsewhere)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gift_moves_points_with_their_issuer_and_expiry_and_no_money() {
    let hub = with_two_members().await;
    let (harbor, operator) = (hub.partner(HARBOR).await, hub.operator().await);
    let before = gross(&position(&operator, "").await, "EUR");
    let given = harbor.transfer(give("guest", "friend", 150)).await.unwrap();
    let operation = given.operation.unwrap();
    assert_eq!(operation.kind(), OperationKind::Transfer);
    assert_eq!(portions(&operation), [("coalition", 100), (HARBOR, 50)]);
    assert_eq!(given.balances.unwrap().available, 150);
    assert_eq!(has(&harbor, "guest").await, (150, 0, 0));
    assert_eq!(has(&harbor, "friend").await, (150, 0, 0));
    let expected = [("coalition", 100), (HARBOR, 50)];
    let found = expiries(&harbor, "friend").await;
    let found: Vec<_> =
        found.iter().map(|(_, issuer, points)| (issuer.as_str(), *points)).collect();
    assert_eq!(found, expected);
    assert_eq!(gross(&position(&operator, "").await, "EUR"), before);

    close(&operator, "march").await;
    let (lines, _) = statement(&harbor, "march").await;
    let gift: Vec<_> = lines.iter().filter(|line| line.kind() == AmountKind::Gift).collect();
    let [line] = gift[..] else { panic!("one line for one gift: {gift:?}") };
    assert_eq!((line.points, line.direction()), (150, Direction::Even));
    assert_eq!(line.amount.as_ref().unwrap().micros, 0);
    assert_eq!(line.member_token, operation.member_token);
    let (_, elsewhere) = statement(&hub.partner(ROVER).await, "march").await;
    assert!(elsewhere.iter().all(|part| part.kind() != AmountKind::Gift), "{elsewhere:?}");
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gift_is_listed_once_and_for_both_members() {
    let hub = with_two_members().await;
    let harbor = hub.partner(HARBOR).await;
    let request = give("guest", "friend", 10);
    let gift = harbor.transfer(request.clone()).await.unwrap().operation.unwrap();
    let all = listed(&harbor, "").await;
    assert_eq!(all.iter().filter(|operation| **operation == gift).count(), 1, "{all:?}");
    for member in ["guest", "friend"] {
        assert_eq!(listed(&harbor, member).await.first(), Some(&gift), "{member}");
    }
    let request_id = request.request_id.clone();
    let asked = harbor.get_operation(GetOperationRequest { request_id }).await.unwrap();
    assert_eq!(asked.outcome, Some(Outcome::Operation(gift.clone())));
    let token = listed(&harbor, "guest").await.pop().unwrap().member_token;
    assert_eq!(gift.member_token, token);
    let back = harbor.transfer(give("friend", "guest", 10)).await.unwrap().operation.unwrap();
    assert_eq!(back.counterparty_token, token);
    assert_eq!(back.member_token, gift.counterparty_token);

    let again = harbor.transfer(request.clone()).await.unwrap();
    assert!(again.replayed);
    assert_eq!(again.operation, Some(gift));
    assert_eq!(has(&harbor, "guest").await.0, 300, "a replay gives nothing");
    let other = TransferRequest { points: 11, ..request.clone() };
    let error = harbor.transfer(other).await.unwrap_err();
    assert_eq!(error.refusal().unwrap().metadata["field"], "points");
    let error = harbor.reverse(reverse(&request.request_id)).await.unwrap_err();
    assert_eq!(reason(&error), ErrorReason::NotReversible);
    hub.close().await;
}

/// What the receiver has, owes, and expires is in no answer about the gift.
#[tokio::test(flavor = "multi_thread")]
async fn a_gift_tells_nothing_of_the_receivers_balances() {
    let hub = with_two_members().await;
    let harbor = hub.partner(HARBOR).await;
    let bought = earn("friend", cents(12_300), "EUR");
    harbor.earn(bought.clone()).await.unwrap();
    harbor.transfer(give("friend", "guest", 123)).await.unwrap();
    harbor.reverse(reverse(&bought.request_id)).await.unwrap();
    assert_eq!(has(&harbor, "friend").await, (0, 0, 123));
    let request = give("guest", "friend", 200);
    let given = harbor.transfer(request.clone()).await.unwrap();
    let operation = given.operation.unwrap();
    assert_eq!((operation.debt_created, operation.debt_repaid), (0, 0));
    let balances = given.balances.unwrap();
    assert_eq!((balances.available, balances.held, balances.debt), (223, 0, 0));
    assert_eq!(has(&harbor, "friend").await, (77, 0, 0), "the debt was repaid from what arrived");
    let asked = GetOperationRequest { request_id: request.request_id };
    assert_eq!(harbor.get_operation(asked).await.unwrap().balances, Some(balances));
    hub.close().await;
}

/// Rover may owe 1.00 in EUR. Its points arrive at a member who owes the grocer, and repay 0.70.
#[tokio::test(flavor = "multi_thread")]
async fn a_cap_that_a_gifts_arrival_crosses_is_told_to_its_partner() {
    let rover = agreement_in("USD", Funding::AtRedemption);
    let caps = vec![cast::money(cents(100), "EUR")];
    let hub = with_a_rover(Agreement { net_debit_caps: caps, ..rover }).await;
    let (harbor, grocer) = (hub.partner(HARBOR).await, hub.partner(GROCER).await);
    cast::attach(&hub.operator().await, HARBOR, "friend", GROCER).await;
    let bought = earn("friend", cents(10_000), "EUR");
    grocer.earn(bought.clone()).await.unwrap();
    harbor.burn(burn("friend", 100)).await.unwrap();
    grocer.reverse(reverse(&bought.request_id)).await.unwrap();
    assert_eq!(has(&harbor, "friend").await, (0, 0, 100));

    let kinds = vec![EventKind::CapThreshold.into()];
    let rover = hub.partner(ROVER).await;
    let mut watch = rover.watch(WatchRequest { start: None, kinds }).await.unwrap();
    harbor.transfer(give("guest", "friend", 100)).await.unwrap();
    assert_eq!(has(&harbor, "friend").await, (0, 0, 0), "the debt is repaid");
    let Some(What::CapThreshold(crossed)) = next(&mut watch).await.what else { panic!("a cap") };
    assert_eq!((crossed.percent, crossed.rising), (50, true));
    assert_eq!(crossed.owed, Some(cast::money(cents(70), "EUR")));
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_donation_is_paid_to_the_charity_and_told_to_both() {
    let hub = with_two_members().await;
    let (harbor, operator) = (hub.partner(HARBOR).await, hub.operator().await);
    let request = donate("guest", GROCER, 150);
    let donated = harbor.donate(request.clone()).await.unwrap();
    let operation = donated.operation.unwrap();
    assert_eq!((operation.kind(), operation.points), (OperationKind::Donate, 150));
    assert_eq!(operation.charity, GROCER);
    assert_eq!(portions(&operation), [("coalition", 100), (HARBOR, 50)]);
    assert_eq!(donated.balances.unwrap().available, 150);
    assert!(harbor.donate(request.clone()).await.unwrap().replayed);
    assert_eq!(exposure(&operator, GROCER, "EUR").await, -150 * 7_000);
    // Rover pays for its own points when they are spent; the pool was paid for Harbor's.
    let redeemed = [
        ("hub", GROCER, AmountKind::Redemption, 50, 50 * 7_000),
        (ROVER, GROCER, AmountKind::Redemption, 100, 100 * 7_000),
    ];
    let found = gross(&position(&operator, "").await, "EUR").into_iter();
    let found: Vec<_> = found.filter(|row| row.1 == GROCER && row.4 > 0).collect();
    let money: Vec<_> = gross_rows(&redeemed).into_iter().collect();
    assert_eq!(found, money);

    close(&operator, "march").await;
    let (lines, _) = statement(&harbor, "march").await;
    let told: i64 = lines
        .iter()
        .filter(|line| line.request_id == request.request_id)
        .inspect(|line| assert_eq!(line.kind(), AmountKind::Redemption))
        .map(|line| line.points)
        .sum();
    assert_eq!(told, 150);
    let (_, elsewhere) = statement(&hub.partner(GROCER).await, "march").await;
    let paid: Vec<_> = elsewhere
        .iter()
        .map(|part| (part.counterparty.as_str(), part.points, part.direction()))
        .collect();
    let expected =
        BTreeSet::from([("hub", 50, Direction::Receives), (ROVER, 100, Direction::Receives)]);
    assert_eq!(paid.into_iter().collect::<BTreeSet<_>>(), expected);
    let error = harbor.reverse(reverse(&request.request_id)).await.unwrap_err();
    assert_eq!(reason(&error), ErrorReason::NotReversible);
    hub.close().await;
}

/// Members give to each other in a ring, both ways round, through two hubs and from two brands.
#[tokio::test(flavor = "multi_thread")]
async fn overlapping_gifts_of_two_hubs_lose_nothing_and_never_deadlock() {
    let hub = TestHub::with_cast().await;
    let other = hub.another().await;
    let (harbor, operator) = (hub.partner(HARBOR).await, hub.operator().await);
    let member = |n: usize| format!("member-{}", n % MEMBERS);
    for n in 0..MEMBERS {
        enrol(&harbor, &member(n)).await;
        cast::attach(&operator, HARBOR, &member(n), ROVER).await;
        harbor.earn(earn(&member(n), cents(100_000), "EUR")).await.unwrap();
    }
    let mut clients = Vec::new();
    for address in [hub.partner_address(), other.addresses().partners] {
        for partner in [HARBOR, ROVER] {
            clients.push(hub.partner_at(partner, address).await);
        }
    }
    let gifts = (0..MEMBERS * 16).map(|n| {
        let client = clients[n % clients.len()].clone();
        let (one, two) = (member(n * 5), member(n * 5 + 1 + n % 3));
        let (from, to) = if n % 2 == 0 { (one, two) } else { (two, one) };
        tokio::spawn(async move {
            let request = give(&from, &to, 7);
            client.transfer(request.clone()).await.unwrap();
            assert!(client.transfer(request).await.unwrap().replayed);
        })
    });
    for gift in gifts.collect::<Vec<_>>() {
        gift.await.unwrap();
    }
    let mut available = 0;
    for n in 0..MEMBERS {
        available += has(&harbor, &member(n)).await.0;
    }
    assert_eq!(available, i64::try_from(MEMBERS * 1_000).unwrap());
    other.drain().await;
    hub.close().await;
}
