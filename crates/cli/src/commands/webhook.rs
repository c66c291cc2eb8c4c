//! `entente webhook`: where a partner is told of its events, and what could not be delivered.

use std::str::FromStr;

use clap::{Args, Subcommand, ValueEnum};
use entente_api::event::{
    DeleteWebhookRequest, Delivery, DeliveryState, EventKind, ListDeliveriesRequest,
    ListWebhooksRequest, RegisterWebhookRequest, ReplayDeliveryRequest, Webhook,
};
use serde_json::{Value, json};

use super::request_id;
use crate::connect::Connection;
use crate::output::{Table, delivery_failure, delivery_state, event_kind, points, time_text};

const EXAMPLES: &str = "\
Examples:
  entente webhook add https://hooks.example.com/entente --as harbor-hotels
  entente webhook add https://hooks.example.com/holds --kind hold-expired --as harbor-hotels
  entente webhook deliveries 7d0c1e1c-6f0b-4d1b-9c59-0d3b1f6f7a10 --state dead --as harbor-hotels
  entente webhook replay 7d0c1e1c-6f0b-4d1b-9c59-0d3b1f6f7a10 --all --as harbor-hotels";

/// What to do with webhooks.
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum WebhookCommand {
    /// Register an endpoint, and print the secret of its signatures.
    Add(AddArgs),
    /// List the partner's endpoints.
    List(ListArgs),
    /// Remove an endpoint, and forget what was still to be delivered to it.
    Remove(RemoveArgs),
    /// List what an endpoint has not accepted.
    Deliveries(DeliveriesArgs),
    /// Send a delivery again, or all that are dead.
    Replay(ReplayArgs),
}

/// A new endpoint.
#[derive(Debug, Args)]
pub(crate) struct AddArgs {
    /// Where to send; https, at a host that the operators allow.
    url: String,
    /// A kind of events to send, such as `operation` or `hold-expired`; may be repeated [default:
    /// all].
    #[arg(long = "kind", value_name = "KIND")]
    kinds: Vec<Kind>,
    /// The id of this write, to repeat it safely.
    #[arg(long, value_name = "UUID")]
    request_id: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

/// All endpoints.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    connection: Connection,
}

/// One endpoint.
#[derive(Debug, Args)]
pub(crate) struct RemoveArgs {
    /// Its id.
    webhook_id: String,
    /// The id of this write, to repeat it safely.
    #[arg(long, value_name = "UUID")]
    request_id: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

/// Deliveries of one endpoint.
#[derive(Debug, Args)]
pub(crate) struct DeliveriesArgs {
    /// Its id.
    webhook_id: String,
    /// Which of them [default: all].
    #[arg(long)]
    state: Option<State>,
    #[command(flatten)]
    connection: Connection,
}

/// What to send again.
#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// The endpoint's id.
    webhook_id: String,
    /// The event's id, or --all.
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    event_id: Option<String>,
    /// Every dead delivery, at most 10,000.
    #[arg(long)]
    all: bool,
    /// The id of this write, to repeat it safely.
    #[arg(long, value_name = "UUID")]
    request_id: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

/// Which deliveries.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum State {
    /// Those that are still tried.
    Pending,
    /// Those that were given up.
    Dead,
}

/// The kinds of events that there are.
const KINDS: [EventKind; 9] = [
    EventKind::Operation,
    EventKind::Refusal,
    EventKind::HoldExpired,
    EventKind::CapThreshold,
    EventKind::TermsInForce,
    EventKind::WindowClosed,
    EventKind::PointsExpiring,
    EventKind::BurnedElsewhere,
    EventKind::FloatThreshold,
];

/// A kind of events, as people type it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind(EventKind);

impl FromStr for Kind {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let name = format!("EVENT_KIND_{}", text.to_uppercase().replace('-', "_"));
        let kind = EventKind::from_str_name(&name).filter(|kind| *kind != EventKind::Unspecified);
        kind.map(Self).ok_or_else(|| {
            let known = KINDS.map(|kind| event_kind(kind.into())).join(", ");
            anyhow::anyhow!("no kind of events; there are {known}")
        })
    }
}

/// Runs the command.
pub(crate) async fn run(command: WebhookCommand) -> anyhow::Result<()> {
    match command {
        WebhookCommand::Add(args) => add(args).await,
        WebhookCommand::List(args) => list(args).await,
        WebhookCommand::Remove(args) => remove(args).await,
        WebhookCommand::Deliveries(args) => deliveries(args).await,
        WebhookCommand::Replay(args) => replay(args).await,
    }
}

async fn add(args: AddArgs) -> anyhow::Result<()> {
    let request = RegisterWebhookRequest {
        request_id: request_id(args.request_id),
        url: args.url,
        kinds: args.kinds.into_iter().map(|Kind(kind)| kind.into()).collect(),
    };
    let answer = args.connection.client().await?.register_webhook(request).await?;
    let json = json!({ "webhook_id": answer.webhook_id, "secret": answer.secret });
    args.connection.output.show(&json, |_| {
        format!(
            "webhook  {}\nsecret   {}\n\nKeep the secret: it signs every message, and is not shown \
             again.",
            answer.webhook_id, answer.secret
        )
    })
}

async fn list(args: ListArgs) -> anyhow::Result<()> {
    let answer = args.connection.client().await?.list_webhooks(ListWebhooksRequest {}).await?;
    let json: Vec<Value> = answer.webhooks.iter().map(webhook).collect();
    args.connection.output.show(&json, |_| {
        let mut table = Table::new(&["webhook", "url", "kinds", ">pending", ">dead", "created"]);
        for webhook in &answer.webhooks {
            let kinds: Vec<_> = webhook.kinds.iter().copied().map(event_kind).collect();
            table.row([
                webhook.webhook_id.clone(),
                webhook.url.clone(),
                if kinds.is_empty() { "all".to_owned() } else { kinds.join(" ") },
                points(webhook.pending_count),
                points(webhook.dead_count),
                time_text(webhook.created_at.as_ref()),
            ]);
        }
        table.text("no webhooks")
    })
}

fn webhook(webhook: &Webhook) -> Value {
    json!({
        "webhook_id": webhook.webhook_id,
        "url": webhook.url,
        "kinds": webhook.kinds.iter().copied().map(event_kind).collect::<Vec<_>>(),
        "pending_count": webhook.pending_count,
        "dead_count": webhook.dead_count,
        "created_at": time_text(webhook.created_at.as_ref()),
    })
}

async fn remove(args: RemoveArgs) -> anyhow::Result<()> {
    let RemoveArgs { webhook_id, connection, .. } = args;
    let request = DeleteWebhookRequest { request_id: request_id(args.request_id), webhook_id };
    let removed = json!({ "webhook_id": request.webhook_id });
    connection.client().await?.delete_webhook(request).await?;
    connection.output.show(&removed, |_| "removed".to_owned())
}

async fn deliveries(args: DeliveriesArgs) -> anyhow::Result<()> {
    let client = args.connection.client().await?;
    let state = match args.state {
        None => DeliveryState::Unspecified,
        Some(State::Pending) => DeliveryState::Pending,
        Some(State::Dead) => DeliveryState::Dead,
    };
    let mut deliveries = Vec::new();
    let mut page_token = String::new();
    loop {
        let webhook_id = args.webhook_id.clone();
        let state = state.into();
        let request = ListDeliveriesRequest { webhook_id, state, page_size: 1_000, page_token };
        let mut page = client.list_deliveries(request).await?;
        deliveries.append(&mut page.deliveries);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return show(&args.connection, &deliveries, args.state);
        }
    }
}

fn show(
    connection: &Connection,
    deliveries: &[Delivery],
    state: Option<State>,
) -> anyhow::Result<()> {
    let json: Vec<Value> = deliveries.iter().map(delivery).collect();
    connection.output.show(&json, |_| {
        let columns = ["event", "kind", "state", ">attempts", "last failure", "next or last"];
        let mut table = Table::new(&columns);
        for delivery in deliveries {
            let failure = match (delivery_failure(delivery.last_failure), delivery.last_status) {
                (failure, 0) => failure.to_owned(),
                (_, status) => format!("answered {status}"),
            };
            table.row([
                delivery.event_id.clone(),
                event_kind(delivery.kind),
                delivery_state(delivery.state).to_owned(),
                delivery.attempt_count.to_string(),
                failure,
                time_text(delivery.next_attempt_at.as_ref()),
            ]);
        }
        table.text(match state {
            None => "everything was delivered",
            Some(State::Pending) => "nothing is pending",
            Some(State::Dead) => "nothing was given up",
        })
    })
}

fn delivery(delivery: &Delivery) -> Value {
    let order = delivery.order_key.unwrap_or_default();
    json!({
        "event_id": delivery.event_id,
        "order_key": { "cell": order.cell, "number": order.number },
        "kind": event_kind(delivery.kind),
        "state": delivery_state(delivery.state),
        "attempt_count": delivery.attempt_count,
        "since": time_text(delivery.since.as_ref()),
        "next_attempt_at": time_text(delivery.next_attempt_at.as_ref()),
        "last_failure": delivery_failure(delivery.last_failure),
        "last_status": delivery.last_status,
    })
}

async fn replay(args: ReplayArgs) -> anyhow::Result<()> {
    let request = ReplayDeliveryRequest {
        request_id: request_id(args.request_id),
        webhook_id: args.webhook_id,
        event_id: args.event_id.unwrap_or_default(),
    };
    let answer = args.connection.client().await?.replay_delivery(request).await?;
    let json = json!({ "delivery_count": answer.delivery_count });
    args.connection.output.show(&json, |_| match answer.delivery_count {
        0 => "no delivery is dead".to_owned(),
        1 => "1 delivery is sent again".to_owned(),
        more => format!("{} deliveries are sent again", points(more)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_typed_as_it_is_shown() {
        let numbered = (0..).map_while(|number| EventKind::try_from(number).ok());
        assert!(numbered.skip(1).eq(KINDS), "the list is complete");
        for kind in KINDS {
            let shown = event_kind(kind.into());
            assert_eq!(shown.parse::<Kind>().expect("a kind").0, kind, "{shown}");
        }
        for bad in ["", "unspecified", "operations", "*"] {
            assert!(bad.parse::<Kind>().is_err(), "{bad:?}");
        }
    }
}
