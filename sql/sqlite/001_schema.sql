-- The ledger. Times are Unix milliseconds (…_ms), money nano-dollars (…_nano_usd): they are the truth. The columns
-- that other tools know (created_at, estimated_cost, monthly_limit_usd, …) are made from them. org_ref, user_ref, session_ref hold whatever the gateway was told; organization_id and user_id are filled
-- where such a row exists.

CREATE TABLE organizations (
    id          TEXT PRIMARY KEY NOT NULL CHECK (id <> ''),
    name        TEXT NOT NULL,
    settings    TEXT,                       -- JSON: models, limits, budget, policy settings
    created_at  TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    updated_at  TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
);

CREATE TABLE users (
    id              TEXT PRIMARY KEY NOT NULL CHECK (id <> ''),
    organization_id TEXT REFERENCES organizations (id) ON DELETE SET NULL,
    name            TEXT,
    email           TEXT,
    created_at      TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
);

-- One row an attempt at a provider. What the client asked for is the request; its final attempt has final = 1.
-- A row is written for every request, and a virtual column is computed with every write: so those here are cheap (no
-- round(), no strftime(): created_at is written beside created_ms), and there is no index that a report can do without.
CREATE TABLE ai_usage_metrics (
    attempt_id          TEXT NOT NULL UNIQUE CHECK (attempt_id <> ''),
    id                  TEXT GENERATED ALWAYS AS (attempt_id) VIRTUAL,
    request_id          TEXT,
    attempt             INTEGER NOT NULL,
    final               INTEGER NOT NULL CHECK (final IN (0, 1)),
    outcome             TEXT NOT NULL,      -- ok, error, cancelled, interrupted, denied, timeout
    precision           TEXT,               -- exact, counted, estimated
    organization_id     TEXT,
    org_ref             TEXT NOT NULL,
    user_id             TEXT,
    user_ref            TEXT,
    session_id          TEXT GENERATED ALWAYS AS (session_ref) VIRTUAL,
    session_ref         TEXT,
    team                TEXT,
    key_id              TEXT,
    provider            TEXT,               -- NULL: denied before one was chosen
    model               TEXT NOT NULL,
    model_asked         TEXT,
    operation           TEXT,
    tokens_input        INTEGER NOT NULL,   -- cached ones included
    tokens_output       INTEGER NOT NULL,   -- reasoning included
    tokens_total        INTEGER GENERATED ALWAYS AS (tokens_input + tokens_output) VIRTUAL,
    tokens_cached       INTEGER NOT NULL,
    tokens_cache_write  INTEGER NOT NULL,
    tokens_reasoning    INTEGER NOT NULL,
    tokens_audio_input  INTEGER NOT NULL,
    tokens_audio_output INTEGER NOT NULL,
    cost_nano_usd       BIGINT NOT NULL,
    estimated_cost      REAL GENERATED ALWAYS AS ((cost_nano_usd + 500) / 1000 / 1e6) VIRTUAL,
    latency_ms          INTEGER,
    ttft_ms             INTEGER,            -- NULL: there was no first token
    http_status         INTEGER,
    error               TEXT,
    upstream_id         TEXT,
    client_request_id   TEXT,
    stream              INTEGER NOT NULL,
    metadata            TEXT,               -- JSON object
    decisions           TEXT,               -- JSON array
    policy_generation   INTEGER NOT NULL,
    created_ms          INTEGER NOT NULL,
    created_at          TEXT NOT NULL       -- created_ms as text, UTC
);

CREATE INDEX idx_usage_org_time ON ai_usage_metrics (org_ref, created_ms);
CREATE INDEX idx_usage_request ON ai_usage_metrics (request_id);

CREATE TABLE ai_rate_limits (
    id              TEXT PRIMARY KEY NOT NULL DEFAULT (lower(hex(randomblob(16)))),
    organization_id TEXT NOT NULL,
    limit_type      TEXT NOT NULL CHECK (limit_type IN ('requests_per_minute', 'tokens_per_hour', 'cost_per_day')),
    limit_value     INTEGER NOT NULL CHECK (limit_value > 0),
    current_value   INTEGER NOT NULL DEFAULT 0 CHECK (current_value >= 0),
    window_start    TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    window_duration INTEGER NOT NULL,       -- seconds
    created_at      TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    updated_at      TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    UNIQUE (organization_id, limit_type)
);

-- A billing period is [period_start_ms, period_end_ms) in UTC; billing_period_end is its last day.
CREATE TABLE ai_budgets (
    id                   TEXT PRIMARY KEY NOT NULL DEFAULT (lower(hex(randomblob(16)))),
    organization_id      TEXT GENERATED ALWAYS AS (org_ref) VIRTUAL,
    org_ref              TEXT NOT NULL CHECK (org_ref <> ''),
    period_start_ms      INTEGER NOT NULL,
    period_end_ms        INTEGER NOT NULL CHECK (period_end_ms > period_start_ms),
    limit_nano_usd       BIGINT NOT NULL CHECK (limit_nano_usd >= 0),
    spend_nano_usd       BIGINT NOT NULL DEFAULT 0,
    monthly_limit_usd    REAL GENERATED ALWAYS AS (round(limit_nano_usd / 1e9, 2)) VIRTUAL,
    current_spend_usd    REAL GENERATED ALWAYS AS (round(spend_nano_usd / 1e9, 2)) VIRTUAL,
    alert_threshold      REAL NOT NULL DEFAULT 0.8 CHECK (alert_threshold BETWEEN 0 AND 1),
    hard_limit           INTEGER NOT NULL DEFAULT 1 CHECK (hard_limit IN (0, 1)),
    billing_period_start TEXT GENERATED ALWAYS AS (date(period_start_ms / 1000.0, 'unixepoch')) VIRTUAL,
    billing_period_end   TEXT GENERATED ALWAYS AS (date((period_end_ms - 1) / 1000.0, 'unixepoch')) VIRTUAL,
    created_at           TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    updated_at           TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    UNIQUE (org_ref, period_start_ms)
);

CREATE TABLE ai_safety_filters (
    id              TEXT PRIMARY KEY NOT NULL DEFAULT (lower(hex(randomblob(16)))),
    organization_id TEXT NOT NULL,
    user_id         TEXT,
    request_id      TEXT,
    filter_type     TEXT NOT NULL,          -- pii, moderation, keyword, …
    severity        TEXT NOT NULL CHECK (severity IN ('low', 'medium', 'high', 'critical')),
    action          TEXT NOT NULL,          -- allowed, redacted, blocked
    rule            TEXT,
    details         TEXT,                   -- JSON without the matched text
    created_at      TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
);

CREATE INDEX idx_safety_org_time ON ai_safety_filters (organization_id, created_at DESC);

CREATE TABLE audit_logs (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    organization_id TEXT,
    user_id         TEXT,                   -- who did it
    action          TEXT NOT NULL,
    resource_type   TEXT,
    resource_id     TEXT,
    details         TEXT,                   -- JSON
    created_at      TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
);

CREATE INDEX idx_audit_org_time ON audit_logs (organization_id, created_at DESC);

-- The key itself is never stored: only its SHA-256 and, for people, its first eight characters.
CREATE TABLE virtual_keys (
    id         TEXT PRIMARY KEY NOT NULL CHECK (id <> ''),
    org_ref    TEXT NOT NULL CHECK (org_ref <> ''),
    sha256     TEXT NOT NULL UNIQUE CHECK (length(sha256) = 64),
    name       TEXT,
    team       TEXT,
    user_ref   TEXT,
    prefix     TEXT,
    tags       TEXT,                        -- JSON object
    models     TEXT,                        -- JSON array of globs; NULL: all
    acts_for   TEXT,                        -- '*' or an organization that a request may name
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER,
    revoked_ms INTEGER
);

CREATE INDEX idx_keys_org ON virtual_keys (org_ref);

CREATE VIEW ai_usage_daily AS
SELECT org_ref                              AS organization_id,
       provider,
       model,
       date(created_ms / 1000.0, 'unixepoch') AS usage_date,
       sum(final)                           AS request_count,
       count(*)                             AS attempt_count,
       sum(tokens_input)                    AS total_tokens_input,
       sum(tokens_output)                   AS total_tokens_output,
       sum(tokens_input + tokens_output)    AS total_tokens,
       round(sum(cost_nano_usd) / 1e9, 6)   AS total_cost,
       sum(cost_nano_usd)                   AS total_cost_nano_usd,
       avg(latency_ms)                      AS avg_latency_ms,
       -- The nearest rank: the smallest latency that at least 95 % of the attempts do not exceed.
       min(CASE WHEN latency_rank >= 0.95 THEN latency_ms END) AS p95_latency_ms
FROM (SELECT *,
             cume_dist() OVER (PARTITION BY org_ref, provider, model, date(created_ms / 1000.0, 'unixepoch')
                               ORDER BY latency_ms) AS latency_rank
      FROM ai_usage_metrics)
GROUP BY org_ref, provider, model, date(created_ms / 1000.0, 'unixepoch');
