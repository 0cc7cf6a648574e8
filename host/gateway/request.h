/* A request on its way through the gateway: what was asked, by whom, what was decided, what came of it. It lives in the
 * exchange's arena, belongs to one worker, and ends in exactly one place (mg_request_end in gateway/request.c). */
#ifndef MG_GATEWAY_REQUEST_H
#define MG_GATEWAY_REQUEST_H

#include "base/edits.h"
#include "format/format.h"
#include "gateway/phase.h"
#include "gateway/routing.h"
#include "gateway/snapshot.h"
#include "gateway/worker.h"
#include "net/server.h"

/* Limits that a policy declared for this request, and configured ones: taken together. */
typedef struct mg_taken mg_taken; /* gateway/limits.c */

/* How far the answer got. */
typedef enum mg_outcome {
    MG_OUTCOME_NONE,
    MG_OUTCOME_OK,
    MG_OUTCOME_DENIED, /* by policy, limit or budget: nothing was sent upstream */
    MG_OUTCOME_ERROR, /* upstream failed, or its answer broke */
    MG_OUTCOME_CANCELLED, /* the client left */
    MG_OUTCOME_TIMEOUT
} mg_outcome;
const char *mg_outcome_name(mg_outcome o);

/* One line of the decision record: who decided what, with the numbers. */
typedef struct mg_decision {
    struct mg_decision *next;
    mg_str phase, rule, action; /* action: deny, allow, redact, route, skip, limit, queue, cut, error */
    mg_str detail; /* JSON object members without braces: "\"limit\":60,\"used\":61", or "" */
} mg_decision;

typedef struct mg_attempt mg_attempt; /* gateway/attempt.h */

/* A target that may be called now, with the key to use. */
typedef struct mg_choice {
    const mg_target *target;
    mg_circuit *circuit; /* NULL: it has none */
    mg_circuit_pass pass;
    mg_str api_key;
    size_t key; /* place in the provider's ring */
} mg_choice;

struct mg_request {
    mg_exchange *x;
    mg_worker *worker;
    mg_arena *arena;
    mg_snapshot *snapshot; /* reference held */
    void *policies; /* generation, reference held */
    uint64_t generation;

    char id[37];
    const mg_org *org;
    const mg_virtual_key *key;
    mg_str user, session, client_request_id;
    mg_str client_tags; /* "a=b,c=d" as the client sent them */
    mg_header *tags; /* from the key and from policies: trusted */
    size_t n_tags;
    bool explain;

    const mg_format *format; /* that the client speaks */
    mg_operation operation;
    bool stream;
    bool array; /* a stream of Gemini's that is one JSON array, not events */
    mg_facts facts; /* of the body as it now is */
    mg_str model; /* as asked, or as a policy set it */
    mg_str model_asked;
    const mg_json *root; /* the body as it now is; NULL for GET */
    mg_part *parts; /* of the body and the pending edits; cached; NULL: not yet looked at */
    mg_edit **part_edits; /* beside each: the pending insertion that it stands in, or NULL */
    size_t n_parts;
    bool parts_stale; /* something was edited since */
    mg_str body; /* its text */
    mg_str canonical; /* the body in the canonical form, made when the first provider needs it; {NULL, 0}: not yet */
    const mg_json *canonical_root;
    mg_edits edits; /* changes not yet rendered */
    mg_header *extra_headers; /* set by policies, for upstream */
    size_t n_extra_headers;

    mg_target *targets; /* resolved, in the order to try */
    size_t n_targets;
    mg_routing routing;
    size_t target_at;
    int attempt_no;
    mg_attempt *attempt; /* the present one, or NULL */
    mg_attempt *rival; /* a hedge beside it, or NULL */
    mg_timer *hedge_timer;
    mg_choice choice; /* of the next attempt; .target NULL: none made */
    void *credential; /* that it waits for (gateway/credential.c), or NULL */
    mg_request *next_waiting;
    bool limited; /* … and that is only since vendors limit our rate */
    uint64_t open_wait_ms; /* no target lets a call through: until one may */
    uint64_t dispatched_us; /* the first attempt */
    mg_backoff backoff;
    int key_changes; /* at the present target */
    mg_buf said; /* the stream's text, where another target may go on with it */
    const mg_json *whole_root; /* the body without what was said; NULL: nothing was added */
    mg_str whole_body;

    int64_t tokens_input; /* estimate until the vendor says */
    int64_t tokens_max_output;
    int64_t cost_max_nano;
    mg_taken *taken;
    bool reserved;
    bool budget_refused; /* what refused last was a budget, not a rate limit */

    int step; /* of the pipeline (gateway/pipeline.c) */
    mg_phase phase;
    mg_verdict verdict; /* of the phase being asked */
    void *policy_state; /* the runtime's, while it waits */
    bool running; /* the pipeline is on the stack: resuming only notes that it may go on */
    bool resumed;
    bool phase_begun; /* the step's question has been put */
    bool asking; /* a policy is on its way */
    bool taking, take_done, take_ok; /* what the store said */
    uint64_t take_wait_ms;
    mg_error take_error;
    int retries_here; /* at the present target */
    bool reply_watched, settle_asked;
    size_t window_held; /* bytes of the stream that the question being asked is about */
    size_t reply_window; /* characters of a stream that a reply policy judges at a time; 0: at the end */
    uint64_t queue_until; /* loop time at which a queued request gives up; 0: not queued */
    mg_timer *timer;

    /* the answer */
    mg_outcome outcome;
    int status; /* what the client saw, or will see */
    const mg_target *served_by;
    mg_str served_model; /* as the vendor named it */
    mg_str upstream_id;
    mg_usage usage;
    mg_precision precision;
    bool usage_known;
    int64_t cost_nano;
    mg_str text; /* the answer's text, or this window of it, while a `reply` policy is asked */
    bool final; /* the text is whole */
    mg_str reply_replacement; /* set by a reply policy */
    bool reply_replaced;
    size_t reply_choice; /* which choice of a plain answer `text` is */
    uint64_t started_us, first_token_us, done_us;
    bool committed; /* the first byte of the answer has gone out */
    bool settled; /* the usage row is written */
    int64_t spent_nano, spent_tokens; /* by attempts that failed */
    bool gone; /* the client has left */
    bool drained; /* … and its answer is read to the end all the same */
    mg_request *next_drained;
    char error_kind[24]; /* of the last failed attempt: "rate", "timeout_idle", … */
    mg_str redacted; /* "email=1,credit_card=2" or "" */
    mg_decision *decisions, **decisions_tail;
};

/* ---- reading, for policies and providers ------------------------------------------------------------------------- */

/* Renders pending edits into a new body and tree, if there are any. Reading functions below do it themselves. */
mg_status mg_request_sync(mg_request *r, mg_error *error);
/* The same, but edits that lie within the list of messages may stay pending: for those who read or splice only what stands
 * beside it. */
mg_status mg_request_sync_members(mg_request *r, mg_error *error);
/* Bytes that the body will have, or a little more. */
size_t mg_request_bytes(const mg_request *r);
/* All parts of the conversation in order; cached until the body changes. */
const mg_part *mg_request_parts(mg_request *r, size_t *n);
/* Text of all user messages (or embeddings inputs), joined by newlines; of all system and developer messages. */
mg_str mg_request_user_text(mg_request *r);
mg_str mg_request_system_text(mg_request *r);
mg_str mg_request_header(const mg_request *r, mg_str name); /* what the client sent; credentials read as {NULL,0} */
mg_str mg_operation_name(mg_operation o); /* "chat", "embeddings", … */

/* ---- changing, for policies. Each returns MG_ERROR and a sentence when it can't be done -------------------------- */

mg_status mg_request_set_model(mg_request *r, mg_str name, mg_error *error); /* resolves targets anew */
mg_status mg_request_set_targets(mg_request *r, const mg_str *names, size_t n, mg_error *error);
mg_status mg_request_set_system(mg_request *r, mg_str text, mg_error *error); /* replaces or adds the system message */
mg_status mg_request_set_max_tokens(mg_request *r, int64_t n, mg_error *error);
/* A top-level member other than model, messages, input, stream; json is its value as JSON text, {NULL,0} removes it. */
mg_status mg_request_set_param(mg_request *r, mg_str key, mg_str json, mg_error *error);
mg_status mg_request_set_header(mg_request *r, mg_str name, mg_str value,
                                mg_error *error); /* upstream; grammar and names checked */
mg_status mg_request_tag(mg_request *r, mg_str key, mg_str value, mg_error *error);
mg_status mg_request_add_message(mg_request *r, mg_str role, mg_str text, mg_error *error); /* at the end */
mg_status mg_request_remove_tool(mg_request *r, mg_str name, mg_error *error); /* MG_DECLINED: no such tool */
mg_status mg_request_replace_text(mg_request *r, const mg_part *part, mg_str text, mg_error *error);
/* True if a resolved target or the asked name matches the glob. */
bool mg_request_targets_match(const mg_request *r, mg_str glob);

/* Redacts the texts of the request: every span of these types becomes "[REDACTED_TYPE]" (mask) or "[TYPE_<keyed hash>]" (hash).
 * types NULL: all that the detectors know; rule: who asked, for the decision record. *count is the number of spans. MG_ERROR: a detector failed or a type is unknown. */
mg_status mg_request_redact(mg_request *r, mg_str rule, const mg_str *types, size_t n_types, mg_str mode, size_t *count,
                            mg_error *error);
/* Replaces the answer's text in a `reply` phase. MG_ERROR on streams, whose text has been sent in part. */
mg_status mg_request_replace_reply(mg_request *r, mg_str text, mg_error *error);
/* Redaction over the answer's text that a `reply` phase sees. */
mg_status mg_request_redact_reply(mg_request *r, mg_str rule, const mg_str *types, size_t n_types, mg_str mode,
                                  size_t *count, mg_error *error);

/* ---- decisions --------------------------------------------------------------------------------------------------- */
void mg_request_decide(mg_request *r, const char *phase, mg_str rule, const char *action, const char *detail_format,
                       ...) __attribute__((format(printf, 5, 6)));

/* ---- life -------------------------------------------------------------------------------------------------------- */
mg_request *mg_request_create(mg_worker *w, mg_exchange *x);
/* The one end of every request: settles it if that has not happened, releases what it holds. The last bytes to the client
 * follow; the request may not be used after them. */
void mg_request_end(mg_request *r);
/* Runs the pipeline from where it stands. May end the request. */
void mg_pipeline_run(mg_request *r);

/* Asks the settle phase, once, of a request that ends early. */
void mg_pipeline_settle(mg_request *r);

/* Goes on after a policy waited: called by the runtime on the worker's loop. */
void mg_request_resume(mg_request *r);

#endif
