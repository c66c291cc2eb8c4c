-- Floats of prepaid partners: blocks of points bought ahead, each at its own price, what operations drew
-- from them and returned, and how far each partner was told that its float is used up.

ALTER TABLE terms
    ADD COLUMN prepaid boolean NOT NULL DEFAULT false,
    -- Funded at issue: the pool has been paid for the points.
    ADD CHECK (NOT prepaid OR funding = 1);
COMMENT ON COLUMN terms.prepaid IS 'The partner issues what it bought ahead: no issue price is paid';

CREATE TABLE floats (
    partner_id   integer NOT NULL REFERENCES partners,
    currency     text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    level        bigint NOT NULL CHECK (level >= 0),
    told_percent smallint NOT NULL CHECK (told_percent BETWEEN 0 AND 100),
    PRIMARY KEY (partner_id, currency)
) WITH (fillfactor = 50);
COMMENT ON TABLE floats IS 'Of partners that bought a block: whoever draws or returns holds the row locked';
COMMENT ON COLUMN floats.level IS 'What was left after the last purchase, the reserve not counted';
COMMENT ON COLUMN floats.told_percent IS
    'The least share of it that the partner was told is left, since then; 100 for none';

CREATE TABLE float_blocks (
    partner_id   integer NOT NULL,
    currency     text NOT NULL,
    block        integer NOT NULL CHECK (block >= 1),
    request_id   uuid NOT NULL UNIQUE,
    window_id    integer NOT NULL REFERENCES windows,
    bought_at    timestamptz NOT NULL,
    is_reserve   boolean NOT NULL,
    price_micros bigint NOT NULL CHECK (price_micros > 0),
    points       bigint NOT NULL CHECK (points > 0),
    points_left  bigint NOT NULL CHECK (points_left BETWEEN 0 AND points),
    open         boolean NOT NULL,
    PRIMARY KEY (partner_id, currency, block),
    FOREIGN KEY (partner_id, currency) REFERENCES floats,
    CHECK (open = (points_left > 0))
) WITH (fillfactor = 50);
CREATE INDEX float_blocks_open ON float_blocks (partner_id, currency, block) WHERE open;
COMMENT ON TABLE float_blocks IS 'Drawn from in order of their numbers, a reserve after all others';
COMMENT ON COLUMN float_blocks.request_id IS 'Of the approval that bought it; its operation has it too';
COMMENT ON COLUMN float_blocks.price_micros IS 'Of a point: what the pool was owed for it when it was bought';
COMMENT ON COLUMN float_blocks.open IS 'Some points are left';

CREATE TABLE float_draws (
    cell       smallint NOT NULL,
    issue_seq  bigint NOT NULL,
    seq        bigint NOT NULL,
    partner_id integer NOT NULL,
    currency   text NOT NULL,
    block      integer NOT NULL,
    points     bigint NOT NULL CHECK (points <> 0),
    PRIMARY KEY (cell, issue_seq, seq, block),
    FOREIGN KEY (partner_id, currency, block) REFERENCES float_blocks,
    CHECK ((points > 0) = (seq = issue_seq))
);
COMMENT ON TABLE float_draws IS 'What an operation drew from a block; negative: what its reversal returned';
COMMENT ON COLUMN float_draws.issue_seq IS 'The operation of the cell that issued the points';
COMMENT ON COLUMN float_draws.seq IS 'The operation that drew or returned them';

-- The partitions have the same constraints, and follow.
ALTER TABLE transfers DROP CONSTRAINT transfers_kind_check;
ALTER TABLE transfers ADD CONSTRAINT transfers_kind_check CHECK (kind BETWEEN 1 AND 15);
ALTER TABLE positions DROP CONSTRAINT positions_kind_check;
ALTER TABLE positions ADD CONSTRAINT positions_kind_check CHECK (kind BETWEEN 1 AND 15);

ALTER TABLE notices DROP CONSTRAINT notices_kind_check;
ALTER TABLE notices ADD CONSTRAINT notices_kind_check CHECK (kind BETWEEN 1 AND 7);
COMMENT ON COLUMN notices.kind IS
    '1 hold expired, 2 cap threshold, 3 terms in force, 4 window closed, 5 points expiring, 6 points burned elsewhere, 7 float threshold';

GRANT SELECT, INSERT ON floats, float_blocks, float_draws TO entente_runtime;
GRANT UPDATE (level, told_percent) ON floats TO entente_runtime;
GRANT UPDATE (points_left, open) ON float_blocks TO entente_runtime;
