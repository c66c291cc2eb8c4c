-- How the coalition settles, by the hands of two operators, and what becomes of each window: when the
-- calendar closes it, and what its partners say of their statements.

CREATE TABLE arrangements (
    arrangement_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    request_id     uuid NOT NULL UNIQUE,
    effective_from timestamptz NOT NULL,
    netting        smallint NOT NULL CHECK (netting BETWEEN 1 AND 3),
    time_zone      text CHECK (length(time_zone) BETWEEN 1 AND 64),
    cut_off_minute smallint CHECK (cut_off_minute BETWEEN 0 AND 1439),
    cycle          smallint CHECK (cycle BETWEEN 1 AND 3),
    cycle_day      smallint,
    objection_days smallint NOT NULL CHECK (objection_days BETWEEN 0 AND 90),
    CHECK (num_nulls(time_zone, cut_off_minute, cycle) IN (0, 3)),
    CHECK (CASE cycle WHEN 2 THEN cycle_day BETWEEN 1 AND 7
                      WHEN 3 THEN cycle_day BETWEEN 1 AND 31
                      ELSE cycle_day IS NULL END)
);
COMMENT ON TABLE arrangements IS 'How the coalition settles; the latest is in force, and none is ever changed';
COMMENT ON COLUMN arrangements.request_id IS 'Of the approval that made it';
COMMENT ON COLUMN arrangements.netting IS '1 gross, 2 bilateral, 3 multilateral';
COMMENT ON COLUMN arrangements.time_zone IS 'Of the calendar; without one, windows are closed by hand alone';
COMMENT ON COLUMN arrangements.cycle IS '1 daily, 2 weekly, 3 monthly';
COMMENT ON COLUMN arrangements.cycle_day IS '1 Monday to 7 Sunday, or the day of the month, 31 being the last';

CREATE TABLE bank_accounts (
    arrangement_id integer NOT NULL REFERENCES arrangements,
    partner_id     integer NOT NULL,
    name           text NOT NULL CHECK (length(name) BETWEEN 1 AND 70),
    account        text NOT NULL CHECK (length(account) BETWEEN 1 AND 34),
    bic            text CHECK (length(bic) BETWEEN 8 AND 11),
    PRIMARY KEY (arrangement_id, partner_id)
);
COMMENT ON COLUMN bank_accounts.partner_id IS '0 for the hub';

ALTER TABLE windows
    ADD COLUMN closes_at timestamptz,
    ADD COLUMN cut_off_at timestamptz CHECK (cut_off_at <= closed_at),
    ADD COLUMN netting smallint CHECK (netting BETWEEN 1 AND 3),
    ADD COLUMN objection_until timestamptz CHECK (objection_until >= closed_at),
    ADD COLUMN agreed_at timestamptz CHECK (agreed_at >= closed_at);
COMMENT ON COLUMN windows.closes_at IS 'Of the open one: when the calendar closes it';
COMMENT ON COLUMN windows.cut_off_at IS 'The cut-off that closed it; null where somebody did by hand';
COMMENT ON COLUMN windows.netting IS 'As it was settled: 1 gross, 2 bilateral, 3 multilateral';
COMMENT ON COLUMN windows.objection_until IS 'Until then its partners may object; null for a testing one';
COMMENT ON COLUMN windows.agreed_at IS 'When the last of its partners had agreed';

CREATE TABLE window_states (
    state_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    window_id  integer NOT NULL REFERENCES windows,
    partner_id integer NOT NULL,
    state      smallint NOT NULL,
    at         timestamptz NOT NULL,
    actor      text NOT NULL CHECK (length(actor) BETWEEN 1 AND 64),
    reason     text NOT NULL DEFAULT '' CHECK (length(reason) <= 256),
    CHECK (CASE partner_id WHEN 0 THEN state BETWEEN 2 AND 4 ELSE state BETWEEN 5 AND 6 END)
);
CREATE INDEX window_states_in_order ON window_states (window_id, state_id);
-- A window enters each of its states once.
CREATE UNIQUE INDEX window_states_once ON window_states (window_id, state) WHERE partner_id = 0;
COMMENT ON TABLE window_states IS 'Each change of a window, or of what a partner says of it; never changed';
COMMENT ON COLUMN window_states.partner_id IS '0 for the window itself';
COMMENT ON COLUMN window_states.state IS
    'Of a window: 2 closed, 3 settling, 4 settled; of a partner: 5 agreed, 6 disputed';
COMMENT ON COLUMN window_states.actor IS
    'operator/NAME, partner/CODE, calendar, silence, payment, or hub';

-- What was closed before is settled as it was then, and nobody can object any more.
UPDATE windows SET netting = 3, agreed_at = closed_at WHERE closed_at IS NOT NULL AND NOT testing;
INSERT INTO window_states (window_id, partner_id, state, at, actor, reason)
SELECT window_id, 0, 2, closed_at, 'hub', 'closed before states were recorded'
FROM windows WHERE closed_at IS NOT NULL ORDER BY abs(window_id);

GRANT SELECT, INSERT ON arrangements, bank_accounts, window_states TO entente_runtime;
