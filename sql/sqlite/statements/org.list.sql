SELECT id, name, settings, created_at, updated_at FROM organizations ORDER BY id;
