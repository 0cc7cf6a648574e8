-- :org :from_ms :to_ms (half-open; NULL: no bound). requests counts final rows.
SELECT coalesce(sum(cost_nano_usd), 0)                AS cost_nano_usd,
       coalesce(sum(tokens_input + tokens_output), 0) AS tokens,
       coalesce(sum(final), 0)                        AS requests
FROM ai_usage_metrics
WHERE org_ref = :org
  AND created_ms >= coalesce(:from_ms, 0)
  AND created_ms < coalesce(:to_ms, 9223372036854775807);
