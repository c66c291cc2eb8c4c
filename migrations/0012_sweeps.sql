-- Members with something due are found by time, so that it happens though nobody calls for them;
-- and a lot says whether its issuer was told of its end.

CREATE INDEX wallets_by_due ON wallets (cell, next_due_at, member_id) WHERE next_due_at IS NOT NULL;

ALTER TABLE lots ADD COLUMN announced boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN lots.announced IS 'Its end was announced, or is too near to be announced ahead';
COMMENT ON COLUMN wallets.next_due_at IS
    'Before it nothing of the member expires or is to be announced; an earn before it needs no lots';

-- Lots that are there already are announced 30 days ahead too: each wallet is looked at then.
UPDATE wallets SET next_due_at = next_due_at - interval '720 hours' WHERE next_due_at IS NOT NULL;
