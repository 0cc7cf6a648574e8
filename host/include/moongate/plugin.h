/* The plugin interface of Moongate: the one header that a plugin needs.
 *
 * A plugin is one shared object that exports one descriptor:
 *
 *     MG_PLUGIN_EXPORT const mg_plugin *moongate_plugin(void);
 *
 * The descriptor says what kind of plugin it is, which settings it takes and what it does. Every struct that crosses
 * the border begins with `size`, set to sizeof of what its writer was compiled with: fields are only ever appended, and
 * a reader looks at a field only if `size` covers it. `abi` changes only when an old field changes its meaning.
 *
 * Threads. The host calls a plugin from all its worker threads at once. State lives in the two handles that the plugin
 * returns: `open` makes one for the process, `attach` one for each worker; nothing of a plugin is a writable global.
 * No operation may block, except those of a ledger, which has a thread of its own.
 *
 * Lifetimes. A pointer that the host passes is borrowed until the call returns, unless its comment says otherwise. What
 * a plugin hands to the host's functions is copied before they return, unless their comment says otherwise.
 */
#ifndef MOONGATE_PLUGIN_H
#define MOONGATE_PLUGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MG_PLUGIN_ABI 1u
#define MG_PLUGIN_SYMBOL "moongate_plugin"
#define MG_PLUGIN_EXPORT __attribute__((visibility("default")))

/* ---- basic types ------------------------------------------------------------------------------------------------ */

/* Bytes with a length, not terminated; p may be NULL when n is 0. */
typedef struct mg_str {
    const char *p;
    size_t n;
} mg_str;

typedef enum mg_status {
    MG_OK = 0,   /* done */
    MG_AGAIN,    /* under way: a completion follows */
    MG_DECLINED, /* not mine, or nothing to do; not an error */
    MG_ERROR     /* failed: the error struct says why */
} mg_status;

/* Why something failed, in words for the person who can mend it. */
typedef struct mg_error {
    int http;       /* HTTP status that a client should see, or 0 */
    char code[48];  /* machine-readable, as in the OpenAI error object; may be "" */
    char text[464]; /* a sentence; never a secret, never an upstream URL */
} mg_error;

/* ---- JSON: the host parses once and hands out read-only values ----------------------------------------------------- */

typedef struct mg_json mg_json; /* opaque: one value of a parsed text */

typedef enum mg_json_type {
    MG_JSON_NULL,
    MG_JSON_BOOL,
    MG_JSON_NUMBER,
    MG_JSON_STRING,
    MG_JSON_ARRAY,
    MG_JSON_OBJECT
} mg_json_type;

/* ---- what the host offers ------------------------------------------------------------------------------------------ */

typedef enum mg_log_level { MG_LOG_DEBUG, MG_LOG_INFO, MG_LOG_WARN, MG_LOG_ERROR } mg_log_level;

/* One use of an asynchronous operation. The plugin keeps the number and passes it to `complete` once. A second
 * completion, or one after `cancel`, is ignored and counted: a token holds a generation. */
typedef uint64_t mg_token;

typedef struct mg_store_result mg_store_result;
typedef struct mg_embed_result mg_embed_result;

typedef struct mg_host {
    size_t size;
    /* Writes one log line: `text` is a plain sentence without secrets. Any thread. */
    void (*log)(mg_log_level level, mg_str plugin, mg_str text);

    /* JSON reading. All take NULL for "absent" and answer with nothing. Values live as long as the frame or request that
     * they came with. */
    mg_json_type (*json_type)(const mg_json *v);
    const mg_json *(*json_get)(const mg_json *object, mg_str key); /* member, or NULL */
    const mg_json *(*json_child)(const mg_json *v);                /* first element or member, or NULL */
    const mg_json *(*json_next)(const mg_json *v);                 /* next sibling, or NULL */
    mg_str (*json_key)(const mg_json *v);                          /* a member's name, decoded */
    mg_str (*json_str)(const mg_json *v);                          /* a string's text, decoded; else {NULL, 0} */
    int64_t (*json_int)(const mg_json *v, int64_t otherwise);      /* an integral number in range, else `otherwise` */
    bool (*json_bool)(const mg_json *v, bool otherwise);
    /* Where the value stands in the text that was parsed: [*start, *end) in bytes, quotes included; false if v is NULL. */
    bool (*json_span)(const mg_json *v, size_t *start, size_t *end);
    /* The same for a whole member, from the key's opening quote to the end of its value. */
    bool (*json_member_span)(const mg_json *v, size_t *start, size_t *end);
} mg_host;

/* A worker's event loop, for plugins that do their own input and output. Callbacks run on that worker. */
typedef struct mg_watch mg_watch;
typedef struct mg_timer mg_timer;
enum { MG_READABLE = 1, MG_WRITABLE = 2 };

typedef struct mg_loop {
    size_t size;
    void *ctx; /* first argument of each function below */
    /* Calls `ready(arg, what)` whenever fd is as asked (level-triggered), until unwatched. NULL: the loop refused it. */
    mg_watch *(*watch_fd)(void *ctx, int fd, int what, void (*ready)(void *arg, int what), void *arg);
    void (*unwatch)(void *ctx, mg_watch *w);
    /* Calls `fire(arg)` once after `ms`; the handle is gone afterwards. */
    mg_timer *(*timer)(void *ctx, uint64_t ms, void (*fire)(void *arg), void *arg);
    void (*timer_cancel)(void *ctx, mg_timer *t);
    /* Calls `run(arg)` on this loop soon. The one function that any thread may call. False once the loop has ended. */
    bool (*post)(void *ctx, void (*run)(void *arg), void *arg);
    /* Ends an asynchronous operation. On the worker's thread only; use `post` from others. The result is borrowed. */
    void (*store_complete)(void *ctx, mg_token token, const mg_store_result *result);
    void (*embed_complete)(void *ctx, mg_token token, const mg_embed_result *result);
} mg_loop;

/* ---- settings: one table drives parsing, `moongate check` and the manual ------------------------------------------- */

typedef enum mg_setting_type {
    MG_SETTING_STRING,
    MG_SETTING_SECRET, /* a string that is never logged or shown */
    MG_SETTING_URL,
    MG_SETTING_BOOL,
    MG_SETTING_INTEGER,
    MG_SETTING_SECONDS, /* may be fractional; read as milliseconds */
    MG_SETTING_BYTES,   /* "256MB" or a number; read as bytes */
    MG_SETTING_STRINGS, /* a list of strings */
    MG_SETTING_MAP      /* string to string */
} mg_setting_type;

typedef struct mg_setting {
    const char *key;
    mg_setting_type type;
    const char *fallback; /* as it would be written in the file; NULL: none */
    bool required;
    const char *doc; /* one line for the manual */
} mg_setting;

/* The settings of one use of the plugin, parsed and checked after its table. */
typedef struct mg_settings {
    size_t size;
    void *ctx;
    mg_str (*string)(void *ctx, const char *key);   /* STRING, SECRET, URL; {NULL,0} if absent */
    int64_t (*integer)(void *ctx, const char *key); /* INTEGER, BOOL, SECONDS (ms), BYTES; 0 if absent */
    /* Element i of STRINGS or MAP (key and value); false past the end. name is {NULL,0} for STRINGS. */
    bool (*element)(void *ctx, const char *key, size_t i, mg_str *name, mg_str *value);
    mg_str data_dir; /* where the process keeps its files; "" when it has none */
} mg_settings;

/* ---- kind: provider ------------------------------------------------------------------------------------------------ */
/* A provider is a pure translator between the canonical form and a vendor's. It never opens a socket: the host owns
 * connections, retries, time limits, framing, and the requests that get a token.
 *
 * The canonical form of a request is the body of OpenAI's POST /v1/chat/completions (or /v1/embeddings, /v1/moderations),
 * with these additions for what other formats have and it lacks. All are optional.
 *
 *   content parts      {"type": "thinking", "thinking": TEXT, "signature": S, "vendor": V} and
 *                      {"type": "redacted_thinking", "data": S, "vendor": V} in assistant messages: what a model of vendor V
 *                      ("anthropic", "gemini", "openai") thought, for that vendor to take up again; others leave it out.
 *   thinking_blocks    on an assistant message: such parts as a list, which stand before its content: the way in which clients
 *                      of OpenAI's format hand back what they were given.
 *   signature, vendor  on a text part or an element of tool_calls: opaque bytes that vendor V wants back with it.
 *   cache_control      on a content part, a message, or a tool: Anthropic's object; a hint.
 *   is_error           on a message of role "tool": true when the tool failed. Its content may be a list of text, image_url
 *                      and file parts.
 *   file parts         {"type": "file", "file": {"filename", "file_data": data URL, or "file_url", or "file_id"}}.
 *   tools              {"type": "vendor_tool", "vendor": V, "tool": {…}}: a tool that only vendor V runs itself.
 *   thinking           {"type": "enabled" | "disabled" | "adaptive", "budget_tokens": N, "include": BOOL}; beside it OpenAI's
 *                      reasoning_effort ("none", "minimal", "low", "medium", "high", "xhigh"), of which the more exact one holds.
 *   top_k              an integer.
 *   safety_settings    Gemini's list.
 *
 * What a target can't express is either refused (MG_ERROR with http 400 and a sentence: it would change what the answer means)
 * or left out and reported with `drop` (a hint, such as cache_control or a seed). Nothing is left out silently. */

/* The formats of requests and answers. A body in the canonical form is MG_FORMAT_OPENAI. */
typedef enum mg_format_id {
    MG_FORMAT_OPENAI,    /* chat completions, embeddings, moderations */
    MG_FORMAT_RESPONSES, /* OpenAI's responses */
    MG_FORMAT_ANTHROPIC, /* messages */
    MG_FORMAT_GEMINI     /* generateContent */
} mg_format_id;

typedef enum mg_operation {
    MG_OP_CHAT,
    MG_OP_EMBEDDINGS,
    MG_OP_MODERATIONS,
    MG_OP_MODELS,
    MG_OP_COUNT_TOKENS /* the body is a chat request; the answer is how many input tokens it has */
} mg_operation;

typedef enum mg_framing {
    MG_FRAMING_SSE,              /* text/event-stream */
    MG_FRAMING_NDJSON,           /* one JSON text a line */
    MG_FRAMING_JSON_ARRAY,       /* one JSON array, an element a frame */
    MG_FRAMING_AWS_EVENT_STREAM, /* application/vnd.amazon.eventstream: `event` is :event-type or :exception-type */
    MG_FRAMING_RAW               /* bytes as they come */
} mg_framing;

/* What kind of failure an answer is; decides retry, failover and the client's error. */
typedef enum mg_failure {
    MG_FAIL_NONE,
    MG_FAIL_BAD_REQUEST,    /* the request is at fault: no other target will do better */
    MG_FAIL_CONTEXT_LENGTH, /* too long for this model: a larger one may take it */
    MG_FAIL_AUTH,           /* our key at the vendor is wrong */
    MG_FAIL_NOT_FOUND,      /* unknown model or route */
    MG_FAIL_RATE,           /* too many requests: wait */
    MG_FAIL_QUOTA,          /* the vendor's account is out of money */
    MG_FAIL_OVERLOADED,     /* the vendor says it is busy */
    MG_FAIL_CONTENT,        /* refused by the vendor's own screening */
    MG_FAIL_SERVER          /* any other failure on the vendor's side */
} mg_failure;

enum { /* capabilities of a provider */
       MG_CAP_STREAM = 1 << 0,
       MG_CAP_TOOLS = 1 << 1,
       MG_CAP_VISION = 1 << 2,
       MG_CAP_EMBEDDINGS = 1 << 3,
       MG_CAP_JSON_SCHEMA = 1 << 4,
       MG_CAP_PREFIX = 1 << 5,      /* goes on with an assistant message that stands last */
       MG_CAP_BODY_ENDS = 1 << 6,   /* its streams have no terminator: whole when a finish reason came and the body ended
                                     * as its framing says */
       MG_CAP_MODERATIONS = 1 << 7,
       MG_CAP_COUNT_TOKENS = 1 << 8
};

/* What to send. Everything is borrowed until `encode` returns. */
typedef struct mg_provider_request {
    size_t size;
    mg_operation operation;
    mg_format_id format; /* of the body: canonical (MG_FORMAT_OPENAI), or another one that `native` said yes to */
    mg_str model;        /* the vendor's own name */
    bool stream;         /* the client wants a stream */
    bool want_usage;     /* the stream has to carry its usage, whether the client asked or not */
    mg_str api_key;      /* "" if none is configured; the token, where `credential` describes one */
    mg_str body;         /* the request as JSON text; "" for operations without one */
    const mg_json *root; /* the same, parsed */
    bool translated;     /* the body was put into the canonical form by the host from another format: only then may it hold
                          * the additions above, other than thinking_blocks */
} mg_provider_request;

/* Where `encode` puts the vendor's request. Header names in lower case. */
typedef struct mg_provider_out {
    size_t size;
    void *ctx;
    void (*method)(void *ctx, mg_str method); /* POST unless said */
    void (*path)(void *ctx, mg_str path);     /* appended to the base URL; begins with '/'; escaped, with its query */
    void (*header)(void *ctx, mg_str name, mg_str value);
    /* The body is the request's text with changes: replaces [start, end) of it. Splices must not overlap; any order. */
    void (*splice)(void *ctx, size_t start, size_t end, mg_str replacement);
    /* The body is something else: appends to it, as it is, or as a JSON string (quoted and escaped). Not together with
     * `splice`. */
    void (*write)(void *ctx, mg_str bytes);
    void (*text)(void *ctx, mg_str text);
    /* Notes that a member of the request is left out, for the decision record: "seed", "messages[2].cache_control". */
    void (*drop)(void *ctx, mg_str member);
} mg_provider_out;

/* One frame of an answer: an event of a stream, or a whole plain body. */
typedef struct mg_frame {
    size_t size;
    mg_operation operation;
    bool stream;
    int status;          /* HTTP status of the answer */
    mg_str event;        /* SSE: the event's name, or "" */
    mg_str data;         /* the payload */
    const mg_json *json; /* the payload parsed, or NULL if it is not JSON */
    mg_format_id format; /* as the request was encoded from */
    void *state;         /* mg_provider.state_size bytes of this answer, zeroed before its first frame, never freed by the
                          * plugin: what it has to remember from frame to frame. Pointers into frames do not last. */
} mg_frame;

typedef struct mg_usage {
    size_t size;
    int64_t input;       /* all input tokens, cached ones included */
    int64_t output;      /* all output tokens, reasoning included */
    int64_t cached;      /* of input: read from the vendor's cache */
    int64_t cache_write; /* of input: written to the vendor's cache */
    int64_t reasoning;   /* of output */
    int64_t audio_input;
    int64_t audio_output;
} mg_usage;

/* What an answer says, in its order. Text, reasoning and tool calls come in any number of pieces; a piece of another kind, of
 * another tool call, or a signature ends the block before it. */
typedef enum mg_event_type {
    MG_EVENT_META,      /* text: the vendor's id of the answer; name: the model that answered */
    MG_EVENT_TEXT,      /* text: more of the answer */
    MG_EVENT_REASONING, /* text: more of the reasoning */
    MG_EVENT_TOOL,      /* index: which call; name: function (first time), id: call id (first time), text: more of the
                         * arguments, JSON text */
    MG_EVENT_FINISH,    /* text: canonical finish reason (stop, length, tool_calls, content_filter); name: what the vendor
                         * called it; id: the stop sequence that was met, if the vendor says */
    MG_EVENT_USAGE,     /* usage: so far; the last one counts */
    MG_EVENT_ERROR,     /* text: what the vendor said inside a stream; name: its type */
    MG_EVENT_DONE,      /* the format's terminator: the answer is whole */
    MG_EVENT_REFUSAL,   /* text: more of a refusal, where the vendor keeps it apart from the answer */
    MG_EVENT_SIGNATURE, /* text: opaque bytes for the block before it (or, after none, for an empty reasoning block);
                         * name: vendor */
    MG_EVENT_REDACTED,  /* text: reasoning that only the vendor can read; name: vendor; a block of its own */
    MG_EVENT_CITATION,  /* text: one source of the text before it, as the JSON of an element of OpenAI's annotations, or
                         * {"type": "vendor_citation", "vendor": V, "citation": {…}} */
    MG_EVENT_LOGPROBS,  /* text: JSON list, elements as in OpenAI's logprobs.content */
    MG_EVENT_MEDIA,     /* name: MIME type; text: base64; id: transcript, if any; a block of its own */
    MG_EVENT_EMBEDDING, /* index: which input; text: the vector, as a JSON list of numbers, or as base64 of floats */
    MG_EVENT_OTHER      /* name: vendor; text: JSON of a block that has no canonical form */
} mg_event_type;

typedef struct mg_event {
    size_t size;
    mg_event_type type;
    int64_t index;  /* see the types */
    mg_str text;
    mg_str name;
    mg_str id;
    const mg_usage *usage;
    bool alone;     /* MG_EVENT_USAGE: the frame holds nothing else that a client needs */
    int64_t choice; /* which of the answers that were asked for, from 0 */
} mg_event;

typedef struct mg_sink {
    size_t size;
    void *ctx;
    void (*emit)(void *ctx, const mg_event *event);
} mg_sink;

typedef struct mg_classification {
    size_t size;
    mg_failure failure;
    int64_t retry_after_ms; /* what the vendor asked for, or -1 */
    mg_str message;         /* the vendor's sentence; borrowed from the body */
    mg_str code;            /* the vendor's code or type; borrowed from the body */
} mg_classification;

typedef struct mg_header {
    mg_str name; /* lower case */
    mg_str value;
} mg_header;

/* A request as it will be sent, for vendors that want it signed. */
typedef struct mg_signing {
    size_t size;
    mg_str method, host, path; /* path: with the base URL's own path and the query, as it goes on the wire */
    const mg_header *headers;  /* all but host and content-length */
    size_t n_headers;
    mg_str body;
    int64_t now_s; /* Unix seconds */
} mg_signing;

typedef struct mg_provider {
    size_t size;
    mg_framing framing;
    uint32_t capabilities;
    size_t state_size; /* bytes of mg_frame.state, at most 4,096 */
    const char *default_base_url; /* NULL: must be configured, or `base_url` says it */
    /* Whether `encode` takes bodies of this format as they came from the client; the host then passes the vendor's answer on
     * as it is. NULL: the canonical form only. The canonical form is always taken, and asked for to learn whether the
     * vendor's answers are OpenAI's own. */
    bool (*native)(void *self, mg_operation operation, mg_format_id format);
    /* MG_OK; MG_ERROR (http 400 and a sentence) for what this vendor can't express; MG_DECLINED: not this operation. */
    mg_status (*encode)(void *self, const mg_provider_request *request, const mg_provider_out *out, mg_error *error);
    /* Reports what the frame says. MG_ERROR: the frame is rubbish. */
    mg_status (*decode)(void *self, const mg_frame *frame, const mg_sink *sink, mg_error *error);
    /* Names the failure of an answer whose status is not 2xx. `frame.json` is NULL when the body is not JSON. */
    void (*classify)(void *self, const mg_frame *frame, const mg_header *headers, size_t n_headers,
                     mg_classification *out);
    /* A provider that answers by itself (demo): emits an MG_EVENT_TEXT for each frame, whose text is the frame's whole
     * payload without the framing: one for a plain body, or one a chunk when `stream` is set, the format's terminator
     * ("[DONE]") as the last. The host decodes the frames like a vendor's. MG_ERROR: with what the client should see, and
     * before anything was emitted unless memory ran out. NULL for all that have a vendor. */
    mg_status (*answer)(void *self, const mg_provider_request *request, const mg_sink *frames, mg_error *error);
    /* The base URL, where settings other than base_url say it (a region, a resource); {NULL, 0}: base_url as usual. May be
     * NULL. Borrowed as long as `self`. */
    mg_str (*base_url)(void *self);
    /* Adds headers that sign the request (nothing else of `out` may be used). May be NULL. */
    mg_status (*sign)(void *self, const mg_signing *signing, const mg_provider_out *out, mg_error *error);
    /* Describes the request that gets a token: `path` is an absolute https URL. MG_DECLINED: none is needed. The host makes it,
     * keeps the token until shortly before it ends, and passes it as api_key. May be NULL. */
    mg_status (*credential)(void *self, int64_t now_s, const mg_provider_out *out, mg_error *error);
    /* Reads the answer to it: the token (borrowed from the frame) and how long it lasts. */
    mg_status (*credential_read)(void *self, const mg_frame *frame, mg_str *token, int64_t *lifetime_s, mg_error *error);
} mg_provider;

/* ---- kind: store (cache and counters), asynchronous ------------------------------------------------------------------ */

/* One counter of a `take`. A window of length period_ms slides; the count over it never exceeds `limit`. With
 * `fixed` the count belongs to the period named in the key and starts at 0 with it (budgets). Amounts are requests,
 * tokens or nano-dollars: the store does not care. */
typedef struct mg_counter {
    mg_str key; /* names scope, what is counted and window; all counters of one call belong to one organization */
    int64_t amount;
    int64_t limit;
    uint64_t period_ms;
    bool fixed;
    bool soft; /* counted, never refused */
} mg_counter;

typedef struct mg_counter_state {
    int64_t used;      /* in the window, this call's amount included when it was taken */
    uint64_t wait_ms;  /* refused: until `amount` fits if nobody else takes anything; UINT64_MAX: never */
    uint64_t reset_ms; /* until the window is empty again if nothing more is taken */
    uint64_t bucket;   /* where the amount went: pass it to `adjust` */
} mg_counter_state;

typedef struct mg_store_result {
    size_t size;
    mg_status status;               /* MG_OK; MG_DECLINED: not found, or did not fit; MG_ERROR: `error` says why */
    mg_str value;                   /* get */
    int64_t ttl_ms;                 /* get: what is left, or -1 */
    const mg_counter_state *states; /* take and read: one for each counter asked */
    size_t n_states;
    size_t refused;                 /* take, MG_DECLINED: which counter did not fit (the one with the longest wait) */
    const mg_error *error;
} mg_store_result;

typedef struct mg_store {
    size_t size;
    /* Each returns at once and completes `token` exactly once, from inside the call or later. Keys and values are
     * borrowed during the call. */
    void (*get)(void *self, mg_str key, mg_token token);
    void (*put)(void *self, mg_str key, mg_str value, uint64_t ttl_ms, mg_token token);
    void (*erase)(void *self, mg_str key, mg_token token);
    /* Takes from all counters or from none. */
    void (*take)(void *self, const mg_counter *counters, size_t n, mg_token token);
    /* Changes what an earlier take counted by `amount` (may be negative, result never below 0) in the bucket that it
     * counted in: buckets[i] is mg_counter_state.bucket. */
    void (*adjust)(void *self, const mg_counter *counters, const uint64_t *buckets, size_t n, mg_token token);
    void (*read)(void *self, const mg_counter *counters, size_t n, mg_token token);
    /* The caller no longer waits; the operation may still happen. Completing the token later is allowed and ignored. */
    void (*cancel)(void *self, mg_token token);
} mg_store;

/* ---- kind: ledger, on a thread of its own ---------------------------------------------------------------------------- */

typedef enum mg_precision { MG_EXACT, MG_COUNTED, MG_ESTIMATED } mg_precision;

/* One attempt at a provider. Strings are UTF-8; "" is stored as NULL. Times are Unix milliseconds. */
typedef struct mg_usage_row {
    size_t size;
    char attempt_id[37]; /* UUIDv7, ours: writing the same one twice changes nothing */
    char request_id[37];
    int attempt;  /* 1, 2, … within the request */
    bool final;   /* the attempt that the client's answer came from, or the last failed one */
    mg_str outcome; /* ok, error, cancelled, interrupted, denied, timeout */
    mg_str precision; /* exact, counted, estimated */
    mg_str org, key_id, user, session, team;
    mg_str provider, model, model_asked, operation;
    mg_str upstream_id, client_request_id;
    mg_str error; /* kind of failure, or "" */
    int http_status; /* what the client saw */
    mg_usage usage;
    int64_t cost_nano_usd;
    int64_t created_ms, latency_ms, ttft_ms; /* ttft -1: none */
    bool stream;
    mg_str metadata;  /* JSON object: tags */
    mg_str decisions; /* JSON array: the decision record */
    uint64_t generation; /* policy generation */
} mg_usage_row;

typedef enum mg_value_type { MG_VALUE_NULL, MG_VALUE_INTEGER, MG_VALUE_REAL, MG_VALUE_TEXT } mg_value_type;

typedef struct mg_value {
    mg_value_type type;
    int64_t integer;
    double real;
    mg_str text;
} mg_value;

typedef struct mg_param {
    const char *name; /* as in the statement, without the colon */
    mg_value value;
} mg_param;

typedef struct mg_ledger {
    size_t size;
    /* Brings the schema up to date; `dry_run` only reports. Calls `step(arg, name, applied)` for each migration. */
    mg_status (*migrate)(void *self, bool dry_run, void (*step)(void *arg, mg_str name, bool applied), void *arg,
                         mg_error *error);
    /* Stores all rows in one transaction, each once. MG_DECLINED: row *bad is refused by the ledger and none was stored. */
    mg_status (*write)(void *self, const mg_usage_row *rows, size_t n, size_t *bad, mg_error *error);
    /* Runs the statement of that name (docs/ledger.md lists them). `row` gets a column name and a value for each column,
     * and returns false to stop. MG_DECLINED: no such statement here. */
    mg_status (*run)(void *self, mg_str name, const mg_param *params, size_t n,
                     bool (*row)(void *arg, const mg_str *columns, const mg_value *values, size_t n), void *arg,
                     mg_error *error);
    /* A number that changes when somebody else changed the ledger: polled to refresh keys and organizations. */
    uint64_t (*version)(void *self);
} mg_ledger;

/* ---- kind: detector ---------------------------------------------------------------------------------------------------- */

typedef enum mg_severity { MG_SEVERITY_LOW, MG_SEVERITY_MEDIUM, MG_SEVERITY_HIGH, MG_SEVERITY_CRITICAL } mg_severity;

typedef struct mg_span {
    const char *type;  /* one of the detector's types */
    size_t start, end; /* bytes of the text */
    double confidence; /* 0 to 1 */
} mg_span;

typedef struct mg_detector_type {
    const char *name; /* ssn, credit_card, email, … or one's own */
    mg_severity severity;
    size_t longest; /* bytes of the longest span: bounds what a stream holds back */
} mg_detector_type;

typedef struct mg_detector {
    size_t size;
    const mg_detector_type *types;
    size_t n_types;
    /* Reports each span in order of its start. `wanted` is a bit for each of `types`. MG_ERROR: the text could not be
     * scanned whole, which never means "nothing found". */
    mg_status (*scan)(void *self, mg_str text, uint64_t wanted, void (*found)(void *arg, const mg_span *span), void *arg,
                      mg_error *error);
} mg_detector;

/* ---- kind: embedder, asynchronous ---------------------------------------------------------------------------------------- */

typedef struct mg_embed_result {
    size_t size;
    mg_status status;
    const float *vectors; /* n × dimensions, row after row, each of length 1 */
    size_t n, dimensions;
    const mg_error *error;
} mg_embed_result;

typedef struct mg_embedder {
    size_t size;
    size_t dimensions;
    void (*embed)(void *self, const mg_str *texts, size_t n, mg_token token);
    void (*cancel)(void *self, mg_token token);
} mg_embedder;

/* ---- the descriptor -------------------------------------------------------------------------------------------------------- */

typedef enum mg_plugin_kind {
    MG_KIND_PROVIDER = 1,
    MG_KIND_STORE,
    MG_KIND_LEDGER,
    MG_KIND_DETECTOR,
    MG_KIND_EMBEDDER
} mg_plugin_kind;

typedef struct mg_plugin {
    uint32_t abi; /* MG_PLUGIN_ABI */
    uint32_t kind; /* mg_plugin_kind */
    size_t size;  /* sizeof(mg_plugin) */
    const char *name; /* [a-z][a-z0-9_]*, unique among its kind */
    const char *version;
    const char *doc;            /* one line for the manual */
    const mg_setting *settings; /* ends with a NULL key; may be NULL */
    const void *ops;            /* mg_provider, mg_store, … by kind */
    /* Once per use in the configuration, on the main thread. The host and the settings outlive the handle; NULL and an
     * error: refused. */
    void *(*open)(const mg_host *host, const mg_settings *settings, mg_error *error);
    void (*close)(void *shared);
    /* Once per worker, on its thread; what it returns is `self` of the operations. NULL function: `self` is what `open`
     * returned. A ledger is not attached. */
    void *(*attach)(void *shared, const mg_loop *loop, mg_error *error);
    void (*detach)(void *self);
} mg_plugin;

#ifdef __cplusplus
}
#endif
#endif
