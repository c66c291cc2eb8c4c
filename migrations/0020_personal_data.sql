-- Personal data: partners' references of members, what members consented to, and what operators wrote
-- about one of them. A reference is found by HMAC and read by the member's own key, and neither is to be
-- had from the database alone; an erasure removes both for good.

DO $$
BEGIN
    IF EXISTS (SELECT FROM links) OR EXISTS (SELECT FROM former_links)
       OR EXISTS (SELECT FROM requests WHERE partner_id <> 0)
       OR EXISTS (SELECT FROM proposals WHERE kind = 2) THEN
        RAISE EXCEPTION 'this ledger holds references of members in plain text, and is not converted: start a new one';
    END IF;
END
$$;

CREATE TABLE member_keys (
    cell      smallint NOT NULL,
    member_id uuid NOT NULL,
    wrapped   bytea NOT NULL CHECK (length(wrapped) = 60),
    PRIMARY KEY (cell, member_id)
);
COMMENT ON TABLE member_keys IS 'By what a member''s personal data is read; an erased member has none';
COMMENT ON COLUMN member_keys.wrapped IS 'AES-256-GCM by a key that is not in the database';
GRANT SELECT, INSERT, DELETE ON member_keys TO entente_runtime;

ALTER TABLE links
    DROP COLUMN reference,
    ADD COLUMN lookup bytea NOT NULL CHECK (length(lookup) = 32),
    ADD COLUMN sealed bytea NOT NULL CHECK (length(sealed) BETWEEN 92 AND 512),
    ADD COLUMN sealed_for uuid NOT NULL,
    ADD PRIMARY KEY (partner_id, lookup);
COMMENT ON COLUMN links.lookup IS
    'HMAC of the partner''s own reference of the member, by a key of the partner that is not in the database';
COMMENT ON COLUMN links.sealed IS 'The reference, by the key of the member that it was sealed for';
COMMENT ON COLUMN links.sealed_for IS 'The member that it was first made for, whoever that was merged into';

ALTER TABLE consents
    DROP COLUMN given_at,
    DROP COLUMN wording_version,
    DROP COLUMN assertion_sha256,
    ADD COLUMN mark bytea NOT NULL CHECK (length(mark) = 32),
    ADD COLUMN sealed bytea NOT NULL CHECK (length(sealed) BETWEEN 92 AND 512),
    ADD COLUMN sealed_for uuid NOT NULL,
    ADD PRIMARY KEY (member_id, partner_id, link_token, kind, mark);
DROP INDEX consents_by_member;
COMMENT ON COLUMN consents.mark IS 'HMAC of the wording''s version: one consent of a kind is kept for each';
COMMENT ON COLUMN consents.sealed IS
    'When it was given, to which wording, and the hash of the assertion, by the member''s key';
GRANT DELETE ON consents TO entente_runtime;

ALTER TABLE link_codes
    DROP COLUMN target_reference,
    DROP COLUMN consented_at,
    DROP COLUMN wording_version,
    DROP COLUMN assertion_sha256,
    ADD COLUMN lookup bytea CHECK (length(lookup) = 32),
    ADD COLUMN sealed bytea,
    ADD COLUMN consent_mark bytea CHECK (length(consent_mark) = 32),
    ADD COLUMN consent bytea,
    ADD COLUMN sealed_for uuid,
    ADD CHECK (num_nonnulls(number, lookup, sealed, consent_mark, consent, sealed_for)
               = CASE WHEN state = 2 THEN 6 ELSE 0 END);
COMMENT ON COLUMN link_codes.lookup IS 'Who redeemed it, as in links; gone once it is confirmed';
COMMENT ON COLUMN link_codes.sealed IS 'The reference, as in links';
COMMENT ON COLUMN link_codes.consent IS 'As in consents';

COMMENT ON COLUMN link_tries.reference IS 'As the lookup of links; empty for the partner as a whole';
COMMENT ON COLUMN requests.fields IS
    'The request as sent, less its id; what is personal in it, as 16 bytes of an HMAC that is this request''s alone';

ALTER TABLE proposals
    DROP CONSTRAINT proposals_reason_check,
    DROP CONSTRAINT proposals_decision_reason_check,
    ADD CHECK (length(reason) <= 256),
    ADD CHECK (length(decision_reason) <= 256),
    ADD COLUMN sealed bytea CHECK (length(sealed) <= 8192),
    ADD COLUMN sealed_decision bytea CHECK (length(sealed_decision) <= 2048),
    ADD COLUMN member_id uuid;
CREATE INDEX proposals_by_member ON proposals (member_id) WHERE member_id IS NOT NULL;
CREATE INDEX proposals_of_nobody ON proposals (expires_at) WHERE sealed IS NOT NULL AND member_id IS NULL;
COMMENT ON COLUMN proposals.act IS
    'The act as the contract has it, encoded, without a request id, and without what is personal';
COMMENT ON COLUMN proposals.reason IS 'Empty of an act about a member';
COMMENT ON COLUMN proposals.sealed IS
    'Of an act about a member: the act in full, and the reason, by a key that is not in the database; gone when the member is erased, or when the proposal ends and named nobody';
COMMENT ON COLUMN proposals.sealed_decision IS 'And why it was ended';
COMMENT ON COLUMN proposals.member_id IS 'Whom the act is about, if its reference names somebody';
GRANT UPDATE (sealed, sealed_decision, member_id) ON proposals TO entente_runtime;

CREATE TABLE erasures (
    member_id  uuid PRIMARY KEY,
    cell       smallint NOT NULL,
    erased_at  timestamptz NOT NULL,
    request_id uuid NOT NULL
);
CREATE INDEX erasures_in_order ON erasures (erased_at, member_id);
COMMENT ON TABLE erasures IS
    'Members whose personal data is gone: a journal, applied again to a database that was restored';
COMMENT ON COLUMN erasures.request_id IS 'The proposal by which it was erased';
GRANT SELECT, INSERT ON erasures TO entente_runtime;
