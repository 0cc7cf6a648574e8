/* The formats that clients speak: OpenAI's chat completions and responses, Anthropic's messages, Gemini's generateContent.
 * Each is one table of pure functions: requests are checked, read, changed and put into the canonical form (<moongate/plugin.h>
 * says what that is); answers are written from the events that a provider reports. No input or output, no clock, no HTTP but
 * the names of things. */
#ifndef MG_FORMAT_FORMAT_H
#define MG_FORMAT_FORMAT_H

#include "base/buf.h"
#include "base/edits.h"
#include "base/json.h"

/* ---- requests ---------------------------------------------------------------------------------------------------- */

/* What the gateway itself reads out of a request's body. Strings point into the tree. */
typedef struct mg_facts {
    mg_str model; /* "" where the body has none (Gemini: it stands in the path) */
    bool stream; /* false where the path says it (Gemini) */
    bool usage_asked; /* the client wants to see usage in its stream; true where the format always shows it */
    bool base64; /* embeddings: vectors as base64 */
    mg_str user; /* user, safety_identifier, metadata.user_id; or "" */
    const mg_json *tags; /* the object of client tags (metadata), or NULL */
    int64_t max_output; /* tokens, for each answer; -1: not said */
    int64_t choices; /* answers asked for; 1 unless said */
    const mg_json *tools; /* the list, or NULL */
    bool single; /* embeddings: Gemini's embedContent, which is answered with one vector and not with a list */
} mg_facts;

typedef enum mg_part_kind {
    MG_PART_TEXT,
    MG_PART_TOOL_ARGUMENTS,
    MG_PART_IMAGE,
    MG_PART_AUDIO,
    MG_PART_FILE,
    MG_PART_OTHER
} mg_part_kind;

/* One piece of the conversation. */
typedef struct mg_part {
    mg_part_kind kind;
    mg_str role; /* system, developer, user, assistant, tool; "input" for embeddings */
    mg_str name; /* of a file or function, or "" */
    mg_str mime; /* image/png, … or "" */
    const mg_json *text; /* the string that holds it, or NULL where it can't be read. For tool arguments that the format
                          * writes as an object: one part for each string inside it */
    size_t bytes; /* of the payload as it stands in the body */
} mg_part;

/* Takes the parts in the order in which they stand. */
typedef void mg_part_sink(void *arg, const mg_part *part);

/* A request that is being changed: edits go over `source`, which `root` was parsed from. Replacement texts live in
 * edits->arena. */
typedef struct mg_draft {
    mg_operation operation;
    const mg_json *root;
    mg_str source;
    mg_edits *edits;
} mg_draft;

/* ---- answers ------------------------------------------------------------------------------------------------------ */

/* A block of an answer: events of one kind that follow each other. */
typedef struct mg_block {
    struct mg_block *next;
    mg_event_type type; /* TEXT, REASONING, TOOL, REFUSAL, REDACTED, MEDIA, EMBEDDING, OTHER */
    int64_t choice, index;
    mg_buf text;
    mg_str name, id;
    mg_str signature, vendor; /* from MG_EVENT_SIGNATURE, or "" */
    struct mg_note *citations, **citations_tail; /* TEXT */
} mg_block;

typedef struct mg_note {
    struct mg_note *next;
    mg_str json;
} mg_note;

typedef struct mg_finish {
    mg_str reason; /* canonical; "" if the vendor gave none */
    mg_str vendor_reason;
    mg_str stop_sequence;
    mg_buf logprobs; /* elements, comma-separated, or empty */
} mg_finish;

enum { MG_REPLY_CHOICES = 128 };

/* A whole answer, collected from events (format/reply.c). */
typedef struct mg_reply {
    mg_arena *arena;
    mg_operation operation;
    char id[40]; /* of our request, without a prefix: [0-9a-f], 32 of them */
    int64_t created_s;
    mg_str model; /* that answered */
    mg_str upstream_id;
    mg_block *blocks, **tail, *last;
    mg_finish *finishes; /* of each choice, and at least of one */
    size_t n_choices, room; /* room: choices that `finishes` holds */
    mg_usage usage;
    bool usage_known;
    bool base64; /* embeddings: as the client asked */
    bool single; /* the same; from mg_facts */
    const mg_json *request; /* as the client sent it: for what answers repeat; or NULL */
    size_t limit; /* bytes of all texts; beyond it `over` is set and nothing more is taken */
    size_t bytes;
    bool over;
} mg_reply;

void mg_reply_init(mg_reply *r, mg_arena *arena, mg_operation operation, size_t limit);
void mg_reply_event(mg_reply *r, const mg_event *e);
void mg_reply_finish(mg_reply *r); /* frees what the arena does not hold */

/* A stream that is being written: `reply` holds id, created_s, model and usage (no blocks), filled in before the first event
 * and kept up to date; state is mg_format.stream_state zeroed bytes. */
typedef struct mg_stream {
    const mg_reply *reply;
    void *state;
    mg_arena *arena; /* as long as the stream: for what the state has to remember */
    bool usage_asked;
    bool array; /* Gemini without alt=sse: elements of one JSON array instead of events */
    int64_t input_estimate; /* tokens; what formats that open with a count say until the vendor does */
    mg_buf *out; /* frames, with their framing, are appended here */
} mg_stream;

/* An error for the client. */
typedef struct mg_fault {
    int status; /* HTTP, in OpenAI's terms (mg_format.status maps it) */
    mg_str code,
        message; /* code: rate_limit_exceeded, insufficient_quota, invalid_api_key, model_not_found, overloaded,
                           * content_filter, … */
    mg_str param; /* "" mostly */
    mg_str request_id;
    int64_t retry_after_ms; /* -1: none */
} mg_fault;

/* One model, for the list of models. */
typedef struct mg_model_row {
    mg_str id, owner;
    int64_t context, max_output; /* tokens; 0: not known */
} mg_model_row;

typedef struct mg_format {
    mg_format_id id;
    const char *name; /* "openai", "responses", "anthropic", "gemini": for logs and the ledger */

    /* Structure and types of a request's body, as far as the gateway and every vendor need them: 400 with where and what.
     * The model's name is left to the host: the path may give it. */
    mg_status (*check)(mg_operation op, const mg_json *root, mg_error *error);
    void (*read)(mg_operation op, const mg_json *root, mg_facts *out);
    void (*parts)(mg_operation op, const mg_json *root, mg_part_sink *take, void *arg);

    /* Changes. The host has checked that the operation is chat, and that no edit is pending that these would have to see. */
    mg_status (*set_system)(const mg_draft *d, mg_str text, mg_error *error);
    mg_status (*set_max_output)(const mg_draft *d, int64_t tokens, mg_error *error);
    /* A parameter by its OpenAI name (temperature, top_p, stop, seed, …) where the format has one for it, else a top-level
     * member; json {NULL, 0} removes it. Members that the host owns (model, messages, input, stream, …) are refused. */
    mg_status (*set_param)(const mg_draft *d, mg_str key, mg_str json, mg_error *error);
    const mg_json *(*param)(const mg_json *root, mg_str key); /* the same, read; NULL if absent */
    mg_status (*add_message)(const mg_draft *d, mg_str role, mg_str text, mg_error *error);
    mg_status (*remove_tool)(const mg_draft *d, mg_str name, mg_error *error); /* MG_DECLINED: no such tool. A list that
                                                                                * becomes empty goes, with its choice */

    /* The request in the canonical form, appended to out; `model` and `stream` go into it. What OpenAI's form and its additions
     * can't hold is refused (400 and a sentence), or left out and reported to `drop`. NULL: it is in the canonical form. */
    mg_status (*canonical)(mg_operation op, const mg_json *root, mg_str source, mg_str model, bool stream, mg_buf *out,
                           void (*drop)(void *arg, mg_str member), void *arg, mg_error *error);

    /* A plain answer's body. */
    void (*plain)(const mg_reply *r, mg_buf *out);
    /* Streams: `open` before the first event, `event` for each (META, USAGE, ERROR and DONE never come here), `close` writes all
     * that ends the stream (finish reason, usage, terminator). */
    size_t stream_state;
    void (*open)(mg_stream *s);
    void (*event)(mg_stream *s, const mg_event *e);
    void (*close)(mg_stream *s);
    /* An error's body, and the frames that end a stream with it (no terminator that would make it look whole). */
    void (*error)(const mg_fault *f, mg_buf *out);
    void (*error_frames)(mg_stream *s, const mg_fault *f);
    int (*status)(int status, mg_str code); /* the HTTP status of an error in this format; NULL: as it is */
    /* The list of models, and one of them. */
    void (*models)(const mg_model_row *rows, size_t n, mg_buf *out);
    void (*model)(const mg_model_row *row, mg_buf *out);
    /* The answer to a count of tokens. NULL: no such operation. */
    void (*count)(int64_t input_tokens, mg_buf *out);
} mg_format;

extern const mg_format mg_format_openai, mg_format_responses, mg_format_anthropic, mg_format_gemini;

#endif
