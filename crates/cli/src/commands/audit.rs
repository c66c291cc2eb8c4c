//! `entente audit`: the trail of security events, the latest first.

use anyhow::Context as _;
use clap::Args;
use entente_api::audit::{ListSecurityEventsRequest, SecurityEvent, SecurityEventKind};
use serde_json::{Value, json};

use crate::connect::Connection;
use crate::output::{Table, parse_time, proto_time, time_text};

const EXAMPLES: &str = "\
Examples:
  entente audit --as operator/ops
  entente audit --as operator/ops --kind certificates-refused --kind connection-cut
  entente audit --as operator/ops --actor operator/ops-2 --from 2026-03-01 --output json";

/// How the contract's names of kinds begin.
const PREFIX: &str = "SECURITY_EVENT_KIND_";

/// The largest page.
const PAGE: usize = 1_000;

/// Which events.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct AuditArgs {
    /// Only this kind, such as token-issued or connection-cut; give it again for more kinds.
    #[arg(long = "kind", value_name = "KIND", value_parser = kind)]
    kinds: Vec<SecurityEventKind>,
    /// Only what this one did: `partner/CODE`, `operator/NAME`, `hub` or `owner`.
    #[arg(long, value_name = "WHO")]
    actor: Option<String>,
    /// Only from this time on: 2026-03-01T00:00:00Z or 2026-03-01.
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Only before this time.
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// How many at most.
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    limit: usize,
    #[command(flatten)]
    connection: Connection,
}

/// Runs the command.
pub(crate) async fn run(args: AuditArgs) -> anyhow::Result<()> {
    let client = args.connection.client().await?;
    let time = |text: &Option<String>| text.as_deref().map(parse_time).transpose();
    let mut request = ListSecurityEventsRequest {
        kinds: args.kinds.iter().map(|kind| (*kind).into()).collect(),
        actor: args.actor.unwrap_or_default(),
        from: time(&args.from)?.map(proto_time),
        to: time(&args.to)?.map(proto_time),
        page_size: i32::try_from(args.limit.clamp(1, PAGE))?,
        page_token: String::new(),
    };
    let mut events: Vec<SecurityEvent> = Vec::new();
    while events.len() < args.limit {
        let page = client.list_security_events(request.clone()).await?;
        events.extend(page.events);
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    events.truncate(args.limit);
    let json: Vec<_> = events.iter().map(json_of).collect();
    args.connection.output.show(&json, |_| table(&events))
}

fn json_of(event: &SecurityEvent) -> Value {
    // The hub's JSON as it is; as text, should it ever be none.
    let details = serde_json::from_str(&event.details_json);
    let details = details.unwrap_or_else(|_| Value::from(event.details_json.as_str()));
    json!({
        "number": event.number,
        "at": time_text(event.at.as_ref()),
        "kind": word(event.kind),
        "actor": event.actor,
        "certificate_sha256": event.certificate_sha256,
        "subject": event.subject,
        "details": details,
    })
}

fn table(events: &[SecurityEvent]) -> String {
    let mut table = Table::new(&["at", "kind", "actor", "subject", "certificate", "details"]);
    for event in events {
        table.row([
            time_text(event.at.as_ref()),
            word(event.kind),
            event.actor.clone(),
            event.subject.clone(),
            event.certificate_sha256.chars().take(16).collect(),
            event.details_json.clone(),
        ]);
    }
    table.text("no events")
}

/// A kind as people write it: `token-issued`.
fn word(number: i32) -> String {
    let kind = SecurityEventKind::try_from(number).unwrap_or_default();
    let name = kind.as_str_name();
    name.strip_prefix(PREFIX).unwrap_or(name).to_lowercase().replace('_', "-")
}

fn kind(text: &str) -> anyhow::Result<SecurityEventKind> {
    let name = format!("{PREFIX}{}", text.to_uppercase().replace('-', "_"));
    let kind = SecurityEventKind::from_str_name(&name);
    kind.filter(|kind| *kind != SecurityEventKind::Unspecified)
        .with_context(|| format!("{text:?} is no kind of event, such as token-issued"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_read_as_it_is_printed() {
        for known in [SecurityEventKind::TokenIssued, SecurityEventKind::ConnectionCut] {
            assert_eq!(kind(&word(known.into())).expect("a kind"), known);
        }
        assert!(kind("unspecified").is_err() && kind("nothing").is_err());
    }
}
