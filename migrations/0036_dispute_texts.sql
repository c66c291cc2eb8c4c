-- Words of disputes: what partners and operators write is about somebody's purchase, so it is sealed, and
-- goes with whoever is erased. What was written before stays readable, and goes too.

ALTER TABLE disputes
    DROP CONSTRAINT disputes_evidence_check,
    DROP CONSTRAINT disputes_answer_check,
    ADD CHECK (length(evidence) <= 2000),
    ADD CHECK (length(answer) <= 2000),
    ADD COLUMN sealed bytea CHECK (length(sealed) <= 8192),
    ADD COLUMN sealed_answer bytea CHECK (length(sealed_answer) <= 8192);
COMMENT ON COLUMN disputes.evidence IS 'Empty, unless it was written before it was sealed';
COMMENT ON COLUMN disputes.answer IS 'Empty once answered, unless it was written before it was sealed';
COMMENT ON COLUMN disputes.sealed IS
    'The evidence, by a key that is not in the database; gone when a member of its lines is erased';
COMMENT ON COLUMN disputes.sealed_answer IS 'The answer, alike';
CREATE INDEX dispute_lines_by_operation ON dispute_lines (request_id);

GRANT UPDATE (evidence, sealed, sealed_answer) ON disputes TO entente_runtime;
