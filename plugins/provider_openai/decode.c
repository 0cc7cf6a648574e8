/* What an answer in OpenAI's format says: plain bodies and the chunks of a stream, and their relatives' dialects. */
#include <stdarg.h>
#include <stdio.h>

#include "openai.h"

typedef struct decoder {
    const mg_host *h;
    const mg_frame *frame;
    const mg_sink *sink;
} decoder;

static void emit(const decoder *d, mg_event event) {
    event.size = sizeof event;
    d->sink->emit(d->sink->ctx, &event);
}

static void emit_text(const decoder *d, mg_event_type type, int64_t choice, mg_str text) {
    if (text.n) emit(d, (mg_event){.type = type, .choice = choice, .text = text});
}

mg_status openai_fail(mg_error *error, int http, const char *code, const char *format, ...) {
    va_list args;
    error->http = http;
    snprintf(error->code, sizeof error->code, "%s", code);
    va_start(args, format);
    vsnprintf(error->text, sizeof error->text, format, args);
    va_end(args);
    return MG_ERROR;
}

/* ---- usage ------------------------------------------------------------------------------------------------------- */

static int64_t count(const decoder *d, const mg_json *object, const char *key) {
    int64_t n = d->h->json_int(openai_get(d->h, object, key), 0);
    return n > 0 ? n : 0;
}

/* The first of two names that holds a number above 0. */
static int64_t count_either(const decoder *d, const mg_json *a, const char *key_a, const mg_json *b,
                            const char *key_b) {
    int64_t n = count(d, a, key_a);
    return n ? n : count(d, b, key_b);
}

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* xAI and Gemini's OpenAI routes leave the reasoning out of completion_tokens, but not out of the total. */
static void output_complete(const decoder *d, const mg_json *usage, mg_usage *u) {
    int64_t total = count(d, usage, "total_tokens");
    if (total > u->input && total - u->input > u->output) u->output = total - u->input;
}

static void usage_emit(const decoder *d, const mg_json *usage, bool alone) {
    if (!openai_is_object(d->h, usage)) return;
    const mg_json *in = openai_get(d->h, usage, "prompt_tokens_details");
    const mg_json *out = openai_get(d->h, usage, "completion_tokens_details");
    mg_usage u = {.size = sizeof u};
    u.input = count(d, usage, "prompt_tokens");
    u.output = count(d, usage, "completion_tokens");
    if (d->frame->operation == MG_OP_CHAT)
        output_complete(d, usage, &u);
    else if (!u.input)
        u.input = count(d, usage, "total_tokens");
    /* DeepSeek and Moonshot have names of their own. */
    u.cached = count_either(d, in, "cached_tokens", usage, "prompt_cache_hit_tokens");
    if (!u.cached) u.cached = count(d, usage, "cached_tokens");
    /* Grok on Azure counts the cached tokens of its own hidden preamble here, which are in no other number. */
    u.cached = least(u.cached, u.input);
    u.cache_write = least(count(d, in, "cache_write_tokens"), u.input - u.cached);
    u.reasoning = least(count_either(d, out, "reasoning_tokens", usage, "reasoning_tokens"), u.output);
    u.audio_input = least(count(d, in, "audio_tokens"), u.input);
    u.audio_output = least(count(d, out, "audio_tokens"), u.output);
    emit(d, (mg_event){.type = MG_EVENT_USAGE, .usage = &u, .alone = alone});
}

/* ---- choices ----------------------------------------------------------------------------------------------------- */

/* Mistral's content may be a list of parts, the reasoning among them as a list again. */
static void parts_emit(const decoder *d, const mg_json *parts, int64_t choice, mg_event_type type) {
    for (const mg_json *part = d->h->json_child(parts); part; part = d->h->json_next(part)) {
        const mg_json *thinking = openai_get(d->h, part, "thinking");
        emit_text(d, type, choice, openai_text(d->h, part, "text"));
        emit_text(d, MG_EVENT_REASONING, choice, d->h->json_str(thinking));
        for (const mg_json *t = d->h->json_child(thinking); t; t = d->h->json_next(t))
            emit_text(d, MG_EVENT_REASONING, choice, openai_text(d->h, t, "text"));
    }
}

static void content_emit(const decoder *d, const mg_json *content, int64_t choice) {
    if (content && d->h->json_type(content) == MG_JSON_ARRAY)
        parts_emit(d, content, choice, MG_EVENT_TEXT);
    else
        emit_text(d, MG_EVENT_TEXT, choice, d->h->json_str(content));
}

/* Arguments are a string; servers that put the object itself there get its source text reported. */
static mg_str arguments(const decoder *d, const mg_json *v) {
    size_t start, end;
    if (openai_is_object(d->h, v) && d->h->json_span(v, &start, &end) && end <= d->frame->data.n)
        return (mg_str){d->frame->data.p + start, end - start};
    return d->h->json_str(v);
}

static void call_emit(const decoder *d, const mg_json *function, const char *input, int64_t index, mg_str id) {
    mg_event event = {.type = MG_EVENT_TOOL, .index = index, .id = id};
    event.name = openai_text(d->h, function, "name");
    event.text = arguments(d, openai_get(d->h, function, input));
    if (event.name.n || event.text.n || id.n) emit(d, event);
}

static void tools_emit(const decoder *d, const mg_json *message) {
    int64_t place = 0;
    const mg_json *call = d->h->json_child(openai_get(d->h, message, "tool_calls"));
    for (; call; call = d->h->json_next(call), place++) {
        int64_t index = d->h->json_int(openai_get(d->h, call, "index"), place);
        mg_str id = openai_text(d->h, call, "id");
        const mg_json *custom = openai_get(d->h, call, "custom");
        if (openai_is_object(d->h, custom))
            call_emit(d, custom, "input", index, id);
        else
            call_emit(d, openai_get(d->h, call, "function"), "arguments", index, id);
    }
    const mg_json *old = openai_get(d->h, message, "function_call");
    if (openai_is_object(d->h, old)) call_emit(d, old, "arguments", 0, (mg_str){NULL, 0});
}

static void finish_emit(const decoder *d, mg_str reason, int64_t choice) {
    static const struct {
        const char *theirs, *ours;
    } reasons[] = {{"stop", "stop"},
                   {"length", "length"},
                   {"tool_calls", "tool_calls"},
                   {"content_filter", "content_filter"},
                   {"function_call", "tool_calls"},
                   {"max_tokens", "length"},
                   {"model_length", "length"},
                   {"tool_use", "tool_calls"}};
    if (!reason.n) return;
    /* OpenRouter and DeepSeek say here that the answer broke off. */
    if (str_eq(reason, STR("error")) || str_eq(reason, STR("insufficient_system_resource"))) {
        emit(d, (mg_event){.type = MG_EVENT_ERROR, .text = STR("the provider broke the answer off"), .name = reason});
        return;
    }
    mg_str canonical = STR("stop");
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (str_eq(reason, str_of(reasons[i].theirs))) canonical = str_of(reasons[i].ours);
    emit(d, (mg_event){.type = MG_EVENT_FINISH, .choice = choice, .text = canonical, .name = reason});
}

static void choice_emit(const decoder *d, const mg_json *choice, int64_t place) {
    int64_t index = d->h->json_int(openai_get(d->h, choice, "index"), place);
    const mg_json *message = openai_get(d->h, choice, "delta");
    if (!openai_is_object(d->h, message)) message = openai_get(d->h, choice, "message");
    mg_str reasoning = openai_text(d->h, message, "reasoning_content");
    if (!reasoning.n) reasoning = openai_text(d->h, message, "reasoning");
    emit_text(d, MG_EVENT_REASONING, index, reasoning);
    content_emit(d, openai_get(d->h, message, "content"), index);
    emit_text(d, MG_EVENT_TEXT, index, openai_text(d->h, message, "refusal"));
    tools_emit(d, message);
    finish_emit(d, openai_text(d->h, choice, "finish_reason"), index);
    usage_emit(d, openai_get(d->h, choice, "usage"), false);
}

/* ---- frames ------------------------------------------------------------------------------------------------------ */

/* True if the frame is an error: {"error": {…}}, {"error": "…"}, or any object under the event name "error". */
static bool error_emit(const decoder *d) {
    const mg_json *e = openai_get(d->h, d->frame->json, "error");
    if (!e || d->h->json_type(e) == MG_JSON_NULL) {
        if (!str_eq(d->frame->event, STR("error"))) return false;
        e = d->frame->json;
    }
    mg_str text = d->h->json_str(e);
    if (!text.n) text = openai_text(d->h, e, "message");
    mg_str name = openai_text(d->h, e, "type");
    if (!name.n) name = openai_text(d->h, e, "code");
    if (!text.n) text = STR("the provider reported an error without a message");
    emit(d, (mg_event){.type = MG_EVENT_ERROR, .text = text, .name = name});
    return true;
}

static void meta_emit(const decoder *d) {
    mg_str id = openai_text(d->h, d->frame->json, "id");
    mg_str model = openai_text(d->h, d->frame->json, "model");
    if (id.n || model.n) emit(d, (mg_event){.type = MG_EVENT_META, .text = id, .name = model});
}

static void chat_emit(const decoder *d) {
    int64_t place = 0;
    const mg_json *first = d->h->json_child(openai_get(d->h, d->frame->json, "choices"));
    for (const mg_json *c = first; c; c = d->h->json_next(c)) choice_emit(d, c, place++);
    const mg_json *usage = openai_get(d->h, d->frame->json, "usage");
    if (!openai_is_object(d->h, usage)) /* Groq's place for it */
        usage = openai_get(d->h, openai_get(d->h, d->frame->json, "x_groq"), "usage");
    usage_emit(d, usage, d->frame->stream && !first);
}

static mg_str trimmed(mg_str s) {
    while (s.n && strchr(" \t\r\n", s.p[0]) && s.p[0]) s.p++, s.n--;
    while (s.n && strchr(" \t\r\n", s.p[s.n - 1]) && s.p[s.n - 1]) s.n--;
    return s;
}

mg_status openai_decode(const mg_host *h, const mg_frame *frame, const mg_sink *sink, mg_error *error) {
    decoder d = {h, frame, sink};
    if (frame->stream && !frame->json) {
        mg_str data = trimmed(frame->data);
        if (str_eq(data, STR("[DONE]"))) emit(&d, (mg_event){.type = MG_EVENT_DONE});
        if (data.n == 0 || str_eq(data, STR("[DONE]"))) return MG_OK;
    }
    if (!openai_is_object(h, frame->json))
        return openai_fail(error, 502, "bad_answer", "the provider's answer is not a JSON object");
    if (error_emit(&d)) return MG_OK;
    if (frame->operation != MG_OP_MODELS) meta_emit(&d);
    if (frame->operation == MG_OP_CHAT)
        chat_emit(&d);
    else
        usage_emit(&d, openai_get(h, frame->json, "usage"), false);
    return MG_OK;
}
