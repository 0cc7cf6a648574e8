SELECT count(*) AS attempts, coalesce(sum(final), 0) AS requests FROM ai_usage_metrics;
