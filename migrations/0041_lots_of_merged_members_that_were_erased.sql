-- The lots of members that were merged into one who was erased end with it, so that points which come back
-- into them expire: until now, they kept their time.
UPDATE lots l SET expires_at = e.erased_at FROM erasures e
WHERE l.cell = e.cell AND l.member_id = e.member_id AND NOT l.open AND l.expires_at > e.erased_at;
