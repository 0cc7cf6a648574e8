-- A configuration with all its parts. Everything has a default: an empty file is a good one. `moongate check -c FILE`
-- reports what is wrong, docs/configuration.md lists every setting.
--
-- The file is Lua. What it assigns to global names are the settings; env(NAME [, default]), file(PATH) and include(PATH) are
-- all the functions that there are. A variable that is not set counts as a setting that was left out.

-- ---- the process ---------------------------------------------------------------------------------------------------

listen = "127.0.0.1:8080" -- or { "127.0.0.1:8080", "unix:/run/moongate.sock" },
                          -- or { address = "[::]:443", tls = { { cert = "gate.pem", key = "gate.key" } } }
admin = {
    listen = "127.0.0.1:8081",
    token = env "MOONGATE_ADMIN_TOKEN", -- without it one is made in data_dir/admin-token
}
workers = 0      -- event-loop threads; 0: one a core
data_dir = "var" -- usage that is not in the ledger yet, and the ledger itself
policies = "policies"
log = { level = "info" }
drain_seconds = 30

-- ---- where things are kept -----------------------------------------------------------------------------------------

ledger = { "sqlite" }
store = { "memory", max_bytes = "256MB" }

-- ---- vendors -------------------------------------------------------------------------------------------------------

providers = {
    demo = { "demo" }, -- answers by itself, for trying things out
    openai = {
        "openai",
        api_key = env "OPENAI_API_KEY", -- or file "/run/secrets/openai"
        -- api_keys = { file "key-1", file "key-2" }: instead of api_key, used in turn
        timeouts = { connect = 5, first_byte = 60, idle = 30, total = 600 },
    },
    -- Any server that speaks OpenAI's format; what it does differently is declared.
    ollama = {
        "openai",
        base_url = "http://127.0.0.1:11434/v1",
        drop = { "logit_bias" },
        rename = { max_completion_tokens = "max_tokens" },
    },
}

-- A target that fails too often gets no requests for a while (docs/failover.md).
circuit = { window = 30, min_calls = 20, errors = 0.5, open = 30, probes = 3 }

-- ---- models: public names and what stands behind them --------------------------------------------------------------
-- "provider/model" works as a name, too, where an organization may use it.

models = {
    ["gpt-4o"] = "openai/gpt-4o",
    smart = { "openai/gpt-4o", "demo/demo" }, -- tried in order
    pool = {
        { "openai/gpt-4o-mini", weight = 3 },
        { "ollama/llama3.1", weight = 1, timeout = 120 },
        strategy = "weighted",
    },
}
prices = { unknown_usd_per_million = 75 } -- what a model that the price table lacks is counted at; or "refuse"

-- ---- organizations: also in the ledger, with `moongate org add` and `moongate key add` -----------------------------

organizations = {
    acme = {
        name = "Acme Corporation",
        keys = {
            env("ACME_KEY", "mg-acme-dev"),
            { key = env("ACME_LEGAL_KEY", "mg-acme-legal-dev"), name = "legal", team = "legal", models = { "smart" } },
        },
        models = { "gpt-4o", "smart", "openai/*" }, -- globs over public names and targets; absent: all
        limits = {
            requests = "60/minute",
            tokens = "100000/hour",
            cost = "50 usd/day",
            { scope = "user", requests = "10/minute" },
        },
        budget = { monthly_usd = 1000, hard = true, alert_at = { 0.5, 0.8, 1.0 } },
        settings = { failover = { all_models = true, retries = 1, continue_stream = true } }, -- of policies, by their names
    },
}

-- ---- what policies may reach, and the bounds of the HTTP server ----------------------------------------------------

http = { allow = { "hooks.example.com" } }
limits = { body_bytes = "32MB", idle_seconds = 75 }
