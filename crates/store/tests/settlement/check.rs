//! The check finds nothing on a ledger that is right, and names what somebody tampered with.

use entente_ledger::PartnerId;
use entente_store::{
    catalogue::track_exposure,
    check::{self, Verdict},
    control::Control,
};
use sqlx::{Executor, PgPool};

use crate::cast::{HARBOR, Ledger, ROVER, busy, close_window, currency, uneven};

/// A window that is closed, one that is open, in which a member gives to another, and an exposure
/// that is kept.
async fn ledger() -> Ledger {
    let ledger = Ledger::with(uneven()).await;
    let mut control = Control::begin(&ledger.pool).await.expect("heads");
    let window = control.window().id;
    for partner in 1..=3 {
        let tracked =
            track_exposure(control.connection(), PartnerId(partner), currency("EUR"), window);
        tracked.await.expect("an exposure");
    }
    control.commit().await.expect("a commit");
    busy(&ledger).await;
    close_window(&ledger.pool, "2026-03").await.expect("a close");
    // The gift comes from two lots that differ in nothing but what is left of them.
    let member = ledger.member(7).await;
    ledger.earn(HARBOR, member, 100).await;
    ledger.earn(HARBOR, member, 90).await;
    let friend = ledger.member(8).await;
    let given = ledger.give(HARBOR, (member, friend), 120).await;
    assert_eq!(given.operation.refusal, None);
    let stranger = ledger.known_at(9, &[ROVER]).await;
    ledger.earn(ROVER, stranger, 50).await;
    let merged = ledger.merge(stranger, ledger.known_at(10, &[HARBOR]).await).await;
    assert_eq!(merged.operation.refusal, None);
    ledger
}

/// Every offender but the server of the tests, which does not flush.
pub(crate) fn offenders(verdicts: &[Verdict]) -> Vec<String> {
    let line = |verdict: &Verdict| -> Vec<String> {
        let name = verdict.name;
        verdict.offenders.iter().map(|offender| format!("{name}: {offender}")).collect()
    };
    verdicts.iter().filter(|verdict| verdict.number != 5).flat_map(line).collect()
}

#[tokio::test]
async fn a_ledger_that_nobody_tampered_with_is_clean() {
    let ledger = ledger().await;
    let verdicts = check::run(&ledger.pool).await.expect("a check");
    assert_eq!(offenders(&verdicts), Vec::<String>::new());
    let numbers: Vec<_> = verdicts.iter().map(|verdict| verdict.number).collect();
    assert_eq!(numbers, (1..=10).collect::<Vec<_>>());
    // These are written by control writes and by reconciling: the journeys of them check their ledgers.
    let elsewhere = [
        "reconciliations",
        "breaks",
        "adjustments",
        "blocks of floats",
        "draws from them",
        "conversions",
        "erased members",
        "archived operations",
        "disputes",
    ];
    let empty: Vec<_> = verdicts
        .iter()
        .flat_map(|verdict| &verdict.checked)
        .filter(|(table, row_count)| *row_count == 0 && !elsewhere.contains(table))
        .collect();
    assert!(empty.is_empty(), "nothing was checked of {empty:?}");
}

/// What somebody does to the database, how it is undone, which invariant breaks, and what is said.
type Tampering = (&'static str, &'static str, u8, &'static str);

/// Done twice, it is undone.
const SWAPPED_ORIGINS: &str =
    "UPDATE lots r SET from_opened_by = other.from_opened_by FROM lots other
     WHERE r.origin = 3 AND other.origin = 3 AND r.ordinal <> other.ordinal";

/// The receipts of Harbor's last two earns; done twice, it is undone.
const SWAPPED_RECEIPTS: &str = "CREATE TEMPORARY TABLE swapped AS
         SELECT request_id, receipt FROM requests
         WHERE partner_id = 1 AND receipt IS NOT NULL ORDER BY length(receipt) DESC, receipt DESC
         LIMIT 2;
     UPDATE requests SET receipt = NULL WHERE request_id IN (SELECT request_id FROM swapped);
     UPDATE requests r SET receipt = other.receipt FROM swapped s, swapped other
         WHERE s.request_id = r.request_id AND other.request_id <> s.request_id;
     DROP TABLE swapped";

const TAMPERINGS: &[Tampering] = &[
    (
        "UPDATE wallets SET available = available + 1 WHERE available > 50",
        "UPDATE wallets SET available = available - 1 WHERE available > 50",
        1,
        "wallet of member",
    ),
    (
        "UPDATE lots SET remaining = remaining + 1 WHERE open",
        "UPDATE lots SET remaining = remaining - 1 WHERE open",
        1,
        "lot ",
    ),
    (
        "UPDATE positions SET micros = micros + 1 WHERE kind = 3 AND payee = 2",
        "UPDATE positions SET micros = micros - 1 WHERE kind = 3 AND payee = 2",
        1,
        "position 0 to 2 in USD",
    ),
    (
        "UPDATE exposures SET owed_micros = owed_micros + 1 WHERE partner_id = 1",
        "UPDATE exposures SET owed_micros = owed_micros - 1 WHERE partner_id = 1",
        1,
        "exposure of partner 1 in EUR",
    ),
    (
        "UPDATE wallets SET available = available - 1, held = 1 WHERE held = 0 AND available > 50",
        "UPDATE wallets SET available = available + 1, held = 0 WHERE held = 1",
        2,
        "1 held",
    ),
    (
        "UPDATE hold_legs SET points = points + 1",
        "UPDATE hold_legs SET points = points - 1",
        2,
        "by open holds",
    ),
    (
        "UPDATE gifts_given SET points = points + 1",
        "UPDATE gifts_given SET points = points - 1",
        2,
        "gave in 2026-03 at partner 1",
    ),
    (
        "UPDATE lots SET from_ordinal = 7 WHERE origin = 3",
        "UPDATE lots SET from_ordinal = 0 WHERE origin = 3",
        2,
        "which it came from",
    ),
    (
        "UPDATE lots SET expires_at = expires_at + interval '1 second' WHERE origin = 3",
        "UPDATE lots SET expires_at = expires_at - interval '1 second' WHERE origin = 3",
        2,
        "which it came from",
    ),
    (
        "UPDATE lots SET terms_version = 2 WHERE origin = 3",
        "UPDATE lots SET terms_version = 1 WHERE origin = 3",
        2,
        "which it came from",
    ),
    (
        "UPDATE lots SET funding = 3 - funding WHERE origin = 3",
        "UPDATE lots SET funding = 3 - funding WHERE origin = 3",
        2,
        "which it came from",
    ),
    (
        "UPDATE lots SET currency = 'JPY' WHERE origin = 3",
        "UPDATE lots SET currency = 'EUR' WHERE origin = 3",
        2,
        "which it came from",
    ),
    (SWAPPED_ORIGINS, SWAPPED_ORIGINS, 2, "of partner 1 in cell"),
    (
        "UPDATE transfers SET amount = 120 - amount WHERE kind = 12 AND debit_kind = 6",
        "UPDATE transfers SET amount = 120 - amount WHERE kind = 12 AND debit_kind = 6",
        2,
        ": 100 points left lot",
    ),
    (
        "UPDATE transfers SET issuer = 2 WHERE kind = 12 AND debit_kind = 6",
        "UPDATE transfers SET issuer = 1 WHERE kind = 12 AND debit_kind = 6",
        2,
        "100 points left lot",
    ),
    (
        "UPDATE requests SET receipt = NULL WHERE receipt = 'R-1'",
        "UPDATE requests r SET receipt = 'R-1' FROM operations o
         WHERE o.receipt_reference = 'R-1' AND o.request_id = r.request_id",
        3,
        "does not keep its receipt",
    ),
    (
        "UPDATE requests SET receipt = 'R-1000' WHERE receipt = 'R-1'",
        "UPDATE requests SET receipt = 'R-1' WHERE receipt = 'R-1000'",
        3,
        "did not credit the receipt that it keeps",
    ),
    (SWAPPED_RECEIPTS, SWAPPED_RECEIPTS, 3, "did not credit the receipt that it keeps"),
    (
        "DROP INDEX requests_by_receipt;
         UPDATE requests r SET receipt = 'R-1' FROM operations o
         WHERE o.kind = 2 AND NOT o.refused AND o.partner_id = 2 AND o.request_id = r.request_id",
        "UPDATE requests r SET receipt = NULL FROM operations o
         WHERE o.kind = 2 AND o.request_id = r.request_id;
         CREATE UNIQUE INDEX requests_by_receipt ON requests (partner_id, receipt)
             WHERE receipt IS NOT NULL",
        3,
        "did not credit the receipt that it keeps",
    ),
    (
        "UPDATE operations SET receipt_reference = 'R-1' WHERE receipt_reference = 'R-2'",
        "UPDATE operations SET receipt_reference = 'R-2'
         WHERE receipt_reference = 'R-1' AND partner_id = 2",
        3,
        "did not credit the receipt that it keeps",
    ),
    (
        "UPDATE lots SET merged_from = member_id WHERE origin = 4",
        "UPDATE lots l SET merged_from = f.member_id FROM forwards f WHERE l.origin = 4",
        2,
        "which it came from",
    ),
    (
        "UPDATE wallets w SET available = 9 FROM forwards f WHERE f.member_id = w.member_id",
        "UPDATE wallets w SET available = 0 FROM forwards f WHERE f.member_id = w.member_id",
        2,
        "has 9 available, 0 held, 0 debt, 0 links",
    ),
    (
        "UPDATE operations o SET refused = true WHERE kind = 10 AND NOT EXISTS
             (SELECT FROM requests r WHERE r.cell = o.cell AND r.seq = o.seq)",
        "UPDATE operations SET refused = false WHERE kind = 10",
        3,
        "has 1 legs and leaves 0 points in transit",
    ),
    (
        "UPDATE requests SET seq = seq + 1000 WHERE seq = 2",
        "UPDATE requests SET seq = seq - 1000 WHERE seq > 1000",
        3,
        "operation 2 in cell",
    ),
    (
        "GRANT UPDATE (amount) ON transfers_2026_03 TO entente_runtime",
        "REVOKE UPDATE (amount) ON transfers_2026_03 FROM entente_runtime",
        4,
        "entente_runtime can change transfers_2026_03",
    ),
    (
        "UPDATE operations SET seq = seq + 1000 WHERE seq = 2",
        "UPDATE operations SET seq = seq - 1000 WHERE seq > 1000",
        4,
        "operation 1002 comes after",
    ),
    ("UPDATE cells SET seq = seq + 1", "UPDATE cells SET seq = seq - 1", 4, "its head is at"),
    (
        "UPDATE operations SET window_id = 2 WHERE kind = 2 AND NOT refused",
        "UPDATE operations SET window_id = 1 WHERE kind = 2 AND NOT refused",
        6,
        "its operation in 2",
    ),
    (
        "UPDATE windows SET closed_at = opened_at WHERE window_id = 1;
         UPDATE operations SET posted_at = posted_at + interval '1 second' WHERE seq = 1",
        "UPDATE operations SET posted_at = posted_at - interval '1 second' WHERE seq = 1",
        6,
        "was posted outside of its window 1",
    ),
    (
        "UPDATE totals SET rounded_micros = rounded_micros + 10000 WHERE payer = 1",
        "UPDATE totals SET rounded_micros = rounded_micros - 10000 WHERE payer = 1",
        7,
        "the total of window 1 from 1 to 0 in EUR",
    ),
    (
        "UPDATE obligations SET micros = micros + 10000 WHERE 2 IN (payer, payee)",
        "UPDATE obligations SET micros = micros - 10000 WHERE 2 IN (payer, payee)",
        7,
        "the obligations of window 1",
    ),
    (
        "UPDATE obligations SET paid_micros = 1",
        "UPDATE obligations SET paid_micros = 0",
        7,
        "of its obligations",
    ),
    (
        "UPDATE transfers SET amount = amount + 1 WHERE kind = 9",
        "UPDATE transfers SET amount = amount - 1 WHERE kind = 9",
        7,
        "accounts of partner",
    ),
    (
        "UPDATE transfers SET price_micros = price_micros - 1 WHERE kind = 3 AND in_points",
        "UPDATE transfers SET price_micros = price_micros + 1 WHERE kind = 3 AND in_points",
        8,
        "its points come to",
    ),
    (
        "UPDATE transfers SET amount = amount - 1 WHERE kind = 5",
        "UPDATE transfers SET amount = amount + 1 WHERE kind = 5",
        8,
        "basis points on",
    ),
    (
        "UPDATE lots SET points_earned = points_earned + 1 WHERE points_earned = 411",
        "UPDATE lots SET points_earned = points_earned - 1 WHERE points_earned = 412",
        8,
        "earned 412 points for 411000000 micros",
    ),
    (
        "UPDATE operations SET kind = 12 WHERE receipt_reference = 'R-1' AND kind = 1",
        "UPDATE operations SET kind = 1 WHERE kind = 12",
        8,
        "has origin 1, and an operation of kind 12",
    ),
    (
        "UPDATE operations SET kind = 12 WHERE kind = 10",
        "UPDATE operations SET kind = 10 WHERE kind = 12",
        8,
        "has origin 3, and an operation of kind 12",
    ),
    (
        "INSERT INTO merges VALUES (1, gen_random_uuid(), 2, gen_random_uuid(), gen_random_uuid(),
             gen_random_uuid(), 0, gen_random_uuid(), 0, gen_random_uuid())",
        "DELETE FROM merges",
        2,
        "which was not merged so",
    ),
    (
        "UPDATE links SET cell = (cell + 1) % 8 WHERE partner_id = 1",
        "UPDATE links SET cell = (cell + 7) % 8 WHERE partner_id = 1",
        9,
        "a link of member",
    ),
    (
        "UPDATE links SET link_token = '00000000-0000-4000-8000-000000000001' WHERE partner_id = 3",
        "UPDATE links SET link_token = gen_random_uuid() WHERE partner_id = 3",
        9,
        "a token of partner 3 names",
    ),
    (
        "ALTER TABLE links DROP CONSTRAINT links_sealed_check;
         UPDATE links SET sealed = sealed || sealed || sealed || sealed || sealed || sealed
         WHERE member_id = '00000000-0000-0000-0000-0000abcd0001' AND partner_id = 1",
        "UPDATE links SET sealed = substr(sealed, 1, 92) WHERE length(sealed) > 92",
        10,
        "a reference of partner 1",
    ),
];

async fn execute(owner: &PgPool, statement: &'static str) {
    let done = owner.execute(statement).await;
    done.unwrap_or_else(|error| panic!("{statement}: {error}"));
}

#[tokio::test]
async fn each_tampering_breaks_its_invariant_and_is_named() {
    let ledger = ledger().await;
    let owner = ledger.database.owner_pool().await;
    for (tamper, mend, number, said) in TAMPERINGS {
        execute(&owner, tamper).await;
        let verdicts = check::run(&ledger.pool).await.expect("a check");
        let verdict = verdicts.iter().find(|verdict| verdict.number == *number);
        let offenders = &verdict.expect("a verdict").offenders;
        let named = offenders.iter().any(|offender| offender.contains(said));
        assert!(named, "{tamper}: {said:?} is not in {offenders:#?}");
        execute(&owner, mend).await;
    }
    let verdicts = check::run(&ledger.pool).await.expect("a check");
    assert_eq!(offenders(&verdicts), Vec::<String>::new(), "everything was mended");
}

#[tokio::test]
async fn a_server_that_does_not_flush_is_named() {
    let ledger = ledger().await;
    let owner = ledger.database.owner_pool().await;
    let name = ledger.database.name();
    let statement = format!("ALTER DATABASE {name} SET synchronous_commit = off");
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&owner).await.expect("a setting");
    let fresh = ledger.database.owner_pool().await;
    let verdicts = check::run(&fresh).await.expect("a check");
    let named = "the server's synchronous_commit is off".to_owned();
    assert!(verdicts[4].offenders.contains(&named), "{:?}", verdicts[4]);
    assert!(!verdicts[4].holds());
}

#[tokio::test]
async fn a_hub_that_is_told_not_to_wait_for_the_disk_is_named() {
    let ledger = ledger().await;
    let owner = ledger.database.owner_pool().await;
    let name = ledger.database.name();
    let statement =
        format!("ALTER ROLE entente_runtime IN DATABASE {name} SET synchronous_commit = off");
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&owner).await.expect("a setting");
    let verdicts = check::run(&owner).await.expect("a check");
    let named = "synchronous_commit=off, set for the role of the hub".to_owned();
    assert!(verdicts[4].offenders.contains(&named), "{:?}", verdicts[4]);
}

#[tokio::test]
async fn a_month_that_never_had_a_table_is_no_gap_between_archived_ones() {
    let ledger = ledger().await;
    let owner = ledger.database.owner_pool().await;
    for month in ["2025-07-01", "2025-12-01"] {
        let archived = format!(
            "INSERT INTO archived_months VALUES ('{month}', now());
             INSERT INTO archived_tables
                 SELECT '{month}', name, 0, 0, decode(repeat('00', 32), 'hex')
                 FROM UNNEST(ARRAY['operations', 'transfers']) AS name;
             INSERT INTO archived_cells SELECT '{month}', cell, 1, 0, 0 FROM cells"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(archived)).execute(&owner).await.expect("a month");
    }
    let verdicts = check::run(&ledger.pool).await.expect("a check");
    assert_eq!(offenders(&verdicts), Vec::<String>::new());
}
