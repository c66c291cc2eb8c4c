-- Who holds points, and what: links, wallets, lots, holds, debts. Amounts that change are in no
-- index and in no index predicate, so that updates stay on their page.

CREATE TABLE links (
    partner_id integer NOT NULL REFERENCES partners,
    reference  text NOT NULL CHECK (length(reference) BETWEEN 1 AND 64),
    cell       smallint NOT NULL,
    member_id  uuid NOT NULL,
    link_token uuid NOT NULL,
    linked_at  timestamptz NOT NULL,
    PRIMARY KEY (partner_id, reference),
    UNIQUE (member_id, partner_id)
);
COMMENT ON COLUMN links.reference IS 'The partner''s own reference of the member';
COMMENT ON COLUMN links.link_token IS 'What names the member to this partner in answers';

CREATE TABLE wallets (
    cell        smallint NOT NULL,
    member_id   uuid NOT NULL,
    available   bigint NOT NULL DEFAULT 0 CHECK (available >= 0),
    held        bigint NOT NULL DEFAULT 0 CHECK (held >= 0),
    debt        bigint NOT NULL DEFAULT 0 CHECK (debt >= 0),
    next_due_at timestamptz,
    PRIMARY KEY (cell, member_id),
    CHECK (debt = 0 OR available = 0)
) WITH (fillfactor = 70);
COMMENT ON COLUMN wallets.next_due_at IS 'No open lot or hold expires before it; an earn before it needs no lots';

CREATE TABLE lots (
    cell                  smallint NOT NULL,
    member_id             uuid NOT NULL,
    opened_by             bigint NOT NULL,
    ordinal               smallint NOT NULL,
    issuer                integer NOT NULL,
    funding               smallint NOT NULL CHECK (funding IN (1, 2)),
    terms_version         integer NOT NULL,
    currency              text NOT NULL,
    expires_at            timestamptz NOT NULL,
    remaining             bigint NOT NULL CHECK (remaining >= 0),
    held                  bigint NOT NULL CHECK (held BETWEEN 0 AND remaining),
    expired               bigint NOT NULL CHECK (expired >= 0),
    open                  boolean NOT NULL,
    category              text NOT NULL,
    spend_micros          bigint NOT NULL CHECK (spend_micros >= 0),
    spend_reversed_micros bigint NOT NULL CHECK (spend_reversed_micros BETWEEN 0 AND spend_micros),
    activity_at           timestamptz NOT NULL,
    points_earned         bigint NOT NULL CHECK (points_earned >= 0),
    points_clawed         bigint NOT NULL CHECK (points_clawed BETWEEN 0 AND points_earned),
    PRIMARY KEY (cell, member_id, opened_by, ordinal),
    CHECK (open = (remaining > 0))
) WITH (fillfactor = 80);
COMMENT ON COLUMN lots.opened_by IS 'The operation that opened it, in the cell';
COMMENT ON COLUMN lots.remaining IS 'Points left, held ones counted';

CREATE TABLE holds (
    cell          smallint NOT NULL,
    member_id     uuid NOT NULL,
    authorized_by bigint NOT NULL,
    request_id    uuid NOT NULL,
    partner_id    integer NOT NULL,
    terms_version integer NOT NULL,
    state         smallint NOT NULL CHECK (state BETWEEN 1 AND 4),
    open          boolean NOT NULL,
    expires_at    timestamptz NOT NULL,
    PRIMARY KEY (cell, member_id, authorized_by),
    CHECK (open = (state = 1))
) WITH (fillfactor = 80);
COMMENT ON COLUMN holds.state IS '1 open, 2 captured, 3 voided, 4 expired';

CREATE TABLE hold_legs (
    cell          smallint NOT NULL,
    member_id     uuid NOT NULL,
    authorized_by bigint NOT NULL,
    leg           smallint NOT NULL,
    lot_opened_by bigint NOT NULL,
    lot_ordinal   smallint NOT NULL,
    issuer        integer NOT NULL,
    funding       smallint NOT NULL,
    expires_at    timestamptz NOT NULL,
    points        bigint NOT NULL CHECK (points > 0),
    captured      bigint NOT NULL CHECK (captured BETWEEN 0 AND points),
    refunded      bigint NOT NULL CHECK (refunded BETWEEN 0 AND captured),
    PRIMARY KEY (cell, member_id, authorized_by, leg)
) WITH (fillfactor = 80);
COMMENT ON TABLE hold_legs IS 'The part of a hold that fell on one lot, in burn order';

CREATE TABLE debts (
    cell          smallint NOT NULL,
    member_id     uuid NOT NULL,
    reversed_by   bigint NOT NULL,
    lot_opened_by bigint NOT NULL,
    lot_ordinal   smallint NOT NULL,
    issuer        integer NOT NULL,
    creditor      integer NOT NULL,
    terms_version integer NOT NULL,
    currency      text NOT NULL,
    price_micros  bigint NOT NULL CHECK (price_micros >= 0),
    points        bigint NOT NULL CHECK (points >= 0),
    open          boolean NOT NULL,
    PRIMARY KEY (cell, member_id, reversed_by),
    CHECK (open = (points > 0))
) WITH (fillfactor = 80);
COMMENT ON COLUMN debts.creditor IS 'The issuer, or 0 for the pool';
COMMENT ON COLUMN debts.points IS 'Points still owed';
