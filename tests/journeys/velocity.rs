//! Limits of an hour or a day: a refusal names the limit and when it resets, nothing is counted of what
//! is refused, and it is the same by stream, by batch and through two hubs.

use std::time::Duration;

use entente_client::{
    Client, Error, Refusal,
    api::{
        error::ErrorReason,
        event::{EventKind, WatchRequest, event::What},
        member::CheckLinkRequest,
        partner::{Agreement, GetTermsInForceRequest, Limits},
        points::{QuoteBurnRequest, quote_burn_request::Amount},
    },
};
use entente_testkit::{
    TestHub,
    cast::{self, GROCER, HARBOR, ROVER, agreement, burn, earn},
    morning,
};

use tokio::task::JoinSet;

use crate::{
    events::{caught_up, since},
    linking::link,
    merging::merge,
    steps::{at, authorize, everywhere, has, reverse, void},
    streaming::Stream,
    wire::Wire,
};

const MEMBER_A_DAY: i64 = 100;

/// The cast, where Rover has limits, and `guest` everywhere with 1,000 points of Harbor.
async fn with_limits(limits: Limits) -> TestHub {
    let hub = TestHub::start().await;
    let operator = hub.operator().await;
    let rover = Agreement { limits: Some(limits), ..agreement(ROVER) };
    for (partner, agreement) in
        [(HARBOR, agreement(HARBOR)), (ROVER, rover), (GROCER, agreement(GROCER))]
    {
        cast::onboard(&operator, partner, agreement).await;
    }
    everywhere(&hub, "guest").await;
    hub.partner(HARBOR).await.earn(earn("guest", 1_000_000_000, "EUR")).await.unwrap();
    hub
}

fn refused<T: std::fmt::Debug>(outcome: Result<T, Error>) -> Refusal {
    let error = outcome.unwrap_err();
    let refusal = error.refusal().unwrap_or_else(|| panic!("no refusal: {error}")).clone();
    assert_eq!(refusal.reason, ErrorReason::VelocityLimit, "{refusal}");
    refusal
}

fn told(refusal: &Refusal) -> [&str; 3] {
    assert_eq!(refusal.metadata.len(), 3, "{refusal}");
    ["limit", "rest", "resets_at"].map(|key| refusal.metadata[key].as_str())
}

async fn burned(rover: &Client, points: i64) -> Result<(), Error> {
    rover.burn(burn("guest", points)).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_issued_is_burned_up_to_a_limit_a_day_and_the_same_id_passes_the_next_day() {
    let limits = Limits {
        member_foreign_points_burned_per_day: Some(MEMBER_A_DAY),
        foreign_points_burned_per_hour: Some(500),
        ..Limits::default()
    };
    let hub = with_limits(limits).await;
    let rover = hub.partner(ROVER).await;
    let operator = hub.operator().await;
    let in_force = GetTermsInForceRequest { partner: ROVER.to_owned(), at: None };
    let in_force = operator.get_terms_in_force(in_force).await.unwrap().terms.unwrap();
    assert_eq!(in_force.agreement.unwrap().limits, Some(limits));

    let held = rover.authorize(authorize("guest", 60)).await.unwrap().operation.unwrap();
    let tomorrow = burn("guest", 41);
    let refusal = refused(rover.burn(tomorrow.clone()).await);
    let name = "member_foreign_points_burned_per_day";
    assert_eq!(told(&refusal), [name, "40", "2026-03-03T00:00:00Z"]);
    assert_eq!(refusal.retry_after, Some(Duration::from_hours(16)), "from 08:00 on");
    refused(rover.quote_burn(quote_of(41)).await);
    let burned_now = burn("guest", 40);
    rover.burn(burned_now.clone()).await.unwrap();
    rover.void(void(&held.request_id)).await.unwrap();
    rover.reverse(reverse(&burned_now.request_id)).await.unwrap();
    assert_eq!(told(&refused(burned(&rover, 1).await))[1], "0", "nothing is given back");
    assert_eq!(has(&rover, "guest").await, (1_000, 0, 0));

    hub.advance_to(at("2026-03-03T00:00:00Z")).await;
    assert!(!rover.burn(tomorrow).await.unwrap().replayed);
    hub.close().await;
}

fn quote_of(points: i64) -> QuoteBurnRequest {
    let member_reference = "guest".to_owned();
    QuoteBurnRequest { member_reference, amount: Some(Amount::Points(points)) }
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_of_a_stream_are_counted_and_refused_as_calls_are() {
    let limits = Limits { member_points_earned_per_day: Some(MEMBER_A_DAY), ..Limits::default() };
    let hub = with_limits(limits).await;
    let mut stream = Stream::open(Wire::partner(&hub, ROVER).await.channel()).await.unwrap();
    // As many as fit in one batch, and the one that is too much in the middle.
    for (sequence, points) in [(1, 60), (2, 41), (3, 40), (4, 1)] {
        assert!(stream.send(sequence, earn("guest", points * 1_000_000, "USD")).await);
    }
    let mut rests = Vec::new();
    for _ in 0..4 {
        let (_, _, became) = stream.next().await.expect("an outcome");
        rests.push(became.err().map(|refusal| told(&refusal)[1].to_owned()));
    }
    assert_eq!(rests, [None, Some("40".to_owned()), None, Some("0".to_owned())]);
    assert_eq!(has(&hub.partner(ROVER).await, "guest").await, (1_100, 0, 0));
    drop(stream);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_counted_of_a_member_is_counted_of_whom_it_was_merged_into() {
    let limits = Limits { member_points_earned_per_day: Some(MEMBER_A_DAY), ..Limits::default() };
    let hub = with_limits(limits).await;
    let (harbor, rover) = (hub.partner(HARBOR).await, hub.partner(ROVER).await);
    link(&harbor, HARBOR, "host").await;
    link(&rover, ROVER, "rider").await;
    rover.earn(earn("rider", 60_000_000, "USD")).await.unwrap();
    merge(&harbor, &rover, ("host", "rider")).await;
    let refusal = refused(rover.earn(earn("rider", 41_000_000, "USD")).await);
    assert_eq!(told(&refusal)[..2], ["member_points_earned_per_day", "40"]);
    rover.earn(earn("rider", 40_000_000, "USD")).await.unwrap();
    hub.close().await;
}

/// Forty at once through two hubs: a partner's limit is exact, and so is a member's.
#[tokio::test(flavor = "multi_thread")]
async fn two_hubs_count_together() {
    const MOST: i64 = 15;
    let limits = Limits {
        operations_per_hour: Some(MOST),
        member_operations_per_hour: Some(MOST - 5),
        ..Limits::default()
    };
    let hub = with_limits(limits).await;
    let other = hub.another().await;
    let rovers =
        [hub.partner(ROVER).await, hub.partner_at(ROVER, other.addresses().partners).await];
    for member in 0..8 {
        cast::enrol(&rovers[0], &format!("rider-{member}")).await;
    }
    let calls = (0..40).map(|n| {
        let rover = rovers[n % 2].clone();
        // Half of them are about one member.
        let member = if n % 4 < 2 { "guest".to_owned() } else { format!("rider-{}", n % 8) };
        tokio::spawn(async move {
            let outcome = rover.earn(earn(&member, 1_000_000, "USD")).await;
            let accepted = outcome.is_ok();
            if !accepted {
                refused(outcome);
            }
            (accepted, member == "guest")
        })
    });
    let (mut accepted, mut of_guest) = (0, 0);
    for call in calls.collect::<Vec<_>>() {
        let (was_accepted, is_guest) = call.await.unwrap();
        accepted += i64::from(was_accepted);
        of_guest += i64::from(was_accepted && is_guest);
    }
    assert_eq!(accepted, MOST);
    assert!(of_guest <= MOST - 5, "{of_guest}");
    let last = refused(rovers[1].burn(burn("guest", 1)).await);
    assert_eq!(last.metadata["resets_at"], "2026-03-02T09:00:00Z");
    other.drain().await;
    hub.close().await;
}

/// The cast, where Harbor wants to be told of 100 points that went elsewhere, and `guest` everywhere.
async fn with_an_alert() -> (TestHub, [Client; 3]) {
    let hub = TestHub::start().await;
    let operator = hub.operator().await;
    let alert = Limits { member_points_burned_elsewhere_alert: Some(100), ..Limits::default() };
    let harbor = Agreement { limits: Some(alert), ..agreement(HARBOR) };
    for (partner, agreement) in
        [(HARBOR, harbor), (ROVER, agreement(ROVER)), (GROCER, agreement(GROCER))]
    {
        cast::onboard(&operator, partner, agreement).await;
    }
    everywhere(&hub, "guest").await;
    let partners = [hub.partner(HARBOR).await, hub.partner(ROVER).await, hub.partner(GROCER).await];
    (hub, partners)
}

/// What is told of points that were burned elsewhere.
fn burned_elsewhere() -> WatchRequest {
    WatchRequest { kinds: vec![EventKind::BurnedElsewhere.into()], ..since(morning()) }
}

/// Who issued the points is told that many went elsewhere, and not where.
#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_is_told_of_many_points_burned_elsewhere_without_being_told_where() {
    let (hub, [harbor, rover, grocer]) = with_an_alert().await;
    harbor.earn(earn("guest", 1_000_000_000, "EUR")).await.unwrap();
    harbor.burn(burn("guest", 500)).await.unwrap();
    rover.authorize(authorize("guest", 60)).await.unwrap();
    grocer.burn(burn("guest", 40)).await.unwrap();
    rover.burn(burn("guest", 21)).await.unwrap();
    rover.burn(burn("guest", 5)).await.unwrap();

    let mut watch = harbor.watch(burned_elsewhere()).await.unwrap();
    let told = caught_up(&mut watch).await;
    let [told] = told.as_slice() else { panic!("it is told once: {told:?}") };
    let Some(What::BurnedElsewhere(burned)) = &told.what else { panic!("{told:?}") };
    let check = CheckLinkRequest { member_reference: "guest".to_owned() };
    let token = harbor.check_link(check).await.unwrap().member_token;
    assert_eq!(
        (burned.member_token.as_str(), burned.points, burned.day.as_str()),
        (token.as_str(), 121, "2026-03-02")
    );
    for brand in [&rover, &grocer] {
        assert_eq!(caught_up(&mut brand.watch(burned_elsewhere()).await.unwrap()).await, []);
    }
    hub.close().await;
}

/// An issuer's points that come and go in one batch are counted with those that went before, though the
/// member had none of them when the batch began.
#[tokio::test(flavor = "multi_thread")]
async fn points_that_come_and_go_in_one_batch_are_counted_with_those_before() {
    let (hub, [harbor, rover, _]) = with_an_alert().await;
    harbor.earn(earn("guest", 90_000_000, "EUR")).await.unwrap();
    rover.burn(burn("guest", 90)).await.unwrap();

    // While nobody gets its head, what is asked of a member waits for the next batch.
    let pool = hub.database().owner_pool().await;
    let mut held = pool.begin().await.unwrap();
    sqlx::query("SELECT cell FROM cells FOR UPDATE").fetch_all(&mut *held).await.unwrap();
    let a_moment = || tokio::time::sleep(Duration::from_millis(300));
    let mut calls = JoinSet::new();
    let (other, own) = (rover.clone(), harbor.clone());
    calls.spawn(async move { drop(other.earn(earn("guest", 1_000_000, "USD")).await.unwrap()) });
    a_moment().await;
    calls.spawn(async move { drop(own.earn(earn("guest", 50_000_000, "EUR")).await.unwrap()) });
    a_moment().await;
    calls.spawn(async move { drop(rover.burn(burn("guest", 20)).await.unwrap()) });
    a_moment().await;
    held.rollback().await.unwrap();
    calls.join_all().await;

    let told = caught_up(&mut harbor.watch(burned_elsewhere()).await.unwrap()).await;
    let [told] = told.as_slice() else { panic!("it is told once: {told:?}") };
    let Some(What::BurnedElsewhere(burned)) = &told.what else { panic!("{told:?}") };
    assert!((109..=110).contains(&burned.points), "{burned:?}");
    pool.close().await;
    hub.close().await;
}
