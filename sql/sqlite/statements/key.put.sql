-- Adds a key, or changes one of the same id (never one that was revoked).
INSERT INTO virtual_keys (id, org_ref, sha256, name, team, user_ref, prefix, tags, models, acts_for,
                          created_ms, expires_ms)
VALUES (:id, :org, :sha256, :name, :team, :user, :prefix, :tags, :models, :acts_for, :created_ms, :expires_ms)
ON CONFLICT (id) DO UPDATE SET org_ref = excluded.org_ref, sha256 = excluded.sha256, name = excluded.name,
                               team = excluded.team, user_ref = excluded.user_ref, prefix = excluded.prefix,
                               tags = excluded.tags, models = excluded.models, acts_for = excluded.acts_for,
                               expires_ms = excluded.expires_ms
WHERE virtual_keys.revoked_ms IS NULL
RETURNING id;
