-- :from_ms :to_ms (half-open; NULL: no bound) :org (NULL: all).
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
FROM ai_usage_metrics
WHERE (:org IS NULL OR org_ref = :org)
  AND created_ms >= coalesce(:from_ms, 0)
  AND created_ms < coalesce(:to_ms, 9223372036854775807)
GROUP BY provider, model
ORDER BY cost_nano_usd DESC, provider, model;
