//! How the hub's own connections look rows up.

use std::{fs, path::Path};

use entente_store::connect_in_order;
use sqlx::{AssertSqlSafe, Executor as _, Row as _, raw_sql};

use crate::Ledger;

/// A generic plan is made once and kept. Made while a table is empty, it would scan the table, and
/// then go on to scan it as it grows.
#[tokio::test]
async fn a_key_is_looked_up_by_its_index_though_the_table_is_empty() {
    let ledger = Ledger::fresh().await;
    let mut connection = ledger.pool.acquire().await.expect("a connection");
    for (index, prepare, explain) in [
        (
            "requests_pkey",
            "PREPARE look_up (integer[], uuid[]) AS
             SELECT r.answer FROM UNNEST($1, $2) AS k (partner_id, request_id)
             JOIN requests r USING (partner_id, request_id)",
            "EXPLAIN EXECUTE look_up('{1}', '{00000000-0000-0000-0000-000000000001}')",
        ),
        (
            "requests_by_receipt",
            "PREPARE credited (integer[], text[]) AS
             SELECT r.request_id FROM UNNEST($1, $2) AS k (partner_id, receipt)
             JOIN requests r USING (partner_id, receipt) WHERE r.receipt IS NOT NULL",
            "EXPLAIN EXECUTE credited('{1}', '{R-1}')",
        ),
    ] {
        connection.execute(prepare).await.expect("a statement");
        let rows = connection.fetch_all(explain).await.expect("a plan");
        let plan: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        let by_index = plan.iter().any(|line| line.contains(&format!("using {index}")));
        assert!(by_index && !plan.concat().contains("Seq Scan"), "{plan:#?}");
    }
}

/// What an operation is named by, its member's link and whom the member was merged into.
#[tokio::test]
async fn the_link_of_a_named_operation_is_looked_up_by_its_member_though_the_table_is_empty() {
    let ledger = Ledger::fresh().await;
    let mut connection = ledger.pool.acquire().await.expect("a connection");
    let prepare =
        format!("PREPARE original AS {}", described("array_agg(into_cell ORDER BY hops)"));
    connection.execute(raw_sql(AssertSqlSafe(prepare))).await.expect("a statement");
    let explain = "EXPLAIN EXECUTE original('{1}', '{00000000-0000-0000-0000-000000000001}')";
    let rows = connection.fetch_all(explain).await.expect("a plan");
    let plan: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    let all = plan.concat();
    assert!(
        all.contains("links_member_id_partner_id_key") && !all.contains("links_pkey"),
        "{plan:#?}"
    );
    assert!(all.contains("using requests_pkey") && !all.contains("Seq Scan"), "{plan:#?}");
}

/// A window of millions is read by the page, whatever is known of its tables.
#[tokio::test]
async fn pages_of_a_window_are_read_in_the_order_of_an_index_though_nothing_is_known_of_it() {
    const TIMES: &str = "'2026-03-01', '2026-03-02'";
    let ledger = Ledger::fresh().await;
    let pool = connect_in_order(ledger.database.runtime_url(), 1).await.expect("connections");
    let mut connection = pool.acquire().await.expect("a connection");
    for (part, arguments) in [
        (
            "receipt_reference, prior_period\n               FROM operations",
            format!("1, 1, {TIMES}, '2026-03-01', 1::smallint, 1, 1000"),
        ),
        ("JOIN links c ON c.came_from", "'{00000000-0000-0000-0000-000000000001}', 1".to_owned()),
        ("WITH RECURSIVE search (cell, low", "'2026-03-01'".to_owned()),
        ("AS stretch (cell, after, until)", format!("'{{1}}', '{{0}}', '{{1}}', {TIMES}, 1, 1")),
        ("AS place (cell, seq)", format!("'{{1}}', '{{1}}', {TIMES}")),
        (
            "page.receipt_reference, r.answer",
            "1, 1, '2026-03-02', '2026-03-01', 1::smallint, 1, 1000".to_owned(),
        ),
        (
            "BETWEEN $3 AND $4\n                 AND NOT t.in_points",
            format!("'{{1}}', '{{1}}', {TIMES}, 1"),
        ),
    ] {
        let prepare = format!("PREPARE page AS {}", described(part));
        connection.execute(raw_sql(AssertSqlSafe(prepare))).await.expect("a statement");
        let explain = format!("EXPLAIN EXECUTE page({arguments})");
        let rows = connection.fetch_all(raw_sql(AssertSqlSafe(explain))).await.expect("a plan");
        let plan: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        for slow in ["Seq Scan", "Sort  ", "Bitmap", "using links_pkey"] {
            // There is a handful of cells, whatever statistics say.
            let is_slow = |line: &String| line.contains(slow) && !line.contains("on cells ");
            assert!(!plan.iter().any(is_slow), "{slow} in {plan:#?}");
        }
        connection.execute("DEALLOCATE page").await.expect("no statement");
    }
}

/// Whatever statistics say: those of tables that were empty when they were gathered let a look through a
/// whole index, once for all keys, seem cheaper than a descent for each.
#[tokio::test]
async fn what_keys_are_given_for_is_looked_up_by_each_key_though_statistics_know_no_rows() {
    let ledger = Ledger::fresh().await;
    ledger.database.owner_pool().await.execute("ANALYZE").await.expect("statistics");
    let mut connection = ledger.pool.acquire().await.expect("a connection");
    let mut wrong = Vec::new();
    // Chains of merged members are followed from row to row, and seldom.
    let by_key = |text: &String| {
        let seldom = text.starts_with("WITH RECURSIVE") || text.contains("former_links");
        text.contains("AS k (") && !seldom
    };
    for statement in statements().filter(by_key) {
        let prepare = format!("PREPARE by_key AS {statement}");
        connection.execute(raw_sql(AssertSqlSafe(prepare))).await.expect("a statement");
        let count = (1..=99).take_while(|n| statement.contains(&format!("${n}"))).count();
        let arguments = vec!["NULL"; count].join(", ");
        let explain = format!("EXPLAIN EXECUTE by_key({arguments})");
        let rows = connection.fetch_all(raw_sql(AssertSqlSafe(explain))).await.expect("a plan");
        let plan: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        let reads = |line: &str| line.contains("Scan using") || line.contains("Seq Scan");
        let whole = |lines: &[String]| reads(&lines[0]) && !lines[1].contains("Index Cond");
        if plan.windows(2).any(whole) {
            wrong.push(format!("{statement}\n{}", plan.join("\n")));
        }
        connection.execute("DEALLOCATE by_key").await.expect("no statement");
    }
    assert!(wrong.is_empty(), "{}: {}", wrong.len(), wrong.join("\n\n"));
}

/// The one statement of the store that has a part.
fn described(part: &str) -> String {
    let mut statements = statements().filter(|statement| statement.contains(part));
    let only = statements.next().expect("a statement with this part");
    assert_eq!(statements.next(), None, "one statement only");
    only
}

/// Every statement of the store.
fn statements() -> impl Iterator<Item = String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.sqlx");
    let files = fs::read_dir(folder).expect("statements").map(|file| file.expect("a file").path());
    let texts = files.map(|file| fs::read_to_string(file).expect("text"));
    let described = texts.map(|text| serde_json::from_str(&text).expect("JSON"));
    described.map(|described: serde_json::Value| {
        described["query"].as_str().expect("a statement").to_owned()
    })
}
