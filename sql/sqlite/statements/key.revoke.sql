-- :id :at_ms. One row if there is such a key; the first revocation's time stays.
UPDATE virtual_keys SET revoked_ms = coalesce(revoked_ms, :at_ms, unixepoch() * 1000) WHERE id = :id
RETURNING id, revoked_ms;
