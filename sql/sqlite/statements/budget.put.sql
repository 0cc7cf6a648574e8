-- :org :start_ms :end_ms (half-open) :limit_nano :hard (NULL: 1). Adds a period's budget or changes it; what was
-- spent in the period already counts.
INSERT INTO ai_budgets (org_ref, period_start_ms, period_end_ms, limit_nano_usd, hard_limit, spend_nano_usd)
VALUES (:org, :start_ms, :end_ms, :limit_nano, coalesce(:hard, 1),
        (SELECT coalesce(sum(cost_nano_usd), 0) FROM ai_usage_metrics
         WHERE org_ref = :org AND created_ms >= :start_ms AND created_ms < :end_ms))
ON CONFLICT (org_ref, period_start_ms) DO UPDATE
SET period_end_ms = excluded.period_end_ms,
    limit_nano_usd = excluded.limit_nano_usd,
    hard_limit = excluded.hard_limit,
    spend_nano_usd = excluded.spend_nano_usd,
    updated_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now');
