//! Each test has a database of its own, as the hub would find it.

use std::time::Duration;

use entente_testkit::Database;
use sqlx::{Executor, PgPool};

async fn count(pool: &PgPool, statement: &'static str) -> i64 {
    let counted = sqlx::query_scalar(statement).fetch_one(pool).await;
    counted.unwrap_or_else(|error| panic!("{statement}: {error}"))
}

#[tokio::test]
async fn what_one_test_writes_no_other_sees() {
    let (one, other) = (Database::fresh().await, Database::fresh().await);
    assert_ne!(one.name(), other.name());
    let pool = one.owner_pool().await;
    pool.execute("CREATE TABLE mine (word text)").await.expect("a table");
    let tables = "SELECT count(*) FROM pg_tables WHERE tablename = 'mine'";
    assert_eq!(count(&pool, tables).await, 1);
    assert_eq!(count(&other.owner_pool().await, tables).await, 0);
}

#[tokio::test]
async fn a_fresh_database_is_migrated_and_the_runtime_role_only_appends() {
    let database = Database::fresh().await;
    let pool = database.runtime_pool().await;
    assert_eq!(count(&pool, "SELECT count(*) FROM operations").await, 0);
    for statement in [
        "DELETE FROM operations",
        "UPDATE transfers SET amount = 1",
        "TRUNCATE operations",
        "DROP TABLE operations",
    ] {
        assert!(pool.execute(statement).await.is_err(), "{statement}");
    }
}

#[tokio::test]
async fn a_database_ends_with_its_test() {
    let watcher = Database::fresh().await;
    let pool = watcher.owner_pool().await;
    let gone = Database::fresh().await;
    let open = gone.owner_pool().await;
    let name = gone.name().to_owned();
    drop(gone);
    let mut waits = 0..200;
    while exists(&pool, &name).await && waits.next().is_some() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(!waits.is_empty(), "even with connections open");
    open.close().await;
}

async fn exists(pool: &PgPool, name: &str) -> bool {
    let found = sqlx::query("SELECT 1 FROM pg_database WHERE datname = $1").bind(name);
    found.fetch_optional(pool).await.expect("an answer").is_some()
}

async fn one() -> i64 {
    let database = Database::fresh().await;
    count(&database.runtime_pool().await, "SELECT 1::int8").await
}

#[tokio::test]
async fn more_tests_than_there_is_room_for_wait_their_turn() {
    let mut tests = tokio::task::JoinSet::new();
    for _ in 0..20 {
        tests.spawn(one());
    }
    assert_eq!(tests.join_all().await, [1; 20]);
}

#[tokio::test]
async fn a_fresh_ledger_is_a_simulation_unless_asked_otherwise() {
    let kind = async |database: Database| {
        let mut owner = database.owner_pool().await.acquire().await.expect("a connection");
        entente_store::ledger_kind(&mut owner).await.expect("a ledger").simulation
    };
    assert!(kind(Database::fresh().await).await);
    assert!(!kind(Database::fresh_in_real_time().await).await);
    let empty = Database::empty().await;
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(count(&empty.owner_pool().await, tables).await, 0);
}
