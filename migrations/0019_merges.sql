-- Merges: where a merged member's points went, which lots and links came with it, and several debts of
-- one operation.

ALTER TABLE operations DROP CONSTRAINT operations_kind_check;
ALTER TABLE operations ADD CONSTRAINT operations_kind_check CHECK (kind BETWEEN 1 AND 14);
ALTER TABLE transfers DROP CONSTRAINT transfers_kind_check;
ALTER TABLE transfers ADD CONSTRAINT transfers_kind_check CHECK (kind BETWEEN 1 AND 13);
ALTER TABLE positions DROP CONSTRAINT positions_kind_check;
ALTER TABLE positions ADD CONSTRAINT positions_kind_check CHECK (kind BETWEEN 1 AND 13);
COMMENT ON COLUMN operations.kind IS
    '1 earn, 2 burn, 3 authorize, 4 capture, 5 void, 6 reverse, 7 expire, 8 adjust, 9 exchange, 10 transfer, 11 donate, 12 announce, 13 merge, 14 unmerge';

CREATE TABLE forwards (
    cell           smallint NOT NULL,
    member_id      uuid NOT NULL,
    into_cell      smallint NOT NULL,
    into_member_id uuid NOT NULL CHECK (into_member_id <> member_id),
    merged_at      timestamptz NOT NULL,
    PRIMARY KEY (cell, member_id)
);
CREATE INDEX forwards_by_kept ON forwards (into_cell, into_member_id);
COMMENT ON TABLE forwards IS
    'Where the points of a merged member are, and what becomes of them; gone when the merge is taken back';
GRANT SELECT, INSERT, DELETE ON forwards TO entente_runtime;

ALTER TABLE lots DROP CONSTRAINT lots_origin_check;
ALTER TABLE lots DROP CONSTRAINT lots_check5;
ALTER TABLE lots
    ADD COLUMN merged_from uuid,
    ADD CONSTRAINT lots_origin_check CHECK (origin BETWEEN 1 AND 4),
    ADD CONSTRAINT lots_source_check
        CHECK (num_nonnulls(from_cell, from_opened_by, from_ordinal)
               = CASE WHEN origin IN (3, 4) THEN 3 ELSE 0 END),
    ADD CONSTRAINT lots_merged_check CHECK ((merged_from IS NOT NULL) = (origin = 4));
CREATE INDEX lots_by_source ON lots (from_cell, from_opened_by, from_ordinal) WHERE origin = 4;
COMMENT ON COLUMN lots.origin IS
    '1 earned, 2 exchanged, 3 received, 4 merged; yearly caps and clawbacks are of earned ones alone';
COMMENT ON COLUMN lots.from_cell IS 'Of a received or merged lot: the cell it came from, and there the lot';
COMMENT ON COLUMN lots.merged_from IS 'Of a merged lot: the member that it came from';

ALTER TABLE debts ADD COLUMN ordinal smallint NOT NULL DEFAULT 0;
ALTER TABLE debts DROP CONSTRAINT debts_pkey;
ALTER TABLE debts ADD PRIMARY KEY (cell, member_id, reversed_by, ordinal);
COMMENT ON COLUMN debts.reversed_by IS 'The operation that made it: a reversal, or a merge that brought it';
COMMENT ON COLUMN debts.ordinal IS 'Which of its debts, the oldest first';

-- What a merge had added is taken out again when the merge is.
ALTER TABLE gifts_given DROP CONSTRAINT gifts_given_points_check;
ALTER TABLE gifts_given ADD CONSTRAINT gifts_given_points_check CHECK (points >= 0);

ALTER TABLE links ADD COLUMN came_from uuid, ADD COLUMN moved_at timestamptz;
CREATE INDEX links_by_origin ON links (came_from, partner_id) WHERE came_from IS NOT NULL;
COMMENT ON COLUMN links.came_from IS 'The member that it was of before a merge brought it here';
COMMENT ON COLUMN links.moved_at IS 'Since when it is of this member, if not since linked_at';

-- A link may be of one member more than once.
ALTER TABLE former_links DROP CONSTRAINT former_links_pkey;
ALTER TABLE former_links ADD PRIMARY KEY (member_id, partner_id, link_token, linked_at);

-- The two brands that asked for a merge, and by which of their requests they can take it back.
CREATE TABLE merges (
    issuer         integer NOT NULL REFERENCES partners,
    link_code_id   uuid NOT NULL,
    target         integer NOT NULL REFERENCES partners CHECK (target <> issuer),
    redeemed_by    uuid NOT NULL,
    issuer_token   uuid NOT NULL,
    target_token   uuid NOT NULL,
    cell           smallint NOT NULL,
    member_id      uuid NOT NULL,
    into_cell      smallint NOT NULL,
    into_member_id uuid NOT NULL,
    PRIMARY KEY (issuer, link_code_id),
    UNIQUE (target, redeemed_by)
);
COMMENT ON TABLE merges IS 'Merges that were not taken back, by the requests of the brands that asked for them';
COMMENT ON COLUMN merges.link_code_id IS 'The request that made the code';
COMMENT ON COLUMN merges.redeemed_by IS 'The request that redeemed it';
GRANT SELECT, INSERT, DELETE ON merges TO entente_runtime;

ALTER TABLE link_codes
    ADD COLUMN merges_token uuid,
    ADD COLUMN redeemed_by uuid,
    ADD CONSTRAINT link_codes_merges_check
        CHECK (num_nonnulls(merges_token, redeemed_by) = 0
               OR (state = 2 AND num_nonnulls(merges_token, redeemed_by) = 2));
COMMENT ON COLUMN link_codes.merges_token IS 'The link of who redeemed it, whose wallet confirming merges';
COMMENT ON COLUMN link_codes.redeemed_by IS 'Of such a code: the request that redeemed it';
