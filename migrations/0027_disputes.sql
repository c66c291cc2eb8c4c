-- Disputes: what partners object to in their statements, and what operators answer.

CREATE TABLE disputes (
    dispute_id  uuid PRIMARY KEY,
    window_id   integer NOT NULL REFERENCES windows,
    partner_id  integer NOT NULL REFERENCES partners,
    code        smallint NOT NULL CHECK (code BETWEEN 1 AND 7),
    evidence    text NOT NULL CHECK (length(evidence) BETWEEN 1 AND 2000),
    at          timestamptz NOT NULL,
    actor       text NOT NULL CHECK (length(actor) BETWEEN 1 AND 64),
    answered_at timestamptz,
    answered_by text CHECK (length(answered_by) BETWEEN 1 AND 64),
    answer      text CHECK (length(answer) BETWEEN 1 AND 2000),
    accepted    boolean,
    adjustment  uuid REFERENCES adjustments,
    CHECK (num_nulls(answered_at, answered_by, answer, accepted) IN (0, 4)),
    CHECK ((adjustment IS NOT NULL) = (accepted IS TRUE))
);
CREATE INDEX disputes_of_window ON disputes (window_id, partner_id);
COMMENT ON COLUMN disputes.dispute_id IS 'The request id by which it was made';
COMMENT ON COLUMN disputes.code IS
    '1 not ours, 2 points, 3 price, 4 listed twice, 5 member, 6 period, 7 other';
COMMENT ON COLUMN disputes.adjustment IS 'What corrects it, where it was accepted';

CREATE TABLE dispute_lines (
    dispute_id uuid NOT NULL REFERENCES disputes,
    ordinal    smallint NOT NULL,
    request_id uuid NOT NULL,
    kind       smallint NOT NULL,
    currency   text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    PRIMARY KEY (dispute_id, ordinal)
);
COMMENT ON TABLE dispute_lines IS 'The lines that a dispute is about: an operation, what for, in which currency';

GRANT SELECT, INSERT ON disputes, dispute_lines TO entente_runtime;
GRANT UPDATE (answered_at, answered_by, answer, accepted, adjustment) ON disputes TO entente_runtime;
