-- Which requests name operations that are archived: what a request of the hub moved is verified by its
-- transfers, unless they are out of the ledger.

CREATE VIEW archived_requests AS
    SELECT r.partner_id, r.request_id
    FROM requests r JOIN archived_ends e USING (cell)
    WHERE r.seq <= e.last_seq;
COMMENT ON VIEW archived_requests IS 'Requests whose operation is archived';
GRANT SELECT ON archived_requests TO entente_runtime;
