//! Partners and terms come back as they were written.

use entente_loyalty::{Catalogue, Partner};
use entente_store::{
    StoreError,
    catalogue::{insert_partner, insert_terms, is_suspended, load_catalogue, set_suspended},
    control::Control,
};
use entente_testkit::morning;
use jiff::ToSpan;

use crate::{Ledger, terms};

async fn loaded(ledger: &Ledger) -> Catalogue {
    let mut connection = ledger.pool.acquire().await.expect("a connection");
    load_catalogue(&mut connection).await.expect("a catalogue")
}

#[tokio::test]
async fn terms_come_back_as_they_were_published() {
    let ledger = Ledger::fresh().await;
    let harbor = ledger.partner("harbor-hotels").await;
    let written = terms(harbor, 1);
    let mut control = Control::begin(&ledger.pool).await.expect("heads");
    insert_terms(control.connection(), &written).await.expect("terms");
    control.raise_epoch().await.expect("an epoch");
    control.commit().await.expect("a commit");
    let catalogue = loaded(&ledger).await;
    assert_eq!((catalogue.epoch, catalogue.partners().count()), (2, 1));
    let expected = Partner {
        id: harbor,
        code: "harbor-hotels".parse().expect("a code"),
        display_name: "A brand".to_owned(),
        suspended: false,
        testing: false,
        created_at: morning(),
        terms: vec![written],
    };
    assert_eq!(catalogue.by_code("harbor-hotels"), Some(&expected));
}

#[tokio::test]
async fn a_new_version_ends_the_open_one_where_it_begins() {
    let ledger = Ledger::fresh().await;
    let harbor = ledger.partner("harbor-hotels").await;
    let (first, mut second) = (terms(harbor, 1), terms(harbor, 2));
    second.effective_from = morning() + 10.hours();
    second.agreement.categories.clear();
    second.agreement.net_debit_caps.clear();
    let mut control = Control::begin(&ledger.pool).await.expect("heads");
    insert_terms(control.connection(), &first).await.expect("terms");
    insert_terms(control.connection(), &second).await.expect("terms");
    control.commit().await.expect("a commit");
    let catalogue = loaded(&ledger).await;
    let versions = &catalogue.partner(harbor).expect("a partner").terms;
    assert_eq!(versions[0].effective_to, Some(second.effective_from));
    assert_eq!(versions[1], second);
}

#[tokio::test]
async fn versions_that_overlap_cannot_be_written() {
    let ledger = Ledger::fresh().await;
    let harbor = ledger.partner("harbor-hotels").await;
    let (first, second) = (terms(harbor, 1), terms(harbor, 2));
    let mut control = Control::begin(&ledger.pool).await.expect("heads");
    insert_terms(control.connection(), &first).await.expect("terms");
    let refused = insert_terms(control.connection(), &second).await;
    assert!(matches!(refused, Err(StoreError::Database(_))));
}

#[tokio::test]
async fn a_code_is_taken_once() {
    let ledger = Ledger::fresh().await;
    ledger.partner("harbor-hotels").await;
    let code = "harbor-hotels".parse().expect("a code");
    let again = insert_partner(&ledger.pool, &code, "Another", morning(), false).await;
    assert_eq!(again.expect("no fault"), None);
}

#[tokio::test]
async fn a_suspension_is_seen_and_ended() {
    let ledger = Ledger::fresh().await;
    let harbor = ledger.partner("harbor-hotels").await;
    for suspended in [true, false] {
        set_suspended(&ledger.pool, harbor, suspended).await.expect("an update");
        assert_eq!(is_suspended(&ledger.pool, harbor).await.expect("a read"), suspended);
        let catalogue = loaded(&ledger).await;
        assert_eq!(catalogue.partner(harbor).map(|found| found.suspended), Some(suspended));
    }
}

#[tokio::test]
async fn a_hub_cannot_change_terms_but_for_their_end() {
    let ledger = Ledger::fresh().await;
    for forbidden in [
        "UPDATE terms SET reimbursement_micros = 0",
        "DELETE FROM terms",
        "UPDATE terms_caps SET cap_micros = 0",
        "DELETE FROM terms_rules",
        "DELETE FROM partners",
        "UPDATE links SET cell = 0",
        "DELETE FROM former_links",
        "UPDATE consents SET sealed = ''",
        "UPDATE requests SET refused = true",
    ] {
        let refused = sqlx::query(forbidden).execute(&ledger.pool).await.expect_err(forbidden);
        let code = refused.as_database_error().and_then(|error| error.code().map(String::from));
        assert_eq!(code.as_deref(), Some("42501"), "{forbidden}");
    }
}
