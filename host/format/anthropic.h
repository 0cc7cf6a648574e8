/* What the files of the anthropic format share; nobody else includes this. */
#ifndef MG_FORMAT_ANTHROPIC_H
#define MG_FORMAT_ANTHROPIC_H

#include "format/format.h"

/* ---- where something stands in a request: made as the walk goes down, put into words only for a message ------------- */

typedef struct mg_anthropic_place {
    const struct mg_anthropic_place *up; /* NULL at the top */
    const char *name; /* of a member; NULL: element `i` of `up` */
    size_t i;
} mg_anthropic_place;

enum { MG_ANTHROPIC_PLACE_MAX = 160 };

/* "messages[2].content[0].type"; cut off where it does not fit. Returns out. */
const char *mg_anthropic_place_text(const mg_anthropic_place *place, char out[MG_ANTHROPIC_PLACE_MAX]);

/* ---- requests ------------------------------------------------------------------------------------------------------ */

mg_status mg_anthropic_check(mg_operation op, const mg_json *root, mg_error *error);
void mg_anthropic_parts(mg_operation op, const mg_json *root, mg_part_sink *take, void *arg);
mg_status mg_anthropic_set_system(const mg_draft *d, mg_str text, mg_error *error);
mg_status mg_anthropic_set_max_output(const mg_draft *d, int64_t tokens, mg_error *error);
mg_status mg_anthropic_set_param(const mg_draft *d, mg_str key, mg_str json, mg_error *error);
const mg_json *mg_anthropic_param(const mg_json *root, mg_str key);
mg_status mg_anthropic_add_message(const mg_draft *d, mg_str role, mg_str text, mg_error *error);
mg_status mg_anthropic_remove_tool(const mg_draft *d, mg_str name, mg_error *error);
mg_status mg_anthropic_canonical(mg_operation op, const mg_json *root, mg_str source, mg_str model, bool stream,
                                 mg_buf *out, void (*drop)(void *arg, mg_str member), void *arg, mg_error *error);

/* The canonical form being written. */
typedef struct mg_anthropic_writer {
    mg_str source;
    mg_buf *out;
    void (*drop)(void *arg, mg_str member); /* may be NULL */
    void *arg;
    mg_error *error;
} mg_anthropic_writer;

void mg_anthropic_raw(const mg_anthropic_writer *w, const mg_json *v); /* the value as it stands in the source */
/* ,"key":value if the value is there and not null. */
void mg_anthropic_copy(const mg_anthropic_writer *w, const char *key, const mg_json *v);
/* Reports member `name` of what stands at `up` (NULL: at the top) as left out. */
void mg_anthropic_drop(const mg_anthropic_writer *w, const mg_anthropic_place *up, mg_str name);
/* The elements of the list of messages: those of `system` and `messages`. */
mg_status mg_anthropic_messages(const mg_anthropic_writer *w, const mg_json *root);

/* ---- marks: how bytes that belong to other vendors travel through an Anthropic client ------------------------------- */
/* A client sends thinking blocks back as they are, and nothing else that is opaque. So what another vendor wants back is kept
 * in their signature or data:
 *   moongate:VENDOR:BYTES          the signature of a thinking block, or the data of a redacted_thinking block, of VENDOR
 *   moongate::                     the signature of a thinking block that nobody has signed
 *   moongate-text:VENDOR:BYTES     data of a redacted_thinking block behind a text block: the signature of that text
 *   moongate-tool:VENDOR:ID:BYTES  the same for the tool_use block with that id
 * Citations of other vendors carry "moongate:" as their encrypted_index. Anthropic itself must never see any of them. */
typedef enum mg_anthropic_mark_kind {
    MG_ANTHROPIC_MARK_NONE, /* Anthropic's own bytes */
    MG_ANTHROPIC_MARK_BLOCK,
    MG_ANTHROPIC_MARK_TEXT,
    MG_ANTHROPIC_MARK_TOOL
} mg_anthropic_mark_kind;

typedef struct mg_anthropic_mark {
    mg_anthropic_mark_kind kind;
    mg_str vendor, id, bytes;
} mg_anthropic_mark;

/* Takes it apart; the strings point into `data`. */
mg_anthropic_mark mg_anthropic_mark_read(mg_str data);
/* Writes it as a JSON string. */
void mg_anthropic_mark_write(mg_buf *out, const mg_anthropic_mark *mark);

/* ---- answers ------------------------------------------------------------------------------------------------------- */

void mg_anthropic_plain(const mg_reply *r, mg_buf *out);
void mg_anthropic_stream_open(mg_stream *s);
void mg_anthropic_stream_event(mg_stream *s, const mg_event *e);
void mg_anthropic_stream_close(mg_stream *s);
void mg_anthropic_error(const mg_fault *f, mg_buf *out);

/* Finds the first JSON object in pieces of text: what surrounds it is left out, since clients take the arguments of a tool
 * for one object. */
typedef struct mg_anthropic_object {
    enum {
        MG_OBJECT_NONE,
        MG_OBJECT_INSIDE,
        MG_OBJECT_DONE,
        MG_OBJECT_OTHER
    } state; /* OTHER: it begins as something else */
    bool in_string, escaped;
    uint32_t depth;
} mg_anthropic_object;

/* The bytes of the piece that belong to the object. */
mg_str mg_anthropic_object_take(mg_anthropic_object *o, mg_str piece);

/* Small JSON texts, read one at a time. Zeroed it is ready for use. */
typedef struct mg_anthropic_reader {
    mg_json_parser *parser;
    mg_arena *arena;
} mg_anthropic_reader;

const mg_json *mg_anthropic_parse(mg_anthropic_reader *r, mg_str text); /* an object, until the next call; or NULL */
void mg_anthropic_reader_finish(mg_anthropic_reader *r);

/* A stream under way (anthropic_stream.c). */
typedef struct mg_anthropic_done {
    struct mg_anthropic_done *next;
    int64_t index;
} mg_anthropic_done;

typedef struct mg_anthropic_stream {
    mg_reply *later; /* what waits; made when first needed */
    mg_anthropic_reader reader;
    bool reader_kept; /* its end is seen to */
    bool begun; /* there is a current block */
    bool open; /* and its start has been written */
    mg_event_type type;
    int64_t tool; /* of a TOOL block: which call */
    mg_str tool_id;
    mg_anthropic_object arguments;
    mg_str signature, vendor; /* written when the block ends: the last one counts */
    int64_t n; /* blocks ended */
    mg_anthropic_done *done; /* calls whose blocks have ended */
    bool tools, refused;
    mg_finish finish;
} mg_anthropic_stream;

/* The id of a tool_use block: the vendor's with what Anthropic does not allow replaced, or one made from the answer's. */
mg_str mg_anthropic_tool_id(const mg_reply *r, mg_str id, int64_t index, mg_arena *arena);
/* A source in Anthropic's form, or nothing and false if it has none. */
bool mg_anthropic_citation(mg_anthropic_reader *r, mg_str json, mg_buf *out);
/* A whole block that has one form in plain answers and streams (REDACTED, OTHER), or false if clients can't see it. */
bool mg_anthropic_whole(mg_anthropic_reader *r, const mg_event *e, mg_buf *out);
/* {"type":"redacted_thinking","data":MARK} */
void mg_anthropic_redacted(mg_buf *out, const mg_anthropic_mark *mark);
/* A thinking block's signature as a JSON string. */
void mg_anthropic_signature(mg_buf *out, mg_str vendor, mg_str signature);
/* "stop_reason":…,"stop_sequence":…,"stop_details":… */
void mg_anthropic_stop(mg_buf *out, const mg_finish *f, bool tools, bool refused);
/* The members of a usage object that tell of the input; then those of the output. */
void mg_anthropic_usage(mg_buf *out, const mg_usage *u);
/* The message up to and with its model, without its opening brace's end. */
void mg_anthropic_head(mg_buf *out, const mg_reply *r);

#endif
