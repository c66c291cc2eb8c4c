//! What calls are authenticated by, as stored: each change raises the epoch, and nothing is told twice.

use entente_store::security::{
    Denied, EventFilter, NewOperator, NewSecurityEvent, SecurityEventKind, SigningKeyRow,
    bootstrap, deny, epoch, find_key, insert_key, keys_of, list_events, live_keys, load_snapshot,
    publish_signing_key, raise_epoch, record_event, revoke_key, revoke_signing_key, see_assertion,
    set_roles,
};
use entente_testkit::{Database, morning};
use jiff::{SignedDuration, Timestamp};

use super::Ledger;

const HARBOR: &str = "partner/harbor-hotels";

fn kid(letter: char) -> String {
    letter.to_string().repeat(43)
}

fn later() -> Timestamp {
    "2100-01-01T00:00:00Z".parse().expect("a time")
}

#[tokio::test]
async fn a_key_is_one_owners_for_ever_and_revoked_for_ever() {
    let ledger = Ledger::fresh().await;
    let mut connection = ledger.pool.acquire().await.expect("a connection");
    let before = epoch(&ledger.pool).await.expect("an epoch");
    let raised = raise_epoch(&mut connection).await.expect("an epoch");
    assert_eq!(raised, before + 1);
    assert!(insert_key(&mut connection, HARBOR, &kid('a'), "{}").await.expect("inserted"));
    for owner in [HARBOR, "partner/rover-rides"] {
        assert!(!insert_key(&mut connection, owner, &kid('a'), "{}").await.expect("answered"));
    }
    let found = find_key(&ledger.pool, HARBOR, &kid('a')).await.expect("answered");
    assert_eq!(found.as_deref(), Some("{}"));
    let others = find_key(&ledger.pool, "partner/rover-rides", &kid('a')).await.expect("answered");
    assert_eq!(others, None);
    assert_eq!(live_keys(&ledger.pool, HARBOR).await.expect("counted"), 1);
    assert!(
        !revoke_key(&mut connection, "partner/rover-rides", &kid('a')).await.expect("answered")
    );
    for _ in 0..2 {
        assert!(revoke_key(&mut connection, HARBOR, &kid('a')).await.expect("revoked"));
    }
    assert_eq!(find_key(&ledger.pool, HARBOR, &kid('a')).await.expect("answered"), None);
    assert_eq!(live_keys(&ledger.pool, HARBOR).await.expect("counted"), 0);
    let keys = keys_of(&ledger.pool, HARBOR).await.expect("listed");
    assert_eq!(keys.len(), 1);
    assert!(keys[0].revoked_at.is_some());
}

#[tokio::test]
async fn a_clock_that_stepped_back_keeps_no_key_in_force() {
    let ledger = Ledger::fresh().await;
    let mut connection = ledger.pool.acquire().await.expect("a connection");
    assert!(insert_key(&mut connection, HARBOR, &kid('b'), "{}").await.expect("inserted"));
    let owner = ledger.database.owner_pool().await;
    sqlx::query("UPDATE keys SET registered_at = registered_at + interval '1 hour'")
        .execute(&owner)
        .await
        .expect("as if the clock had been an hour ahead");
    assert!(revoke_key(&mut connection, HARBOR, &kid('b')).await.expect("revoked"));
    assert_eq!(find_key(&ledger.pool, HARBOR, &kid('b')).await.expect("answered"), None);
}

#[tokio::test]
async fn an_assertion_is_shown_once_by_each_owner() {
    let ledger = Ledger::fresh().await;
    let see = async |owner| {
        see_assertion(&ledger.pool, owner, "0123456789abcdef", morning()).await.expect("answered")
    };
    assert!(see(HARBOR).await);
    assert!(!see(HARBOR).await);
    assert!(see("partner/rover-rides").await);
}

#[tokio::test]
async fn a_snapshot_has_what_is_in_force_and_nothing_revoked() {
    let ledger = Ledger::fresh().await;
    let mut connection = ledger.pool.acquire().await.expect("a connection");
    let key = |letter| SigningKeyRow { kid: kid(letter), jwk: "{}".into(), not_after: later() };
    for expected in [Some(true), Some(false)] {
        let published = publish_signing_key(&mut connection, &key('s')).await.expect("published");
        assert_eq!(published, expected);
    }
    publish_signing_key(&mut connection, &key('t')).await.expect("published");
    assert!(revoke_signing_key(&mut connection, &kid('t')).await.expect("revoked"));
    assert_eq!(publish_signing_key(&mut connection, &key('t')).await.expect("answered"), None);
    insert_key(&mut connection, HARBOR, &kid('a'), "{}").await.expect("inserted");
    insert_key(&mut connection, HARBOR, &kid('b'), "{}").await.expect("inserted");
    revoke_key(&mut connection, HARBOR, &kid('b')).await.expect("revoked");
    set_roles(&mut connection, "amelia", &[1, 3]).await.expect("set");
    let denied = [Denied::Token("0123456789abcdef".into()), Denied::Certificate([7; 32])];
    let mut last = 0;
    for denied in &denied {
        let raised = deny(&mut connection, denied, later()).await.expect("denied");
        assert!(raised > last);
        last = raised;
    }
    let snapshot = load_snapshot(&ledger.pool).await.expect("a snapshot");
    assert_eq!(snapshot.epoch, last);
    assert_eq!(snapshot.keys, [(HARBOR.to_owned(), kid('a'))]);
    assert_eq!(snapshot.signing_keys, [key('s')]);
    assert_eq!(snapshot.operators.len(), 1);
    assert_eq!(snapshot.operators[0].roles, [1, 3]);
    assert_eq!(snapshot.denied.len(), denied.len());
    assert!(denied.iter().all(|denied| snapshot.denied.contains(denied)));
}

#[tokio::test]
async fn the_first_operators_are_made_once() {
    let database = Database::fresh().await;
    let owner = database.owner_pool().await;
    let mut connection = owner.acquire().await.expect("a connection");
    let (a, b) = (kid('a'), kid('b'));
    let operator = |name, kid| NewOperator { name, roles: &[1, 2, 3, 4], kid, jwk: "{}" };
    let first = [operator("ops", a.as_str()), operator("ops-2", b.as_str())];
    let before = load_snapshot(&owner).await.expect("a snapshot").operators.len();
    let made = bootstrap(&mut connection, &first).await.expect("answered");
    assert_eq!(made, before == 0);
    let c = kid('c');
    let again = bootstrap(&mut connection, &[operator("mallory", c.as_str())]).await;
    assert!(!again.expect("answered"));
    let snapshot = load_snapshot(&owner).await.expect("a snapshot");
    assert!(snapshot.operators.iter().all(|operator| operator.name != "mallory"));
    drop(connection);
    owner.close().await;
}

#[tokio::test]
async fn events_are_found_by_kind_by_actor_and_by_time_and_never_changed() {
    let ledger = Ledger::fresh().await;
    for (kind, actor) in [
        (SecurityEventKind::TokenIssued, HARBOR),
        (SecurityEventKind::AssertionRefused, HARBOR),
        (SecurityEventKind::TokenIssued, "operator/ops"),
    ] {
        let event = NewSecurityEvent {
            kind,
            actor,
            certificate: Some(&[7; 32]),
            subject: "",
            details: r#"{"kid":"a"}"#,
        };
        record_event(&ledger.pool, &event).await.expect("recorded");
    }
    let list = async |filter: EventFilter, before| {
        let events = list_events(&ledger.pool, &filter, before, 10).await.expect("listed");
        events.into_iter().map(|event| (event.id, event.kind, event.actor)).collect::<Vec<_>>()
    };
    let all = list(EventFilter::default(), None).await;
    assert_eq!(all.len(), 3);
    assert!(all.is_sorted_by(|a, b| a.0 > b.0), "the latest first");
    let rest = list(EventFilter::default(), Some(all[0].0)).await;
    assert_eq!(rest, all[1..]);
    let issued = EventFilter { kinds: vec![1], ..EventFilter::default() };
    assert_eq!(list(issued, None).await.len(), 2);
    let harbors = EventFilter { actor: Some(HARBOR.to_owned()), ..EventFilter::default() };
    assert_eq!(list(harbors, None).await.len(), 2);
    let since = EventFilter { from: Some(later()), ..EventFilter::default() };
    assert!(list(since, None).await.is_empty());
    let until = later() - SignedDuration::from_hours(1);
    let before = EventFilter { to: Some(until), ..EventFilter::default() };
    assert_eq!(list(before, None).await.len(), 3);
    for statement in ["UPDATE security_events SET actor = 'x'", "DELETE FROM security_events"] {
        let changed = sqlx::raw_sql(statement).execute(&ledger.pool).await;
        let code = changed.expect_err("refused").into_database_error().expect("by the database");
        assert_eq!(code.code().as_deref(), Some("42501"), "{statement}");
    }
}
