//! The same through a hub: real calls, real closes, and the statements that partners get.

use std::collections::BTreeMap;

use entente_client::{
    Client, Error, Operators,
    api::settlement::{AmountKind, Direction, GetStatementResponse, get_statement_response::Part},
    api::types::{Money, Operation},
};
use entente_testkit::{
    TestHub,
    cast::{self, PARTNERS, burn, earn, give},
    morning,
};
use jiff::SignedDuration;
use prost::Message as _;
use rand::{SeedableRng as _, rngs::StdRng};

use super::{
    Nets, Seed,
    coalition::{self, Coalition},
    plan::{self, Step},
    recount::{Asked, Recount, What},
    seeds,
};
use crate::{
    closing::statement,
    steps::{authorize, capture, close, everywhere, refund_points, refund_spend, reverse, void},
};

/// A hub, and what was done through it, by place.
struct Played {
    hub: TestHub,
    operator: Operators,
    clients: Vec<Client>,
    done: Vec<Operation>,
}

fn reference(member: usize) -> String {
    format!("guest-{member}")
}

/// What a brand pays, as a direction and an amount say; negative where it receives.
fn signed(direction: Direction, amount: Option<&Money>) -> (String, i128) {
    let amount = amount.expect("it moves money");
    let micros = i128::from(amount.micros);
    let signed = match direction {
        Direction::Pays => micros,
        Direction::Receives => -micros,
        _ => 0,
    };
    (amount.currency.clone(), signed)
}

#[tokio::test(flavor = "multi_thread")]
async fn random_days_through_a_hub_come_to_the_same() {
    for seed in seeds("ENTENTE_RANDOM_DAYS_OF_HUBS", 1) {
        let _told = Seed(seed);
        let mut dice = StdRng::seed_from_u64(seed);
        let coalition = Coalition::lasting(&mut dice);
        let mut steps = plan::any(&mut dice, &coalition, 60);
        steps.extend(plan::any(&mut dice, &coalition, 60));
        let mut played = Played::begin(&coalition).await;
        let mut recount = Recount::new(&coalition);
        let mut now = morning();
        for step in steps {
            match step {
                Step::Wait(seconds) => {
                    now += SignedDuration::from_secs(seconds);
                    played.hub.advance_to(now).await;
                }
                Step::Close => {
                    played.window(&recount).await;
                    recount.window += 1;
                }
                step => {
                    let Some(asked) = recount.ask(step, now) else { continue };
                    for member in asked.members() {
                        recount.bring_to(member, now);
                    }
                    let operation = played.post(&asked, &coalition).await.unwrap();
                    assert_eq!(
                        i128::from(operation.points),
                        recount.apply(asked, now),
                        "{asked:?}"
                    );
                    played.done.push(operation);
                }
            }
        }
        played.hub.close().await;
    }
}

impl Played {
    async fn begin(coalition: &Coalition) -> Self {
        let hub = TestHub::start().await;
        let operator = hub.operator().await;
        let mut clients = Vec::new();
        for (brand, partner) in coalition.brands.iter().zip(PARTNERS) {
            let (_, agreement) = &brand.versions[0];
            cast::onboard(&operator, partner, coalition::told(agreement)).await;
            clients.push(hub.partner(partner).await);
        }
        for member in 0..coalition.members {
            everywhere(&hub, &reference(member)).await;
        }
        Self { hub, operator, clients, done: Vec::new() }
    }

    async fn post(&self, asked: &Asked, coalition: &Coalition) -> Result<Operation, Error> {
        let (client, member) = (&self.clients[asked.brand], reference(asked.member));
        let currency = |brand| coalition.agreement((brand, 0)).currency.to_string();
        let id = |of: usize| self.done[of].request_id.as_str();
        let operation = match asked.what {
            What::Earn { spend } => {
                client.earn(earn(&member, spend, &currency(asked.brand))).await?.operation
            }
            What::Burn { points } => client.burn(burn(&member, points)).await?.operation,
            What::Authorize { points } => {
                client.authorize(authorize(&member, points)).await?.operation
            }
            What::Capture { of, points } => {
                client.capture(capture(id(of), points)).await?.operation
            }
            What::Void { of } => client.void(void(id(of))).await?.operation,
            What::RefundEarn { of, spend } => {
                let currency = currency(asked.brand);
                let part = spend.map(|spend| refund_spend(id(of), spend, &currency));
                client.reverse(part.unwrap_or_else(|| reverse(id(of)))).await?.operation
            }
            What::RefundBurn { of, points } => {
                let part = points.map(|points| refund_points(id(of), points));
                client.reverse(part.unwrap_or_else(|| reverse(id(of)))).await?.operation
            }
            What::Give { to, points } => {
                client.transfer(give(&member, &reference(to), points)).await?.operation
            }
        };
        Ok(operation.expect("it was done"))
    }

    /// Closes the window, and holds its nets and statements against the second bookkeeper.
    async fn window(&self, recount: &Recount<'_>) {
        let name = format!("window-{}", recount.window);
        let closed = close(&self.operator, &name).await;
        let expected = recount.nets(recount.window);
        let parties = [&["hub"], PARTNERS.as_slice()].concat();
        let nets: Nets = closed
            .nets
            .iter()
            .map(|net| {
                let party = parties.iter().position(|party| *party == net.party).unwrap();
                let (currency, micros) = signed(net.direction(), net.amount.as_ref());
                ((currency, party), micros)
            })
            .filter(|(_, micros)| *micros != 0)
            .collect();
        assert_eq!(nets, expected);
        for (brand, client) in (1..).zip(&self.clients) {
            let parts = statement(client, &name, "").await;
            let again = statement(client, &name, "").await;
            assert_eq!(bytes(&parts), bytes(&again), "the same, to the byte");
            let mut found = Found::default();
            for part in &parts {
                found.count(part);
            }
            let (own, others) = recount.sides(recount.window, brand);
            let id = |done: usize| self.done[done].request_id.clone();
            let own: BTreeMap<_, _> = own
                .into_iter()
                .map(|((done, currency), net)| ((id(done), currency), net))
                .collect();
            assert_eq!(found.own, own, "lines of {brand}");
            assert_eq!(found.elsewhere, others, "others' operations for {brand}");
            let mut all = found.rounding.clone();
            for ((_, currency), net) in own {
                add(&mut all, currency, net);
            }
            for (currency, net) in others {
                add(&mut all, currency, net);
            }
            assert_eq!(all, found.closing, "all that {brand} is told comes to what it pays");
            let net = expected.iter().filter(|((_, party), _)| *party == brand);
            let net: BTreeMap<_, _> =
                net.map(|((currency, _), net)| (currency.clone(), *net)).collect();
            assert_eq!(found.closing, net, "what {brand} pays");
        }
    }
}

/// What a statement says that a brand pays.
#[derive(Default)]
struct Found {
    own: BTreeMap<(String, String), i128>,
    elsewhere: BTreeMap<String, i128>,
    /// What the close itself added, for what is paid is whole.
    rounding: BTreeMap<String, i128>,
    closing: BTreeMap<String, i128>,
}

impl Found {
    fn count(&mut self, part: &Part) {
        match part {
            Part::Line(line) => {
                let (currency, micros) = signed(line.direction(), line.amount.as_ref());
                add(&mut self.own, (line.request_id.clone(), currency), micros);
            }
            Part::Elsewhere(elsewhere) => {
                let (currency, micros) = signed(elsewhere.direction(), elsewhere.amount.as_ref());
                let rounded = elsewhere.kind() == AmountKind::Rounding;
                let sums = if rounded { &mut self.rounding } else { &mut self.elsewhere };
                add(sums, currency, micros);
            }
            Part::Closing(closing) => {
                let (currency, micros) = signed(closing.direction(), closing.amount.as_ref());
                add(&mut self.closing, currency, micros);
            }
            _ => {}
        }
    }
}

/// Adds to a sum; one of nothing is left out.
fn add<K: Ord>(sums: &mut BTreeMap<K, i128>, key: K, micros: i128) {
    *sums.entry(key).or_default() += micros;
    sums.retain(|_, sum| *sum != 0);
}

fn bytes(parts: &[Part]) -> Vec<u8> {
    let message = |part: &Part| GetStatementResponse { part: Some(part.clone()) };
    parts.iter().flat_map(|part| message(part).encode_length_delimited_to_vec()).collect()
}
