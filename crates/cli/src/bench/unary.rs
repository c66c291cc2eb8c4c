//! Unary earns: one call each, by the client that a partner embeds.

use entente_client::{Client, Error};
use rand::{SeedableRng as _, rngs::StdRng};

use super::args::BenchArgs;
use super::coalition::{self, Members};
use super::lane::{self, Lane, Span};
use super::seen::{Seen, Told};
use super::stage::Stage;

/// Plays earns.
pub(crate) async fn play(args: &BenchArgs, stage: &Stage, span: Span) -> anyhow::Result<Seen> {
    let lanes = (0..args.in_flight).map(|number| {
        let connection = stage.connection(number);
        Earner {
            client: connection.client.clone(),
            partner: connection.partner,
            members: stage.members(),
            dice: StdRng::seed_from_u64(args.seed ^ u64::try_from(number).unwrap_or_default()),
            number,
            earns: 0,
        }
    });
    lane::run(lanes, span).await
}

/// Earns, one after another.
struct Earner {
    client: Client,
    partner: usize,
    members: Members,
    dice: StdRng,
    number: usize,
    earns: u64,
}

impl Lane for Earner {
    async fn call(&mut self) -> Result<Told, Error> {
        self.earns += 1;
        let member = self.members.any_of(self.partner, &mut self.dice);
        let receipt = format!("unary-{}-{}", self.number, self.earns);
        let answer = self.client.earn(coalition::earn(member, receipt, &mut self.dice)).await?;
        Ok(Told::Earned(answer.operation.map_or(0, |operation| operation.points)))
    }
}
