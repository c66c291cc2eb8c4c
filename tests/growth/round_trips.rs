//! The number of times that a batch waits for the database does not depend on its size.

use std::time::Duration;

use entente_client::{
    Client, Error,
    api::{
        partner::{Agreement, Limits},
        points::{AuthorizeRequest, authorize_request},
        settlement::BuyBlockRequest,
    },
    new_request_id,
};
use entente_store::control::Control;
use entente_testkit::{
    TestHub,
    cast::{self, GROCER, HARBOR, burn, earn, give},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

const MEMBERS: usize = 50;
const AT_ONCE: u64 = 200;

/// 10,000 points at a cent.
const CAP: i64 = 100_000_000;

/// What the hub has measured of its batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Measured {
    batches: u64,
    commands: u64,
    round_trips: u64,
}

impl Measured {
    /// Reads the hub's metrics, as a scraper does.
    async fn read(hub: &TestHub) -> Self {
        let mut stream = TcpStream::connect(hub.plain_address()).await.unwrap();
        let request = b"GET /metrics HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.map_or(0, |value| value.trim().parse().unwrap())
        };
        Self {
            batches: value("entente_batch_round_trips_count"),
            commands: value("entente_batch_commands_sum"),
            round_trips: value("entente_batch_round_trips_sum"),
        }
    }

    fn since(self, before: Self) -> Self {
        Self {
            batches: self.batches - before.batches,
            commands: self.commands - before.commands,
            round_trips: self.round_trips - before.round_trips,
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Earn,
    Burn,
    Authorize,
    Transfer,
}

async fn send(harbor: Client, kind: Kind, member: usize) -> Result<(), Error> {
    let reference = format!("guest-{member}");
    match kind {
        Kind::Earn => harbor.earn(earn(&reference, 100_000_000, "EUR")).await.map(drop),
        Kind::Burn => harbor.burn(burn(&reference, 3)).await.map(drop),
        Kind::Transfer => {
            let to = format!("guest-{}", (member + 1) % MEMBERS);
            harbor.transfer(give(&reference, &to, 3)).await.map(drop)
        }
        Kind::Authorize => {
            let request = AuthorizeRequest {
                request_id: new_request_id(),
                member_reference: reference,
                amount: Some(authorize_request::Amount::Points(3)),
                receipt_reference: String::new(),
            };
            harbor.authorize(request).await.map(drop)
        }
    }
}

/// Sends many commands while no writer can begin, and lets them go together.
async fn send_together(hub: &TestHub, clients: &[Client], kind: Kind) -> Result<(), Error> {
    let pool = hub.database().owner_pool().await;
    let heads = Control::begin(&pool).await.unwrap();
    let calls: Vec<_> = (0..usize::try_from(AT_ONCE).unwrap())
        .map(|n| tokio::spawn(send(clients[n % clients.len()].clone(), kind, n % MEMBERS)))
        .collect();
    tokio::time::sleep(Duration::from_millis(700)).await;
    drop(heads);
    let mut outcomes = Vec::new();
    for call in calls {
        outcomes.push(call.await.unwrap());
    }
    pool.close().await;
    outcomes.into_iter().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_many_waits_for_the_database_as_often_as_a_batch_of_one() {
    let hub = TestHub::with_cast().await;
    let mut clients = Vec::new();
    for _ in 0..4 {
        clients.push(hub.partner(HARBOR).await);
    }
    for member in 0..MEMBERS {
        cast::enrol(&clients[0], &format!("guest-{member}")).await;
        send(clients[0].clone(), Kind::Earn, member).await.unwrap();
    }
    for kind in [Kind::Earn, Kind::Burn, Kind::Authorize, Kind::Transfer] {
        let start = Measured::read(&hub).await;
        send(clients[0].clone(), kind, 0).await.unwrap();
        let after_one = Measured::read(&hub).await;
        let one = after_one.since(start);
        assert_eq!((one.batches, one.commands), (1, 1), "{kind:?}");
        assert!((5..=20).contains(&one.round_trips), "{kind:?}: {one:?}");
        send_together(&hub, &clients, kind).await.unwrap();
        let many = Measured::read(&hub).await.since(after_one);
        assert_eq!(many.commands, AT_ONCE, "{kind:?}");
        assert!(many.batches * 10 <= AT_ONCE, "{kind:?}: large batches, {many:?}");
        // The first authorization met no member with a hold; a batch that does asks for holds, once.
        let asks = if matches!(kind, Kind::Authorize) { many.batches } else { 0 };
        let least = many.batches * one.round_trips;
        assert!((least..=least + asks).contains(&many.round_trips), "{kind:?}: {many:?}");
    }
    hub.close().await;
    what_is_told_costs_one_more_however_much_it_is().await;
    limits_cost_four_more_however_many_are_limited().await;
    floats_cost_four_more_however_many_draw().await;
}

/// Not a test of its own: what is measured is the process's.
async fn what_is_told_costs_one_more_however_much_it_is() {
    let hub = TestHub::start().await;
    let operator = hub.operator().await;
    let cap = vec![cast::money(CAP, "EUR")];
    let capped = Agreement { net_debit_caps: cap, ..cast::agreement(HARBOR) };
    cast::onboard(&operator, HARBOR, capped).await;
    let clients = [hub.partner(HARBOR).await, hub.partner(HARBOR).await];
    for member in 0..MEMBERS {
        cast::enrol(&clients[0], &format!("guest-{member}")).await;
    }
    let measured = async |spend: i64| {
        let before = Measured::read(&hub).await;
        clients[0].earn(earn("guest-0", spend, "EUR")).await.unwrap();
        Measured::read(&hub).await.since(before).round_trips
    };
    let silent = measured(1_000_000).await;
    assert_eq!(measured(6_000_000_000).await, silent + 1, "one threshold is told");
    assert_eq!(measured(1_000_000).await, silent, "nothing is told");
    assert_eq!(measured(3_500_000_000).await, silent + 1, "two are told");
    let before = Measured::read(&hub).await;
    let pool = hub.database().owner_pool().await;
    let told: i64 = sqlx::query_scalar("SELECT count(*) FROM notices WHERE kind = 2")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(told, 3);
    pool.close().await;
    send_together(&hub, &clients, Kind::Earn).await.unwrap_err();
    let many = Measured::read(&hub).await.since(before);
    assert!(many.round_trips <= many.batches * silent + 4, "{many:?}: each threshold once at most");
    hub.close().await;
}

/// Two reads and two writes: of what is counted of members, and of the partner. The others pay none.
async fn limits_cost_four_more_however_many_are_limited() {
    let hub = TestHub::start().await;
    let operator = hub.operator().await;
    let limits = Limits {
        member_operations_per_hour: Some(1_000_000),
        operations_per_hour: Some(1_000_000),
        ..Limits::default()
    };
    let limited = Agreement { limits: Some(limits), ..cast::agreement(HARBOR) };
    cast::onboard(&operator, HARBOR, limited).await;
    cast::onboard(&operator, GROCER, cast::agreement(GROCER)).await;
    costs_four_more(hub).await;
}

/// Two reads, of the float and of its blocks, and two writes, of blocks and of what was drawn.
async fn floats_cost_four_more_however_many_draw() {
    let hub = TestHub::start().await;
    let operator = hub.operator().await;
    let prepaid = Agreement { prepaid: true, ..cast::agreement(HARBOR) };
    cast::onboard(&operator, HARBOR, prepaid).await;
    cast::onboard(&operator, GROCER, cast::agreement(GROCER)).await;
    let block = BuyBlockRequest {
        request_id: new_request_id(),
        partner: HARBOR.to_owned(),
        currency: "EUR".to_owned(),
        points: 1_000_000_000,
        price_micros: 1,
        is_reserve: false,
    };
    Box::pin(operator.buy_block(block)).await.unwrap();
    costs_four_more(hub).await;
}

/// Of two partners, a batch of the first waits four times more than one of the second, whatever its size.
async fn costs_four_more(hub: TestHub) {
    let clients = [hub.partner(HARBOR).await, hub.partner(HARBOR).await];
    for member in 0..MEMBERS {
        cast::enrol(&clients[0], &format!("guest-{member}")).await;
    }
    let grocer = hub.partner(GROCER).await;
    cast::enrol(&grocer, "guest-0").await;
    let start = Measured::read(&hub).await;
    send(grocer, Kind::Earn, 0).await.unwrap();
    let without = Measured::read(&hub).await;
    send(clients[0].clone(), Kind::Earn, 0).await.unwrap();
    let before = Measured::read(&hub).await;
    let one = before.since(without).round_trips;
    assert_eq!(one, without.since(start).round_trips + 4);
    send_together(&hub, &clients, Kind::Earn).await.unwrap();
    let many = Measured::read(&hub).await.since(before);
    assert_eq!(many.round_trips, many.batches * one, "{many:?}");
    hub.close().await;
}
