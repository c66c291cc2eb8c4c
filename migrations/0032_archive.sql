-- Old months leave the ledger: what the operations of an archived month carry into balances, where they
-- end in each cell, the windows they fell into, and by what the files that hold them are known.

CREATE TABLE archived_months (
    month       date PRIMARY KEY CHECK (extract(day FROM month) = 1),
    detached_at timestamptz NOT NULL,
    dropped_at  timestamptz
);
COMMENT ON TABLE archived_months IS 'UTC months whose operations are out of the ledger: the earliest ones, without a gap';
COMMENT ON COLUMN archived_months.detached_at IS 'By the ledger''s clock';
COMMENT ON COLUMN archived_months.dropped_at IS 'When the detached tables went, the files alone remaining; null while they are there';

CREATE TABLE archived_tables (
    month      date NOT NULL REFERENCES archived_months ON DELETE CASCADE,
    name       text NOT NULL CHECK (name IN ('operations', 'transfers')),
    row_count  bigint NOT NULL CHECK (row_count >= 0),
    byte_count bigint NOT NULL CHECK (byte_count >= 0),
    sha256     bytea NOT NULL CHECK (length(sha256) = 32),
    PRIMARY KEY (month, name)
);
COMMENT ON TABLE archived_tables IS 'What each file of a month has to be';
COMMENT ON COLUMN archived_tables.sha256 IS 'Of the rows in order of their keys, as COPY writes them in CSV with a header';

CREATE TABLE archived_cells (
    month         date NOT NULL REFERENCES archived_months ON DELETE CASCADE,
    cell          smallint NOT NULL REFERENCES cells,
    first_seq     bigint NOT NULL CHECK (first_seq > 0),
    last_seq      bigint NOT NULL CHECK (last_seq >= first_seq - 1),
    request_count bigint NOT NULL CHECK (request_count >= 0),
    last_time     timestamptz,
    PRIMARY KEY (cell, month),
    CHECK ((last_time IS NULL) = (last_seq = first_seq - 1))
);
COMMENT ON COLUMN archived_cells.last_seq IS 'The next month, or the ledger, goes on with the number after it';
COMMENT ON COLUMN archived_cells.request_count IS 'Requests, which stay, that name an operation of the month';
COMMENT ON COLUMN archived_cells.last_time IS 'Of the last operation; null where there is none';

CREATE TABLE archived_windows (
    month           date NOT NULL REFERENCES archived_months ON DELETE CASCADE,
    window_id       integer NOT NULL REFERENCES windows,
    operation_count bigint NOT NULL CHECK (operation_count > 0),
    PRIMARY KEY (window_id, month)
);
COMMENT ON TABLE archived_windows IS 'The windows that operations of the month fell into: their lines cannot be told';

CREATE TABLE carried (
    month          date NOT NULL REFERENCES archived_months ON DELETE CASCADE,
    cell           smallint NOT NULL,
    window_id      integer NOT NULL,
    kind           smallint NOT NULL,
    debit_kind     smallint NOT NULL,
    debit_partner  integer NOT NULL,
    credit_kind    smallint NOT NULL,
    credit_partner integer NOT NULL,
    in_points      boolean NOT NULL,
    issuer         integer,
    payer          integer NOT NULL,
    payee          integer NOT NULL,
    currency       text NOT NULL,
    price_micros   bigint NOT NULL,
    amount         bigint NOT NULL CHECK (amount > 0),
    row_count      bigint NOT NULL CHECK (row_count > 0),
    UNIQUE NULLS NOT DISTINCT (month, cell, window_id, kind, debit_kind, debit_partner, credit_kind,
                               credit_partner, in_points, issuer, payer, payee, currency, price_micros)
);
COMMENT ON TABLE carried IS 'The transfers of archived months, summed over members and operations: with those that remain they are every balance';
COMMENT ON COLUMN carried.amount IS 'Points, or micros of the currency';
COMMENT ON COLUMN carried.row_count IS 'How many transfers it sums up';

CREATE TABLE carried_lots (
    month     date NOT NULL REFERENCES archived_months ON DELETE CASCADE,
    cell      smallint NOT NULL,
    member_id uuid NOT NULL,
    opened_by bigint NOT NULL,
    ordinal   smallint NOT NULL,
    points    bigint NOT NULL CHECK (points <> 0),
    PRIMARY KEY (month, cell, member_id, opened_by, ordinal)
);
COMMENT ON TABLE carried_lots IS 'What transfers of an archived month moved into lots of wallets, less what they moved out; a lot that came to nothing has no row';

GRANT SELECT ON archived_months, archived_tables, archived_cells, archived_windows, carried,
    carried_lots TO entente_runtime;

-- Every balance is a sum of these.
CREATE VIEW all_transfers AS
    SELECT cell, window_id, kind, debit_kind, debit_partner, credit_kind, credit_partner, in_points,
           issuer, payer, payee, currency, price_micros, amount, 1::bigint AS row_count
    FROM transfers
    UNION ALL
    SELECT cell, window_id, kind, debit_kind, debit_partner, credit_kind, credit_partner, in_points,
           issuer, payer, payee, currency, price_micros, amount, row_count
    FROM carried;
COMMENT ON VIEW all_transfers IS 'Transfers, those of archived months as sums';

-- Where the operations that remain begin: after this number of each cell.
CREATE VIEW archived_ends AS
    SELECT c.cell, COALESCE(max(a.last_seq), 0) AS last_seq, max(a.last_time) AS last_time
    FROM cells c LEFT JOIN archived_cells a USING (cell)
    GROUP BY c.cell;
COMMENT ON VIEW archived_ends IS 'The last archived operation of each cell; 0 where none is archived';
GRANT SELECT ON all_transfers, archived_ends TO entente_runtime;

-- As before, and a month that is archived is not made anew.
CREATE OR REPLACE FUNCTION ensure_month(month timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    first timestamptz := date_trunc('month', month, 'UTC');
    next  timestamptz := date_trunc('month', first + interval '32 days', 'UTC');
    parent text;
    part text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('entente.ensure_month'));
    IF EXISTS (SELECT FROM archived_months a WHERE a.month = (first AT TIME ZONE 'UTC')::date) THEN
        RETURN;
    END IF;
    FOREACH parent IN ARRAY ARRAY['operations', 'transfers'] LOOP
        part := parent || '_' || to_char(first AT TIME ZONE 'UTC', 'YYYY_MM');
        IF to_regclass(part) IS NULL THEN
            EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', part, parent);
            EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                           parent, part, first, next);
            EXECUTE format('REVOKE ALL ON %I FROM PUBLIC', part);
        END IF;
    END LOOP;
END
$$;
