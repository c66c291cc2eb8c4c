-- Reconciliation: what partners' own records of closed windows were found to differ in, and what became
-- of each difference.

CREATE TABLE reconciliations (
    reconciliation_id  uuid PRIMARY KEY,
    entry              bigint GENERATED ALWAYS AS IDENTITY,
    partner_id         integer NOT NULL REFERENCES partners,
    window_id          integer NOT NULL REFERENCES windows,
    file_sha256        bytea NOT NULL CHECK (length(file_sha256) = 32),
    file_name          text NOT NULL CHECK (length(file_name) BETWEEN 1 AND 255),
    reading            text NOT NULL CHECK (length(reading) <= 1000),
    made_by            text NOT NULL CHECK (length(made_by) BETWEEN 1 AND 64),
    made_at            timestamptz NOT NULL,
    with_money         boolean NOT NULL,
    hub_count          bigint NOT NULL CHECK (hub_count >= 0),
    hub_points         bigint NOT NULL,
    file_count         bigint NOT NULL CHECK (file_count >= 0),
    file_points        bigint NOT NULL,
    unreadable_count   bigint NOT NULL CHECK (unreadable_count >= 0),
    stated_count       bigint CHECK (stated_count >= 0),
    stated_points      bigint,
    break_count        integer NOT NULL CHECK (break_count >= 0),
    CHECK ((stated_count IS NULL) = (stated_points IS NULL))
);
CREATE INDEX reconciliations_of ON reconciliations (partner_id, window_id, made_at, entry);
CREATE INDEX reconciliations_in_order ON reconciliations (made_at, entry);
COMMENT ON COLUMN reconciliations.reconciliation_id IS
    'Made of partner, window, file and how it was read: the same record has the same';
COMMENT ON COLUMN reconciliations.entry IS 'Of two that were made at one time, the later has the greater';
COMMENT ON COLUMN reconciliations.reading IS 'How the caller read the file, such as its columns';
COMMENT ON COLUMN reconciliations.made_by IS 'partner/CODE or operator/NAME';
COMMENT ON COLUMN reconciliations.hub_points IS
    'Positive when members got more than was taken; money is positive when the partner pays';
COMMENT ON COLUMN reconciliations.unreadable_count IS 'Rows that are in no sum';
COMMENT ON COLUMN reconciliations.stated_count IS 'What the partner itself says that its record comes to';

CREATE TABLE reconciliation_money (
    reconciliation_id uuid NOT NULL REFERENCES reconciliations,
    currency          text NOT NULL,
    hub_micros        bigint NOT NULL,
    file_micros       bigint NOT NULL,
    stated_micros     bigint,
    PRIMARY KEY (reconciliation_id, currency)
);
COMMENT ON TABLE reconciliation_money IS 'Control totals of money; a currency that is nowhere has no row';

CREATE TABLE reconciliation_rows (
    reconciliation_id uuid NOT NULL REFERENCES reconciliations,
    line_row          bigint NOT NULL,
    reason            text NOT NULL CHECK (length(reason) BETWEEN 1 AND 200),
    PRIMARY KEY (reconciliation_id, line_row)
);
COMMENT ON TABLE reconciliation_rows IS 'Rows of the file that could not be read: the first thousand';

CREATE TABLE breaks (
    reconciliation_id uuid NOT NULL REFERENCES reconciliations,
    number            integer NOT NULL CHECK (number > 0),
    kind              smallint NOT NULL CHECK (kind BETWEEN 1 AND 10),
    points            bigint NOT NULL,
    currency          text,
    micros            bigint,
    other_currency    text,
    other_micros      bigint,
    since             timestamptz NOT NULL,
    sides             bytea NOT NULL,
    state             smallint NOT NULL DEFAULT 1 CHECK (state BETWEEN 1 AND 6),
    owner             text CHECK (length(owner) BETWEEN 1 AND 64),
    changed_at        timestamptz,
    PRIMARY KEY (reconciliation_id, number),
    CHECK ((currency IS NULL) = (micros IS NULL)),
    CHECK ((other_currency IS NULL) = (other_micros IS NULL)),
    CHECK (currency IS NOT NULL OR other_currency IS NULL),
    CHECK (currency <> other_currency),
    CHECK ((state = 1) = (changed_at IS NULL))
) WITH (fillfactor = 90);
COMMENT ON TABLE breaks IS 'What differs: the hub''s amounts less the partner''s; they add up to the difference';
COMMENT ON COLUMN breaks.kind IS
    '1 missing at hub, 2 missing at partner, 3 amount, 4 rate, 5 timing, 6 duplicate in file, 7 status, 8 member, 9 late rejected, 10 currency';
COMMENT ON COLUMN breaks.since IS 'When what it is about happened, as far as known';
COMMENT ON COLUMN breaks.sides IS 'Both sides as the contract has them, encoded; no member is named';
COMMENT ON COLUMN breaks.state IS
    '1 open, 2 assigned, 3 agreed, 4 rejected, 5 adjusted, 6 written off: by its last step';

CREATE TABLE break_steps (
    reconciliation_id uuid NOT NULL,
    number            integer NOT NULL,
    step              smallint NOT NULL CHECK (step > 0),
    state             smallint NOT NULL CHECK (state BETWEEN 2 AND 6),
    owner             text CHECK (length(owner) BETWEEN 1 AND 64),
    adjustment        uuid,
    proposed_by       text CHECK (length(proposed_by) BETWEEN 1 AND 64),
    taken_by          text NOT NULL CHECK (length(taken_by) BETWEEN 1 AND 64),
    taken_at          timestamptz NOT NULL,
    reason            text NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
    PRIMARY KEY (reconciliation_id, number, step),
    FOREIGN KEY (reconciliation_id, number) REFERENCES breaks,
    CHECK ((state = 2) = (owner IS NOT NULL)),
    CHECK ((state = 5) = (adjustment IS NOT NULL)),
    -- A write-off takes two operators.
    CHECK ((state = 6) = (proposed_by IS NOT NULL)),
    CHECK (proposed_by <> taken_by)
);
CREATE UNIQUE INDEX break_steps_by_adjustment ON break_steps (adjustment) WHERE adjustment IS NOT NULL;
COMMENT ON TABLE break_steps IS 'Append-only: who took each step of a break''s life, when and why';
COMMENT ON COLUMN break_steps.adjustment IS 'The request id of the adjustment that corrected it; it corrects no other';

-- Refusals by receipt: a record that names receipts alone is told that the hub refused them later.
CREATE INDEX operations_refused ON operations (partner_id, receipt_reference)
    WHERE refused AND receipt_reference <> '';

GRANT SELECT, INSERT ON reconciliations, reconciliation_money, reconciliation_rows, breaks, break_steps
    TO entente_runtime;
GRANT UPDATE (state, owner, changed_at) ON breaks TO entente_runtime;
