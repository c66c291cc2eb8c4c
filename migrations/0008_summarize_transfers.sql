-- The summary of transfers by time is made as each range of blocks fills, not by the next vacuum:
-- until then a range is read in full.

DROP INDEX transfers_by_time;
CREATE INDEX transfers_by_time ON transfers
    USING brin (posted_at) WITH (pages_per_range = 16, autosummarize = on);
