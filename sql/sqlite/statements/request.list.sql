-- :org (NULL: all) :limit (NULL: 100). Newest first: attempt ids are UUIDs of version 7, which ascend with time.
SELECT attempt_id, request_id, attempt, final, outcome, precision, org_ref, key_id, user_ref, provider, model,
       operation, tokens_input, tokens_output, tokens_cached, cost_nano_usd, latency_ms, ttft_ms, http_status, error, created_ms
FROM ai_usage_metrics
WHERE :org IS NULL OR org_ref = :org
ORDER BY attempt_id DESC
LIMIT coalesce(:limit, 100);
