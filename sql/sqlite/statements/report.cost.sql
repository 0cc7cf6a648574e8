-- :from_ms :to_ms (half-open; NULL: no bound) :org (NULL: all) :by = org, model, provider, key, user, team or day.
-- requests counts final rows; attempts all.
-- The organizations are stepped through, so that the index on (org_ref, created_ms) serves a report on all of them.
WITH RECURSIVE orgs (org) AS (
    SELECT coalesce(:org, (SELECT min(org_ref) FROM ai_usage_metrics))
    UNION ALL
    SELECT (SELECT min(org_ref) FROM ai_usage_metrics WHERE org_ref > org) FROM orgs
    WHERE org IS NOT NULL AND :org IS NULL
)
SELECT CASE :by WHEN 'org' THEN org_ref
                WHEN 'model' THEN model
                WHEN 'provider' THEN provider
                WHEN 'key' THEN key_id
                WHEN 'user' THEN user_ref
                WHEN 'team' THEN team
                WHEN 'day' THEN date(created_ms / 1000.0, 'unixepoch')
       END                 AS name,
       sum(final)          AS requests,
       count(*)            AS attempts,
       sum(tokens_input)   AS tokens_input,
       sum(tokens_output)  AS tokens_output,
       sum(tokens_cached)  AS tokens_cached,
       sum(cost_nano_usd)  AS cost_nano_usd
FROM orgs CROSS JOIN ai_usage_metrics ON org_ref = org
WHERE created_ms >= coalesce(:from_ms, 0)
  AND created_ms < coalesce(:to_ms, 9223372036854775807)
GROUP BY 1
ORDER BY CASE WHEN :by = 'day' THEN name END, cost_nano_usd DESC, name;
