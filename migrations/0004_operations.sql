-- What happened: requests with their one outcome, operations, and transfers. Operations and
-- transfers are partitioned by month; no foreign key points at them, so that old months can go.

CREATE TABLE requests (
    partner_id    integer NOT NULL,
    request_id    uuid NOT NULL,
    method        smallint NOT NULL,
    fields        bytea NOT NULL,
    refused       boolean NOT NULL,
    answer        bytea NOT NULL,
    cell          smallint,
    seq           bigint,
    member_id     uuid,
    authorized_by bigint,
    PRIMARY KEY (partner_id, request_id),
    CHECK ((cell IS NULL) = (seq IS NULL))
);
COMMENT ON TABLE requests IS 'One final outcome for ever; 0 is the partner of operators and workers';
COMMENT ON COLUMN requests.fields IS 'The request as sent, less its id';
COMMENT ON COLUMN requests.answer IS 'The first answer, or the status of the final refusal';
COMMENT ON COLUMN requests.authorized_by IS 'Of a capture: the authorization in the cell';

CREATE TABLE operations (
    cell              smallint NOT NULL,
    seq               bigint NOT NULL CHECK (seq > 0),
    posted_at         timestamptz NOT NULL,
    window_id         integer NOT NULL,
    partner_id        integer NOT NULL,
    request_id        uuid NOT NULL,
    member_id         uuid,
    kind              smallint NOT NULL CHECK (kind BETWEEN 1 AND 8),
    activity_at       timestamptz,
    terms_version     integer,
    points            bigint NOT NULL CHECK (points >= 0),
    receipt_reference text NOT NULL CHECK (length(receipt_reference) <= 64),
    prior_period      boolean NOT NULL,
    refused           boolean NOT NULL,
    PRIMARY KEY (cell, seq, posted_at)
) PARTITION BY RANGE (posted_at);
CREATE INDEX operations_by_partner ON operations (partner_id, posted_at, cell, seq);
CREATE INDEX operations_by_member ON operations (cell, member_id, seq);
COMMENT ON COLUMN operations.kind IS
    '1 earn, 2 burn, 3 authorize, 4 capture, 5 void, 6 reverse, 7 expire, 8 adjust';

CREATE TABLE transfers (
    cell           smallint NOT NULL,
    seq            bigint NOT NULL,
    ordinal        smallint NOT NULL,
    posted_at      timestamptz NOT NULL,
    window_id      integer NOT NULL,
    kind           smallint NOT NULL CHECK (kind BETWEEN 1 AND 11),
    debit_kind     smallint NOT NULL CHECK (debit_kind BETWEEN 1 AND 12),
    debit_partner  integer NOT NULL,
    credit_kind    smallint NOT NULL CHECK (credit_kind BETWEEN 1 AND 12),
    credit_partner integer NOT NULL,
    member_id      uuid,
    in_points      boolean NOT NULL,
    amount         bigint NOT NULL CHECK (amount > 0),
    lot_opened_by  bigint,
    lot_ordinal    smallint,
    issuer         integer,
    payer          integer NOT NULL,
    payee          integer NOT NULL,
    currency       text NOT NULL,
    price_micros   bigint NOT NULL CHECK (price_micros >= 0),
    PRIMARY KEY (cell, seq, ordinal, posted_at),
    CHECK ((debit_kind, debit_partner) <> (credit_kind, credit_partner)),
    CHECK (in_points = (debit_kind <= 6) AND in_points = (credit_kind <= 6)),
    CHECK (in_points = (lot_opened_by IS NOT NULL) AND in_points = (issuer IS NOT NULL)
           AND in_points = (lot_ordinal IS NOT NULL))
) PARTITION BY RANGE (posted_at);
COMMENT ON TABLE transfers IS 'Double entry: one debit, one credit, one positive amount, one unit';
COMMENT ON COLUMN transfers.debit_kind IS
    '1 wallet, 2 issued, 3 redeemed, 4 expired, 5 donated, 6 in transit, 7 clearing, 8 pool, 9 fee, 10 rounding, 11 settlement, 12 fx';
COMMENT ON COLUMN transfers.debit_partner IS 'The account''s partner; 0 for the hub and for wallets';
COMMENT ON COLUMN transfers.member_id IS 'The member of the wallet, where one is touched';
COMMENT ON COLUMN transfers.amount IS 'Points, or micros of the currency';
COMMENT ON COLUMN transfers.price_micros IS 'Of points: the price of one, in the currency';

-- Attaching takes a weaker lock than creating a partition in place. The owner's rights are
-- needed, so the function carries them; all it can do is make the months asked for.
CREATE FUNCTION ensure_month(month timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    first timestamptz := date_trunc('month', month, 'UTC');
    next  timestamptz := date_trunc('month', first + interval '32 days', 'UTC');
    parent text;
    part text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('entente.ensure_month'));
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
COMMENT ON FUNCTION ensure_month IS 'Makes the partitions of the UTC month that holds a time';
