-- Disputed totals: what others' operations moved for a partner on a day, which its statement tells as one sum.
-- While the dispute is open, the partner may read the single operations behind it.

CREATE TABLE dispute_totals (
    dispute_id   uuid NOT NULL REFERENCES disputes,
    ordinal      smallint NOT NULL CHECK (ordinal > 0),
    counterparty integer NOT NULL CHECK (counterparty >= 0),
    day          date NOT NULL,
    kind         smallint NOT NULL CHECK (kind BETWEEN 1 AND 15),
    currency     text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    PRIMARY KEY (dispute_id, ordinal)
);
COMMENT ON TABLE dispute_totals IS
    'The totals that a dispute is about, as the statement names them; an operation of one''s own is a line';
COMMENT ON COLUMN dispute_totals.counterparty IS 'A partner, or 0 for the hub';
COMMENT ON COLUMN dispute_totals.day IS 'The UTC day of posting';

GRANT SELECT, INSERT ON dispute_totals TO entente_runtime;
