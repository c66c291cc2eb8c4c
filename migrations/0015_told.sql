-- What partners were told is kept with what it is about, so that it is told once, whoever sees it first
-- and whenever a hub is started or upgraded: that terms are in force, and which share of a cap is owed.

ALTER TABLE terms ADD COLUMN announced boolean NOT NULL DEFAULT false;
CREATE INDEX terms_to_announce ON terms (effective_from) WHERE NOT announced;
COMMENT ON TABLE terms IS
    'Immutable, but for the end that a successor gives an open-ended version, and for announced';
COMMENT ON COLUMN terms.announced IS 'The partner was told that it is in force, or no hub tells it';
GRANT UPDATE (announced) ON terms TO entente_runtime;

-- A ledger on which nothing was announced is older than announcing: what has begun there is no news.
-- On another, what was announced is known by its operation, and marked when a hub comes upon it.
UPDATE terms SET announced = true
WHERE effective_from <= COALESCE((SELECT now FROM clock), clock_timestamp())
  AND NOT EXISTS (SELECT FROM notices WHERE kind = 3);

ALTER TABLE exposures
    ADD COLUMN told_percent smallint NOT NULL DEFAULT 0 CHECK (told_percent IN (0, 50, 80, 95, 100));
COMMENT ON COLUMN exposures.told_percent IS
    'The greatest share of the cap that the partner knows it owes; 0 for less than half, and without a cap';

UPDATE exposures e
SET told_percent = CASE
        WHEN e.owed_micros <= 0 THEN 0
        WHEN e.owed_micros >= c.cap_micros THEN 100
        WHEN e.owed_micros::numeric * 100 >= c.cap_micros::numeric * 95 THEN 95
        WHEN e.owed_micros::numeric * 100 >= c.cap_micros::numeric * 80 THEN 80
        WHEN e.owed_micros::numeric * 100 >= c.cap_micros::numeric * 50 THEN 50
        ELSE 0
    END
FROM terms t JOIN terms_caps c USING (partner_id, version)
WHERE t.partner_id = e.partner_id AND c.currency = e.currency
  AND tstzrange(t.effective_from, t.effective_to, '[)')
      @> COALESCE((SELECT now FROM clock), clock_timestamp());
