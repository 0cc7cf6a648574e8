/* The state of one request that is put from the canonical form into Converse's, and how its files write. */
#ifndef MG_PLUGINS_BEDROCK_ENCODER_H
#define MG_PLUGINS_BEDROCK_ENCODER_H

#include "bedrock.h"

/* How the request wants to think, as this model takes it (thinking.c). */
typedef struct bedrock_plan {
    const char *type; /* Claude's thinking.type, or Nova 2's reasoningConfig.type; NULL: not said */
    int64_t budget; /* > 0 with Claude's "enabled" */
    const char *display; /* Claude's: "summarized", "omitted", or NULL */
    const char
        *effort; /* outputConfig.effort (Claude), maxReasoningEffort (Nova 2), reasoning_effort (OpenAI), or NULL */
    int64_t max_tokens; /* -1: the model's own */
    bool thinking; /* it will think: restricts sampling and tool choice */
    bool bare; /* takes no maxTokens, temperature and topP beside it */
} bedrock_plan;

typedef struct bedrock_encoder {
    const mg_host *h;
    const bedrock_quirks *quirks;
    const mg_provider_request *request;
    const mg_provider_out *out;
    mg_error *error;
    bedrock_model model;
    bedrock_plan plan;
    char place[96]; /* what is being read: "messages[3].content[0]" */
    bool any_member;
    bool any_message;
    int list; /* of blocks that is open (messages.c) */
    size_t message_blocks; /* written for the canonical message that is being read */
    size_t documents; /* named so far */
} bedrock_encoder;

/* ---- reading and writing (encode.c) ------------------------------------------------------------------------------ */

static inline void put(const bedrock_encoder *e, const char *bytes) { e->out->write(e->out->ctx, str_of(bytes)); }
static inline void put_str(const bedrock_encoder *e, mg_str bytes) { e->out->write(e->out->ctx, bytes); }
static inline void put_text(const bedrock_encoder *e, mg_str text) { e->out->text(e->out->ctx, text); }
void put_int(const bedrock_encoder *e, int64_t n);
/* The value as it stands in the request. */
void put_source(const bedrock_encoder *e, const mg_json *v);
mg_str source_of(const bedrock_encoder *e, const mg_json *v);

static inline const mg_json *get(const bedrock_encoder *e, const mg_json *object, const char *key) {
    return bedrock_get(e->h, object, key);
}
static inline mg_str get_text(const bedrock_encoder *e, const mg_json *object, const char *key) {
    return bedrock_text(e->h, object, key);
}
static inline const mg_json *top(const bedrock_encoder *e, const char *key) { return get(e, e->request->root, key); }
static inline bool is(const bedrock_encoder *e, const mg_json *v, mg_json_type type) {
    return bedrock_is(e->h, v, type);
}

/* Begins a top-level member; false if the settings drop it, which is reported. */
bool put_member(bedrock_encoder *e, const char *name);

/* A top-level member that is an object and begins with its first member. */
typedef struct bedrock_object {
    const char *name;
    bool open;
} bedrock_object;
/* Begins a member of it; false if the settings drop "NAME" or "NAME.MEMBER", which is reported. */
bool put_inner(bedrock_encoder *e, bedrock_object *o, const char *member);
void object_end(const bedrock_encoder *e, const bedrock_object *o);

/* Refuses the request (400); always false. */
bool refuse(const bedrock_encoder *e, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Reports that something is left out. */
void drop(const bedrock_encoder *e, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Reports the members of `object` that hold something and whose names are not in `known` ("role content name").
 * `place` comes before their names. */
void drop_others(const bedrock_encoder *e, const mg_json *object, const char *place, const char *known);
/* The printf arguments of a text that is shown in a sentence. */
#define SHOWN(s) (int)((s).n > 40 ? 40 : (s).n), (s).n ? (s).p : ""

/* ---- content (content.c) ----------------------------------------------------------------------------------------- */

/* One content part, read and found to be expressible. */
typedef struct bedrock_part {
    enum { PART_SKIP, PART_TEXT, PART_MEDIA } kind;
    mg_str text; /* PART_TEXT */
    const char *block; /* PART_MEDIA: "image", "document", "video", "audio" */
    const char *format;
    mg_str data; /* base64, or "" */
    mg_str s3; /* else its place in Amazon S3 */
    mg_str name; /* of a document's file, or "" */
    const mg_json *cache; /* cache_control, or NULL */
} bedrock_part;

/* Reads a part (not thinking). `text_only`: of a message that may hold nothing else, named by `role`. */
bool part_read(const bedrock_encoder *e, const mg_json *part, bool text_only, const char *role, bedrock_part *out);
/* Writes it as a block. */
void part_put(bedrock_encoder *e, const bedrock_part *part);
/* Writes `,{"cachePoint":…}` for a cache_control; reports it where this model takes none (`allowed` is false). */
void cache_point_put(const bedrock_encoder *e, const mg_json *cache, bool allowed);

/* ---- the rest ---------------------------------------------------------------------------------------------------- */

/* Writes "system" and "messages" (messages.c); `note` is one more system block, if any. */
bool messages_put(bedrock_encoder *e, mg_str note);
/* True if the part is a thought that this model takes up again: its maker's, with the signature. */
bool thinking_usable(const bedrock_encoder *e, const mg_json *part);
/* Writes "toolConfig" (tools.c). */
bool tools_put(bedrock_encoder *e);
/* True if the request says that a tool has to be called. */
bool tools_forced(const bedrock_encoder *e);
/* True if the text is of Bedrock's names: letters, digits, _ and -, 1 to 64. */
bool is_name(mg_str text);
/* Decides e->plan (thinking.c). */
bool plan_make(bedrock_encoder *e);

#endif
