-- Carried breaks: what became of a difference goes on in the report of a newer record of the window. A break
-- that is the same as one of an earlier report continues it: it begins where that one stood, and both have
-- one life. The earlier one takes no more steps, and is continued once, so that no life ever forks.

ALTER TABLE reconciliations ADD COLUMN supersedes uuid REFERENCES reconciliations;
CREATE UNIQUE INDEX reconciliations_superseding ON reconciliations (supersedes);
COMMENT ON COLUMN reconciliations.supersedes IS
    'The latest of the window and the partner when it was kept; null for the first, and for those before 0030';

ALTER TABLE breaks
    ADD COLUMN likeness          uuid,
    ADD COLUMN continues_report  uuid,
    ADD COLUMN continues_number  integer,
    ADD CONSTRAINT breaks_continue FOREIGN KEY (continues_report, continues_number) REFERENCES breaks,
    ADD CONSTRAINT breaks_continue_whole
        CHECK ((continues_report IS NULL) = (continues_number IS NULL)),
    ADD CONSTRAINT breaks_continue_another CHECK (continues_report <> reconciliation_id),
    ADD CONSTRAINT breaks_continue_alike CHECK (continues_report IS NULL OR likeness IS NOT NULL);
CREATE UNIQUE INDEX breaks_continued ON breaks (continues_report, continues_number)
    WHERE continues_report IS NOT NULL;
COMMENT ON COLUMN breaks.likeness IS
    'A digest of what it is about: kind, amounts, operation or line. The same in every report; null before 0030';
COMMENT ON COLUMN breaks.continues_report IS
    'The earlier report that has the same break: its steps are part of this one''s life';
COMMENT ON COLUMN breaks.state IS
    '1 open, 2 assigned, 3 agreed, 4 rejected, 5 adjusted, 6 written off: by its last step, or as what it continues';
COMMENT ON COLUMN break_steps.step IS 'Counted on from those of what the break continues';

-- Found by where they stand and by who has them: what is carried, and what lists show. Each is read in order
-- of its numbers, from where the page before ended, however many breaks its report has.
CREATE INDEX breaks_by_state ON breaks (reconciliation_id, state, number);
CREATE INDEX breaks_by_owner ON breaks (reconciliation_id, owner, number) WHERE owner IS NOT NULL;
