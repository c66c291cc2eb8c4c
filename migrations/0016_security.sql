-- Who may prove what: operators and their roles, the keys that partners and operators sign assertions
-- by, the hubs' own keys, what is revoked, and a trail of security events. Times here are of the day,
-- also in a simulation: certificates and tokens are.

CREATE TABLE security (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    epoch     bigint NOT NULL DEFAULT 1 CHECK (epoch > 0)
);
INSERT INTO security DEFAULT VALUES;
COMMENT ON TABLE security IS 'One row: its epoch rises with every change that all hubs have to know of';

CREATE TABLE operators (
    name       text PRIMARY KEY CHECK (name ~ '^[a-z][a-z0-9-]{1,30}$'),
    roles      integer[] NOT NULL CHECK (cardinality(roles) <= 16 AND 0 < ALL (roles)),
    created_at timestamptz NOT NULL
);
COMMENT ON TABLE operators IS 'Whom a certificate of the operators'' CA is worth something; without roles, nothing';
COMMENT ON COLUMN operators.roles IS 'By their numbers in the contract, ascending';

CREATE TABLE keys (
    kid           text PRIMARY KEY CHECK (length(kid) = 43),
    owner         text NOT NULL CHECK (owner ~ '^(partner|operator)/[a-z][a-z0-9-]{1,30}$'),
    jwk           text NOT NULL CHECK (length(jwk) <= 1024),
    registered_at timestamptz NOT NULL,
    revoked_at    timestamptz,
    CHECK (revoked_at >= registered_at)
);
CREATE INDEX keys_by_owner ON keys (owner);
COMMENT ON COLUMN keys.kid IS 'SHA-256 of the key''s required members (RFC 7638), in base64url';
COMMENT ON COLUMN keys.owner IS 'Whose assertions it verifies, as the SPIFFE id''s path names it';
COMMENT ON COLUMN keys.jwk IS 'The public key, its required members alone';

CREATE TABLE signing_keys (
    kid          text PRIMARY KEY CHECK (length(kid) = 43),
    jwk          text NOT NULL CHECK (length(jwk) <= 1024),
    published_at timestamptz NOT NULL,
    not_after    timestamptz NOT NULL,
    revoked_at   timestamptz,
    CHECK (not_after > published_at)
);
COMMENT ON TABLE signing_keys IS 'Public halves of the hubs'' own keys; the private ones are in their keys folders';
COMMENT ON COLUMN signing_keys.not_after IS 'No token by it lives longer';

CREATE TABLE assertions_seen (
    owner      text NOT NULL,
    jti        text NOT NULL CHECK (length(jti) BETWEEN 16 AND 64),
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (owner, jti)
);
CREATE INDEX assertions_seen_by_expiry ON assertions_seen (expires_at);
COMMENT ON TABLE assertions_seen IS 'Ids that cannot be shown again; a row goes once nobody would accept its assertion';

CREATE TABLE denied (
    kind       smallint NOT NULL CHECK (kind IN (1, 2)),
    value      text NOT NULL CHECK (length(value) BETWEEN 16 AND 64),
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (kind, value)
);
COMMENT ON COLUMN denied.kind IS '1 a token by its jti, 2 a certificate by its SHA-256 in hexadecimal';
COMMENT ON COLUMN denied.expires_at IS 'It ends by itself then, and the row may go';

CREATE TABLE security_events (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    kind        smallint NOT NULL CHECK (kind > 0),
    actor       text NOT NULL CHECK (length(actor) BETWEEN 1 AND 64),
    certificate bytea CHECK (length(certificate) = 32),
    subject     text NOT NULL CHECK (length(subject) <= 128),
    details     jsonb NOT NULL CHECK (pg_column_size(details) <= 8192)
);
CREATE INDEX security_events_by_actor ON security_events (actor, id);
CREATE INDEX security_events_by_kind ON security_events (kind, id);
COMMENT ON TABLE security_events IS 'Append-only, and without personal data: who did what, from which certificate';
COMMENT ON COLUMN security_events.actor IS 'partner/CODE, operator/NAME, hub, or owner for whoever owns the database';
COMMENT ON COLUMN security_events.certificate IS 'SHA-256 of the certificate in use';
COMMENT ON COLUMN security_events.subject IS 'Whom or what it is about';

GRANT SELECT, UPDATE ON security TO entente_runtime;
GRANT SELECT, INSERT ON operators, keys, signing_keys TO entente_runtime;
GRANT UPDATE (roles) ON operators TO entente_runtime;
GRANT UPDATE (revoked_at) ON keys, signing_keys TO entente_runtime;
GRANT DELETE ON signing_keys TO entente_runtime;
GRANT SELECT, INSERT, DELETE ON assertions_seen, denied TO entente_runtime;
GRANT UPDATE (expires_at) ON denied TO entente_runtime;
GRANT SELECT, INSERT ON security_events TO entente_runtime;
