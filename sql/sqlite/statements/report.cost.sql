-- :from_ms :to_ms (half-open; NULL: no bound) :org (NULL: all) :by = org, model, provider, key, user, team or day.
-- requests counts final rows; attempts all.
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
FROM ai_usage_metrics
WHERE (:org IS NULL OR org_ref = :org)
  AND created_ms >= coalesce(:from_ms, 0)
  AND created_ms < coalesce(:to_ms, 9223372036854775807)
GROUP BY 1
ORDER BY CASE WHEN :by = 'day' THEN name END, cost_nano_usd DESC, name;
