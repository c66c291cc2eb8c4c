-- Four eyes: sensitive acts that one operator proposes and another approves.

CREATE TABLE proposals (
    proposal_id     uuid PRIMARY KEY,
    kind            smallint NOT NULL CHECK (kind > 0),
    act             bytea NOT NULL CHECK (length(act) <= 262144),
    reason          text NOT NULL CHECK (length(reason) BETWEEN 1 AND 256),
    proposed_by     text NOT NULL CHECK (length(proposed_by) BETWEEN 1 AND 64),
    proposed_at     timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL CHECK (expires_at > proposed_at),
    state           smallint NOT NULL DEFAULT 1 CHECK (state BETWEEN 1 AND 5),
    decided_by      text CHECK (length(decided_by) BETWEEN 1 AND 64),
    decided_at      timestamptz,
    decision_reason text CHECK (length(decision_reason) BETWEEN 1 AND 256),
    outcome         bytea,
    -- Approved and rejected by another, withdrawn by the proposer, open by nobody.
    CHECK (CASE state WHEN 1 THEN decided_by IS NULL
                      WHEN 5 THEN decided_by = proposed_by
                      ELSE decided_by <> proposed_by END),
    CHECK ((state = 1) = (decided_by IS NULL)),
    CHECK ((decided_by IS NULL) = (decided_at IS NULL)),
    CHECK (decided_at IS NULL OR decided_at < expires_at),
    CHECK ((state IN (2, 3)) = (outcome IS NOT NULL)),
    CHECK ((state IN (4, 5)) = (decision_reason IS NOT NULL))
);
CREATE INDEX proposals_in_order ON proposals (proposed_at, proposal_id);
CREATE INDEX proposals_open ON proposals (proposed_at, proposal_id) WHERE state = 1;
COMMENT ON COLUMN proposals.proposal_id IS 'The operators'' request id by which it was proposed';
COMMENT ON COLUMN proposals.kind IS 'What the act is, by its number in the contract';
COMMENT ON COLUMN proposals.act IS 'The act as the contract has it, encoded, without a request id';
COMMENT ON COLUMN proposals.proposed_by IS 'An operator''s name; times are by the ledger''s clock';
COMMENT ON COLUMN proposals.state IS
    '1 open, or expired by its time; 2 applied, 3 refused, 4 rejected, 5 withdrawn';
COMMENT ON COLUMN proposals.outcome IS
    'Of an applied one the act''s answer as the contract has it, of a refused one the status, encoded';

-- What was proposed, why and by whom never changes.
GRANT SELECT, INSERT ON proposals TO entente_runtime;
GRANT UPDATE (state, decided_by, decided_at, decision_reason, outcome) ON proposals TO entente_runtime;
