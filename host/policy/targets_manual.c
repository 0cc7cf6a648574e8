/* What targets{…} takes, for the manual and for editors. */
#include "policy/modules.h"

static const mg_lua_field list_fields[] = {
    {"[integer]", "string|moongate.target_options",
     "\"openai/gpt-4o\" or any other name of a model, or a table of names; at most 32.", NULL},
    {"strategy", "\"order\"|\"weighted\"|\"latency\"|\"cost\"|nil",
     "Which comes first: as listed (unless given), drawn by weight, the quickest to its first token, the cheapest.",
     NULL},
    {"max_retries", "integer?", "Further attempts at the same target before the next one is tried, 0 to 10; else 0.",
     NULL},
    {"retry_on", "(integer|string)[]?",
     "What another attempt may mend: 402, 408, 429, 500, 502, 503, 504, 529, \"timeout\", \"reset\", \"overloaded\", "
     "\"rate\", \"quota\", \"server\".",
     NULL},
    {"backoff", "{base?: number, cap?: number, jitter?: \"full\"|\"equal\"|\"decorrelated\"|\"none\"}?",
     "Waits between retries, in seconds: base 0.25, cap 8 and jitter full unless given. A vendor's retry-after is "
     "obeyed.",
     NULL},
    {"first_byte", "number?", "Seconds of silence before an attempt's answer; the provider's unless given.", NULL},
    {"total", "number?", "Seconds for all attempts and the waits between them; no limit unless given.", NULL},
    {"hedge_after", "number|boolean|nil",
     "Seconds after which a second request goes out beside one that has not answered, and the first answer wins; true: "
     "after the p95 of the target's time to first token.",
     NULL},
    {"hedge_share", "number?", "The most of all requests that may be hedged, 0 to 1; 0.05 unless given.", NULL},
    {"hold", "{tokens?: integer, seconds?: number}?",
     "Nothing of a stream goes to the client until it has brought so many tokens, or so many seconds (1 unless given) "
     "have passed since it began: until then the next target can take over.",
     NULL},
    {"min_tokens_per_second", "number?", "A stream that is slower over 10 s is given up; 0: none is.", NULL},
    {"continue_stream", "boolean?",
     "A stream that breaks goes on with the next target that can take over an assistant's text.", NULL},
    {"on_disconnect", "\"cancel\"|\"drain\"|nil",
     "When the client has gone: cancel the answer (unless given), or read it to its end for the exact usage.", NULL},
    {NULL, NULL, NULL, NULL},
};

const mg_lua_module mg_lua_targets_options = {
    .name = "targets_options",
    .class_ = true,
    .doc = "What `targets` takes: names in order, and how to go about them. Times are seconds.",
    .fields = list_fields,
};

static const mg_lua_field table_fields[] = {
    {"[integer]", "string|moongate.target_options", "Names; in a group also tables of names.", NULL},
    {"weight", "number?", "Of each name, for the strategy weighted; as configured unless given.", NULL},
    {"timeout", "number?", "Seconds that an attempt may take in all; the provider's unless given.", NULL},
    {"strategy", "\"order\"|\"weighted\"|\"latency\"|\"cost\"|nil",
     "Makes the table a group: its targets are put in order among themselves, where the table stands in the list.",
     NULL},
    {NULL, NULL, NULL, NULL},
};

const mg_lua_module mg_lua_target_options = {
    .name = "target_options",
    .class_ = true,
    .doc = "A table in a list of targets: `{ \"azure/gpt-4o\", weight = 2, timeout = 30 }`, or a group "
           "`{ \"openai/gpt-4o\", \"azure/gpt-4o\", strategy = \"latency\" }`.",
    .fields = table_fields,
};
