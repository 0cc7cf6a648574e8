/* What the files of the encoder share. */
#ifndef MG_PLUGINS_OPENAI_ENCODE_H
#define MG_PLUGINS_OPENAI_ENCODE_H

#include "openai.h"

enum { MODEL_MAX = 512 }; /* bytes; a Bedrock ARN, the longest in use, has about 150 */

typedef struct encoder {
    const mg_host *h;
    const openai_quirks *quirks;
    const mg_provider_request *request;
    const mg_provider_out *out;
    bool translated; /* the body may hold what OpenAI's API has not */
} encoder;

/* Plugins built for a host that knows nothing of translations never see one. */
static inline bool openai_translated(const mg_provider_request *r) {
    return r->size >= offsetof(mg_provider_request, translated) + sizeof r->translated && r->translated;
}

static inline void openai_splice(const encoder *e, size_t start, size_t end, mg_str replacement) {
    e->out->splice(e->out->ctx, start, end, replacement);
}

/* Takes members or elements out, given in their order, together with one comma each. One goes with the comma before it;
 * those that open the list have none, and go up to where the first that stays begins. */
typedef struct remover {
    const encoder *e;
    size_t kept, open_start, previous_end;
    bool opening;
} remover;

void openai_remover_put(remover *r, size_t start, size_t end, bool dropped);
void openai_remover_end(remover *r);

/* Members to append, gathered so that one splice before the closing brace holds them all. */
typedef struct addition {
    char text[6 * MODEL_MAX + 256];
    size_t n;
    size_t members; /* of the object before */
} addition;

/* Unless the setting `drop` names it. */
void openai_addition_put(const encoder *e, addition *a, const char *key, mg_str value);

/* Whether a top-level member is left out: the setting `drop` names it, or the API has it not. */
bool openai_dropped(const encoder *e, mg_str key);
/* Whether a top-level member of a translated body has to go, and whether what it says is sent in another way. */
bool openai_addition_drops(const encoder *e, mg_str key);
bool openai_addition_kept(const encoder *e, mg_str key);
/* Takes the canonical form's additions out of messages and tools; 400 for those without which the answer would be another
 * one. Of a body that was not translated only what clients hand back is: thinking, and the signatures of calls. */
mg_status openai_messages_clean(const encoder *e, mg_error *error);
mg_status openai_tools_clean(const encoder *e, mg_error *error);
/* thinking and reasoning_effort in the model's own terms (encode_effort.c). */
void openai_thinking_encode(const encoder *e, addition *a);

#endif
