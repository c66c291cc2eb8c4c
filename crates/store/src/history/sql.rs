//! The statements. They are of temporary tables, which are not there when others are prepared, so they
//! are checked when they run: by the bench's own test, which verifies the ledger that results.

/// Models, by the partner that issued, and members, by the partner that enrolled them.
pub(super) const OPEN: &[&str] = &[
    "SET work_mem = '64MB'",
    "CREATE TEMP TABLE history_models AS
     SELECT e.partner_id AS home, (o.kind <> 1)::int AS step, e.seq AS opened_by,
            dense_rank() OVER (PARTITION BY e.partner_id ORDER BY e.cell, e.seq) - 1 AS variant, o.*
     FROM operations e JOIN operations o USING (cell, member_id)
     WHERE e.kind = 1 AND NOT e.refused AND e.receipt_reference LIKE 'model-%'",
    "CREATE TEMP TABLE history_transfers AS
     SELECT t.*, m.opened_by FROM transfers t JOIN history_models m USING (cell, seq)",
    "CREATE TEMP TABLE history_requests AS
     SELECT r.* FROM requests r JOIN history_models m USING (cell, seq)",
    "CREATE TEMP TABLE history_lots AS
     SELECT l.*, m.posted_at FROM lots l
     JOIN history_models m ON m.cell = l.cell AND m.seq = l.opened_by",
    "CREATE TEMP TABLE history_variants AS
     SELECT home, max(variant) + 1 AS variants FROM history_models GROUP BY home",
    "CREATE TEMP TABLE history_members AS
     SELECT row_number() OVER (ORDER BY cell, first) - 1 AS number, cell, member_id, home
     FROM (
         SELECT DISTINCT ON (cell, member_id) cell, member_id, partner_id AS home, seq AS first
         FROM operations WHERE kind = 1 AND NOT refused
         ORDER BY cell, member_id, seq
     ) m
     WHERE member_id NOT IN (SELECT member_id FROM history_models)",
    "CREATE UNIQUE INDEX ON history_members (number)",
    "CREATE TEMP TABLE history_pairs (
         place bigint, cell smallint, seq bigint, posted_at timestamptz, window_id integer,
         member_id uuid, request_id uuid, receipt text, step integer, opened_by bigint,
         model_cell smallint, model_seq bigint)",
    "ANALYZE history_models, history_transfers, history_requests, history_lots, history_variants,
         history_members",
];

pub(super) const COUNT: &str = "
    SELECT (SELECT count(*) FROM history_models), (SELECT count(*) FROM history_members)";

/// As whoever posts does.
pub(super) const LOCK: &str = "SELECT FROM cells ORDER BY cell FOR UPDATE";

/// `$2` pairs from the number `$1` on, each of a member as if drawn by lot, and the same in each run:
/// 250 earns have one time, as those of a batch, and then their 250 burns. Numbers go on from the heads.
pub(super) const PLACE: &str = "
    INSERT INTO history_pairs
    SELECT place, cell, seq, posted_at, window_id, member_id, gen_random_uuid(), receipt, step,
           first_value(seq) OVER (PARTITION BY pair ORDER BY step), model_cell, model_seq
    FROM (
        SELECT p.pair, p.step, row_number() OVER by_time AS place, c.cell, c.window_id, m.member_id,
               c.seq + row_number() OVER in_cell AS seq,
               now.since + (now.until - now.since) * ((p.batch + 1) / now.batches) AS posted_at,
               'history-' || p.pair AS receipt, o.cell AS model_cell, o.seq AS model_seq
        FROM (
            SELECT $1 + i AS pair, step, i / 250 * 2 + step AS batch,
                   ($1 + i) * 2654435761 % 4294967296 AS lot
            FROM generate_series(0, $2 - 1) i CROSS JOIN generate_series(0, 1) step
        ) p
        CROSS JOIN (
            SELECT since, greatest(since, clock_timestamp()) AS until,
                   (($2 - 1) / 250 + 1) * 2::float8 AS batches
            FROM (SELECT greatest((SELECT max(last_time) FROM cells),
                                  (SELECT max(opened_at) FROM windows)) AS since) s
        ) now
        JOIN history_members m ON m.number = p.lot % (SELECT count(*) FROM history_members)
        JOIN history_variants v USING (home)
        JOIN history_models o ON o.home = m.home AND o.variant = p.lot / 65536 % v.variants
                             AND o.step = p.step
        JOIN cells c ON c.cell = m.cell
        WINDOW by_time AS (ORDER BY p.batch, m.cell, p.pair),
               in_cell AS (PARTITION BY m.cell ORDER BY p.batch, p.pair)
    ) placed";

/// What a batch writes, and the heads.
pub(super) const COPY: &[&str] = &[
    "ANALYZE history_pairs",
    "INSERT INTO requests (partner_id, request_id, method, fields, refused, answer, cell, seq,
         member_id, authorized_by, receipt)
     SELECT r.partner_id, p.request_id, r.method, r.fields, r.refused, r.answer, p.cell, p.seq,
            p.member_id, NULL, CASE WHEN r.receipt IS NOT NULL THEN p.receipt END
     FROM history_pairs p JOIN history_requests r ON r.cell = model_cell AND r.seq = model_seq
     ORDER BY p.place",
    "INSERT INTO operations (cell, seq, posted_at, window_id, partner_id, request_id, member_id,
         kind, activity_at, terms_version, points, receipt_reference, prior_period, refused)
     SELECT p.cell, p.seq, p.posted_at, p.window_id, o.partner_id, p.request_id, p.member_id, o.kind,
            o.activity_at - o.posted_at + p.posted_at, o.terms_version, o.points,
            CASE o.receipt_reference WHEN '' THEN '' ELSE p.receipt END, o.prior_period, o.refused
     FROM history_pairs p JOIN history_models o ON o.cell = model_cell AND o.seq = model_seq
     ORDER BY p.place",
    "INSERT INTO transfers (cell, seq, ordinal, posted_at, window_id, kind, debit_kind,
         debit_partner, credit_kind, credit_partner, member_id, in_points, amount, lot_opened_by,
         lot_ordinal, issuer, payer, payee, currency, price_micros)
     SELECT p.cell, p.seq, t.ordinal, p.posted_at, p.window_id, t.kind, t.debit_kind,
            t.debit_partner, t.credit_kind, t.credit_partner,
            CASE WHEN t.member_id IS NOT NULL THEN p.member_id END, t.in_points, t.amount,
            CASE WHEN t.lot_opened_by IS NOT NULL THEN p.opened_by END, t.lot_ordinal, t.issuer,
            t.payer, t.payee, t.currency, t.price_micros
     FROM history_pairs p JOIN history_transfers t ON t.cell = model_cell AND t.seq = model_seq
     ORDER BY p.place, t.ordinal",
    "INSERT INTO lots (cell, member_id, opened_by, ordinal, issuer, funding, terms_version, currency,
         expires_at, remaining, held, expired, open, category, spend_micros, spend_reversed_micros,
         activity_at, points_earned, points_clawed, origin, announced)
     SELECT p.cell, p.member_id, p.seq, l.ordinal, l.issuer, l.funding, l.terms_version, l.currency,
            l.expires_at - l.posted_at + p.posted_at, l.remaining, l.held, l.expired, l.open,
            l.category, l.spend_micros, l.spend_reversed_micros,
            l.activity_at - l.posted_at + p.posted_at, l.points_earned, l.points_clawed, l.origin,
            l.announced
     FROM history_pairs p JOIN history_lots l ON l.cell = model_cell AND l.opened_by = model_seq
     ORDER BY p.place",
    "INSERT INTO positions (cell, window_id, currency, payer, payee, kind, points, micros)
     SELECT p.cell, p.window_id, t.currency, t.payer, t.payee, t.kind,
            sum(CASE WHEN t.in_points THEN t.amount ELSE 0 END),
            sum(CASE WHEN NOT t.in_points THEN t.amount
                     WHEN t.payer = t.payee AND t.payer <> 0 THEN t.amount * t.price_micros
                     ELSE 0 END)
     FROM history_pairs p JOIN history_transfers t ON t.cell = model_cell AND t.seq = model_seq
     GROUP BY p.cell, p.window_id, t.currency, t.payer, t.payee, t.kind
     ON CONFLICT (cell, window_id, currency, payer, payee, kind) DO UPDATE
     SET points = positions.points + EXCLUDED.points, micros = positions.micros + EXCLUDED.micros",
    "UPDATE cells SET seq = p.seq, last_time = p.posted_at
     FROM (SELECT cell, max(seq) AS seq, max(posted_at) AS posted_at FROM history_pairs
           GROUP BY cell) p
     WHERE p.cell = cells.cell",
];

pub(super) const WRITTEN: &str = "
    SELECT count(*), COALESCE(sum(CASE step WHEN 0 THEN o.points END), 0)::bigint,
           COALESCE(sum(CASE step WHEN 1 THEN o.points END), 0)::bigint
    FROM history_pairs JOIN history_models o USING (step)
    WHERE o.cell = model_cell AND o.seq = model_seq";

pub(super) const SETTLE: &[&str] = &["VACUUM (ANALYZE)", "CHECKPOINT"];

pub(super) const BYTES: &str = "SELECT pg_database_size(current_database())";
