//! What is due happens though nobody calls: holds and lots end, and months are made ahead.

use std::{sync::Arc, time::Duration};

use entente_client::api::partner::{Agreement, Funding};
use entente_testkit::{
    TestHub,
    cast::{self, HARBOR, agreement_in, earn, enrol},
};
use sqlx::PgPool;
use tokio::sync::Semaphore;

use crate::steps::{at, authorize, cents, swept, until};

const MEMBERS: usize = 40;

/// Harbor, whose points live for a month, and members with 100 of them each.
async fn with_members() -> TestHub {
    with_members_for(30).await
}

/// The same, with points that live for so many days.
async fn with_members_for(lot_life_days: i32) -> TestHub {
    let hub = TestHub::start().await;
    let lasting = Agreement { lot_life_days, ..agreement_in("EUR", Funding::AtIssue) };
    cast::onboard(&hub.operator().await, HARBOR, lasting).await;
    let harbor = hub.partner(HARBOR).await;
    // A hub links few members at once, and on a busy machine the others would wait past their deadlines.
    let places = Arc::new(Semaphore::new(16));
    let earning = (0..MEMBERS).map(|n| {
        let (harbor, places) = (harbor.clone(), Arc::clone(&places));
        tokio::spawn(async move {
            let _place = places.acquire().await.unwrap();
            let reference = format!("member-{n}");
            enrol(&harbor, &reference).await;
            harbor.earn(earn(&reference, cents(10_000), "EUR")).await.unwrap();
        })
    });
    for earned in earning.collect::<Vec<_>>() {
        earned.await.unwrap();
    }
    hub
}

/// How many operations ended something by themselves.
async fn ended(pool: &PgPool) -> usize {
    let ended: i64 = sqlx::query_scalar("SELECT count(*) FROM operations WHERE kind = 7")
        .fetch_one(pool)
        .await
        .unwrap();
    usize::try_from(ended).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn holds_and_lots_end_at_their_time_though_nobody_asks() {
    let hub = with_members().await;
    let harbor = hub.partner(HARBOR).await;
    for n in 0..3 {
        harbor.authorize(authorize(&format!("member-{n}"), 40)).await.unwrap();
    }
    let pool = hub.database().owner_pool().await;
    let held = "SELECT COALESCE(sum(held), 0)::bigint FROM wallets";
    hub.advance_to(at("2026-03-05T07:59:59Z")).await;
    assert_eq!(sqlx::query_scalar::<_, i64>(held).fetch_one(&pool).await.unwrap(), 120);
    hub.advance_to(at("2026-03-05T08:00:00Z")).await;
    swept(&hub).await;
    assert_eq!(sqlx::query_scalar::<_, i64>(held).fetch_one(&pool).await.unwrap(), 0);
    assert_eq!(ended(&pool).await, 3);
    hub.advance_to(at("2026-04-01T08:00:00Z")).await;
    swept(&hub).await;
    assert_eq!(ended(&pool).await, 3 + MEMBERS);
    pool.close().await;
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hubs_that_are_cut_off_again_and_again_end_each_lot_once() {
    let hub = with_members().await;
    let other = hub.another().await;
    let pool = hub.database().owner_pool().await;
    hub.advance_to(at("2026-04-01T08:00:00Z")).await;
    for _ in 0..5 {
        // What a crash leaves behind: transactions that end in the middle.
        sqlx::query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND usename = 'entente_runtime'",
        )
        .execute(&pool)
        .await
        .unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    swept(&hub).await;
    assert_eq!(ended(&pool).await, MEMBERS);
    pool.close().await;
    other.drain().await;
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_cannot_be_swept_harms_no_other() {
    let hub = with_members().await;
    let pool = hub.database().owner_pool().await;
    let spoil = "UPDATE lots SET currency = 'euro' WHERE member_id = (SELECT min(member_id::text)::uuid FROM lots)";
    sqlx::query(spoil).execute(&pool).await.unwrap();
    hub.advance_to(at("2026-04-01T08:00:00Z")).await;
    let due = "SELECT count(*) = 1 FROM wallets WHERE next_due_at <= (SELECT now FROM clock)";
    until(&hub, due).await;
    sqlx::query("UPDATE lots SET currency = 'EUR'").execute(&pool).await.unwrap();
    swept(&hub).await;
    assert_eq!(ended(&pool).await, MEMBERS);
    pool.close().await;
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn months_are_made_before_time_gets_there() {
    let hub = with_members().await;
    let pool = hub.database().owner_pool().await;
    // Time passes, as it does where no operator moves it.
    let pass = "UPDATE clock SET now = '2028-02-29T23:59:59Z'";
    sqlx::query(pass).execute(&pool).await.unwrap();
    let made = "SELECT to_regclass('operations_2028_05') IS NOT NULL
                   AND to_regclass('transfers_2028_05') IS NOT NULL";
    until(&hub, made).await;
    let harbor = hub.partner(HARBOR).await;
    harbor.earn(earn("member-1", cents(100), "EUR")).await.unwrap();
    pool.close().await;
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_expires_in_thirty_days_is_announced_once_by_two_hubs() {
    let hub = with_members_for(45).await;
    let other = hub.another().await;
    let pool = hub.database().owner_pool().await;
    let announced = "SELECT count(*) FROM operations WHERE kind = 12 AND member_id IS NOT NULL";
    let announced =
        async || -> i64 { sqlx::query_scalar(announced).fetch_one(&pool).await.unwrap() };
    hub.advance_to(at("2026-03-17T07:59:59Z")).await;
    swept(&hub).await;
    assert_eq!(announced().await, 0);
    hub.advance_to(at("2026-03-17T08:00:00Z")).await;
    swept(&hub).await;
    assert_eq!(announced().await, i64::try_from(MEMBERS).unwrap());
    let told: i64 = sqlx::query_scalar("SELECT count(*) FROM notices WHERE kind = 5")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(told, i64::try_from(MEMBERS).unwrap(), "its issuer is told of each");
    hub.advance_to(at("2026-04-16T08:00:00Z")).await;
    swept(&hub).await;
    assert_eq!(announced().await, i64::try_from(MEMBERS).unwrap(), "once");
    assert_eq!(ended(&pool).await, MEMBERS);
    pool.close().await;
    other.drain().await;
    hub.close().await;
}
