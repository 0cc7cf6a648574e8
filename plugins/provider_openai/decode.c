/* What an answer in OpenAI's formats says: the frames, and what all operations have in common. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "decode.h"

mg_status openai_fail(mg_error *error, int http, const char *code, const char *format, ...) {
    va_list args;
    error->http = http;
    snprintf(error->code, sizeof error->code, "%s", code);
    va_start(args, format);
    vsnprintf(error->text, sizeof error->text, format, args);
    va_end(args);
    return MG_ERROR;
}

mg_str openai_source(const decoder *d, const mg_json *v) {
    size_t start, end;
    if (!d->h->json_span(v, &start, &end) || end > d->frame->data.n) return (mg_str){NULL, 0};
    return (mg_str){d->frame->data.p + start, end - start};
}

int64_t openai_count(const decoder *d, const mg_json *object, const char *key) {
    int64_t n = d->h->json_int(openai_get(d->h, object, key), 0);
    return n > 0 ? n : 0;
}

/* ---- pieces ------------------------------------------------------------------------------------------------------ */

/* Citations are few and short: the stack holds nearly all of them. */
void openai_citation_emit(const decoder *d, int64_t choice, mg_str vendor, mg_str source) {
    char small[2048], *text = small;
    size_t size = source.n + vendor.n + 64;
    if (size > sizeof small) text = malloc(size);
    if (!text || !source.n) return;
    int n = snprintf(text, size, "{\"type\":\"vendor_citation\",\"vendor\":\"%.*s\",\"citation\":", (int)vendor.n,
                     vendor.p);
    if (!vendor.n) n = snprintf(text, size, "{\"type\":\"url_citation\",\"url_citation\":");
    memcpy(text + n, source.p, source.n);
    text[(size_t)n + source.n] = '}';
    emit(d, (mg_event){.type = MG_EVENT_CITATION, .choice = choice, .text = {text, (size_t)n + source.n + 1}});
    if (text != small) free(text);
}

void openai_logprobs_emit(const decoder *d, int64_t choice, const mg_json *list) {
    if (list && d->h->json_type(list) == MG_JSON_ARRAY && d->h->json_child(list))
        emit_text(d, MG_EVENT_LOGPROBS, choice, openai_source(d, list));
}

/* RIFF, ID3 or an MPEG frame, fLaC, OggS; raw samples have no head. */
mg_str openai_audio_type(mg_str base64) {
    static const struct {
        const char *head, *type;
    } heads[] = {{"UklGR", "audio/wav"}, {"SUQz", "audio/mpeg"},  {"//v", "audio/mpeg"}, {"//s", "audio/mpeg"},
                 {"//M", "audio/mpeg"},  {"ZkxhQ", "audio/flac"}, {"T2dnU", "audio/ogg"}};
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        size_t n = strlen(heads[i].head);
        if (base64.n >= n && memcmp(base64.p, heads[i].head, n) == 0) return str_of(heads[i].type);
    }
    return STR("audio/pcm");
}

/* {"error": {…}}, {"error": "…"}, or the object itself. */
void openai_error_emit(const decoder *d, const mg_json *e) {
    mg_str text = d->h->json_str(e);
    if (!text.n) text = openai_text(d->h, e, "message");
    mg_str name = openai_text(d->h, e, "type");
    if (!name.n || str_eq(name, STR("error"))) {
        mg_str code = openai_text(d->h, e, "code");
        if (code.n) name = code;
    }
    if (!text.n) text = STR("the provider reported an error without a message");
    emit(d, (mg_event){.type = MG_EVENT_ERROR, .text = text, .name = name});
}

/* ---- operations without choices ---------------------------------------------------------------------------------- */

static void embeddings_emit(const decoder *d) {
    int64_t place = 0;
    const mg_json *row = d->h->json_child(openai_get(d->h, d->frame->json, "data"));
    for (; row; row = d->h->json_next(row), place++) {
        const mg_json *vector = openai_get(d->h, row, "embedding");
        mg_event event = {.type = MG_EVENT_EMBEDDING, .text = d->h->json_str(vector)};
        event.index = d->h->json_int(openai_get(d->h, row, "index"), place);
        if (vector && d->h->json_type(vector) == MG_JSON_ARRAY) event.text = openai_source(d, vector);
        if (event.text.n) emit(d, event);
    }
    const mg_json *usage = openai_get(d->h, d->frame->json, "usage");
    if (!openai_is_object(d->h, usage)) return;
    mg_usage u = {.size = sizeof u, .input = openai_count(d, usage, "prompt_tokens")};
    if (!u.input) u.input = openai_count(d, usage, "total_tokens");
    emit(d, (mg_event){.type = MG_EVENT_USAGE, .usage = &u});
}

/* OpenAI's own name, and vLLM's. */
static void count_emit(const decoder *d) {
    const mg_json *root = d->frame->json, *n = openai_get(d->h, root, "input_tokens");
    mg_usage u = {.size = sizeof u, .input = d->h->json_int(n ? n : openai_get(d->h, root, "count"), -1)};
    if (u.input >= 0) emit(d, (mg_event){.type = MG_EVENT_USAGE, .usage = &u});
}

/* ---- frames ------------------------------------------------------------------------------------------------------ */

/* True if the frame is an error: it has one, or its event's name says so. */
static bool is_error(const decoder *d) {
    const mg_json *e = openai_get(d->h, d->frame->json, "error");
    if (e && d->h->json_type(e) != MG_JSON_NULL)
        openai_error_emit(d, e);
    else if (str_eq(d->frame->event, STR("error")))
        openai_error_emit(d, d->frame->json);
    else
        return false;
    return true;
}

static void meta_emit(const decoder *d) {
    mg_str id = openai_text(d->h, d->frame->json, "id");
    mg_str model = openai_text(d->h, d->frame->json, "model");
    if (id.n || model.n) emit(d, (mg_event){.type = MG_EVENT_META, .text = id, .name = model});
}

static mg_str trimmed(mg_str s) {
    while (s.n && strchr(" \t\r\n", s.p[0]) && s.p[0]) s.p++, s.n--;
    while (s.n && strchr(" \t\r\n", s.p[s.n - 1]) && s.p[s.n - 1]) s.n--;
    return s;
}

/* True if the frame of a stream is its terminator, or empty. A Responses stream has ended before, with its last event. */
static bool is_end(const decoder *d) {
    mg_str data = trimmed(d->frame->data);
    if (data.n == 0) return true;
    if (!str_eq(data, STR("[DONE]"))) return false;
    const openai_state *state = d->frame->state;
    bool said = d->frame->format == MG_FORMAT_RESPONSES && state && state->done;
    if (!said) emit(d, (mg_event){.type = MG_EVENT_DONE});
    return true;
}

mg_status openai_decode(const mg_host *h, const mg_frame *frame, const mg_sink *sink, mg_error *error) {
    decoder d = {h, frame, sink};
    if (frame->stream && !frame->json && is_end(&d)) return MG_OK;
    if (!openai_is_object(h, frame->json))
        return openai_fail(error, 502, "bad_answer", "the provider's answer is not a JSON object");
    if (frame->operation == MG_OP_CHAT && frame->format == MG_FORMAT_RESPONSES) {
        openai_responses_emit(&d);
        return MG_OK;
    }
    if (is_error(&d)) return MG_OK;
    if (frame->operation != MG_OP_MODELS) meta_emit(&d);
    switch (frame->operation) {
    case MG_OP_CHAT: openai_chat_emit(&d); break;
    case MG_OP_EMBEDDINGS: embeddings_emit(&d); break;
    case MG_OP_COUNT_TOKENS: count_emit(&d); break;
    default: break;
    }
    return MG_OK;
}
