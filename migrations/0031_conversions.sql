-- Conversions: what a bank exchanged for the hub's pool, from one currency to another.

CREATE TABLE conversions (
    number           integer PRIMARY KEY CHECK (number >= 1),
    request_id       uuid NOT NULL UNIQUE,
    window_id        integer NOT NULL REFERENCES windows CHECK (window_id > 0),
    sold_currency    text NOT NULL CHECK (sold_currency ~ '^[A-Z]{3}$'),
    sold_micros      bigint NOT NULL CHECK (sold_micros > 0),
    bought_currency  text NOT NULL CHECK (bought_currency ~ '^[A-Z]{3}$'),
    bought_micros    bigint NOT NULL CHECK (bought_micros > 0),
    rate_bought      bigint NOT NULL CHECK (rate_bought > 0),
    rate_sold        bigint NOT NULL CHECK (rate_sold > 0),
    reference_micros bigint NOT NULL CHECK (reference_micros > 0),
    bank_reference   text NOT NULL UNIQUE CHECK (length(bank_reference) BETWEEN 1 AND 64),
    approved_by      text NOT NULL CHECK (length(approved_by) BETWEEN 1 AND 256),
    at               timestamptz NOT NULL,
    CHECK (sold_currency <> bought_currency)
);
COMMENT ON TABLE conversions IS 'Each is one operation of the hub, with the request id of its approval';
COMMENT ON COLUMN conversions.number IS 'From 1 without gaps, in the order of posting';
COMMENT ON COLUMN conversions.window_id IS 'The window that was open, into which it falls';
COMMENT ON COLUMN conversions.rate_bought IS
    'The reference rate: so many units of what is bought for rate_sold of what is sold';
COMMENT ON COLUMN conversions.reference_micros IS 'What the rate makes of what is sold, as booked';
COMMENT ON COLUMN conversions.bank_reference IS 'By what the bank knows it; each is booked once';

-- The partitions have the same constraints, and follow.
ALTER TABLE transfers DROP CONSTRAINT transfers_kind_check;
ALTER TABLE transfers ADD CONSTRAINT transfers_kind_check CHECK (kind BETWEEN 1 AND 19);
ALTER TABLE positions DROP CONSTRAINT positions_kind_check;
ALTER TABLE positions ADD CONSTRAINT positions_kind_check CHECK (kind BETWEEN 1 AND 19);

GRANT SELECT, INSERT ON conversions TO entente_runtime;
