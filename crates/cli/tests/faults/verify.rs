//! Compares a ledger with what its callers were told: nothing lost, nothing twice, nothing else.

use anyhow::{Context as _, Result, bail, ensure};
use entente_client::api::member::GetBalanceRequest;
use entente_testkit::cast::PARTNERS;
use sqlx::{PgPool, postgres::PgPoolOptions};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::{
    load::Done,
    replay::{self, Compared},
    stage::{Brands, Stage},
};

/// Ids that are looked up at once.
const IDS: usize = 10_000;

/// Verifies everything that is known of a run; what was sent is replayed, and forgotten.
pub(crate) async fn all(stage: &Stage<'_>, done: &mut Done) -> Result<Compared> {
    balances(&stage.brands().await?, done).await?;
    let pool = pool(&stage.ledger.owner_url).await?;
    outcomes(&pool, done).await?;
    invariants(&pool).await?;
    let replayed = replay::compare(&pool, std::mem::take(&mut done.sent)).await?;
    pool.close().await;
    Ok(replayed)
}

/// A small pool of the owner's.
pub(crate) async fn pool(url: &str) -> Result<PgPool> {
    Ok(PgPoolOptions::new().max_connections(4).connect(url).await?)
}

/// What `entente check` verifies, on a server that is durable.
pub(crate) async fn invariants(pool: &PgPool) -> Result<()> {
    for verdict in entente_store::check::run(pool).await? {
        ensure!(verdict.holds(), "{verdict:?}");
    }
    Ok(())
}

/// Each id that has an outcome is in the ledger once, by that outcome, and no other is.
async fn outcomes(pool: &PgPool, done: &Done) -> Result<()> {
    for (brand, code) in PARTNERS.iter().enumerate() {
        for (ids, refused) in [(&done.posted[brand], false), (&done.refused[brand], true)] {
            for ids in ids.chunks(IDS) {
                let lost = lost(pool, code, ids, refused).await?;
                ensure!(lost.is_empty(), "lost of {code}: {lost:?}");
            }
        }
        let known = done.posted[brand].len() + done.refused[brand].len();
        let kept: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM operations NATURAL JOIN partners WHERE code = $1",
        )
        .bind(code)
        .fetch_one(pool)
        .await?;
        ensure!(i64::try_from(known)? == kept, "{code} knows {known}, the ledger has {kept}");
    }
    let twice: Vec<Uuid> = sqlx::query_scalar(
        "SELECT request_id FROM operations GROUP BY partner_id, request_id
         HAVING count(*) > 1 LIMIT 5",
    )
    .fetch_all(pool)
    .await?;
    ensure!(twice.is_empty(), "applied twice: {twice:?}");
    Ok(())
}

/// One look for each id: joined, all requests would be read for each part of the ids.
async fn lost(pool: &PgPool, code: &str, ids: &[Uuid], refused: bool) -> Result<Vec<Uuid>> {
    let lost = sqlx::query_scalar(
        "SELECT sent.id FROM unnest($2::uuid[]) AS sent (id)
         LEFT JOIN LATERAL (
             SELECT refused FROM requests
             WHERE partner_id = (SELECT partner_id FROM partners WHERE code = $1)
               AND request_id = sent.id OFFSET 0
         ) kept ON true
         WHERE kept.refused IS DISTINCT FROM $3 LIMIT 5",
    );
    Ok(lost.bind(code).bind(ids).bind(refused).fetch_all(pool).await?)
}

/// Every member has what its caller counted.
async fn balances(brands: &Brands, done: &Done) -> Result<()> {
    let mut asking = JoinSet::new();
    for (number, member) in done.members.iter().cloned().enumerate() {
        let client = brands[member.home].clone();
        asking.spawn(async move {
            let member_reference = member.reference.clone();
            let answer = client.get_balance(GetBalanceRequest { member_reference }).await?;
            let found = answer.balances.context("balances")?;
            if found != member.wallet {
                bail!("{} has {found:?} and not {:?}", member.reference, member.wallet);
            }
            anyhow::Ok(())
        });
        // Not all at once.
        if number % 64 == 63 {
            while let Some(asked) = asking.join_next().await {
                asked??;
            }
        }
    }
    while let Some(asked) = asking.join_next().await {
        asked??;
    }
    Ok(())
}
