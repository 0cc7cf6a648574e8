-- :id, of a request (all its attempts) or of one attempt.
SELECT * FROM ai_usage_metrics WHERE request_id = :id OR attempt_id = :id ORDER BY attempt, created_ms, attempt_id;
