//! How the hub's own connections look rows up.

use sqlx::{Executor as _, Row as _};

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
