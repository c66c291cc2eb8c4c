-- Who owes whom: gross positions, exposures of capped partners, totals of closed windows, and the
-- obligations that settle them.

CREATE TABLE positions (
    cell      smallint NOT NULL,
    window_id integer NOT NULL,
    currency  text NOT NULL,
    payer     integer NOT NULL,
    payee     integer NOT NULL,
    kind      smallint NOT NULL CHECK (kind BETWEEN 1 AND 11),
    points    bigint NOT NULL CHECK (points >= 0),
    micros    bigint NOT NULL CHECK (micros >= 0),
    PRIMARY KEY (cell, window_id, currency, payer, payee, kind)
) WITH (fillfactor = 50);
COMMENT ON TABLE positions IS 'Gross sums of transfers; a reversal adds to the opposite direction';
COMMENT ON COLUMN positions.payer IS 'A partner, or 0 for the hub; payer = payee is a memo';

CREATE TABLE exposures (
    partner_id  integer NOT NULL REFERENCES partners,
    currency    text NOT NULL,
    owed_micros bigint NOT NULL,
    PRIMARY KEY (partner_id, currency)
) WITH (fillfactor = 20);
COMMENT ON TABLE exposures IS 'Of partners that some version of their terms caps, from then on';
COMMENT ON COLUMN exposures.owed_micros IS
    'Net of the open window + unpaid obligations + reservations of open holds';

CREATE TABLE totals (
    window_id      integer NOT NULL REFERENCES windows,
    currency       text NOT NULL,
    payer          integer NOT NULL,
    payee          integer NOT NULL,
    exact_micros   bigint NOT NULL,
    rounded_micros bigint NOT NULL,
    PRIMARY KEY (window_id, currency, payer, payee)
);
COMMENT ON TABLE totals IS 'Gross totals of a closed window, each rounded once to its currency';

CREATE TABLE obligations (
    window_id   integer NOT NULL REFERENCES windows,
    partner_id  integer NOT NULL REFERENCES partners,
    currency    text NOT NULL,
    net_micros  bigint NOT NULL CHECK (net_micros <> 0),
    paid_micros bigint NOT NULL DEFAULT 0 CHECK (paid_micros BETWEEN 0 AND abs(net_micros)),
    PRIMARY KEY (window_id, partner_id, currency)
);
COMMENT ON COLUMN obligations.net_micros IS 'Positive: the partner pays the hub; negative: it receives';
