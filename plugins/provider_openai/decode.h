/* What the files of the decoder share. */
#ifndef MG_PLUGINS_OPENAI_DECODE_H
#define MG_PLUGINS_OPENAI_DECODE_H

#include "openai.h"

typedef struct decoder {
    const mg_host *h;
    const mg_frame *frame;
    const mg_sink *sink;
} decoder;

static inline void emit(const decoder *d, mg_event event) {
    event.size = sizeof event;
    d->sink->emit(d->sink->ctx, &event);
}

/* Nothing if the text is empty. */
static inline void emit_text(const decoder *d, mg_event_type type, int64_t choice, mg_str text) {
    if (text.n) emit(d, (mg_event){.type = type, .choice = choice, .text = text});
}

static inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* The value as it stands in the frame, borrowed; {NULL, 0} if there is none. */
mg_str openai_source(const decoder *d, const mg_json *v);
/* A number above 0 under that name, else 0. */
int64_t openai_count(const decoder *d, const mg_json *object, const char *key);
/* A citation of a page whose details are `source`; with a vendor, one in that vendor's own form. */
void openai_citation_emit(const decoder *d, int64_t choice, mg_str vendor, mg_str source);
void openai_annotation_emit(const decoder *d, const mg_json *annotation); /* of the Responses format */
/* An error object of any dialect. */
void openai_error_emit(const decoder *d, const mg_json *e);
/* A list of log probabilities, unless it is empty. */
void openai_logprobs_emit(const decoder *d, int64_t choice, const mg_json *list);

/* Audio in base64, whose kind only its first bytes tell. */
mg_str openai_audio_type(mg_str base64);

void openai_chat_emit(const decoder *d); /* decode_chat.c: the choices */
void openai_message_emit(const decoder *d, const mg_json *message, int64_t choice); /* decode_message.c */
void openai_responses_emit(const decoder *d); /* decode_responses.c: a whole frame */

/* decode_item.c: reports what of an item of a Responses answer has not been said before. */
void openai_item_emit(const decoder *d, openai_state *state, openai_item *it, const mg_json *item);

/* The state of one output item. Valid until another place is asked for. */
openai_item *openai_item_of(openai_state *state, int64_t place);
/* The item whose id `item` has, or NULL. */
openai_item *openai_item_known(const decoder *d, openai_state *state, const mg_json *item);
void openai_item_name(const decoder *d, openai_item *it, const mg_json *item); /* notes the id */

enum { OPENAI_NUMBERED = 1, OPENAI_NAMED = 2, OPENAI_ARGUED = 4, OPENAI_SAID = 8, OPENAI_WHOLE = 16 };

/* Bit of a part; parts beyond the last share its bit. */
static inline uint32_t openai_part_bit(int64_t part) { return 1u << (part < 0 ? 0 : part < 31 ? part : 31); }

/* A piece of a call: numbered in the order of the calls, named once. */
void openai_call_emit(const decoder *d, openai_state *state, openai_item *it, const mg_json *call, mg_str text);

#endif
