//! Millions of operations as the hub would have written them, by a few statements: what closing,
//! statements and reconciliations read, in the order in which it would lie. Lots, wallets and the
//! requests of what was accepted are left out, so the invariants of such a ledger are not verified.

use std::path::Path;

use entente_client::api::error::ErrorReason;
use entente_hub::{error::Refused, parse::member_reference, personal::Vault};
use entente_ledger::{MemberId, PartnerId};
use sqlx::{AssertSqlSafe, PgPool};
use uuid::Uuid;

/// Members, each known to all three partners.
const MEMBERS: u32 = 100_000;
/// Cells of the tests' ledgers.
const CELLS: i16 = 8;
/// Harbor's number, and those of the others.
const PARTNERS: [i32; 3] = [1, 2, 3];

/// What makes each operation another: scattered, and the same in each run.
const SCATTERED: &str = "(i * 2654435761 % 4294967296)";

/// The ledger's tables.
pub(super) struct Filling {
    pub(super) pool: PgPool,
    vault: Vault,
}

/// What every partner calls a member.
pub(super) fn reference(member: u32) -> String {
    format!("guest-{member:06}")
}

pub(super) fn member(number: u32) -> MemberId {
    // As random as members' ids are, so that cells are as full as they would be.
    let spread = u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    MemberId(Uuid::from_u128(spread | 1))
}

/// What is planted at an operation of Rover's: of a hundred one each of ten types.
pub(super) const fn plant(operation: i64) -> i64 {
    operation * 2_654_435_761 % 4_294_967_296 / 128 % 100
}

impl Filling {
    pub(super) fn new(pool: PgPool, keys: &Path) -> Self {
        Self { pool, vault: Vault::open(keys).unwrap() }
    }

    /// Fills the open window.
    pub(super) async fn fill(&self, operations: i64) {
        self.links().await;
        self.operations(operations).await;
        for statement in [TRANSFERS, POSITIONS, HEADS] {
            self.run(statement).await;
        }
        self.refusals().await;
        for statement in ["DROP TABLE filled_members", "VACUUM ANALYZE", "CHECKPOINT"] {
            self.run(statement).await;
        }
    }

    async fn run(&self, statement: &str) {
        // Written here, of constants alone.
        let statement = sqlx::raw_sql(AssertSqlSafe(statement.to_owned()));
        statement.execute(&self.pool).await.unwrap();
    }

    async fn links(&self) {
        self.run(
            "CREATE TABLE filled_members (cell smallint, member_id uuid, k bigint, of bigint)",
        )
        .await;
        for partner in PARTNERS {
            for numbers in (0..MEMBERS).collect::<Vec<_>>().chunks(10_000) {
                let lookups: Vec<Vec<u8>> =
                    numbers.iter().map(|number| self.lookup(partner, *number)).collect();
                let members: Vec<Uuid> = numbers.iter().map(|number| member(*number).0).collect();
                let cells: Vec<i16> =
                    numbers.iter().map(|number| member(*number).cell(CELLS).0).collect();
                let insert = "INSERT INTO links (partner_id, lookup, sealed, sealed_for, cell,
                        member_id, link_token, linked_at)
                    SELECT $1, l, decode(repeat('07', 92), 'hex'), m, c, m, gen_random_uuid(),
                        (SELECT now FROM clock)
                    FROM UNNEST($2::bytea[], $3::uuid[], $4::smallint[]) AS n (l, m, c)";
                let insert = sqlx::query(insert).bind(partner).bind(lookups).bind(members);
                insert.bind(cells).execute(&self.pool).await.unwrap();
            }
        }
        self.run(
            "INSERT INTO filled_members
             SELECT cell, member_id, row_number() OVER (PARTITION BY cell ORDER BY member_id) - 1,
                 count(*) OVER (PARTITION BY cell)
             FROM links WHERE partner_id = 1",
        )
        .await;
    }

    fn lookup(&self, partner: i32, number: u32) -> Vec<u8> {
        let reference = member_reference(&reference(number)).unwrap();
        self.vault.lookup(PartnerId(partner), &reference).0.to_vec()
    }

    /// Three earns of four operations, the fourth a burn; 500 have one time, as those of a batch.
    async fn operations(&self, count: i64) {
        let last = count - 1;
        let statement = format!(
            "INSERT INTO operations (cell, seq, posted_at, window_id, partner_id, request_id,
                 member_id, kind, activity_at, terms_version, points, receipt_reference,
                 prior_period, refused)
             SELECT h.cell, h.seq + i / {CELLS} + 1, posted_at, h.window_id, p,
                 overlay(overlay(md5(i::text) PLACING '4' FROM 13) PLACING '8' FROM 17)::uuid,
                 m.member_id, CASE WHEN i / 40 % 4 = 3 THEN 2 ELSE 1 END,
                 CASE WHEN i / 40 % 4 < 3 THEN posted_at END, 1, 1 + i % 5000, 'R-' || i, false,
                 p = 2 AND {SCATTERED} / 128 % 100 IN (6, 8)
             FROM generate_series(0, {last}::bigint) i
             CROSS JOIN LATERAL (
                 SELECT CASE i / {CELLS} % 5 WHEN 3 THEN 2 WHEN 4 THEN 3 ELSE 1 END AS p,
                     (SELECT now FROM clock)
                         + i / 500 * (interval '10 hours' / ({count} / 500 + 1)) AS posted_at
             ) o
             JOIN cells h ON h.cell = i % {CELLS}
             JOIN (SELECT DISTINCT cell, of FROM filled_members) n ON n.cell = h.cell
             JOIN filled_members m ON m.cell = h.cell AND m.k = {SCATTERED} / 8 % n.of
             ORDER BY i"
        );
        self.run(&statement).await;
    }

    /// What the hub answered those that it refused: Rover is told why, and, of some, that they came late.
    async fn refusals(&self) {
        for (planted, reason) in
            [(6, ErrorReason::PartnerSuspended), (8, ErrorReason::ActivityTooOld)]
        {
            let answer = Refused::new(reason, "not done").encoded();
            let insert = "INSERT INTO requests (partner_id, request_id, method, fields, refused,
                    answer, cell, seq, member_id)
                SELECT partner_id, request_id, 1, '', true, $1, cell, seq, member_id
                FROM operations
                WHERE refused AND substring(receipt_reference FROM 3)::bigint * 2654435761
                    % 4294967296 / 128 % 100 = $2";
            let insert = sqlx::query(insert).bind(answer).bind(planted);
            insert.execute(&self.pool).await.unwrap();
        }
    }
}

/// Of an earn, points to the wallet and money to the pool at .0100; of a burn, back at .0070.
const TRANSFERS: &str = "
    INSERT INTO transfers (cell, seq, ordinal, posted_at, window_id, kind, debit_kind,
        debit_partner, credit_kind, credit_partner, member_id, in_points, amount, lot_opened_by,
        lot_ordinal, issuer, payer, payee, currency, price_micros)
    SELECT cell, seq, ordinal, posted_at, window_id, CASE WHEN earn THEN 1 ELSE 3 END,
        CASE WHEN in_points AND earn THEN 2 WHEN in_points THEN 1 WHEN earn THEN 7 ELSE 8 END,
        CASE WHEN earn THEN partner_id ELSE 0 END,
        CASE WHEN in_points AND earn THEN 1 WHEN in_points THEN 3 WHEN earn THEN 8 ELSE 7 END,
        CASE WHEN earn THEN 0 ELSE partner_id END,
        CASE WHEN in_points THEN member_id END, in_points,
        CASE WHEN in_points THEN points WHEN earn THEN points * 10000 ELSE points * 7000 END,
        CASE WHEN in_points THEN seq END, CASE WHEN in_points THEN 0 END,
        CASE WHEN in_points THEN partner_id END, CASE WHEN earn THEN partner_id ELSE 0 END,
        CASE WHEN earn THEN 0 ELSE partner_id END, 'EUR',
        CASE WHEN NOT in_points THEN 0 WHEN earn THEN 10000 ELSE 7000 END
    FROM operations o
    CROSS JOIN LATERAL (SELECT kind = 1 AS earn) e
    CROSS JOIN (VALUES (0, true), (1, false)) t (ordinal, in_points)
    WHERE receipt_reference LIKE 'R-%' AND NOT refused
    ORDER BY posted_at, cell, seq, ordinal";

const POSITIONS: &str = "
    INSERT INTO positions (cell, window_id, currency, payer, payee, kind, points, micros)
    SELECT cell, window_id, currency, payer, payee, kind,
        sum(CASE WHEN in_points THEN amount ELSE 0 END),
        sum(CASE WHEN in_points THEN 0 ELSE amount END)
    FROM transfers GROUP BY cell, window_id, currency, payer, payee, kind";

const HEADS: &str = "
    UPDATE cells SET seq = o.seq, last_time = o.posted_at
    FROM (SELECT cell, max(seq) AS seq, max(posted_at) AS posted_at FROM operations GROUP BY cell) o
    WHERE o.cell = cells.cell";
