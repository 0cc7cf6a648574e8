-- :from_ms :to_ms (half-open; NULL: no bound) :org (NULL: all).
-- The organizations are stepped through, so that the index on (org_ref, created_ms) serves a report on all of them.
WITH RECURSIVE orgs (org) AS (
    SELECT coalesce(:org, (SELECT min(org_ref) FROM ai_usage_metrics))
    UNION ALL
    SELECT (SELECT min(org_ref) FROM ai_usage_metrics WHERE org_ref > org) FROM orgs
    WHERE org IS NOT NULL AND :org IS NULL
)
SELECT provider,
       model,
       sum(final)                                       AS requests,
       count(*)                                         AS attempts,
       sum(outcome NOT IN ('ok', 'cancelled'))          AS failed,
       sum(tokens_input)                                AS tokens_input,
       sum(tokens_output)                               AS tokens_output,
       sum(tokens_cached)                               AS tokens_cached,
       sum(cost_nano_usd)                               AS cost_nano_usd,
       CAST(round(avg(latency_ms)) AS INTEGER)          AS avg_latency_ms,
       CAST(round(avg(ttft_ms)) AS INTEGER)             AS avg_ttft_ms
FROM orgs CROSS JOIN ai_usage_metrics ON org_ref = org
WHERE created_ms >= coalesce(:from_ms, 0)
  AND created_ms < coalesce(:to_ms, 9223372036854775807)
GROUP BY provider, model
ORDER BY cost_nano_usd DESC, provider, model;
