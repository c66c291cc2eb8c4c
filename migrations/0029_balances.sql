-- What was unpaid between each partner and the coalition when a window closed: the balance of its
-- statement, and the opening of the next one's. What is paid later does not change it.

CREATE TABLE balances (
    window_id  integer NOT NULL REFERENCES windows,
    partner_id integer NOT NULL REFERENCES partners,
    currency   text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    micros     bigint NOT NULL CHECK (micros <> 0),
    PRIMARY KEY (window_id, partner_id, currency)
);
COMMENT ON TABLE balances IS 'Written by the close, of a live window; a partner that was even has no row';
COMMENT ON COLUMN balances.micros IS
    'Unpaid obligations of this window and those before: positive where the partner pays';

-- A payment belongs to the window that was open when it was recorded.
INSERT INTO balances (window_id, partner_id, currency, micros)
SELECT w.window_id, s.partner_id, s.currency, sum(s.micros)
FROM windows w
JOIN (
    SELECT window_id, payer AS partner_id, currency, micros FROM obligations
    UNION ALL
    SELECT window_id, payee, currency, -micros FROM obligations
    UNION ALL
    SELECT window_id, credit_partner, currency, -amount FROM transfers WHERE kind = 11
    UNION ALL
    SELECT window_id, debit_partner, currency, amount FROM transfers WHERE kind = 11
) s ON s.window_id <= w.window_id AND s.partner_id > 0
WHERE w.closed_at IS NOT NULL AND NOT w.testing
GROUP BY w.window_id, s.partner_id, s.currency
HAVING sum(s.micros) <> 0;

GRANT SELECT, INSERT ON balances TO entente_runtime;
