-- Links that come and go: how long burning is held back after one was made, what a removed one is
-- remembered by, what members consented to, and the codes by which two brands come to share a member.

ALTER TABLE links ADD COLUMN burns_others_from timestamptz;
COMMENT ON COLUMN links.burns_others_from IS
    'Until then only points that the partner issued can be spent there; null: all can';
GRANT DELETE ON links TO entente_runtime;
GRANT UPDATE (burns_others_from) ON links TO entente_runtime;

CREATE TABLE former_links (
    partner_id  integer NOT NULL REFERENCES partners,
    member_id   uuid NOT NULL,
    link_token  uuid NOT NULL,
    linked_at   timestamptz NOT NULL,
    unlinked_at timestamptz NOT NULL,
    PRIMARY KEY (member_id, partner_id, link_token)
);
COMMENT ON TABLE former_links IS
    'Links that were removed, without the reference: what was said under their tokens stays said';
GRANT SELECT, INSERT ON former_links TO entente_runtime;

CREATE TABLE hold_backs (
    member_id  uuid NOT NULL,
    partner_id integer NOT NULL REFERENCES partners,
    until      timestamptz NOT NULL,
    PRIMARY KEY (member_id, partner_id)
);
COMMENT ON TABLE hold_backs IS
    'Until when burning is held back there, whichever link there is: unlinking ends none of it';
GRANT SELECT, INSERT, UPDATE ON hold_backs TO entente_runtime;

CREATE TABLE consents (
    partner_id       integer NOT NULL REFERENCES partners,
    member_id        uuid NOT NULL,
    link_token       uuid NOT NULL,
    kind             smallint NOT NULL CHECK (kind BETWEEN 1 AND 3),
    given_at         timestamptz NOT NULL,
    recorded_at      timestamptz NOT NULL,
    wording_version  text NOT NULL CHECK (length(wording_version) BETWEEN 1 AND 64),
    assertion_sha256 bytea NOT NULL CHECK (length(assertion_sha256) = 32),
    PRIMARY KEY (assertion_sha256)
);
CREATE INDEX consents_by_member ON consents (member_id, partner_id);
COMMENT ON TABLE consents IS 'What members agreed to when they were linked, as their brands asserted it';
COMMENT ON COLUMN consents.kind IS '1 linked, 2 a code redeemed, 3 a code confirmed';
COMMENT ON COLUMN consents.link_token IS 'Of the link that it made, or that it confirmed from';
COMMENT ON COLUMN consents.given_at IS 'As the brand asserted, by its clock';
GRANT SELECT, INSERT ON consents TO entente_runtime;

CREATE TABLE link_codes (
    issuer           integer NOT NULL REFERENCES partners,
    request_id       uuid NOT NULL,
    hash             bytea NOT NULL UNIQUE CHECK (length(hash) = 32),
    target           integer NOT NULL REFERENCES partners CHECK (target <> issuer),
    member_id        uuid NOT NULL,
    cell             smallint NOT NULL,
    issuer_token     uuid NOT NULL,
    allow_merge      boolean NOT NULL,
    state            smallint NOT NULL CHECK (state BETWEEN 1 AND 3),
    expires_at       timestamptz NOT NULL,
    number           smallint CHECK (number BETWEEN 10 AND 99),
    target_reference text CHECK (length(target_reference) BETWEEN 1 AND 64),
    consented_at     timestamptz,
    wording_version  text,
    assertion_sha256 bytea,
    target_token     uuid,
    PRIMARY KEY (issuer, request_id),
    CHECK (num_nonnulls(number, target_reference, consented_at, wording_version, assertion_sha256)
           = CASE WHEN state = 2 THEN 5 ELSE 0 END),
    CHECK ((target_token IS NOT NULL) = (state = 3))
);
CREATE INDEX link_codes_by_member ON link_codes (member_id, issuer);
CREATE INDEX link_codes_by_end ON link_codes (expires_at);
COMMENT ON TABLE link_codes IS 'Codes of a short time; one that is over has no row';
COMMENT ON COLUMN link_codes.hash IS 'HMAC of target and code by a key that is not in the database';
COMMENT ON COLUMN link_codes.issuer_token IS 'The link at the issuing brand that it was made for';
COMMENT ON COLUMN link_codes.state IS '1 open, 2 redeemed and to be confirmed, 3 confirmed';
COMMENT ON COLUMN link_codes.expires_at IS 'When it ends; confirmed: when its link can no longer be taken back';
COMMENT ON COLUMN link_codes.target_reference IS 'Who redeemed it; gone once it is confirmed';
COMMENT ON COLUMN link_codes.target_token IS 'The link that it made';
GRANT SELECT, INSERT, UPDATE, DELETE ON link_codes TO entente_runtime;

CREATE TABLE link_tries (
    partner_id integer NOT NULL,
    reference  bytea NOT NULL CHECK (length(reference) IN (0, 32)),
    since      timestamptz NOT NULL,
    tries      integer NOT NULL CHECK (tries > 0),
    PRIMARY KEY (partner_id, reference)
) WITH (fillfactor = 70);
CREATE INDEX link_tries_by_time ON link_tries (since);
COMMENT ON TABLE link_tries IS
    'Codes tried in an hour: by a reference, or wrong ones of a partner, or, as partner 0, of all';
COMMENT ON COLUMN link_tries.reference IS 'HMAC of the reference; empty for the partner as a whole';
GRANT SELECT, INSERT, UPDATE, DELETE ON link_tries TO entente_runtime;
