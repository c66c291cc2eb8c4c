//! What is seen of deliveries from outside. No URL, no id and no content is in it.

use std::time::Duration;

use entente_api::event::DeliveryFailure;

pub(super) fn describe() {
    metrics::describe_gauge!("entente_webhooks", "Webhooks that are registered");
    metrics::describe_counter!(
        "entente_webhook_attempts_total",
        "Attempts at deliveries, by outcome"
    );
    metrics::describe_histogram!("entente_webhook_attempt_seconds", "How long attempts took");
    metrics::describe_counter!("entente_webhook_dead_total", "Deliveries that were given up");
}

#[expect(clippy::cast_precision_loss, reason = "there are few")]
pub(super) fn standing(count: usize) {
    metrics::gauge!("entente_webhooks").set(count as f64);
}

pub(super) fn attempt(failure: Option<DeliveryFailure>, took: Duration) {
    let outcome = match failure {
        None => "accepted",
        Some(DeliveryFailure::Unspecified | DeliveryFailure::Broken) => "broken",
        Some(DeliveryFailure::EndpointNotAllowed) => "endpoint_not_allowed",
        Some(DeliveryFailure::HostUnresolved) => "host_unresolved",
        Some(DeliveryFailure::AddressNotAllowed) => "address_not_allowed",
        Some(DeliveryFailure::Unreachable) => "unreachable",
        Some(DeliveryFailure::Tls) => "tls",
        Some(DeliveryFailure::Timeout) => "timeout",
        Some(DeliveryFailure::Redirect) => "redirect",
        Some(DeliveryFailure::Status) => "status",
    };
    metrics::counter!("entente_webhook_attempts_total", "outcome" => outcome).increment(1);
    metrics::histogram!("entente_webhook_attempt_seconds").record(took.as_secs_f64());
}

pub(super) fn dead(count: usize) {
    metrics::counter!("entente_webhook_dead_total").increment(count.try_into().unwrap_or(u64::MAX));
}
