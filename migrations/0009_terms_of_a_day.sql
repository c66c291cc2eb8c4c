-- What partners' systems do in a day beyond single purchases: terms of exchanges, claims, gifts and
-- donations; the kinds of operation that come with them; where a lot comes from; and one earn, ever,
-- for each receipt.

ALTER TABLE terms
    ADD COLUMN claim_limit_days integer NOT NULL DEFAULT 0
        CHECK (claim_limit_days BETWEEN 0 AND 3650),
    ADD COLUMN gift_max_points_per_operation bigint CHECK (gift_max_points_per_operation >= 1),
    ADD COLUMN gift_max_points_per_member_month bigint
        CHECK (gift_max_points_per_member_month >= 1),
    ADD COLUMN accepts_donations boolean NOT NULL DEFAULT false,
    ADD CHECK ((gift_max_points_per_operation IS NULL)
               = (gift_max_points_per_member_month IS NULL));
COMMENT ON COLUMN terms.claim_limit_days IS 'How old a claimed purchase may be; 0: no claims';
COMMENT ON COLUMN terms.gift_max_points_per_operation IS 'Null: members give no points here';
COMMENT ON COLUMN terms.gift_max_points_per_member_month IS 'Of a giver, in a UTC month';
COMMENT ON COLUMN terms.accepts_donations IS 'The partner is a charity';

CREATE TABLE terms_exchange (
    partner_id       integer NOT NULL,
    version          integer NOT NULL,
    direction        smallint NOT NULL CHECK (direction IN (1, 2)),
    give             bigint NOT NULL CHECK (give >= 1),
    receive          bigint NOT NULL CHECK (receive >= 1),
    minimum          bigint NOT NULL CHECK (minimum >= 1),
    increment        bigint NOT NULL CHECK (increment >= 1),
    exact_increments boolean NOT NULL,
    bonus_threshold  bigint CHECK (bonus_threshold >= 1),
    bonus_points     bigint CHECK (bonus_points >= 1),
    PRIMARY KEY (partner_id, version, direction),
    FOREIGN KEY (partner_id, version) REFERENCES terms,
    CHECK ((bonus_threshold IS NULL) = (bonus_points IS NULL))
);
COMMENT ON TABLE terms_exchange IS 'So many points received for so many given; a direction without a row is not agreed';
COMMENT ON COLUMN terms_exchange.direction IS
    '1 in: the partner''s own points are given, 2 out: they are received';
COMMENT ON COLUMN terms_exchange.bonus_points IS 'For every full threshold given in one exchange';
GRANT SELECT, INSERT ON terms_exchange TO entente_runtime;

-- The partitions have the same constraints, and follow.
ALTER TABLE operations DROP CONSTRAINT operations_kind_check;
ALTER TABLE operations ADD CONSTRAINT operations_kind_check CHECK (kind BETWEEN 1 AND 12);
ALTER TABLE transfers DROP CONSTRAINT transfers_kind_check;
ALTER TABLE transfers ADD CONSTRAINT transfers_kind_check CHECK (kind BETWEEN 1 AND 12);
ALTER TABLE positions DROP CONSTRAINT positions_kind_check;
ALTER TABLE positions ADD CONSTRAINT positions_kind_check CHECK (kind BETWEEN 1 AND 12);
COMMENT ON COLUMN operations.kind IS
    '1 earn, 2 burn, 3 authorize, 4 capture, 5 void, 6 reverse, 7 expire, 8 adjust, 9 exchange, 10 transfer, 11 donate, 12 announce';

ALTER TABLE lots
    ADD COLUMN origin smallint NOT NULL DEFAULT 1 CHECK (origin BETWEEN 1 AND 3),
    ALTER COLUMN category DROP NOT NULL,
    ALTER COLUMN spend_micros DROP NOT NULL,
    ALTER COLUMN spend_reversed_micros DROP NOT NULL,
    ALTER COLUMN activity_at DROP NOT NULL,
    ALTER COLUMN points_earned DROP NOT NULL,
    ALTER COLUMN points_clawed DROP NOT NULL,
    ADD CHECK (num_nonnulls(category, spend_micros, spend_reversed_micros, activity_at,
                            points_earned, points_clawed)
               = CASE WHEN origin = 1 THEN 6 ELSE 0 END);
COMMENT ON COLUMN lots.category IS 'Of an earned lot, as all that tells of a purchase; else null';
COMMENT ON COLUMN lots.origin IS
    '1 earned, 2 exchanged, 3 received; yearly caps and clawbacks are of earned ones alone';

ALTER TABLE requests ADD COLUMN receipt text CHECK (length(receipt) BETWEEN 1 AND 64);
COMMENT ON COLUMN requests.receipt IS
    'Of an accepted earn: its receipt reference, which credits no other earn of the partner';
-- Where a receipt was credited more than once before, the first earn keeps it.
UPDATE requests r SET receipt = first.receipt_reference
FROM (
    SELECT DISTINCT ON (partner_id, receipt_reference) partner_id, request_id, receipt_reference
    FROM operations
    WHERE kind = 1 AND NOT refused AND receipt_reference <> ''
    ORDER BY partner_id, receipt_reference, posted_at, cell, seq
) first
WHERE r.partner_id = first.partner_id AND r.request_id = first.request_id;
CREATE UNIQUE INDEX requests_by_receipt ON requests (partner_id, receipt)
    WHERE receipt IS NOT NULL;
