-- The sandbox: partners that test, and windows of their own for what they do. Testing windows are
-- numbered downwards from -1, so that each kind follows its own numbers.

ALTER TABLE partners ADD COLUMN testing boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN partners.testing IS 'Its operations live in testing windows and are never settled; for ever';

ALTER TABLE windows ADD COLUMN testing boolean NOT NULL DEFAULT false;
ALTER TABLE windows ADD CHECK (testing = (window_id < 0));
COMMENT ON COLUMN windows.testing IS 'A period of what testing partners do; no obligation comes of it';
DROP INDEX windows_one_open;
CREATE UNIQUE INDEX windows_one_open_each ON windows (testing) WHERE closed_at IS NULL;

-- A ledger that is there already gets its first testing window; a new one is created with it.
INSERT INTO windows (window_id, opened_at, testing)
SELECT -1, min(opened_at), true FROM windows HAVING count(*) > 0;
ALTER TABLE cells ADD COLUMN testing_window_id integer NOT NULL DEFAULT -1 REFERENCES windows;
COMMENT ON COLUMN cells.testing_window_id IS 'The open testing window, as window_id is the open one of all others';
