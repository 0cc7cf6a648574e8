/* The state of one request that is put from the canonical form into Anthropic's, and how its files write. */
#ifndef MG_PLUGINS_ANTHROPIC_ENCODER_H
#define MG_PLUGINS_ANTHROPIC_ENCODER_H

#include "anthropic.h"

/* Which list blocks are written to. */
typedef enum anthropic_list { LIST_NONE, LIST_SYSTEM, LIST_USER, LIST_ASSISTANT, LIST_INLINE_SYSTEM } anthropic_list;

/* How the request wants to think, as this model takes it (thinking.c). */
typedef struct anthropic_plan {
    const char *type; /* of `thinking`; NULL: not said */
    int64_t budget; /* > 0 with "enabled" */
    const char *display; /* "summarized", "omitted", or NULL */
    const char *effort; /* output_config.effort, or NULL */
    int64_t max_tokens; /* to send */
    bool thinking; /* it will think: restricts sampling and tool choice */
} anthropic_plan;

typedef struct anthropic_encoder {
    const mg_host *h;
    const anthropic_quirks *quirks;
    const mg_provider_request *request;
    const mg_provider_out *out;
    mg_error *error;
    anthropic_model model;
    anthropic_plan plan;
    char place[96]; /* what is being read: "messages[3].content[0]" */
    bool any_member;
    bool any_message;
    anthropic_list list; /* that is open */
    bool block_open; /* its closing brace is still to come, so that a message's cache_control can go in */
    bool block_cacheable;
    size_t message_blocks; /* written for the canonical message that is being read */
} anthropic_encoder;

/* ---- writing (encode.c) ------------------------------------------------------------------------------------------ */

static inline void put(const anthropic_encoder *e, const char *bytes) { e->out->write(e->out->ctx, str_of(bytes)); }
static inline void put_str(const anthropic_encoder *e, mg_str bytes) { e->out->write(e->out->ctx, bytes); }
static inline void put_text(const anthropic_encoder *e, mg_str text) { e->out->text(e->out->ctx, text); }
void put_int(const anthropic_encoder *e, int64_t n);
/* The value as it stands in the request. */
void put_source(const anthropic_encoder *e, const mg_json *v);
/* True if the settings say to leave the top-level member out. */
bool is_dropped(const anthropic_encoder *e, mg_str name);
/* Begins a top-level member; false if the settings drop it, which is reported. */
bool put_member(anthropic_encoder *e, const char *name);

/* Refuses the request (400); always false. */
bool refuse(const anthropic_encoder *e, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Reports that something is left out. */
void drop(const anthropic_encoder *e, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Reports the members of `object` that hold something and whose names are not in `known` ("role content name", by
 * spaces). `place` comes before their names. */
void drop_others(const anthropic_encoder *e, const mg_json *object, const char *place, const char *known);
/* Source text of a value; {NULL, 0} if there is none. */
mg_str source_of(const anthropic_encoder *e, const mg_json *v);

/* ---- messages ---------------------------------------------------------------------------------------------------- */

/* One content part, read and found to be expressible (content.c). */
typedef enum anthropic_part_kind { PART_SKIP, PART_TEXT, PART_IMAGE, PART_DOCUMENT } anthropic_part_kind;

typedef struct anthropic_part {
    anthropic_part_kind kind;
    const char *source; /* of images and documents: "base64", "url", "file", "text" */
    mg_str text; /* the text, base64, URL or id */
    mg_str mime;
    mg_str title;
    const mg_json *cache; /* cache_control, or NULL */
} anthropic_part;

/* Reads a part (not thinking). `text_only`: of a message that may hold nothing else, named by `whose`. */
bool part_read(const anthropic_encoder *e, const mg_json *part, bool text_only, const char *whose, anthropic_part *out);
/* Writes it as a block, without its closing brace. False: refused. */
bool part_put(const anthropic_encoder *e, const anthropic_part *part);
/* Writes `,"cache_control":…`; true if there is one. */
bool cache_put(const anthropic_encoder *e, const mg_json *cache);

/* Writes "system" and "messages" (messages.c); `note` is one more system block, if any. */
bool messages_put(anthropic_encoder *e, mg_str note);
/* True if the part is a thought that Anthropic takes up again: its own, with the signature. */
bool thinking_usable(const anthropic_encoder *e, const mg_json *part);
bool message_is_system(const anthropic_encoder *e, const mg_json *message);
/* Writes "tools" and "tool_choice" (tools.c). */
bool tools_put(anthropic_encoder *e);
/* True if the request says that a tool has to be called. */
bool tools_forced(const anthropic_encoder *e);
/* Writes a schema of answers, its objects closed (schema.c). */
void closed_schema_put(const anthropic_encoder *e, const mg_json *schema);
/* The changes to a body in Anthropic's own format, as splices (native.c). */
mg_status native_encode(anthropic_encoder *e);
/* Decides e->plan. */
bool plan_make(anthropic_encoder *e);

#endif
