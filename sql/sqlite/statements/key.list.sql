-- :org (NULL: all). Revoked and expired ones included.
SELECT id, org_ref, sha256, name, team, user_ref, prefix, tags, models, acts_for, created_ms, expires_ms, revoked_ms
FROM virtual_keys
WHERE :org IS NULL OR org_ref = :org
ORDER BY org_ref, created_ms, id;
