-- :id :name :settings (JSON, may be NULL). Adds or changes an organization.
INSERT INTO organizations (id, name, settings) VALUES (:id, coalesce(:name, :id), :settings)
ON CONFLICT (id) DO UPDATE SET name = coalesce(:name, name),
                               settings = excluded.settings,
                               updated_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now');
