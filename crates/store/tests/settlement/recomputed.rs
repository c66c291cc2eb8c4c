//! A statement, which is read by stretches of cells, tells what plain statements over the whole window tell.

use entente_ledger::{AmountKind as K, PartnerId};
use entente_store::settlement::statement::{Movement, Side};
use sqlx::{Executor as _, PgPool};
use uuid::Uuid;

use crate::{
    cast::{GROCER, HARBOR, Ledger, ROVER, close_window, uneven},
    statement::read,
};

/// Operations of the hub and of all partners over weeks, five at a time, some refused and some of another
/// window, with transfers of every kind between anybody, and points of anybody.
const EVERYTHING: &str = "
    UPDATE windows SET closed_at = opened_at + interval '40 days',
        objection_until = opened_at + interval '50 days' WHERE window_id = 1;
    SELECT ensure_month('2026-03-15'), ensure_month('2026-04-15');
    INSERT INTO operations (cell, seq, posted_at, window_id, partner_id, request_id, kind,
        terms_version, points, receipt_reference, prior_period, refused)
    SELECT i % 7, 10 + i / 7, opened_at + i / 5 * interval '1 hour', CASE WHEN i % 13 = 0 THEN 2 ELSE 1 END,
        i * 7 / 3 % 4, md5(i::text)::uuid, 1, 1, 0, 'R-' || i, false, i % 17 = 0
    FROM generate_series(0, 4000) i, windows WHERE window_id = 1;
    INSERT INTO transfers (cell, seq, ordinal, posted_at, window_id, kind, debit_kind, debit_partner,
        credit_kind, credit_partner, member_id, in_points, amount, lot_opened_by, lot_ordinal, issuer,
        payer, payee, currency, price_micros)
    SELECT cell, seq, n, posted_at, window_id, 1 + r % 19,
        CASE WHEN in_points THEN 1 ELSE 8 END, 1, CASE WHEN in_points THEN 2 + r % 5 ELSE 9 END, 2,
        NULL, in_points, 1 + r % 1000, CASE WHEN in_points THEN 1 END,
        CASE WHEN in_points THEN 0 END, CASE WHEN in_points THEN 1 + r / 5 % 3 END, r / 7 % 4,
        r / 11 % 4, CASE WHEN r % 3 = 0 THEN 'USD' ELSE 'EUR' END, r / 13 % 3 * 100
    FROM operations
    CROSS JOIN generate_series(0, 5) n
    CROSS JOIN LATERAL (
        SELECT ('x' || substr(md5(request_id::text || n / 2), 1, 7))::bit(28)::int AS r, n % 2 = 0 AS in_points
    ) random
    WHERE NOT refused AND r % 4 > 0;
    UPDATE cells SET seq = 10000;";

/// What both tell of a transfer's side and counterparty; the partner is $1.
const SIDE: &str = "
    CROSS JOIN LATERAL (
        SELECT CASE WHEN t.payer = t.payee THEN 3 WHEN t.payer = $1 THEN 1 WHEN t.payee = $1 THEN 2
                    ELSE 3 END AS side,
               CASE WHEN t.payer = $1 THEN t.payee WHEN t.payee = $1 THEN t.payer END AS other,
               CASE WHEN t.in_points THEN t.amount ELSE 0 END AS points,
               CASE WHEN NOT t.in_points THEN t.amount
                    WHEN t.payer = $1 AND t.payee = $1 THEN t.amount * t.price_micros ELSE 0 END AS micros
    ) s";

/// What names a line or a day, kind, side, counterparty, currency, points, micros, price.
type Told = (String, K, Side, PartnerId, String, i64, i64, Option<i64>);
type Row = (String, i16, i32, i32, String, i64, i64, Option<i64>);

const KINDS: [K; 19] = [
    K::Issue,
    K::IssueCancelled,
    K::Redemption,
    K::RedemptionRefunded,
    K::Fee,
    K::FeeRefunded,
    K::DebtRepaid,
    K::Expired,
    K::Rounding,
    K::IssueReinstated,
    K::Payment,
    K::Gift,
    K::Merge,
    K::Adjustment,
    K::Prepaid,
    K::CurrencySold,
    K::CurrencyBought,
    K::ConversionLoss,
    K::ConversionGain,
];

async fn recomputed(pool: &PgPool, partner: PartnerId, of: &str) -> Vec<Told> {
    let statement = of.replace("{side}", SIDE);
    let rows = sqlx::query_as::<_, Row>(sqlx::AssertSqlSafe(statement)).bind(partner.0);
    let told = rows.fetch_all(pool).await.expect("rows").into_iter().map(|row| {
        let (name, kind, side, other, currency, points, micros, price) = row;
        let side = match side {
            1 if micros != 0 => Side::Pays,
            2 if micros != 0 => Side::Receives,
            _ => Side::Even,
        };
        let kind = KINDS[usize::try_from(kind).expect("positive") - 1];
        (name, kind, side, PartnerId(other), currency, points, micros, price)
    });
    told.collect()
}

const LINES: &str = "
    SELECT o.request_id::text, t.kind, s.side, COALESCE(s.other, $1), t.currency,
        sum(s.points)::bigint, sum(s.micros)::bigint,
        CASE WHEN min(t.price_micros) FILTER (WHERE t.in_points)
                = max(t.price_micros) FILTER (WHERE t.in_points)
             THEN NULLIF(min(t.price_micros) FILTER (WHERE t.in_points), 0) END
    FROM operations o
    JOIN transfers t USING (cell, seq, posted_at)
    {side}
    WHERE o.partner_id = $1 AND o.window_id = 1 AND NOT o.refused
      AND (t.payer = $1 OR t.payee = $1 OR t.issuer = $1 OR t.credit_kind = 5)
      AND (t.kind <> 12 OR t.payer = $1) AND t.kind <> 13
    GROUP BY o.posted_at, o.cell, o.seq, o.request_id, t.kind, s.side, COALESCE(s.other, $1), t.currency
    ORDER BY o.posted_at, o.cell, o.seq, t.kind, s.side, COALESCE(s.other, $1), t.currency";

const ELSEWHERE: &str = "
    SELECT (t.posted_at AT TIME ZONE 'UTC')::date::text, t.kind, s.side,
        COALESCE(s.other, o.partner_id), t.currency, sum(s.points)::bigint, sum(s.micros)::bigint,
        NULL::bigint
    FROM transfers t
    JOIN operations o USING (cell, seq, posted_at)
    {side}
    WHERE t.window_id = 1 AND (t.payer = $1 OR t.payee = $1 OR t.issuer = $1) AND o.partner_id <> $1
      AND t.kind NOT IN (11, 12, 13)
    GROUP BY 1, COALESCE(s.other, o.partner_id), t.kind, s.side, t.currency
    ORDER BY 1, COALESCE(s.other, o.partner_id), t.kind, s.side, t.currency";

fn told(name: String, movement: &Movement, price: Option<i64>) -> Told {
    let Movement { kind, side, counterparty, currency, points, amount } = *movement;
    (name, kind, side, counterparty, currency.to_string(), points.0, amount.0, price)
}

fn same(found: &[Told], expected: &[Told]) {
    let differs = found.iter().zip(expected).find(|(found, expected)| found != expected);
    assert_eq!((found.len(), differs), (expected.len(), None));
}

#[tokio::test]
async fn lines_and_elsewhere_are_what_plain_statements_over_all_kinds_tell() {
    let ledger = Ledger::with(uneven()).await;
    close_window(&ledger.pool, "2026-03").await.expect("a close");
    let owner = ledger.database.owner_pool().await;
    owner.execute(sqlx::raw_sql(EVERYTHING)).await.expect("a ledger");
    for partner in [HARBOR, ROVER, GROCER] {
        let lines = recomputed(&owner, partner, LINES).await;
        let elsewhere = recomputed(&owner, partner, ELSEWHERE).await;
        assert!(lines.len() > 1_000 && elsewhere.len() > 1_000, "{partner}");
        for page_size in [2_000, 97] {
            let read = read(&ledger, partner, page_size).await;
            let name = |id: Uuid| id.to_string();
            let found = read.lines.iter().map(|line| {
                told(name(line.request_id.0), &line.movement, line.price.map(|price| price.0))
            });
            same(&found.collect::<Vec<_>>(), &lines);
            let found = read.elsewhere.iter();
            let found = found.map(|moved| told(moved.day.to_string(), &moved.movement, None));
            same(&found.collect::<Vec<_>>(), &elsewhere);
        }
    }
}
