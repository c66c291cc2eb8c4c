-- Adjustments: what two operators move between parties in the open window to correct a closed one.

CREATE TABLE adjustments (
    request_id      uuid PRIMARY KEY,
    window_id       integer NOT NULL REFERENCES windows,
    corrects_window integer NOT NULL REFERENCES windows,
    corrects        uuid,
    payer           integer NOT NULL CHECK (payer >= 0),
    payee           integer NOT NULL CHECK (payee >= 0 AND payee <> payer),
    currency        text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    micros          bigint NOT NULL CHECK (micros > 0),
    reason          text NOT NULL CHECK (length(reason) BETWEEN 1 AND 256),
    at              timestamptz NOT NULL,
    CHECK (window_id > corrects_window)
);
CREATE INDEX adjustments_of_window ON adjustments (corrects_window);
COMMENT ON TABLE adjustments IS 'Each is one operation of the hub, with the request id of its approval';
COMMENT ON COLUMN adjustments.window_id IS 'The window that was open, into which it falls';
COMMENT ON COLUMN adjustments.corrects IS 'The request id of the operation that it corrects, if of one';
COMMENT ON COLUMN adjustments.payer IS 'A partner, or 0 for the hub';

-- The partitions have the same constraints, and follow.
ALTER TABLE transfers DROP CONSTRAINT transfers_kind_check;
ALTER TABLE transfers ADD CONSTRAINT transfers_kind_check CHECK (kind BETWEEN 1 AND 14);
ALTER TABLE positions DROP CONSTRAINT positions_kind_check;
ALTER TABLE positions ADD CONSTRAINT positions_kind_check CHECK (kind BETWEEN 1 AND 14);

GRANT SELECT, INSERT ON adjustments TO entente_runtime;
