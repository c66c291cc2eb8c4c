//! The hubs' own keys: published before they sign, in overlap, each hub's own, and never again once
//! they are revoked.

use std::path::Path;

use entente_hub::security::Signer;
use entente_store::security::{load_snapshot, revoke_signing_key};
use entente_testkit::Database;
use jiff::Timestamp;
use sqlx::PgPool;

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

/// A hub whose keys last a day.
fn signer(folder: &Path) -> Signer {
    Signer::new(folder.to_owned(), 1)
}

fn kid(signer: &Signer, now: Timestamp) -> String {
    signer.key(now).expect("a published key").public_key().kid().to_owned()
}

async fn published(pool: &PgPool) -> Vec<String> {
    let keys = load_snapshot(pool).await.expect("a snapshot").signing_keys;
    keys.into_iter().map(|key| key.kid).collect()
}

#[tokio::test]
async fn the_next_key_is_there_before_its_period_and_the_last_one_after() {
    let database = Database::fresh().await;
    let pool = database.runtime_pool().await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let hub = signer(folder.path());
    let (noon, late, next) =
        (at("2100-03-02T12:00:00Z"), at("2100-03-02T23:55:00Z"), at("2100-03-03T00:00:00Z"));
    hub.publish(&pool, noon).await.expect("published");
    let first = kid(&hub, noon);
    assert!(hub.key(next).is_none(), "nobody knows the next one yet");
    hub.publish(&pool, late).await.expect("published");
    let second = kid(&hub, next);
    assert_ne!(first, second);
    assert_eq!(kid(&hub, late), first, "it signs to the end of its period");
    hub.publish(&pool, next).await.expect("published");
    assert_eq!(kid(&hub, next), second);
    let known = published(&pool).await;
    assert!(known.contains(&first) && known.contains(&second), "{known:?}");
    let seeds = std::fs::read_dir(folder.path()).expect("the folder").count();
    assert_eq!(seeds, 1, "the seed of a period that is over is gone");
    pool.close().await;
}

#[tokio::test]
async fn hubs_share_a_key_by_their_folder_alone_and_a_revoked_one_is_made_anew() {
    let database = Database::fresh().await;
    let pool = database.runtime_pool().await;
    let (one, other) = (tempfile::tempdir(), tempfile::tempdir());
    let (one, other) = (one.expect("a temporary folder"), other.expect("a temporary folder"));
    let noon = at("2100-03-02T12:00:00Z");
    let hubs = [signer(one.path()), signer(one.path()), signer(other.path())];
    for hub in &hubs {
        hub.publish(&pool, noon).await.expect("published");
    }
    let kids = hubs.each_ref().map(|hub| kid(hub, noon));
    assert_eq!(kids[0], kids[1]);
    assert_ne!(kids[0], kids[2]);
    let mut connection = pool.acquire().await.expect("a connection");
    assert!(revoke_signing_key(&mut connection, &kids[0]).await.expect("revoked"));
    drop(connection);
    for hub in &hubs {
        hub.publish(&pool, noon).await.expect("published");
    }
    let again = hubs.each_ref().map(|hub| kid(hub, noon));
    assert!(again[0] == again[1] && again[0] != kids[0] && again[2] == kids[2]);
    assert!(!published(&pool).await.contains(&kids[0]));
    pool.close().await;
}
