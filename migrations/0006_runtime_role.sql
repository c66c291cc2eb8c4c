-- The role that a hub runs as: it appends operations and transfers and can change neither.

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'entente_runtime') THEN
        CREATE ROLE entente_runtime LOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL; -- another ledger of this server made it at the same moment
END
$$;

GRANT SELECT ON ledger TO entente_runtime;
GRANT SELECT, UPDATE ON clock, cells TO entente_runtime;
GRANT SELECT, INSERT, UPDATE ON windows, partners, exposures, obligations, positions,
    wallets, lots, holds, hold_legs, debts TO entente_runtime;
GRANT SELECT, INSERT ON terms, terms_rules, terms_caps, links, requests, operations, transfers,
    totals TO entente_runtime;
GRANT UPDATE (effective_to) ON terms TO entente_runtime;
REVOKE ALL ON FUNCTION ensure_month FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ensure_month TO entente_runtime;
