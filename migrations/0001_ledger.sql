-- The ledger itself: what kind it is, its clock, its cells and its windows.

CREATE TABLE ledger (
    singleton  boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    simulation boolean NOT NULL,
    cell_count smallint NOT NULL CHECK (cell_count BETWEEN 1 AND 1024)
);
COMMENT ON TABLE ledger IS 'One row, written when the ledger is created, never changed';
COMMENT ON COLUMN ledger.simulation IS 'Time is moved by AdvanceClock, for ever';
COMMENT ON COLUMN ledger.cell_count IS 'Into how many cells the members are divided';

CREATE TABLE clock (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    now       timestamptz NOT NULL
);
COMMENT ON TABLE clock IS 'The clock of a simulation; empty otherwise';

CREATE TABLE windows (
    window_id integer PRIMARY KEY,
    name      text UNIQUE CHECK (length(name) BETWEEN 1 AND 32),
    opened_at timestamptz NOT NULL,
    closed_at timestamptz CHECK (closed_at >= opened_at),
    CHECK ((name IS NULL) = (closed_at IS NULL))
);
COMMENT ON TABLE windows IS 'Settlement periods; a name is given when one closes';
CREATE UNIQUE INDEX windows_one_open ON windows ((closed_at IS NULL)) WHERE closed_at IS NULL;

CREATE TABLE cells (
    cell            smallint PRIMARY KEY CHECK (cell >= 0),
    seq             bigint NOT NULL DEFAULT 0 CHECK (seq >= 0),
    window_id       integer NOT NULL REFERENCES windows,
    catalogue_epoch bigint NOT NULL DEFAULT 0,
    last_time       timestamptz NOT NULL
) WITH (fillfactor = 20);
COMMENT ON TABLE cells IS 'The heads: whoever changes a member holds the lock on its cell''s row';
COMMENT ON COLUMN cells.seq IS 'The number of the cell''s last operation; numbers have no gaps';
COMMENT ON COLUMN cells.window_id IS 'The open window, read under the lock that closing takes';
COMMENT ON COLUMN cells.catalogue_epoch IS 'Raised by every change of partners and terms';
COMMENT ON COLUMN cells.last_time IS 'The time of the cell''s last batch; time never runs back';
