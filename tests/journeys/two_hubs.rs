//! Two hubs on one ledger: the heads order them, and neither deadlocks nor doubles.

use entente_client::{
    Client,
    api::{error::ErrorReason, points::BurnRequest},
};
use entente_testkit::{
    TestHub,
    cast::{self, GROCER, HARBOR, ROVER, agreement, attach, balances, burn, earn, enrol, money},
};

const MEMBERS: usize = 24;

/// The cast, each with a cap that is never met, so that every command locks exposures too.
async fn with_caps() -> TestHub {
    let hub = TestHub::start().await;
    let operator = hub.operator().await;
    for partner in cast::PARTNERS {
        let mut capped = agreement(partner);
        capped.net_debit_caps =
            vec![money(1_000_000_000_000, "EUR"), money(1_000_000_000_000, "USD")];
        cast::onboard(&operator, partner, capped).await;
    }
    let harbor = hub.partner(HARBOR).await;
    for n in 0..MEMBERS {
        let member = format!("member-{n}");
        enrol(&harbor, &member).await;
        attach(&operator, HARBOR, &member, ROVER).await;
        attach(&operator, HARBOR, &member, GROCER).await;
    }
    hub
}

#[tokio::test(flavor = "multi_thread")]
async fn overlapping_batches_of_two_hubs_lose_nothing_and_never_deadlock() {
    let hub = with_caps().await;
    let other = hub.another().await;
    let mut clients = Vec::new();
    for address in [hub.partner_address(), other.addresses().partners] {
        for (partner, currency) in [(HARBOR, "EUR"), (ROVER, "USD"), (GROCER, "EUR")] {
            clients.push((hub.partner_at(partner, address).await, currency));
        }
    }
    let calls = (0..MEMBERS * 20).map(|n| {
        let (client, currency) = clients[n % clients.len()].clone();
        let member = format!("member-{}", (n * 7) % MEMBERS);
        tokio::spawn(async move {
            client.earn(earn(&member, 10_000_000, currency)).await.unwrap();
            client.burn(burn(&member, 3)).await.unwrap();
        })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap();
    }
    let mut available = 0;
    for n in 0..MEMBERS {
        available += balances(&clients[0].0, &format!("member-{n}")).await.available;
    }
    assert_eq!(available, i64::try_from(MEMBERS * 20 * 7).unwrap());
    other.drain().await;
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_id_raced_for_two_members_through_two_hubs_has_one_outcome() {
    let hub = with_caps().await;
    let other = hub.another().await;
    let here = hub.partner(HARBOR).await;
    let there = hub.partner_at(HARBOR, other.addresses().partners).await;
    let mut winners = 0;
    for round in 0..20 {
        let first = earn(&format!("member-{}", round % MEMBERS), 5_000_000, "EUR");
        let mut second = first.clone();
        second.member_reference = format!("member-{}", (round + 1) % MEMBERS);
        let (one, two) = tokio::join!(here.earn(first), there.earn(second));
        winners += [&one, &two].iter().filter(|answer| answer.is_ok()).count();
        let loser = one.err().or(two.err()).expect("one of them is refused");
        let refusal = loser.refusal().expect("a refusal");
        assert_eq!(refusal.reason, ErrorReason::RequestIdReused);
        assert_eq!(refusal.metadata["field"], "member_reference");
    }
    assert_eq!(winners, 20);
    other.drain().await;
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn terms_bite_on_every_hub_when_they_are_published() {
    let hub = with_caps().await;
    let other = hub.another().await;
    let there = hub.partner_at(HARBOR, other.addresses().partners).await;
    there.earn(earn("member-0", 10_000_000, "EUR")).await.unwrap();
    let mut generous = agreement(HARBOR);
    generous.categories = vec![cast::category("*", &[(0, 5, 1_000_000)])];
    let now = entente_testkit::morning();
    cast::publish(&hub.operator().await, HARBOR, now, generous).await;
    let operation =
        there.earn(earn("member-0", 10_000_000, "EUR")).await.unwrap().operation.unwrap();
    assert_eq!((operation.points, operation.terms_version), (50, 2));
    other.drain().await;
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_that_hang_up_leave_no_open_transaction_behind() {
    let hub = with_caps().await;
    let harbor = hub.partner(HARBOR).await;
    for n in 0..300_u64 {
        let client: Client = harbor.clone();
        let member = format!("member-{}", n % 24);
        let call = async move { client.earn(earn(&member, 1_000_000, "EUR")).await };
        // Dropped at the end of its time, whatever it was doing.
        let _ = tokio::time::timeout(std::time::Duration::from_micros(n * 40), call).await;
    }
    let request: BurnRequest = burn("member-0", 1);
    harbor.burn(request).await.expect("the pipeline still answers");
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let pool = hub.database().owner_pool().await;
    let open: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM pg_stat_activity
         WHERE datname = current_database() AND state LIKE 'idle in transaction%'
             AND state_change < now() - interval '1 second'",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(open, 0);
    pool.close().await;
    hub.close().await;
}
