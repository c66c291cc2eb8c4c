//! `entente watch`: a partner's events, a line each, as they happen or from a time on.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use entente_api::event::{
    Event, EventKind, FloatThreshold, RefusedRequest, WatchRequest, event::What,
    watch_request::Start,
};
use entente_api::types::Operation;
use entente_client::{Refusal, Watch, Watched};
use serde_json::{Value, json};

use super::settle::money_json;
use crate::connect::Connection;
use crate::output::{
    Format, dim, money, operation_kind, parse_time, points, proto_time, say, time_text, warn,
};
use crate::stop;

const EXAMPLES: &str = "\
Examples:
  entente watch --as harbor-hotels
  entente watch --as harbor-hotels --from 2026-03-01 --until-caught-up --output json
  entente watch --as rover-rides --kind cap-threshold --kind window-closed
  entente watch --as rover-rides --state rover.resume";

/// How many events may be told again after a crash: the state is kept this often.
const KEPT_EVERY: u32 = 256;

/// What to watch.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct WatchArgs {
    /// Begin with what was posted at this time or later: 2026-03-01T00:00:00Z or 2026-03-01.
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Keep in this file how far the events were read, and go on there the next time.
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Tell only of this kind; give it again for more kinds.
    #[arg(long = "kind", value_name = "KIND")]
    kinds: Vec<Kind>,
    /// End when everything that has happened is told.
    #[arg(long)]
    until_caught_up: bool,
    #[command(flatten)]
    connection: Connection,
}

/// The kinds of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Accepted operations.
    Operation,
    /// Requests that were finally refused.
    Refusal,
    /// Holds that ended by themselves.
    HoldExpired,
    /// Shares of a net debit cap that were crossed.
    CapThreshold,
    /// Terms that came into force.
    TermsInForce,
    /// Settlement windows that closed.
    WindowClosed,
    /// Points that expire soon.
    PointsExpiring,
    /// Many points of the partner that one member burned at others.
    BurnedElsewhere,
    /// Shares of a prepaid partner's float that are left.
    FloatThreshold,
}

/// Runs the command.
pub(crate) async fn run(args: WatchArgs) -> anyhow::Result<()> {
    if args.connection.output == Format::Csv {
        bail!("events are told as text or, by --output json, as JSON lines");
    }
    let request = WatchRequest { start: start(&args)?, kinds: wire(&args.kinds) };
    let mut watch = args.connection.client().await?.watch(request).await?;
    let watched = tokio::select! {
        watched = tell(&mut watch, &args) => watched,
        asked = stop::asked_for() => Ok(asked?),
    };
    keep(&watch, args.state.as_deref())?;
    watched
}

/// A state that is kept comes before a time: the time was where it began.
fn start(args: &WatchArgs) -> anyhow::Result<Option<Start>> {
    if let Some(file) = args.state.as_deref().filter(|file| file.exists()) {
        let token = std::fs::read_to_string(file);
        let token = token.with_context(|| format!("cannot read {}", file.display()))?;
        return Ok(Some(Start::ResumeToken(token.trim().to_owned())));
    }
    let from = args.from.as_deref().map(parse_time).transpose()?;
    Ok(from.map(|time| Start::FromTime(proto_time(time))))
}

async fn tell(watch: &mut Watch, args: &WatchArgs) -> anyhow::Result<()> {
    let mut since_kept = 0;
    let mut lagging = false;
    loop {
        match watch.next().await? {
            Watched::Event(event) => {
                show(&event, args.connection.output)?;
                since_kept += 1;
                if since_kept < KEPT_EVERY {
                    continue;
                }
            }
            Watched::Heartbeat(beat) if beat.caught_up && args.until_caught_up => return Ok(()),
            Watched::Heartbeat(beat) => {
                if !beat.caught_up && lagging {
                    let lag = beat.lag.unwrap_or_default().seconds;
                    warn(&dim(&format!("{} operations behind, {lag} s", beat.behind)));
                }
                lagging = !beat.caught_up;
            }
        }
        keep(watch, args.state.as_deref())?;
        since_kept = 0;
    }
}

/// Beside its place first, so that a crash leaves the old state or the new one.
fn keep(watch: &Watch, state: Option<&Path>) -> anyhow::Result<()> {
    let (Some(file), Some(token)) = (state, watch.resume_token()) else { return Ok(()) };
    let beside = file.with_extension("new");
    let kept = std::fs::write(&beside, token).and_then(|()| std::fs::rename(&beside, file));
    kept.with_context(|| format!("cannot write {}", file.display()))
}

fn show(event: &Event, format: Format) -> anyhow::Result<()> {
    match format {
        Format::Json | Format::Csv => say(&json_of(event).to_string())?,
        Format::Table => {
            let (kind, text) = words(event);
            let time = time_text(event.posted_at.as_ref());
            say(&format!("{time}  {kind:<15}  {text}"))?;
        }
    }
    Ok(())
}

/// What happened, for people.
fn words(event: &Event) -> (&'static str, String) {
    match &event.what {
        Some(What::Operation(operation)) => {
            let receipt = &operation.receipt_reference;
            let text = format!(
                "{} {} points {receipt} {}",
                operation_kind(operation.kind),
                points(operation.points),
                dim(&operation.request_id)
            );
            ("operation", text)
        }
        Some(What::Refusal(refused)) => {
            let said = refused.refusal.as_ref().map(Refusal::from_kept);
            let (kind, said) = (operation_kind(refused.kind), said.map(|said| said.to_string()));
            let (said, id) = (said.unwrap_or_default(), dim(&refused.request_id));
            ("refusal", format!("{kind}: {said} {id}"))
        }
        Some(What::HoldExpired(hold)) => {
            let id = dim(&hold.authorization_request_id);
            ("hold expired", format!("{} points {id}", points(hold.points)))
        }
        Some(What::CapThreshold(crossed)) => {
            let way = if crossed.rising { "reached" } else { "left" };
            let (owed, cap) =
                (crossed.owed.clone().unwrap_or_default(), crossed.cap.clone().unwrap_or_default());
            let text = format!("{way} {} %: {} of {}", crossed.percent, money(&owed), money(&cap));
            ("cap threshold", text)
        }
        Some(What::TermsInForce(terms)) => {
            let from = time_text(terms.effective_from.as_ref());
            ("terms in force", format!("version {} from {from}", terms.version))
        }
        Some(What::WindowClosed(window)) => ("window closed", window.window.clone()),
        Some(What::PointsExpiring(expiring)) => {
            let text = format!(
                "{} points on {} {}",
                points(expiring.points),
                expiring.expires_on,
                dim(&expiring.member_token)
            );
            ("points expiring", text)
        }
        Some(What::BurnedElsewhere(burned)) => {
            let token = dim(&burned.member_token);
            (
                "burned elsewhere",
                format!("{} points on {} {token}", points(burned.points), burned.day),
            )
        }
        Some(What::FloatThreshold(float)) => ("float threshold", float_text(float)),
        None => ("?", "something that this version does not know".to_owned()),
    }
}

fn float_text(float: &FloatThreshold) -> String {
    let (left, level) = (points(float.points_left), points(float.level));
    let FloatThreshold { percent, currency, .. } = float;
    let reserve = points(float.reserve_left);
    format!(
        "{percent} % of {level} points in {currency}: {left} are left, {reserve} in the reserve"
    )
}

/// What happened, for programs: one object a line.
fn json_of(event: &Event) -> Value {
    let key = event.order_key.unwrap_or_default();
    let (kind, what) = match &event.what {
        Some(What::Operation(operation)) => ("operation", operation_json(operation)),
        Some(What::Refusal(refused)) => ("refusal", refusal_json(refused)),
        Some(what) => notice_json(what),
        None => ("unknown", Value::Null),
    };
    json!({
        "id": event.id,
        "cell": key.cell,
        "number": key.number,
        "posted_at": time_text(event.posted_at.as_ref()),
        "event": kind,
        "what": what,
    })
}

fn operation_json(operation: &Operation) -> Value {
    json!({
        "request_id": operation.request_id,
        "kind": operation_kind(operation.kind),
        "member_token": operation.member_token,
        "points": operation.points,
        "spend": operation.spend.as_ref().map(money_json),
        "value": operation.value.as_ref().map(money_json),
        "category": operation.category,
        "receipt_reference": operation.receipt_reference,
        "original_request_id": operation.original_request_id,
        "terms_version": operation.terms_version,
    })
}

fn refusal_json(refused: &RefusedRequest) -> Value {
    let said = refused.refusal.as_ref().map(Refusal::from_kept);
    json!({
        "request_id": refused.request_id,
        "kind": operation_kind(refused.kind),
        "member_token": refused.member_token,
        "reason": said.as_ref().map(Refusal::reason_name),
        "message": said.as_ref().map(|said| said.message.clone()),
    })
}

/// What is told beside operations.
fn notice_json(what: &What) -> (&'static str, Value) {
    match what {
        What::Operation(_) | What::Refusal(_) => ("unknown", Value::Null),
        What::HoldExpired(hold) => {
            let id = &hold.authorization_request_id;
            let (points, member_token) = (hold.points, &hold.member_token);
            let hold = json!({ "authorization_request_id": id, "points": points, "member_token": member_token });
            ("hold-expired", hold)
        }
        What::CapThreshold(crossed) => {
            let owed = crossed.owed.as_ref().map(money_json);
            let cap = crossed.cap.as_ref().map(money_json);
            let (percent, rising) = (crossed.percent, crossed.rising);
            (
                "cap-threshold",
                json!({ "percent": percent, "rising": rising, "owed": owed, "cap": cap }),
            )
        }
        What::TermsInForce(terms) => {
            let effective_from = time_text(terms.effective_from.as_ref());
            (
                "terms-in-force",
                json!({ "version": terms.version, "effective_from": effective_from }),
            )
        }
        What::WindowClosed(window) => {
            let opened_at = time_text(window.opened_at.as_ref());
            let closed_at = time_text(window.closed_at.as_ref());
            let name = &window.window;
            (
                "window-closed",
                json!({ "window": name, "opened_at": opened_at, "closed_at": closed_at }),
            )
        }
        What::PointsExpiring(expiring) => {
            let (points, member_token) = (expiring.points, &expiring.member_token);
            let expires_on = &expiring.expires_on;
            let told =
                json!({ "member_token": member_token, "points": points, "expires_on": expires_on });
            ("points-expiring", told)
        }
        What::BurnedElsewhere(burned) => {
            let (points, member_token) = (burned.points, &burned.member_token);
            let told = json!({ "member_token": member_token, "points": points, "day": burned.day });
            ("burned-elsewhere", told)
        }
        What::FloatThreshold(float) => {
            let told = json!({
                "percent": float.percent,
                "currency": float.currency,
                "points_left": float.points_left,
                "level": float.level,
                "reserve_left": float.reserve_left,
            });
            ("float-threshold", told)
        }
    }
}

fn wire(kinds: &[Kind]) -> Vec<i32> {
    let kind = |kind: &Kind| match kind {
        Kind::Operation => EventKind::Operation,
        Kind::Refusal => EventKind::Refusal,
        Kind::HoldExpired => EventKind::HoldExpired,
        Kind::CapThreshold => EventKind::CapThreshold,
        Kind::TermsInForce => EventKind::TermsInForce,
        Kind::WindowClosed => EventKind::WindowClosed,
        Kind::PointsExpiring => EventKind::PointsExpiring,
        Kind::BurnedElsewhere => EventKind::BurnedElsewhere,
        Kind::FloatThreshold => EventKind::FloatThreshold,
    };
    kinds.iter().map(|one| kind(one).into()).collect()
}
