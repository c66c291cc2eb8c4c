//! Breaks: of a step and a newer report at the same time neither is lost, and a page of a list reads what it
//! shows.

use std::time::Duration;

use entente_ledger::{Points, WindowId};
use entente_settlement::{
    Money,
    reconcile::{
        BreakState, ControlTotals, Line, LineStatus, Matcher, Report, Resolution, Rules, Step,
        Texts, When,
    },
};
use entente_store::{
    control::Control,
    settlement::reconciliation::{
        BeforeBreak, BreakFilter, BreakId, Found, NewBreak, breaks, find_break, keep, list_breaks,
        lock_break, take_step,
    },
};
use entente_testkit::morning;
use sqlx::{Executor as _, PgPool};
use uuid::Uuid;

use crate::cast::{Ledger, ROVER, close_window, currency, uneven};

const REPORTS: [Uuid; 3] = [Uuid::from_u128(1), Uuid::from_u128(2), Uuid::from_u128(3)];

/// What a record of one line comes to that the hub does not know.
fn report() -> Report {
    let rules = Rules {
        opened_at: morning(),
        closed_at: morning(),
        with_money: false,
        clock_tolerance_s: 300,
        day_tolerance_s: 86_400,
        most_lines: 10,
    };
    let line = Line {
        row: 1,
        request_id: None,
        kind: None,
        status: LineStatus::Posted,
        points: Points(60),
        money: Money::nothing(currency("USD")),
        when: When::UNKNOWN,
    };
    let mut matcher = Matcher::new(rules, 42);
    matcher.line(line, Texts { receipt: "A4", member: "" }).expect("taken");
    matcher.against().finish().expect("explained")
}

/// Keeps the report by an id, and commits.
async fn kept(pool: PgPool, id: Uuid, window: WindowId) {
    let report = report();
    let found = Found {
        id,
        partner: ROVER,
        window,
        file_sha256: vec![7; 32],
        file_name: "rover.csv".to_owned(),
        reading: String::new(),
        made_by: "partner/rover-rides".to_owned(),
        with_money: false,
        hub: ControlTotals::default(),
        file: report.file().clone(),
        stated: None,
        unreadable: Vec::new(),
    };
    let new: Vec<NewBreak> = report
        .breaks()
        .map(|found| NewBreak {
            kind: found.kind,
            delta: found.delta,
            since: None,
            sides: Vec::new(),
            likeness: Uuid::from_u128(77),
        })
        .collect();
    let mut control = Control::begin_without_heads(&pool).await.expect("a transaction");
    assert!(keep(&mut control, &found, new.into_iter()).await.expect("kept"));
    control.commit().await.expect("a commit");
}

/// Takes a step of the first report's break, and leaves it to be committed.
async fn step(pool: &PgPool) -> Control<entente_store::control::NoHeads> {
    let mut control = Control::begin_without_heads(pool).await.expect("a transaction");
    let when = control.now();
    let id = BreakId { reconciliation: REPORTS[0], number: 1 };
    let stands = lock_break(control.connection(), id).await.expect("a break").expect("it is there");
    assert!(!stands.superseded);
    let resolution = Resolution::Assign { owner: "ana".to_owned() };
    let (who, why) = ("operator/ops".to_owned(), "looks like a void".to_owned());
    let life = stands.life.then(Step { resolution, who, when, why }).expect("allowed");
    take_step(control.connection(), id, &life).await.expect("a step");
    control
}

/// Waits until somebody waits for a lock of this database.
async fn until_somebody_waits(pool: &PgPool) {
    let waits = "SELECT EXISTS (SELECT FROM pg_stat_activity
                 WHERE datname = current_database() AND wait_event_type = 'Lock')";
    let looked = async {
        while !sqlx::query_scalar::<_, bool>(waits).fetch_one(pool).await.expect("a row") {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), looked).await.expect("somebody waits");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_is_taken_while_a_newer_report_is_kept_goes_on_in_it() {
    let ledger = Ledger::with(uneven()).await;
    close_window(&ledger.pool, "2026-03").await.expect("a close");
    let window = WindowId(1);
    kept(ledger.pool.clone(), REPORTS[0], window).await;
    let taken = step(&ledger.pool).await;
    let newer = tokio::spawn(kept(ledger.pool.clone(), REPORTS[1], window));
    let owner = ledger.database.owner_pool().await;
    until_somebody_waits(&owner).await;
    // Another newer one waits for that, and follows it.
    let newest = tokio::spawn(kept(ledger.pool.clone(), REPORTS[2], window));
    taken.commit().await.expect("a commit");
    newer.await.expect("kept");
    newest.await.expect("kept");
    let mut connection = ledger.pool.acquire().await.expect("a connection");
    let mut last = Vec::new();
    for id in REPORTS {
        let found = breaks(&mut *connection, id, 0, 10).await.expect("breaks").remove(0);
        assert_eq!((found.state, found.owner.as_deref()), (BreakState::Assigned, Some("ana")));
        let id = BreakId { reconciliation: id, number: 1 };
        let living = find_break(&mut connection, id).await.expect("a break").expect("it is there");
        assert_eq!(living.life.steps().len(), 1);
        last.push((living.superseded, found.continues.map(|id| id.reconciliation)));
    }
    // One after the other: no life forks.
    assert_eq!(
        last,
        [(true, None), (true, Some(REPORTS[0])), (false, Some(REPORTS[1]))],
        "superseded, and which report's break it continues"
    );
}

/// 20,000 breaks of one report, of which somebody has each hundredth, and 200 are adjusted.
async fn many(pool: &PgPool) {
    pool.execute(
        "INSERT INTO reconciliations (reconciliation_id, partner_id, window_id, file_sha256, file_name,
             reading, made_by, made_at, with_money, hub_count, hub_points, file_count, file_points,
             unreadable_count, break_count)
         VALUES ('00000000-0000-0000-0000-000000000001', 2, 1, sha256('x'), 'x', '', 'x', now(), false,
                 0, 0, 20000, -20000, 0, 20000);
         INSERT INTO breaks (reconciliation_id, number, kind, points, since, sides, state, owner,
             changed_at)
         SELECT '00000000-0000-0000-0000-000000000001', n, 1, 1, now(), '',
                CASE WHEN n % 100 = 0 THEN 2 WHEN n % 100 = 50 THEN 5 ELSE 1 END,
                CASE WHEN n % 100 = 0 THEN 'ana' WHEN n % 100 = 50 THEN 'ben' END,
                CASE WHEN n % 50 = 0 THEN now() END
         FROM generate_series(1, 20000) n;
         ANALYZE breaks, reconciliations",
    )
    .await
    .expect("breaks");
}

#[tokio::test]
async fn a_page_of_a_list_by_owner_or_state_reads_what_it_shows() {
    let ledger = Ledger::with(uneven()).await;
    close_window(&ledger.pool, "2026-03").await.expect("a close");
    let owner = ledger.database.owner_pool().await;
    many(&owner).await;
    let ana = BreakFilter { owner: Some("ana".to_owned()), ..BreakFilter::default() };
    let ben = BreakFilter { owner: Some("ben".to_owned()), ..BreakFilter::default() };
    let adjusted = BreakFilter { state: Some(BreakState::Adjusted), ..BreakFilter::default() };
    let unresolved = BreakFilter { unresolved: true, ..BreakFilter::default() };
    for (filter, numbers) in [
        (&ana, [100, 200]),
        (&ben, [50, 150]),
        (&adjusted, [50, 150]),
        (&unresolved, [1, 2]),
        (&BreakFilter::default(), [1, 2]),
    ] {
        for generic in ["force_custom_plan", "force_generic_plan"] {
            let mut transaction = ledger.pool.begin().await.expect("a transaction");
            let plans = format!("SET LOCAL plan_cache_mode = {generic}");
            transaction.execute(sqlx::AssertSqlSafe(plans)).await.expect("set");
            let first = list_breaks(&mut *transaction, filter, None, 10).await.expect("a page");
            let listed: Vec<_> = first.iter().take(2).map(|(_, found)| found.kept.number).collect();
            assert_eq!((first.len(), listed), (10, numbers.to_vec()), "{filter:?}");
            let (place, last) = first.last().expect("ten");
            let before = BeforeBreak { place: *place, number: last.kept.number };
            let next = list_breaks(&mut *transaction, filter, Some(before), 10).await;
            let next = next.expect("a page");
            assert!(next.iter().all(|(_, found)| found.kept.number > last.kept.number));
            let (scans, read): (i64, i64) = sqlx::query_as(
                "SELECT seq_scan, idx_tup_fetch FROM pg_stat_xact_user_tables
                 WHERE relname = 'breaks'",
            )
            .fetch_one(&mut *transaction)
            .await
            .expect("a row");
            // Two pages, of six states at most, and not the report.
            assert!(scans == 0 && read <= 400, "{filter:?} {generic}: {scans} scans, {read} rows");
        }
    }
}
