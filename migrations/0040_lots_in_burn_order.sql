-- A command that takes points reads the open lots that come first in burn order, and not all that a
-- member has had: those that are used up are not in the index, so that its size does not grow with history.
-- To use a lot up costs a new version of its row in every index; what is left of it is still in none.
CREATE INDEX lots_in_burn_order ON lots (cell, member_id, expires_at, opened_by, ordinal) WHERE open;
