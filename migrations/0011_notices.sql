-- Notices: what partners are told beside their own operations. A partner's events are its operations
-- and its notices, both read by time, so the index here is like that of operations.

CREATE TABLE notices (
    cell       smallint NOT NULL,
    seq        bigint NOT NULL CHECK (seq > 0),
    ordinal    smallint NOT NULL CHECK (ordinal >= 0),
    partner_id integer NOT NULL REFERENCES partners CHECK (partner_id > 0),
    posted_at  timestamptz NOT NULL,
    kind       smallint NOT NULL CHECK (kind BETWEEN 1 AND 5),
    body       bytea NOT NULL CHECK (length(body) <= 65536),
    PRIMARY KEY (cell, seq, ordinal)
);
CREATE INDEX notices_by_partner ON notices (partner_id, posted_at, cell, seq);
COMMENT ON TABLE notices IS
    'What partners are told beside their own operations; written with the operation (cell, seq), never changed';
COMMENT ON COLUMN notices.ordinal IS 'Tells the notices of one operation apart';
COMMENT ON COLUMN notices.partner_id IS 'Who is told; the operation may be another''s, or the hub''s';
COMMENT ON COLUMN notices.posted_at IS 'The operation''s';
COMMENT ON COLUMN notices.kind IS
    '1 hold expired, 2 cap threshold, 3 terms in force, 4 window closed, 5 points expiring';
COMMENT ON COLUMN notices.body IS 'The event''s message of that kind, encoded';
GRANT SELECT, INSERT ON notices TO entente_runtime;
