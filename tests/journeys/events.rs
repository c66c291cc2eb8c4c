//! Events: what happens at a partner is told to that partner, in order, and can be read again.

use std::time::Duration;

use entente_client::{
    Client, Error, Watch, Watched,
    api::{
        error::ErrorReason,
        event::{Event, EventKind, WatchRequest, event::What, watch_request::Start},
        partner::{Agreement, SuspendPartnerRequest},
        settlement::RecordPaymentRequest,
    },
    new_request_id,
};
use entente_hub::{
    caller::Caller,
    config::Limits,
    feed::StoredCursor,
    page_token::{Binding, PageTokens},
};
use entente_testkit::{
    TestHub,
    cast::{self, GROCER, HARBOR, ROVER, agreement, burn, earn, wire_time},
    morning,
};
use jiff::Timestamp;
use tokio::time::timeout;

use crate::steps::{at, authorize, cents, close, everywhere, reason};

/// How long a test waits for what has to come.
const PATIENCE: Duration = Duration::from_secs(30);

/// A hub whose streams show often that they live.
pub(crate) async fn lively() -> TestHub {
    lively_within(Limits::default()).await
}

/// The same within limits, once every partner was told of its first terms.
pub(crate) async fn lively_within(limits: Limits) -> TestHub {
    let hub = TestHub::within(Limits { watch_heartbeat_ms: 100, ..limits }).await;
    for partner in cast::PARTNERS {
        let mut watch = hub.partner(partner).await.watch(since(morning())).await.unwrap();
        let told = next(&mut watch).await.what;
        assert!(matches!(told, Some(What::TermsInForce(terms)) if terms.version == 1));
    }
    hub
}

pub(crate) fn from(start: Option<Start>) -> WatchRequest {
    WatchRequest { start, kinds: Vec::new() }
}

pub(crate) fn resumed(token: &str) -> WatchRequest {
    from(Some(Start::ResumeToken(token.to_owned())))
}

pub(crate) fn since(time: Timestamp) -> WatchRequest {
    from(Some(Start::FromTime(wire_time(time))))
}

/// The next event.
pub(crate) async fn next(watch: &mut Watch) -> Event {
    let event = async {
        loop {
            if let Watched::Event(event) = watch.next().await.unwrap() {
                return *event;
            }
        }
    };
    timeout(PATIENCE, event).await.expect("an event comes")
}

/// The next so many events.
async fn several(watch: &mut Watch, count: usize) -> Vec<What> {
    let mut events = Vec::new();
    while events.len() < count {
        events.push(next(watch).await.what.unwrap());
    }
    events
}

/// Everything up to where the stream has caught up.
pub(crate) async fn caught_up(watch: &mut Watch) -> Vec<Event> {
    let all = async {
        let mut events = Vec::new();
        loop {
            match watch.next().await.unwrap() {
                Watched::Event(event) => events.push(*event),
                Watched::Heartbeat(beat) if beat.caught_up => return events,
                Watched::Heartbeat(_) => {}
            }
        }
    };
    timeout(PATIENCE, all).await.expect("the stream catches up")
}

async fn earned(client: &Client, reference: &str, spend: i64) -> String {
    let request = earn(reference, spend, "EUR");
    client.earn(request).await.unwrap().operation.unwrap().request_id
}

fn operation_ids(events: &[Event]) -> Vec<&str> {
    let operations = events.iter().filter_map(|event| match event.what.as_ref().unwrap() {
        What::Operation(operation) => Some(operation.request_id.as_str()),
        _ => None,
    });
    operations.collect()
}

fn malformed_field(error: &Error) -> &str {
    assert_eq!(reason(error), ErrorReason::Malformed);
    &error.refusal().unwrap().violations[0].field
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_is_told_as_it_was_answered_and_to_its_partner_alone() {
    let hub = lively().await;
    everywhere(&hub, "guest").await;
    let (harbor, rover) = (hub.partner(HARBOR).await, hub.partner(ROVER).await);
    let mut watch = harbor.watch(from(None)).await.unwrap();
    let mut other = rover.watch(from(None)).await.unwrap();
    assert_eq!(caught_up(&mut watch).await, [], "nothing of before");
    let answered = harbor.earn(earn("guest", cents(10_000), "EUR")).await.unwrap();
    let operation = answered.operation.unwrap();
    let event = next(&mut watch).await;
    assert_eq!(event.what, Some(What::Operation(operation.clone())));
    assert_eq!(event.posted_at, operation.posted_at);

    let too_many = burn("guest", 1_000);
    harbor.burn(too_many.clone()).await.unwrap_err();
    let Some(What::Refusal(refusal)) = next(&mut watch).await.what else { panic!("a refusal") };
    assert_eq!(refusal.request_id, too_many.request_id);
    assert_eq!(refusal.member_token, operation.member_token);
    let refused = entente_client::Refusal::from_kept(&refusal.refusal.unwrap());
    assert_eq!(refused.reason, ErrorReason::PointsInsufficient);
    // A refusal that is not kept is no outcome, and a replay is no second one.
    harbor.burn(burn("nobody", 1)).await.unwrap_err();
    harbor.burn(too_many).await.unwrap_err();
    let id = earned(&harbor, "guest", cents(100)).await;
    assert_eq!(operation_ids(&[next(&mut watch).await]), [id]);
    let own = rover.earn(earn("guest", cents(100), "USD")).await.unwrap().operation.unwrap();
    assert_eq!(next(&mut other).await.what, Some(What::Operation(own)), "nothing before it");
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_ends_by_itself_is_told_to_who_authorized_it() {
    let hub = lively().await;
    everywhere(&hub, "guest").await;
    let (harbor, rover) = (hub.partner(HARBOR).await, hub.partner(ROVER).await);
    earned(&harbor, "guest", cents(10_000)).await;
    let held = rover.authorize(authorize("guest", 40)).await.unwrap().operation.unwrap();
    // A suspended partner has to know what becomes of what it had begun.
    let (request_id, partner) = (new_request_id(), ROVER.to_owned());
    let suspend = SuspendPartnerRequest { request_id, partner };
    hub.operator().await.suspend_partner(suspend).await.unwrap();
    let kinds = vec![EventKind::HoldExpired.into()];
    let mut watch = rover.watch(WatchRequest { start: None, kinds }).await.unwrap();
    let mut other = harbor.watch(from(None)).await.unwrap();
    hub.advance_to(at("2026-03-06T08:00:00Z")).await;
    let Some(What::HoldExpired(expired)) = next(&mut watch).await.what else { panic!("a hold") };
    assert_eq!(expired.authorization_request_id, held.request_id);
    assert_eq!((expired.points, &expired.member_token), (40, &held.member_token));
    let id = earned(&harbor, "guest", cents(100)).await;
    assert_eq!(operation_ids(&[next(&mut other).await]), [id], "the hold was nothing to Harbor");
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn terms_caps_and_windows_are_told_as_they_change() {
    let hub = lively().await;
    let (harbor, operator) = (hub.partner(HARBOR).await, hub.operator().await);
    cast::enrol(&harbor, "guest").await;
    let mut watch = harbor.watch(from(None)).await.unwrap();

    // A point costs .01: 100.00 is the cap, of which 50.00 is owed already.
    earned(&harbor, "guest", cents(500_000)).await;
    several(&mut watch, 1).await;
    let capped =
        Agreement { net_debit_caps: vec![cast::money(cents(10_000), "EUR")], ..agreement(HARBOR) };
    cast::publish(&operator, HARBOR, at("2026-03-03T00:00:00Z"), capped).await;
    hub.advance_to(at("2026-03-03T00:00:00Z")).await;
    let told = several(&mut watch, 2).await;
    assert!(matches!(&told[0], What::TermsInForce(terms) if terms.version == 2), "{told:?}");
    assert_eq!(thresholds(&told), [(50, true)], "the new cap is half used");

    earned(&harbor, "guest", cents(460_000)).await;
    let told = several(&mut watch, 3).await;
    assert!(matches!(told[0], What::Operation(_)), "the operation comes before what it caused");
    assert_eq!(thresholds(&told), [(80, true), (95, true)]);
    let refused = harbor.earn(earn("guest", cents(50_000), "EUR")).await.unwrap_err();
    assert_eq!(reason(&refused), ErrorReason::NetDebitCapExceeded);
    assert!(matches!(several(&mut watch, 1).await[0], What::Refusal(_)));

    close(&operator, "2026-03").await;
    let What::WindowClosed(window) = several(&mut watch, 1).await.remove(0) else {
        panic!("a window")
    };
    assert_eq!(window.window, "2026-03");
    assert_eq!(window.closed_at, Some(wire_time(at("2026-03-03T00:00:00Z"))));
    let amount = Some(cast::money(cents(5_000), "EUR"));
    let (request_id, partner) = (new_request_id(), HARBOR.to_owned());
    let payment = RecordPaymentRequest { request_id, partner, amount, obligation: String::new() };
    operator.record_payment(payment).await.unwrap();
    let told = several(&mut watch, 3).await;
    assert_eq!(thresholds(&told), [(95, false), (80, false), (50, false)]);
    let What::CapThreshold(last) = &told[2] else { panic!("a threshold") };
    assert_eq!(last.owed, Some(cast::money(cents(4_600), "EUR")));
    hub.close().await;
}

fn thresholds(told: &[What]) -> Vec<(i32, bool)> {
    let thresholds = told.iter().filter_map(|what| match what {
        What::CapThreshold(crossed) => Some((crossed.percent, crossed.rising)),
        _ => None,
    });
    thresholds.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happened_weeks_ago_is_read_from_a_time_on() {
    let hub = lively().await;
    let (harbor, operator) = (hub.partner(HARBOR).await, hub.operator().await);
    cast::enrol(&harbor, "guest").await;
    cast::enrol(&harbor, "other").await;
    let mut ids = vec![earned(&harbor, "guest", cents(100)).await];
    for day in ["2026-03-12T08:00:00Z", "2026-03-31T23:59:59Z", "2026-04-20T08:00:00Z"] {
        hub.advance_to(at(day)).await;
        ids.push(earned(&harbor, "guest", cents(100)).await);
        ids.push(earned(&harbor, "other", cents(100)).await);
    }
    close(&operator, "spring").await;
    hub.advance_to(at("2026-05-20T08:00:00Z")).await;
    for (time, first) in [
        ("2026-01-01T00:00:00Z", 0),
        ("2026-03-02T08:00:00Z", 0),
        ("2026-03-12T08:00:00Z", 1),
        ("2026-03-12T08:00:00.000001Z", 3),
        ("2026-04-01T00:00:00Z", 5),
        ("2026-05-01T00:00:00Z", 7),
    ] {
        let mut watch = harbor.watch(since(at(time))).await.unwrap();
        let events = caught_up(&mut watch).await;
        let mut told = operation_ids(&events);
        let mut expected: Vec<&str> = ids[first..].iter().map(String::as_str).collect();
        told.sort_unstable();
        expected.sort_unstable();
        assert_eq!(told, expected, "from {time}");
        let times: Vec<_> = events.iter().map(|event| event.posted_at.unwrap().seconds).collect();
        assert!(times.is_sorted(), "history is told in the order of time");
    }
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resume_token_is_good_for_its_partner_its_ledger_and_the_past() {
    let hub = lively().await;
    let (harbor, grocer) = (hub.partner(HARBOR).await, hub.partner(GROCER).await);
    cast::enrol(&harbor, "guest").await;
    let mut watch = harbor.watch(from(None)).await.unwrap();
    let first = earned(&harbor, "guest", cents(100)).await;
    assert_eq!(operation_ids(&[next(&mut watch).await]), [first]);
    let token = watch.resume_token().unwrap().to_owned();
    drop(watch);
    let second = earned(&harbor, "guest", cents(100)).await;
    let mut watch = harbor.watch(resumed(&token)).await.unwrap();
    assert_eq!(operation_ids(&[next(&mut watch).await]), [second.as_str()]);
    let again = harbor.watch(resumed(&token)).await.unwrap();
    assert_eq!(operation_ids(&caught_up(&mut { again }).await), [second], "as often as it is used");

    let mut changed = token.clone().into_bytes();
    changed[20] = if changed[20] == b'A' { b'B' } else { b'A' };
    let changed = String::from_utf8(changed).unwrap();
    for bad in [changed.as_str(), "", "\u{0}", &token[1..], &"A".repeat(100_000)] {
        let refused = harbor.watch(resumed(bad)).await.unwrap_err();
        assert_eq!(malformed_field(&refused), "resume_token", "{bad:.20}");
    }
    let refused = grocer.watch(resumed(&token)).await.unwrap_err();
    assert_eq!(malformed_field(&refused), "resume_token", "another partner's");
    let refused = harbor.watch(resumed(&token_of_the_future(&hub))).await.unwrap_err();
    assert_eq!(malformed_field(&refused), "resume_token", "of the future");

    let refused = harbor.watch(since(at("2026-03-02T08:00:01Z"))).await.unwrap_err();
    assert_eq!(malformed_field(&refused), "from_time", "of the future");
    for kinds in [vec![0], vec![99], vec![1; 33]] {
        let refused = harbor.watch(WatchRequest { start: None, kinds }).await.unwrap_err();
        assert_eq!(malformed_field(&refused), "kinds");
    }
    let operator = hub.operator().await;
    let refused = operator.watch(from(None)).await.unwrap_err();
    assert_eq!(reason(&refused), ErrorReason::NotAllowed);
    hub.close().await;
}

/// What a hub on the same keys sealed before its ledger was taken back to an earlier time.
fn token_of_the_future(hub: &TestHub) -> String {
    let tokens = PageTokens::open(&hub.trust_domain().folder().join("keys")).unwrap();
    let binding = Binding::new(&Caller::Partner(HARBOR.parse().unwrap()), "events", &[]);
    tokens.seal(&binding, &StoredCursor { floor_micros: 0, seqs: vec![1_000; 16] })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_has_so_many_streams_and_a_drain_ends_them() {
    let hub = lively_within(Limits { streams_per_partner: 2, ..Limits::default() }).await;
    let other = hub.another().await;
    let harbor = hub.partner_at(HARBOR, other.addresses().partners).await;
    cast::enrol(&harbor, "guest").await;
    let mut first = harbor.watch(from(None)).await.unwrap();
    let second = harbor.watch(from(None)).await.unwrap();
    let refused = harbor.watch(from(None)).await.unwrap_err();
    assert_eq!(reason(&refused), ErrorReason::TooManyStreams);
    let rover = hub.partner_at(ROVER, other.addresses().partners).await;
    rover.watch(from(None)).await.unwrap();
    drop(second);

    let id = earned(&harbor, "guest", cents(100)).await;
    assert_eq!(operation_ids(&[next(&mut first).await]), [id]);
    let token = first.resume_token().unwrap().to_owned();
    let drained = timeout(Duration::from_secs(10), other.drain()).await;
    drained.expect("no stream holds the drain up for its whole time");
    let harbor = hub.partner(HARBOR).await;
    let id = earned(&harbor, "guest", cents(100)).await;
    let mut resumed = harbor.watch(resumed(&token)).await.unwrap();
    assert_eq!(operation_ids(&[next(&mut resumed).await]), [id], "another hub goes on");
    hub.close().await;
}
