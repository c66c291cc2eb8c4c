//! Old months go out of the ledger, and come back: what remains works, what is gone is refused and never
//! answered in part, and every invariant holds all the while.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use entente_client::{
    Client,
    api::{
        error::ErrorReason,
        event::WatchRequest,
        member::ListOperationsRequest,
        points::{GetOperationRequest, get_operation_response::Outcome},
        settlement::{
            AccountBalance, GetStatementRequest, GetTrialBalanceRequest, Netting,
            RecordPaymentRequest, get_statement_response::Part,
        },
    },
};
use entente_store::archive::{self, Month, NotArchived, OwnerConnection, Source};
use entente_testkit::{
    TestHub,
    cast::{HARBOR, ROVER, burn, earn, wire_time},
};

use tokio::{sync::watch, task::JoinSet, time::timeout};

use crate::{
    disputed_totals::{behind, elsewhere, named, objection_to},
    disputes::answer,
    erasing::erase,
    events::since,
    obligations::{obligations, payment, with_the_window_of_e4},
    steps::{at, cents, close, has, reason, refund_points, reverse},
};

const OLD: &str = "2026-03";

fn month(text: &str) -> Month {
    text.parse().unwrap()
}

async fn owner(hub: &TestHub) -> OwnerConnection {
    archive::connect(hub.database().owner_url()).await.unwrap()
}

/// Every invariant that the tests' server can keep.
async fn holds(hub: &TestHub, when: &str) {
    let pool = hub.database().owner_pool().await;
    let mut archived = 0;
    for verdict in entente_store::check::run(&pool).await.unwrap() {
        assert!(verdict.number == 5 || verdict.holds(), "{when}: {verdict:?}");
        let counted = verdict.checked.iter().filter(|(what, _)| *what == "archived operations");
        archived += counted.map(|(_, count)| count).sum::<i64>();
    }
    assert_eq!(archived == 0, when == "attached", "{when}: {archived} archived operations");
    pool.close().await;
}

/// Pays all that is owed for a window.
async fn settle(operator: &Client, window: &str) {
    for owed in obligations(operator, window).await {
        let due = payment(&owed.end_to_end_id, 0);
        let paid = RecordPaymentRequest { amount: owed.amount, ..due };
        operator.record_payment(paid).await.unwrap();
    }
}

async fn statement(client: &Client, window: &str) -> Result<Vec<Part>, ErrorReason> {
    let request = GetStatementRequest {
        window: window.to_owned(),
        partner: String::new(),
        ..GetStatementRequest::default()
    };
    let mut stream = client.get_statement(request).await.map_err(|error| reason(&error))?;
    let mut parts = Vec::new();
    while let Some(part) = stream.next().await.map_err(|error| reason(&error))? {
        parts.push(part);
    }
    Ok(parts)
}

async fn accounts(operator: &Client) -> Vec<AccountBalance> {
    let request = GetTrialBalanceRequest { window: String::new() };
    operator.get_trial_balance(request).await.unwrap().accounts
}

fn why<T: std::fmt::Debug>(result: Result<T, NotArchived>) -> String {
    match result {
        Err(NotArchived::Refused(why)) => why,
        other => panic!("not refused: {other:?}"),
    }
}

/// March, settled, with a lot of which half is left; then April, settled; and May begins.
async fn with_old_months() -> (TestHub, String, String) {
    let hub = with_the_window_of_e4(Netting::Bilateral).await;
    let (operator, harbor, rover) =
        (hub.operator().await, hub.partner(HARBOR).await, hub.partner(ROVER).await);
    let earned = earn("guest", cents(40_000), "USD");
    let (old_earn, old_burn) = (earned.request_id.clone(), burn("guest", 300));
    harbor.earn(earned).await.unwrap();
    let spent = old_burn.request_id.clone();
    rover.burn(old_burn).await.unwrap();
    let total = named(&elsewhere(&harbor, OLD).await[0]);
    let disputed = harbor.dispute_lines(objection_to(vec![total])).await.unwrap().dispute.unwrap();
    hub.advance_to(at("2026-04-02T08:00:00Z")).await;
    settle(&operator, OLD).await;
    harbor.earn(earn("guest", cents(10_000), "USD")).await.unwrap();
    close(&operator, "2026-04").await;
    let mut connection = owner(&hub).await;
    assert!(archive::detach(&mut connection, month("2026-02")).await.unwrap(), "it is empty");
    let stays = why(archive::detach(&mut connection, month(OLD)).await);
    assert!(stays.contains("window 2026-04 is not settled"), "{stays}");
    hub.advance_to(at("2026-05-10T08:00:00Z")).await;
    settle(&operator, "2026-04").await;
    let stays = why(archive::detach(&mut connection, month(OLD)).await);
    assert!(stays.contains("window 2026-03 has an unanswered dispute"), "{stays}");
    let behind = behind(&disputed.dispute, 0, "");
    assert_eq!(harbor.list_disputed_operations(behind).await.unwrap().operations.len(), 1);
    operator.answer_dispute(answer(&disputed.dispute, "")).await.unwrap();
    (hub, old_earn, spent)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_month_goes_and_comes_back_and_no_balance_notices() {
    let (hub, old_earn, old_burn) = with_old_months().await;
    let (operator, harbor, rover) =
        (hub.operator().await, hub.partner(HARBOR).await, hub.partner(ROVER).await);
    let (told, sums) = (statement(&harbor, OLD).await.unwrap(), accounts(&operator).await);
    let mut connection = owner(&hub).await;
    let not_yet = why(archive::detach(&mut connection, month("2026-05")).await);
    assert!(not_yet.contains("not over"), "{not_yet}");

    assert!(archive::detach(&mut connection, month(OLD)).await.unwrap());
    assert!(!archive::detach(&mut connection, month(OLD)).await.unwrap(), "done is done");
    holds(&hub, "detached").await;
    assert_eq!(accounts(&operator).await, sums);
    what_is_gone_is_refused(&hub, (&old_earn, &old_burn)).await;

    // What remains goes on: an old lot is spent, an old burn refunded, an old earn taken back.
    harbor.earn(earn("guest", cents(5_000), "USD")).await.unwrap();
    rover.burn(burn("guest", 10)).await.unwrap();
    rover.reverse(refund_points(&old_burn, 100)).await.unwrap();
    harbor.reverse(reverse(&old_earn)).await.unwrap();
    let left = has(&harbor, "guest").await;
    hub.advance_to(at("2026-06-01T08:00:00Z")).await;
    close(&operator, "2026-05").await;
    statement(&harbor, "2026-05").await.unwrap();
    holds(&hub, "after more of everything").await;

    let folder = tempfile::tempdir().unwrap();
    let (path, file) = (folder.path(), folder.path().join("transfers_2026_03.csv"));
    assert!(archive::write(&mut connection, month(OLD), path).await.unwrap());
    assert!(!archive::write(&mut connection, month(OLD), path).await.unwrap(), "they are there");
    let rows = std::fs::read(&file).unwrap();
    std::fs::write(&file, [rows.as_slice(), b"1"].concat()).unwrap();
    let tampered = why(archive::drop_tables(&mut connection, month(OLD), path).await);
    assert!(tampered.contains("digest differs"), "{tampered}");
    std::fs::write(&file, &rows).unwrap();
    assert!(archive::drop_tables(&mut connection, month(OLD), path).await.unwrap());
    holds(&hub, "dropped").await;
    let gone = why(archive::attach(&mut connection, month(OLD), Source::Tables).await);
    assert!(gone.contains("from its files"), "{gone}");
    std::fs::write(&file, &rows[..rows.len() / 2]).unwrap();
    archive::attach(&mut connection, month(OLD), Source::Files(path)).await.unwrap_err();
    std::fs::write(&file, &rows).unwrap();
    assert!(archive::attach(&mut connection, month(OLD), Source::Files(path)).await.unwrap());
    assert!(!archive::attach(&mut connection, month(OLD), Source::Files(path)).await.unwrap());
    assert_eq!(statement(&harbor, OLD).await.unwrap(), told, "to the byte");
    assert_eq!(has(&harbor, "guest").await, left);
    holds(&hub, "attached").await;

    assert!(archive::detach(&mut connection, month(OLD)).await.unwrap());
    archive::write(&mut connection, month(OLD), path).await.unwrap();
    assert_eq!(std::fs::read(&file).unwrap(), rows, "the same rows have the same digest");
    let earlier = why(archive::attach(&mut connection, month("2026-02"), Source::Tables).await);
    assert!(earlier.contains("2026-03 was archived after"), "{earlier}");
    let mut connection = comes_back_after_whoever_reads(&hub, connection).await;
    assert_eq!(statement(&harbor, OLD).await.unwrap(), told);
    assert!(archive::detach(&mut connection, month(OLD)).await.unwrap());
    what_was_said_about_it_goes_with_its_member(&hub, &old_earn).await;
    hub.close().await;
}

/// Attaches the detached tables while somebody has a snapshot of the ledger without them.
async fn comes_back_after_whoever_reads(
    hub: &TestHub,
    mut connection: OwnerConnection,
) -> OwnerConnection {
    let pool = hub.database().owner_pool().await;
    let mut snapshot =
        pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await.unwrap();
    let counts =
        "SELECT (SELECT count(*) FROM transfers), (SELECT sum(row_count)::bigint FROM carried)";
    let before: (i64, i64) = sqlx::query_as(counts).fetch_one(&mut *snapshot).await.unwrap();
    assert!(before.1 > 0, "{before:?}");
    let attaching = tokio::spawn(async move {
        assert!(archive::attach(&mut connection, month(OLD), Source::Tables).await.unwrap());
        connection
    });
    let waits =
        "SELECT EXISTS (SELECT FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND NOT granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))";
    while !sqlx::query_scalar::<_, bool>(waits).fetch_one(&pool).await.unwrap() {
        assert!(!attaching.is_finished(), "it waits");
        tokio::task::yield_now().await;
    }
    let after: (i64, i64) = sqlx::query_as(counts).fetch_one(&mut *snapshot).await.unwrap();
    assert_eq!(after, before);
    snapshot.rollback().await.unwrap();
    let connection = attaching.await.unwrap();
    pool.close().await;
    connection
}

/// Earns and burns until it is told to stop, and counts the points that came of it.
async fn call(client: Client, done: Arc<AtomicU64>, stop: watch::Receiver<bool>) -> i64 {
    let mut points = 0;
    while !*stop.borrow() {
        let earned = client.earn(earn("guest", cents(1_000), "USD")).await.unwrap();
        let burned = client.burn(burn("guest", 3)).await.unwrap();
        points += earned.operation.unwrap().points - burned.operation.unwrap().points;
        done.fetch_add(1, Ordering::Relaxed);
    }
    points
}

/// Waits until callers have come further.
async fn called_on(done: &AtomicU64) {
    let before = done.load(Ordering::Relaxed);
    let further = async {
        while done.load(Ordering::Relaxed) < before + 20 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_mins(1), further).await.expect("calls are answered");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_goes_and_comes_back_while_partners_call() {
    let (hub, _, _) = with_old_months().await;
    let harbor = hub.partner(HARBOR).await;
    let (before, _, _) = has(&harbor, "guest").await;
    let (stop, stopped) = watch::channel(false);
    let done = Arc::new(AtomicU64::new(0));
    let mut calling = JoinSet::new();
    for _ in 0..8 {
        calling.spawn(call(harbor.clone(), Arc::clone(&done), stopped.clone()));
    }
    let (mut connection, folder) = (owner(&hub).await, tempfile::tempdir().unwrap());
    let (old, path) = (month(OLD), folder.path());
    for _ in 0..3 {
        called_on(&done).await;
        assert!(archive::detach(&mut connection, old).await.unwrap());
        called_on(&done).await;
        archive::write(&mut connection, old, path).await.unwrap();
        assert!(archive::drop_tables(&mut connection, old, path).await.unwrap());
        called_on(&done).await;
        assert!(archive::attach(&mut connection, old, Source::Files(path)).await.unwrap());
    }
    called_on(&done).await;
    stop.send_replace(true);
    // Every call was answered, and with what it asked for.
    let came: i64 = calling.join_all().await.iter().sum();
    assert_eq!(has(&harbor, "guest").await, (before + came, 0, 0));
    holds(&hub, "attached").await;
    hub.close().await;
}

/// Words of a dispute about a line that is archived are still somebody's.
async fn what_was_said_about_it_goes_with_its_member(hub: &TestHub, old_earn: &str) {
    let pool = hub.database().owner_pool().await;
    let disputed = "WITH made AS (
            INSERT INTO disputes (dispute_id, window_id, partner_id, code, evidence, at, actor,
                answered_at, answered_by, answer, accepted, sealed, sealed_answer)
            SELECT request_id, w.window_id, partner_id, 7, '', closed_at, 'ana', closed_at, 'ops', '',
                   false, '\\x01', '\\x02'
            FROM requests CROSS JOIN windows w WHERE request_id = $1::uuid AND w.name = $2
            RETURNING dispute_id)
        INSERT INTO dispute_lines SELECT dispute_id, 1, dispute_id, 1, 'USD' FROM made";
    sqlx::query(disputed).bind(old_earn).bind(OLD).execute(&pool).await.unwrap();
    erase(&hub.operator().await, "guest").await;
    let left: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM disputes JOIN dispute_lines USING (dispute_id)
         WHERE num_nonnulls(sealed, sealed_answer) > 0",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(left, 0);
    pool.close().await;
    holds(hub, "erased").await;
}

/// Never in part: what cannot be told whole is refused, and what requests keep is told as ever.
async fn what_is_gone_is_refused(hub: &TestHub, (old_earn, old_burn): (&str, &str)) {
    let (harbor, rover) = (hub.partner(HARBOR).await, hub.partner(ROVER).await);
    assert_eq!(statement(&harbor, OLD).await, Err(ErrorReason::Archived));
    for (partner, request_id) in [(&harbor, old_earn), (&rover, old_burn)] {
        let asked = GetOperationRequest { request_id: request_id.to_owned() };
        let found = partner.get_operation(asked).await.unwrap();
        let Some(Outcome::Operation(operation)) = found.outcome else { panic!("no operation") };
        assert_eq!(operation.request_id, request_id);
    }
    let listed = harbor.list_operations(ListOperationsRequest::default()).await.unwrap();
    assert_eq!(listed.archived_before, Some(wire_time(at("2026-04-01T00:00:00Z"))));
    assert!(listed.operations.iter().all(|operation| operation.request_id != old_earn));
    let refused = first_refusal(&harbor, since(at("2026-03-01T00:00:00Z"))).await;
    assert_eq!(refused, ErrorReason::Archived, "events would be missing");
}

async fn first_refusal(client: &Client, request: WatchRequest) -> ErrorReason {
    let refused = async {
        let mut watch = match client.watch(request).await {
            Ok(watch) => watch,
            Err(error) => return reason(&error),
        };
        loop {
            if let Err(error) = watch.next().await {
                return reason(&error);
            }
        }
    };
    timeout(Duration::from_secs(30), refused).await.expect("it is refused")
}
