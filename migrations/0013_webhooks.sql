-- Webhooks: where partners that hold no stream are told of their events, how far each has been read,
-- and what is still to be delivered to it. The secret that signs is derived from a key of the hub and
-- is not here.

CREATE TABLE webhooks (
    webhook_id uuid PRIMARY KEY,
    partner_id integer NOT NULL REFERENCES partners CHECK (partner_id > 0),
    url        text NOT NULL CHECK (length(url) BETWEEN 1 AND 2048),
    kinds      integer[] NOT NULL CHECK (cardinality(kinds) <= 64),
    created_at timestamptz NOT NULL,
    cursor     bytea NOT NULL CHECK (length(cursor) <= 65536)
) WITH (fillfactor = 50);
CREATE INDEX webhooks_by_partner ON webhooks (partner_id);
COMMENT ON COLUMN webhooks.kinds IS 'The kinds of events to deliver, by their numbers in the contract; none for all';
COMMENT ON COLUMN webhooks.cursor IS 'Up to where the partner''s events have become deliveries';

CREATE TABLE deliveries (
    webhook_id      uuid NOT NULL REFERENCES webhooks ON DELETE CASCADE,
    event_id        uuid NOT NULL,
    cell            smallint NOT NULL,
    seq             bigint NOT NULL CHECK (seq > 0),
    kind            integer NOT NULL,
    event           bytea NOT NULL CHECK (length(event) <= 1048576),
    since           timestamptz NOT NULL,
    attempts        integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    next_attempt_at timestamptz NOT NULL,
    leased_until    timestamptz,
    state           smallint NOT NULL DEFAULT 1 CHECK (state IN (1, 2)),
    failure         smallint CHECK (failure > 0),
    status          smallint CHECK (status BETWEEN 100 AND 999),
    PRIMARY KEY (webhook_id, event_id),
    CHECK ((attempts = 0) = (failure IS NULL))
) WITH (fillfactor = 70);
CREATE INDEX deliveries_due ON deliveries (webhook_id, next_attempt_at) WHERE state = 1;
CREATE INDEX deliveries_dead ON deliveries (next_attempt_at) WHERE state = 2;
CREATE INDEX deliveries_in_order ON deliveries (webhook_id, cell, seq, event_id);
COMMENT ON TABLE deliveries IS 'What an endpoint has not accepted yet; once accepted, the row goes';
COMMENT ON COLUMN deliveries.event IS 'The event as the contract has it, encoded';
COMMENT ON COLUMN deliveries.since IS 'From when it counts how long it has been tried, by the ledger''s clock';
COMMENT ON COLUMN deliveries.next_attempt_at IS 'By the ledger''s clock; of a dead one, that of its last attempt';
COMMENT ON COLUMN deliveries.leased_until IS 'A hub is at it until then, by the database''s clock';
COMMENT ON COLUMN deliveries.state IS '1 pending, 2 dead';
COMMENT ON COLUMN deliveries.failure IS 'How the last attempt failed, by its number in the contract';
COMMENT ON COLUMN deliveries.status IS 'What the endpoint answered last, where it answered';

GRANT SELECT, INSERT, DELETE ON webhooks TO entente_runtime;
GRANT UPDATE (cursor) ON webhooks TO entente_runtime;
GRANT SELECT, INSERT, UPDATE, DELETE ON deliveries TO entente_runtime;
