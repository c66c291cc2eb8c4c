-- What settlement looks up: open holds, for what they reserve; transfers of a day, for statements.
-- Transfers arrive in order of time, so that a summary per block range is enough.

CREATE INDEX holds_open ON holds (cell) WHERE open;
CREATE INDEX transfers_by_time ON transfers USING brin (posted_at) WITH (pages_per_range = 16);
