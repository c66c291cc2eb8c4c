//! Windows that the calendar closes, and what partners say of them: invariant 6, one window, whatever
//! clocks, hubs and callers do meanwhile.

use std::collections::BTreeMap;

use entente_client::{
    Client,
    api::{
        error::ErrorReason,
        settlement::{
            AgreeStatementRequest, AmountKind, Arrangement, Calendar, CloseWindowRequest, Cycle,
            GetArrangementRequest, GetWindowRequest, GetWindowResponse, ListWindowsRequest,
            Netting, StatementState, Window, WindowState, get_statement_response::Part,
        },
    },
    new_request_id,
};
use entente_testkit::{
    OPERATOR, TestHub,
    cast::{HARBOR, ROVER, earn, enrol, wire_time},
};
use futures::future::join_all;
use jiff::Timestamp;

use crate::{
    closing::statement,
    steps::{at, cents, close, gross, gross_rows, position, reason, until},
};

/// Each day at 18:00 in Berlin, and five days to object.
pub(crate) fn daily() -> Arrangement {
    let calendar = Calendar {
        time_zone: "Europe/Berlin".to_owned(),
        cut_off: "18:00".to_owned(),
        cycle: Cycle::Daily.into(),
        day: 0,
    };
    Arrangement {
        netting: Netting::Multilateral.into(),
        calendar: Some(calendar),
        objection_days: 5,
        accounts: Vec::new(),
    }
}

/// The cast, settled by that calendar, with a guest at Harbor.
async fn by_the_calendar() -> TestHub {
    let hub = TestHub::with_cast().await;
    let operator = hub.operator().await;
    let arranged = operator.arrange_settlement(new_request_id(), daily()).await.unwrap();
    assert_eq!(arranged.closes_at, Some(wire_time(at("2026-03-02T17:00:00Z"))));
    enrol(&hub.partner(HARBOR).await, "guest").await;
    hub
}

/// Closed windows, the oldest first.
async fn closed(operator: &Client) -> Vec<Window> {
    let request = ListWindowsRequest { page_size: 1_000, ..ListWindowsRequest::default() };
    let windows = operator.list_windows(request).await.unwrap().windows;
    let closed = windows.into_iter().rev().filter(|window| window.closed_at.is_some());
    closed.collect()
}

async fn earns(harbor: &Client, hundredths: i64) {
    harbor.earn(earn("guest", cents(hundredths), "EUR")).await.unwrap();
}

/// The points that Harbor issued in a window.
async fn issued(operator: &Client, window: &str) -> i64 {
    gross(&position(operator, window).await, "EUR").iter().map(|row| row.3).sum()
}

async fn became(client: &Client, window: &str) -> GetWindowResponse {
    let request = GetWindowRequest { window: window.to_owned(), partner: String::new() };
    client.get_window(request).await.unwrap()
}

fn agreement(window: &str, partner: &str) -> AgreeStatementRequest {
    let (window, partner) = (window.to_owned(), partner.to_owned());
    AgreeStatementRequest { request_id: new_request_id(), window, partner }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_off_is_exact_whatever_the_clocks_do_and_each_day_has_its_window() {
    let hub = by_the_calendar().await;
    let (operator, harbor) = (hub.operator().await, hub.partner(HARBOR).await);
    hub.advance_to(at("2026-03-02T16:59:59.999999Z")).await;
    earns(&harbor, 10_000).await;
    hub.advance_to(at("2026-03-02T17:00:00Z")).await;
    earns(&harbor, 20_000).await;
    let first = gross_rows(&[(HARBOR, "hub", AmountKind::Issue, 100, cents(100))]);
    assert_eq!(gross(&position(&operator, "2026-03-02").await, "EUR"), first);
    assert_eq!(issued(&operator, "").await, 200, "at the cut-off itself the next window is open");

    // Four weeks in which nobody does anything, and in which the clocks go forward.
    hub.advance_to(at("2026-03-30T16:30:00Z")).await;
    earns(&harbor, 40_000).await;
    let windows = closed(&operator).await;
    let names: Vec<_> = windows.iter().map(|window| window.name.clone()).collect();
    let days: Vec<_> = (2..=30).map(|day| format!("2026-03-{day:02}")).collect();
    assert_eq!(names, days);
    let cut_off = |time| Some(wire_time(at(time)));
    assert_eq!(windows[26].cut_off_at, cut_off("2026-03-28T17:00:00Z"), "18:00 in winter");
    assert_eq!(windows[27].cut_off_at, cut_off("2026-03-29T16:00:00Z"), "18:00 in summer");
    for (name, points) in [("2026-03-03", 200), ("2026-03-04", 0), ("2026-03-30", 0), ("", 400)] {
        assert_eq!(issued(&operator, name).await, points, "{name}");
    }
    let told = operator.get_arrangement(GetArrangementRequest {}).await.unwrap();
    assert_eq!(told.closes_at, cut_off("2026-03-31T16:00:00Z"));
    assert_eq!(told.arrangement, Some(daily()));
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_closed_by_hand_keeps_its_name_and_the_calendar_goes_on() {
    let hub = by_the_calendar().await;
    let (operator, harbor) = (hub.operator().await, hub.partner(HARBOR).await);
    earns(&harbor, 10_000).await;
    let by_hand = close(&operator, "2026-03-02").await.window.unwrap();
    assert_eq!(by_hand.cut_off_at, None);
    earns(&harbor, 20_000).await;
    hub.advance_to(at("2026-03-02T18:00:00Z")).await;
    // Past the cut-off, the name is given to what comes after it.
    close(&operator, "evening").await;
    let names: Vec<_> = closed(&operator).await.into_iter().map(|window| window.name).collect();
    assert_eq!(names, ["2026-03-02", "2026-03-02.2", "evening"]);
    for (name, points) in [("2026-03-02", 100), ("2026-03-02.2", 200), ("evening", 0)] {
        assert_eq!(issued(&operator, name).await, points, "{name}");
    }
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_commits_race_two_hubs_that_close_and_each_is_in_one_window() {
    let hub = by_the_calendar().await;
    let second = hub.another().await;
    let clients =
        [hub.partner(HARBOR).await, hub.partner_at(HARBOR, second.addresses().partners).await];
    let operator = hub.operator().await;
    let earning = (0..100).map(|index: usize| {
        let client = &clients[index % 2];
        // One more point each, so that no two sums of them are alike by chance.
        let spend = cents(100 * (1 + i64::try_from(index).unwrap()));
        async move {
            let earned = client.earn(earn("guest", spend, "EUR")).await.unwrap().operation.unwrap();
            (earned.request_id, earned.points)
        }
    });
    let by_hand = CloseWindowRequest { name: "by-hand".to_owned(), testing: false };
    let closing = async {
        hub.advance_to(at("2026-03-02T17:00:00Z")).await;
        operator.close_window(by_hand.clone()).await.unwrap();
        hub.advance_to(at("2026-03-04T17:00:00Z")).await;
    };
    let (earned, ()) = tokio::join!(join_all(earning), closing);
    let earned: BTreeMap<_, _> = earned.into_iter().collect();
    close(&operator, "rest").await;
    let windows = closed(&operator).await;
    let names: Vec<_> = windows.iter().map(|window| window.name.as_str()).collect();
    assert_eq!(names, ["2026-03-02", "by-hand", "2026-03-03", "2026-03-04", "rest"]);
    let mut found = BTreeMap::new();
    for name in names {
        let mut points = 0;
        for part in statement(&clients[0], name, "").await {
            let Part::Line(line) = part else { continue };
            points += line.points;
            assert_eq!(found.insert(line.request_id, line.points), None, "in one window");
        }
        assert_eq!(issued(&operator, name).await, points, "{name}: the sum of its operations");
    }
    assert_eq!(found, earned, "each is in a window");
    assert_eq!(issued(&operator, "").await, 0);
    second.drain().await;
    // Closing the hub holds each window against its operations.
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_due_while_no_hub_ran_is_closed_though_nobody_calls() {
    let mut hub = by_the_calendar().await;
    hub.advance_to(at("2026-03-05T17:00:00Z")).await;
    hub.restart().await;
    until(&hub, "SELECT count(*) = 4 FROM windows WHERE cut_off_at IS NOT NULL").await;
    let operator = hub.operator().await;
    for window in closed(&operator).await {
        let changes = became(&operator, &window.name).await.changes;
        let closing = &changes[0];
        assert_eq!(
            (closing.actor.as_str(), closing.window_state()),
            ("calendar", WindowState::Closed)
        );
    }
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_agrees_in_words_or_by_silence_and_it_is_on_record() {
    let hub = TestHub::with_cast().await;
    let (operator, harbor, rover) =
        (hub.operator().await, hub.partner(HARBOR).await, hub.partner(ROVER).await);
    enrol(&harbor, "guest").await;
    earns(&harbor, 10_000).await;
    close(&operator, "2026-03").await;
    let before = became(&harbor, "2026-03").await;
    let standing = |answer: &GetWindowResponse| {
        (answer.standings[0].state(), answer.standings[0].actor.clone())
    };
    assert_eq!(standing(&before), (StatementState::Pending, String::new()));
    assert_eq!(before.changes[0].actor, "hub", "to a partner, operators have no names");
    assert_eq!(became(&rover, "2026-03").await.standings, [], "nobody else's");

    let request = agreement("2026-03", "");
    let agreed = harbor.agree_statement(request.clone()).await.unwrap();
    assert_eq!(agreed.window_state(), WindowState::Settling, "nobody else owes anything");
    assert!(harbor.agree_statement(request).await.unwrap().replayed);
    let again = harbor.agree_statement(agreement("2026-03", "")).await.unwrap_err();
    assert_eq!(reason(&again), ErrorReason::StatementState);
    let other = harbor.agree_statement(agreement("2026-03", ROVER)).await.unwrap_err();
    assert_eq!(reason(&other), ErrorReason::NotAllowed);
    let unknown = operator.agree_statement(agreement("2027-03", HARBOR)).await.unwrap_err();
    assert_eq!(reason(&unknown), ErrorReason::WindowUnknown);
    let steps: Vec<_> = became(&operator, "2026-03").await.changes;
    let steps: Vec<_> =
        steps.iter().map(|step| (step.partner.as_str(), step.actor.as_str())).collect();
    let (own, ops) = (format!("partner/{HARBOR}"), format!("operator/{OPERATOR}"));
    assert_eq!(steps, [("", ops.as_str()), (HARBOR, own.as_str()), ("", own.as_str())]);

    earns(&harbor, 10_000).await;
    let closed = close(&operator, "2026-04").await.window.unwrap();
    let until_then = closed.objection_until.unwrap();
    hub.advance_to(Timestamp::new(until_then.seconds, until_then.nanos).unwrap()).await;
    until(&hub, "SELECT count(*) = 2 FROM windows WHERE agreed_at IS NOT NULL").await;
    let silent = became(&harbor, "2026-04").await;
    assert_eq!(standing(&silent), (StatementState::Agreed, "silence".to_owned()));
    assert_eq!(silent.standings[0].at, Some(until_then));
    assert_eq!(silent.window.unwrap().state(), WindowState::Settling);
    hub.close().await;
}
