-- Obligations as the arrangement nets them, each between two parties and with an end-to-end id of its
-- own, and what bank statements tell of their payments.

ALTER TABLE obligations RENAME TO nets_before;
ALTER TABLE nets_before RENAME CONSTRAINT obligations_pkey TO nets_before_pkey;

CREATE TABLE obligations (
    window_id     integer NOT NULL REFERENCES windows,
    payer         integer NOT NULL CHECK (payer >= 0),
    payee         integer NOT NULL CHECK (payee >= 0 AND payee <> payer),
    currency      text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    micros        bigint NOT NULL CHECK (micros > 0),
    end_to_end_id text NOT NULL UNIQUE CHECK (length(end_to_end_id) BETWEEN 1 AND 35),
    paid_micros   bigint NOT NULL DEFAULT 0 CHECK (paid_micros BETWEEN 0 AND micros),
    paid          boolean NOT NULL DEFAULT false CHECK (paid = (paid_micros = micros)),
    PRIMARY KEY (window_id, currency, payer, payee)
);
CREATE INDEX obligations_unpaid ON obligations (payer, currency, window_id) WHERE NOT paid;
COMMENT ON TABLE obligations IS 'Payments that settle a window, as its netting has them';
COMMENT ON COLUMN obligations.payer IS 'A partner, or 0 for the hub; of the payee too';
COMMENT ON COLUMN obligations.end_to_end_id IS 'What the payment names, through all banks';
COMMENT ON COLUMN obligations.paid IS 'Whether nothing is left';

-- So far, each partner settled its net with the hub.
INSERT INTO obligations (window_id, payer, payee, currency, micros, end_to_end_id, paid_micros, paid)
SELECT window_id, payer, payee, currency, abs(net_micros),
       format('W%s-%s-%s-%s', window_id, payer, payee, currency), paid_micros,
       paid_micros = abs(net_micros)
FROM nets_before,
     LATERAL (SELECT CASE WHEN net_micros > 0 THEN partner_id ELSE 0 END AS payer,
                     CASE WHEN net_micros > 0 THEN 0 ELSE partner_id END AS payee) AS sides;
DROP TABLE nets_before;
GRANT SELECT, INSERT ON obligations TO entente_runtime;
GRANT UPDATE (paid_micros, paid) ON obligations TO entente_runtime;

INSERT INTO window_states (window_id, partner_id, state, at, actor, reason)
SELECT w.window_id, 0, s.state, w.closed_at, 'hub', 'settled before states were recorded'
FROM windows w, (VALUES (3::smallint), (4::smallint)) AS s (state)
WHERE w.closed_at IS NOT NULL AND NOT w.testing
  AND NOT EXISTS (SELECT FROM obligations o WHERE o.window_id = w.window_id AND NOT o.paid)
ORDER BY w.window_id, s.state
ON CONFLICT DO NOTHING;

CREATE TABLE bank_statements (
    statement_no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account      text NOT NULL CHECK (length(account) BETWEEN 1 AND 34),
    statement_id text NOT NULL CHECK (length(statement_id) BETWEEN 1 AND 64),
    sha256       bytea NOT NULL CHECK (length(sha256) = 32),
    entry_count  integer NOT NULL CHECK (entry_count >= 0),
    read_at      timestamptz NOT NULL,
    actor        text NOT NULL CHECK (length(actor) BETWEEN 1 AND 64),
    UNIQUE (account, statement_id)
);
COMMENT ON TABLE bank_statements IS 'Statements of the hub''s account that were read; each is read once';

CREATE TABLE bank_entries (
    statement_no   bigint NOT NULL REFERENCES bank_statements,
    place          integer NOT NULL CHECK (place >= 1),
    bank_reference text NOT NULL CHECK (length(bank_reference) BETWEEN 1 AND 140),
    credit         boolean NOT NULL,
    booked         boolean NOT NULL,
    currency       text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    micros         bigint NOT NULL CHECK (micros >= 0),
    booked_on      date,
    named          text CHECK (length(named) <= 140),
    debtor         text CHECK (length(debtor) <= 140),
    remittance     text NOT NULL CHECK (length(remittance) <= 500),
    outcome        smallint NOT NULL CHECK (outcome BETWEEN 0 AND 10),
    obligation     text REFERENCES obligations (end_to_end_id),
    difference     bigint NOT NULL DEFAULT 0 CHECK (difference >= 0),
    waits          boolean NOT NULL,
    payment        uuid,
    decided_at     timestamptz,
    decided_by     text CHECK (length(decided_by) BETWEEN 1 AND 64),
    decision       text CHECK (length(decision) BETWEEN 1 AND 256),
    PRIMARY KEY (statement_no, place),
    CHECK (num_nulls(decided_at, decided_by, decision) IN (0, 3)),
    CHECK (waits = (outcome <> 0 AND decided_at IS NULL)),
    CHECK (outcome <> 0 OR payment IS NOT NULL)
);
CREATE INDEX bank_entries_by_reference ON bank_entries (bank_reference) WHERE booked;
CREATE INDEX bank_entries_waiting ON bank_entries (statement_no, place) WHERE waits;
COMMENT ON COLUMN bank_entries.named IS 'The end-to-end id as the bank told it';
COMMENT ON COLUMN bank_entries.outcome IS
    '0 paid an obligation; why it waited: 1 duplicate, 2 not booked, 3 reversal, 4 no reference, '
    '5 unknown reference, 6 other side, 7 other currency, 8 paid already, 9 partial, 10 over';
COMMENT ON COLUMN bank_entries.obligation IS 'Which one it names, or was assigned to';
COMMENT ON COLUMN bank_entries.difference IS 'Of a partial one what is left, of one over what is too much';
COMMENT ON COLUMN bank_entries.waits IS 'Whether a person has to decide';
COMMENT ON COLUMN bank_entries.payment IS 'The request id of the payment that was posted for it';

GRANT SELECT, INSERT ON bank_statements, bank_entries TO entente_runtime;
GRANT UPDATE (obligation, waits, payment, decided_at, decided_by, decision) ON bank_entries
    TO entente_runtime;
