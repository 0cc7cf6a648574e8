-- :id. Revokes its keys too, so that they do not come back with another organization of that name. One row with the
-- id if there was such an organization.
UPDATE virtual_keys SET revoked_ms = unixepoch() * 1000
WHERE org_ref = :id AND revoked_ms IS NULL;
DELETE FROM organizations WHERE id = :id RETURNING id;
