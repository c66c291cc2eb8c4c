-- Velocity: what terms limit in an hour or a day, what was counted of members and of partners, and the
-- notice to an issuer whose points one member burns elsewhere.

CREATE TABLE terms_limits (
    partner_id integer NOT NULL,
    version    integer NOT NULL,
    meter      smallint NOT NULL CHECK (meter BETWEEN 1 AND 9),
    most       bigint NOT NULL CHECK (most >= 1),
    PRIMARY KEY (partner_id, version, meter),
    FOREIGN KEY (partner_id, version) REFERENCES terms
);
COMMENT ON TABLE terms_limits IS 'How much a meter may count in its time; one without a row is not limited';
COMMENT ON COLUMN terms_limits.meter IS
    'Of a member: 1 operations an hour, and a day 2 points earned, 3 points of others burned, 4 points given; of the partner: an hour 5 operations, 6 points issued, 7 points of others burned, 8 the same a day; 9 points burned elsewhere by a member a day, of which the partner is told';
GRANT SELECT, INSERT ON terms_limits TO entente_runtime;

CREATE TABLE velocity (
    cell       smallint NOT NULL,
    member_id  uuid NOT NULL,
    partner_id integer NOT NULL,
    meter      smallint NOT NULL CHECK (meter BETWEEN 1 AND 9),
    since      timestamptz NOT NULL,
    used       bigint NOT NULL CHECK (used > 0),
    PRIMARY KEY (cell, member_id, partner_id, meter)
) WITH (fillfactor = 70);
COMMENT ON TABLE velocity IS 'What was counted of a member where terms limit it; covered by the cell''s head';
COMMENT ON COLUMN velocity.since IS 'When the hour or day began (UTC); the row is written over when it is over';
GRANT SELECT, INSERT, UPDATE ON velocity TO entente_runtime;

CREATE TABLE partner_velocity (
    partner_id integer NOT NULL REFERENCES partners,
    meter      smallint NOT NULL CHECK (meter BETWEEN 5 AND 8),
    since      timestamptz NOT NULL,
    used       bigint NOT NULL CHECK (used >= 0),
    PRIMARY KEY (partner_id, meter)
) WITH (fillfactor = 50);
COMMENT ON TABLE partner_velocity IS
    'What was counted of a partner in all cells: a row from the first terms that limit it on, locked after exposures';
COMMENT ON COLUMN partner_velocity.since IS 'As in velocity';
GRANT SELECT, INSERT, UPDATE ON partner_velocity TO entente_runtime;

ALTER TABLE notices DROP CONSTRAINT notices_kind_check;
ALTER TABLE notices ADD CONSTRAINT notices_kind_check CHECK (kind BETWEEN 1 AND 6);
COMMENT ON COLUMN notices.kind IS
    '1 hold expired, 2 cap threshold, 3 terms in force, 4 window closed, 5 points expiring, 6 points burned elsewhere';
