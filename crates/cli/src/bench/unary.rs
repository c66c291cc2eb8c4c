//! Unary earns: one call each, by the client that a partner embeds.

use entente_client::{Client, Error};
use rand::rngs::StdRng;

use super::args::Scenario;
use super::coalition::{self, Members};
use super::lane::{self, Lane};
use super::round::Round;
use super::seen::{Seen, Told};

/// Plays earns.
pub(crate) async fn play(round: &Round<'_>) -> anyhow::Result<Seen> {
    let lanes = (0..round.args.in_flight).map(|number| Earner::of(round, number));
    lane::run(lanes, round.span).await
}

/// Earns, one after another.
pub(super) struct Earner {
    client: Client,
    partner: usize,
    members: Members,
    dice: StdRng,
    receipts: String,
    earns: u64,
}

impl Earner {
    /// A caller of a round.
    pub(super) fn of(round: &Round<'_>, number: usize) -> Self {
        let connection = match round.scenario {
            Scenario::Hot | Scenario::HotCapped => round.stage.hot_connection(number),
            _ => round.stage.connection(number),
        };
        Self {
            client: connection.client.clone(),
            partner: connection.partner,
            members: round.stage.members(),
            dice: round.dice(number),
            receipts: round.receipts(number),
            earns: 0,
        }
    }

    /// The next earn, to be awaited beside others.
    pub(super) fn next(&mut self) -> impl Future<Output = Result<Told, Error>> + Send + use<> {
        self.earns += 1;
        let member = self.members.any_of(self.partner, &mut self.dice);
        let receipt = format!("{}-{}", self.receipts, self.earns);
        let request = coalition::earn(member, receipt, &mut self.dice);
        let client = self.client.clone();
        async move {
            let answer = client.earn(request).await?;
            Ok(Told::Earned(answer.operation.map_or(0, |operation| operation.points)))
        }
    }
}

impl Lane for Earner {
    async fn call(&mut self) -> Result<Told, Error> {
        self.next().await
    }
}
