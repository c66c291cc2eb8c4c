//! What partners were told: each version of terms once, whatever hubs do, in the window of its kind,
//! and nothing of what an older ledger has behind it.

use std::{fs, path::PathBuf};

use entente_ledger::{Cell, RequestId};
use entente_store::{
    Place,
    catalogue::{insert_terms, mark_announced, to_announce},
    control::Control,
    settlement::{Announcement, announce},
};
use entente_testkit::{Database, morning};
use jiff::ToSpan as _;
use sqlx::{AssertSqlSafe, PgPool};
use uuid::Uuid;

use crate::{Ledger, terms};

#[tokio::test]
async fn a_version_is_announced_when_it_has_begun_and_once() {
    let ledger = Ledger::fresh().await;
    let harbor = ledger.partner("harbor-hotels").await;
    let first = terms(harbor, 1);
    let mut control = Control::begin(&ledger.pool).await.expect("heads");
    insert_terms(control.connection(), &first).await.expect("terms");
    control.commit().await.expect("a commit");
    let due = |now| to_announce(&ledger.pool, now, 10);
    assert_eq!(due(morning() - 1.second()).await.expect("a read"), []);
    let key = (harbor, first.version);
    assert_eq!(due(morning()).await.expect("a read"), [key]);
    mark_announced(&ledger.pool, key).await.expect("a mark");
    assert_eq!(due(morning() + 1.hour()).await.expect("a read"), []);
}

#[tokio::test]
async fn an_announcement_is_once_and_in_the_window_of_its_kind() {
    let ledger = Ledger::fresh().await;
    for (number, testing, window) in [(1, false, 1), (2, true, -1)] {
        let request_id = RequestId(Uuid::from_u128(number));
        let announcement = Announcement { request_id, cell: Cell(3), testing };
        let mut control = Control::begin(&ledger.pool).await.expect("heads");
        let place = announce(&mut control, announcement).await.expect("announced");
        let Some(Place { cell, seq, .. }) = place else { panic!("it was not announced before") };
        assert_eq!(announce(&mut control, announcement).await.expect("a read"), None);
        control.commit().await.expect("a commit");
        let found: i32 =
            sqlx::query_scalar("SELECT window_id FROM operations WHERE cell = $1 AND seq = $2")
                .bind(cell.0)
                .bind(seq.0)
                .fetch_one(&ledger.pool)
                .await
                .expect("the operation");
        assert_eq!(found, window);
    }
}

/// The first migration that remembers what was told.
const TOLD: &str = "0015_told.sql";

/// Terms of a partner that ended, that are in force and cap it, and that begin one day.
const OLD_LEDGER: &str = "
    INSERT INTO partners (partner_id, code, display_name, created_at)
    VALUES (7, 'harbor-hotels', 'A brand', '2020-01-01Z');
    INSERT INTO terms (partner_id, version, effective_from, effective_to, currency, rounding,
        issue_price_micros, reimbursement_micros, point_value_micros, hub_fee_basis_points, funding,
        lot_life_days, hold_life_seconds, late_limit_days)
    SELECT 7, version, began::timestamptz, ended::timestamptz, 'EUR', 1, 1, 1, 1, 0, 1, 365, 60, 7
    FROM (VALUES (1, '2020-01-01Z', '2021-01-01Z'), (2, '2021-01-01Z', '2999-01-01Z'),
                 (3, '2999-01-01Z', NULL)) AS t (version, began, ended);
    INSERT INTO terms_caps (partner_id, version, currency, cap_micros)
    VALUES (7, 1, 'EUR', 850), (7, 2, 'EUR', 1000);
    INSERT INTO exposures (partner_id, currency, owed_micros) VALUES (7, 'EUR', 850)";

/// The versions that are still to be announced after the migration, and what was told of the cap.
async fn upgraded(more: &str) -> (Vec<i32>, i16) {
    let database = Database::empty().await;
    let owner = database.owner_pool().await;
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../migrations");
    let files = fs::read_dir(&folder).expect("the migrations");
    let mut files: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "sql"));
    files.sort();
    for file in files.iter().take_while(|file| !file.ends_with(TOLD)) {
        execute(&owner, &fs::read_to_string(file).expect("a migration")).await;
    }
    execute(&owner, OLD_LEDGER).await;
    execute(&owner, more).await;
    execute(&owner, &fs::read_to_string(folder.join(TOLD)).expect("a migration")).await;
    let left = sqlx::query_scalar("SELECT version FROM terms WHERE NOT announced ORDER BY version");
    let left = left.fetch_all(&owner).await.expect("a read");
    let told = sqlx::query_scalar("SELECT told_percent FROM exposures").fetch_one(&owner).await;
    (left, told.expect("a read"))
}

async fn execute(owner: &PgPool, text: &str) {
    let done = sqlx::raw_sql(AssertSqlSafe(text.to_owned())).execute(owner).await;
    done.unwrap_or_else(|error| panic!("{text}: {error}"));
}

#[tokio::test]
async fn a_ledger_older_than_announcing_tells_nothing_of_its_past() {
    assert_eq!(upgraded("").await, (vec![3], 80));
    // What a newer one announced is found by its operation.
    let announced = "INSERT INTO notices (cell, seq, ordinal, partner_id, posted_at, kind, body)
                     VALUES (0, 1, 0, 7, now(), 3, '')";
    assert_eq!(upgraded(announced).await, (vec![1, 2, 3], 80));
}
