//! Playing the plan: phase after phase, the clock first, each member's commands in order, many
//! members side by side. Every answer is compared with what the plan expects.

use std::time::Instant;

use anyhow::Context as _;
use entente_api::ledger::{AdvanceClockRequest, GetLedgerRequest};
use entente_api::member::LinkMemberResponse;
use entente_client::{Client, Error, MemberSigner, Operators};
use futures::{StreamExt as _, stream};
use jiff::Timestamp;

use super::cast::{Brand, day_text};
use super::plan::{Caller, Command, Expected, Linked, Phase, Plan, Prediction, Step};
use super::tally::{Played, Tally};
use crate::demo::progress::Progress;
use crate::output::{proto_time, stamp};

/// What the members of the demo agree to.
const WORDING: &str = "demo-1";

/// How many members are served at once.
pub(super) const SIDE_BY_SIDE: usize = 64;

/// A connection for each of the cast.
#[derive(Clone, Debug)]
pub(crate) struct Clients {
    /// The hub's operators.
    pub(crate) operator: Operators,
    /// Harbor Hotels.
    pub(crate) harbor: Client,
    /// Rover Rides.
    pub(crate) rover: Client,
    /// Green Grocer.
    pub(crate) grocer: Client,
}

impl Clients {
    /// A brand's connection.
    pub(crate) fn of(&self, brand: Brand) -> &Client {
        match brand {
            Brand::Harbor => &self.harbor,
            Brand::Rover => &self.rover,
            Brand::Grocer => &self.grocer,
        }
    }

    fn caller(&self, caller: Caller) -> &Client {
        match caller {
            Caller::Operator => &self.operator,
            Caller::Partner(brand) => self.of(brand),
        }
    }
}

/// Plays the plan to its end.
pub(crate) async fn play(
    plan: &Plan,
    clients: &Clients,
    end: Timestamp,
    progress: &Progress,
) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    let mut now = ledger_time(clients).await?;
    let bar = progress.bar("the month", plan.step_count());
    for phase in &plan.phases {
        bar.set_message(day_text(phase.at));
        advance(clients, &mut now, phase.at).await?;
        let begun = Instant::now();
        play_phase(phase, clients, &mut tally, || bar.inc(1)).await?;
        tally.playing += begun.elapsed();
    }
    advance(clients, &mut now, end).await?;
    bar.finish_and_clear();
    Ok(tally)
}

/// Asks what each member has; answers how many differ from the plan.
pub(crate) async fn differing_balances(
    predictions: &[Prediction],
    clients: &Clients,
    progress: &Progress,
) -> anyhow::Result<Vec<String>> {
    let bar = progress.bar("balances", predictions.len());
    let checks = stream::iter(predictions).map(async |prediction| {
        let member_reference = prediction.reference.clone();
        let request = entente_api::member::GetBalanceRequest { member_reference };
        let answer = clients.of(prediction.brand).get_balance(request).await?;
        bar.inc(1);
        let found = answer.balances.unwrap_or_default();
        let expected = prediction.balances;
        let differs = || format!("{}: {found:?}, not {expected:?}", prediction.reference);
        Ok::<_, Error>((found != expected).then(differs))
    });
    let mut differing = Vec::new();
    let mut checks = std::pin::pin!(checks.buffer_unordered(SIDE_BY_SIDE));
    while let Some(check) = checks.next().await {
        differing.extend(check?);
    }
    bar.finish_and_clear();
    Ok(differing)
}

/// What time it is on the ledger's clock.
pub(super) async fn ledger_time(clients: &Clients) -> anyhow::Result<Timestamp> {
    let ledger = clients.operator.get_ledger(GetLedgerRequest {}).await?;
    stamp(ledger.now.as_ref()).context("the hub does not say what time it is")
}

/// Moves the clock; a clock that is there already, from an earlier run, stays.
pub(super) async fn advance(
    clients: &Clients,
    now: &mut Timestamp,
    to: Timestamp,
) -> anyhow::Result<()> {
    if to > *now {
        let to = Some(proto_time(to));
        let answer = clients.operator.advance_clock(AdvanceClockRequest { to }).await?;
        *now = stamp(answer.now.as_ref()).context("the hub does not say what time it is")?;
    }
    Ok(())
}

async fn play_phase(
    phase: &Phase,
    clients: &Clients,
    tally: &mut Tally,
    done: impl Fn() + Copy,
) -> anyhow::Result<()> {
    for step in &phase.first {
        tally.count(step, send(step, clients).await?);
        done();
    }
    let lanes = stream::iter(&phase.lanes).map(async |lane| {
        let mut played = Vec::with_capacity(lane.len());
        for step in lane {
            played.push((step, send(step, clients).await?));
            done();
        }
        anyhow::Ok(played)
    });
    let mut lanes = std::pin::pin!(lanes.buffer_unordered(SIDE_BY_SIDE));
    while let Some(played) = lanes.next().await {
        for (step, played) in played? {
            tally.count(step, played);
        }
    }
    Ok(())
}

/// Sends one step. Only a refusal is an answer; a hub that went away ends the demo.
async fn send(step: &Step, clients: &Clients) -> anyhow::Result<Played> {
    let begun = Instant::now();
    let answer = call(clients, step).await;
    let took = begun.elapsed();
    let answer = match answer {
        Ok(done) => Ok(done),
        Err(Error::Refused(refusal)) => Err(refusal),
        Err(error) => {
            return Err(error).context("the demo was interrupted; run it again, and it goes on");
        }
    };
    Ok(Played { answer, took })
}

/// Whether it was replayed, `None` for a read, and the balances after it.
pub(crate) type Done = (Option<bool>, Option<entente_api::types::Balances>);

/// Links a member, who agrees to it here and now.
pub(crate) async fn link(client: &Client, linked: &Linked) -> Result<LinkMemberResponse, Error> {
    let consent = MemberSigner::consent(WORDING);
    client.link(linked.request_id.clone(), &linked.member_reference, &consent).await
}

async fn call(clients: &Clients, step: &Step) -> Result<Done, Error> {
    let (client, both) = (clients.caller(step.caller), &clients.operator);
    macro_rules! send {
        (both $method:ident, $request:expr) => {
            both.$method($request).await.map(|answer| (Some(answer.replayed), None))
        };
        ($method:ident, $request:expr) => {
            client.$method($request).await.map(|answer| (Some(answer.replayed), None))
        };
        (points $method:ident, $request:expr) => {
            client.$method($request).await.map(|answer| (Some(answer.replayed), answer.balances))
        };
    }
    match &step.command {
        Command::CreatePartner(request) => send!(create_partner, request.clone()),
        Command::PublishTerms(request) => send!(both publish_terms, request.as_ref().clone()),
        Command::SuspendPartner(request) => send!(suspend_partner, request.clone()),
        Command::ResumePartner(request) => send!(resume_partner, request.clone()),
        Command::LinkMember(linked) => {
            let answer = link(client, linked).await?;
            Ok((Some(answer.replayed), None))
        }
        Command::AttachReference(request) => send!(both attach_reference, request.clone()),
        Command::Earn(request) => send!(points earn, request.clone()),
        Command::Burn(request) => send!(points burn, request.clone()),
        Command::Authorize(request) => send!(points authorize, request.clone()),
        Command::Capture(request) => send!(points capture, request.clone()),
        Command::Void(request) => send!(points void, request.clone()),
        Command::Reverse(request) => send!(points reverse, request.clone()),
        Command::QuoteBurn(request) => {
            client.quote_burn(request.clone()).await.map(|_| (None, None))
        }
        Command::GetPartner(request) => {
            client.get_partner(request.clone()).await.map(|_| (None, None))
        }
    }
}

/// Whether an answer is the one that was expected; what is wrong with it if not.
pub(crate) fn surprise(step: &Step, played: &Played) -> Option<String> {
    let found = match (&step.expected, &played.answer) {
        (Expected::Done, Ok(_)) => return None,
        (Expected::Balances(expected), Ok((_, found))) if found.as_ref() == Some(expected) => {
            return None;
        }
        (Expected::Refused(reasons), Err(refusal)) if reasons.contains(&refusal.reason) => {
            return None;
        }
        (_, Ok((_, Some(balances)))) => format!("done, with {balances:?}"),
        (_, Ok((_, None))) => "done".to_owned(),
        (_, Err(refusal)) => format!("refused: {refusal}"),
    };
    Some(format!("{:?}: expected {:?}, was {found}", step.command, step.expected))
}
