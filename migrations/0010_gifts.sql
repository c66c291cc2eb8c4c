-- Gifts: from whose lot a received one came, and what members gave in a month.

ALTER TABLE lots
    ADD COLUMN from_cell smallint,
    ADD COLUMN from_opened_by bigint,
    ADD COLUMN from_ordinal smallint,
    ADD CHECK (num_nonnulls(from_cell, from_opened_by, from_ordinal)
               = CASE WHEN origin = 3 THEN 3 ELSE 0 END);
COMMENT ON COLUMN lots.from_cell IS 'Of a received lot: the cell of the giver, and there the lot';

CREATE TABLE gifts_given (
    cell       smallint NOT NULL,
    member_id  uuid NOT NULL,
    partner_id integer NOT NULL,
    month      date NOT NULL CHECK (extract(day FROM month) = 1),
    points     bigint NOT NULL CHECK (points > 0),
    PRIMARY KEY (cell, member_id, partner_id, month)
) WITH (fillfactor = 80);
COMMENT ON TABLE gifts_given IS 'What a member gave to others at a partner in a UTC month, which terms limit';
GRANT SELECT, INSERT, UPDATE ON gifts_given TO entente_runtime;
