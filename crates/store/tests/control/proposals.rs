//! Proposals: what the database itself allows nobody.

use entente_ledger::RequestId;
use entente_store::{
    StoreError,
    proposals::{self, Decision, End, NewProposal, Words},
};
use entente_testkit::morning;
use jiff::SignedDuration;
use uuid::Uuid;

use super::Ledger;

fn proposal(id: u128) -> NewProposal {
    NewProposal {
        id: RequestId(Uuid::from_u128(id)),
        kind: 1,
        act: b"an act".to_vec(),
        reason: "agreed".to_owned(),
        sealed: None,
        member: None,
        proposed_by: "amelia".to_owned(),
        proposed_at: morning(),
        expires_at: morning() + SignedDuration::from_hours(1),
    }
}

fn decision(by: &str, end: End) -> Decision {
    Decision { decided_by: by.to_owned(), decided_at: morning(), end }
}

fn sqlstate(error: &StoreError) -> Option<String> {
    let StoreError::Database(error) = error else { return None };
    Some(error.as_database_error()?.code()?.into_owned())
}

#[tokio::test]
async fn the_database_takes_no_approval_by_the_proposer() {
    let ledger = Ledger::fresh().await;
    let new = proposal(1);
    proposals::insert(&ledger.pool, &new).await.expect("a new proposal");
    for (by, end) in [
        ("amelia", End::Applied(Vec::new())),
        ("amelia", End::Refused(Vec::new())),
        ("amelia", End::Rejected(Words::Plain("no".to_owned()))),
        ("benedict", End::Withdrawn(Words::Plain("no".to_owned()))),
    ] {
        let refused = proposals::decide(&ledger.pool, new.id, &decision(by, end.clone())).await;
        let refused = refused.expect_err("a constraint");
        assert_eq!(sqlstate(&refused).as_deref(), Some("23514"), "{by} {end:?}");
    }
    let late =
        Decision { decided_at: new.expires_at, ..decision("benedict", End::Applied(Vec::new())) };
    assert!(proposals::decide(&ledger.pool, new.id, &late).await.is_err(), "it was too late");
}

#[tokio::test]
async fn a_decision_is_final_and_what_was_proposed_never_changes() {
    let ledger = Ledger::fresh().await;
    let new = proposal(2);
    proposals::insert(&ledger.pool, &new).await.expect("a new proposal");
    assert!(matches!(proposals::insert(&ledger.pool, &new).await, Err(StoreError::Claimed)));
    let applied = decision("benedict", End::Applied(b"done".to_vec()));
    proposals::decide(&ledger.pool, new.id, &applied).await.expect("open until now");
    let again = proposals::decide(&ledger.pool, new.id, &applied).await;
    assert!(matches!(again, Err(StoreError::Inconsistent { .. })), "{again:?}");

    let found = proposals::get(&ledger.pool, new.id).await.expect("a read").expect("it is there");
    assert_eq!((found.made, found.decision), (new, Some(applied)));
    for forbidden in [
        "UPDATE proposals SET act = 'x'",
        "UPDATE proposals SET proposed_by = 'benedict'",
        "UPDATE proposals SET expires_at = expires_at + interval '1 year'",
        "DELETE FROM proposals",
    ] {
        let refused = sqlx::raw_sql(forbidden).execute(&ledger.pool).await;
        let refused = refused.expect_err(forbidden);
        let code = refused.as_database_error().and_then(|error| error.code().map(String::from));
        assert_eq!(code.as_deref(), Some("42501"), "{forbidden}");
    }
}
