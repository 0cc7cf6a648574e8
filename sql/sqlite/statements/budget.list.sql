-- :org (NULL: all). Newest period first.
SELECT id, org_ref, period_start_ms, period_end_ms, limit_nano_usd, spend_nano_usd, hard_limit, alert_threshold,
       billing_period_start, billing_period_end
FROM ai_budgets
WHERE :org IS NULL OR org_ref = :org
ORDER BY org_ref, period_start_ms DESC;
