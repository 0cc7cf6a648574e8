/* What an answer says: Converse's whole messages, the events of ConverseStream, and counts of tokens.
 *
 * A stream's events are messageStart, contentBlockStart, contentBlockDelta, contentBlockStop, messageStop and, behind that,
 * metadata with the usage; then the body ends. Blocks that have no canonical form (results of tools that Amazon runs,
 * pieces of images) are reported as they stand. */
#include <stdarg.h>
#include <stdio.h>

#include "bedrock.h"

typedef struct decoder {
    const mg_host *h;
    const mg_frame *frame;
    const mg_sink *sink;
    bedrock_state *state;
} decoder;

mg_status bedrock_fail(mg_error *error, int http, const char *code, const char *format, ...) {
    va_list args;
    error->http = http;
    snprintf(error->code, sizeof error->code, "%s", code);
    va_start(args, format);
    vsnprintf(error->text, sizeof error->text, format, args);
    va_end(args);
    return MG_ERROR;
}

static void emit(const decoder *d, mg_event event) {
    event.size = sizeof event;
    d->sink->emit(d->sink->ctx, &event);
}

static void emit_text(const decoder *d, mg_event_type type, mg_str text) {
    if (text.n) emit(d, (mg_event){.type = type, .text = text});
}

static void emit_named(const decoder *d, mg_event_type type, mg_str text, mg_str name) {
    if (text.n) emit(d, (mg_event){.type = type, .text = text, .name = name});
}

static const mg_json *member(const decoder *d, const mg_json *object, const char *key) {
    return bedrock_get(d->h, object, key);
}
static mg_str member_text(const decoder *d, const mg_json *object, const char *key) {
    return bedrock_text(d->h, object, key);
}

static mg_str source(const decoder *d, const mg_json *v) {
    size_t start, end;
    if (!d->h->json_span(v, &start, &end) || end > d->frame->data.n) return (mg_str){NULL, 0};
    return (mg_str){d->frame->data.p + start, end - start};
}

/* ---- usage ------------------------------------------------------------------------------------------------------- */

static int64_t count(const decoder *d, const mg_json *usage, const char *key) {
    static const int64_t most = 1000000000000000; /* sums of three stay in range */
    int64_t n = d->h->json_int(member(d, usage, key), 0);
    return n < 0 ? 0 : n < most ? n : most;
}

/* inputTokens are those that were neither read from a cache nor written to one. */
static void usage_emit(const decoder *d, const mg_json *usage) {
    if (!bedrock_is(d->h, usage, MG_JSON_OBJECT)) return;
    mg_usage u = {.size = sizeof u, .output = count(d, usage, "outputTokens")};
    u.cached = count(d, usage, "cacheReadInputTokens");
    u.cache_write = count(d, usage, "cacheWriteInputTokens");
    u.input = count(d, usage, "inputTokens") + u.cached + u.cache_write;
    emit(d, (mg_event){.type = MG_EVENT_USAGE, .usage = &u});
}

/* ---- how it ended ------------------------------------------------------------------------------------------------ */

static void finish_emit(const decoder *d, const mg_json *from) {
    static const struct {
        const char *theirs, *ours;
    } reasons[] = {
        {"max_tokens", "length"},
        {"model_context_window_exceeded", "length"},
        {"tool_use", "tool_calls"},
        {"guardrail_intervened", "content_filter"},
        {"content_filtered", "content_filter"},
    };
    mg_str reason = member_text(d, from, "stopReason"), canonical = STR("stop");
    if (!reason.n) return;
    for (size_t i = 0; i < COUNT(reasons); i++)
        if (str_is(reason, reasons[i].theirs)) canonical = str_of(reasons[i].ours);
    emit(d, (mg_event){.type = MG_EVENT_FINISH,
                       .text = canonical,
                       .name = reason,
                       .id = member_text(d, member(d, from, "additionalModelResponseFields"), "stop_sequence")});
}

/* ---- pieces of blocks -------------------------------------------------------------------------------------------- */

static void citation_emit(const decoder *d, const mg_json *citation) {
    static const char head[] = "{\"type\":\"vendor_citation\",\"vendor\":\"bedrock\",\"citation\":";
    char text[16384];
    mg_str theirs = source(d, citation);
    if (!bedrock_is(d->h, citation, MG_JSON_OBJECT)) return;
    if (theirs.n + sizeof head + 1 > sizeof text) { /* not cut: a block of its own keeps it whole */
        emit_named(d, MG_EVENT_OTHER, theirs, STR("bedrock"));
        return;
    }
    memcpy(text, head, sizeof head - 1);
    memcpy(text + sizeof head - 1, theirs.p, theirs.n);
    text[sizeof head - 1 + theirs.n] = '}';
    emit_text(d, MG_EVENT_CITATION, (mg_str){text, sizeof head + theirs.n});
}

/* Only Claude signs its thoughts, and takes them up again wherever it runs. */
static void signature_emit(const decoder *d, mg_str signature) {
    emit_named(d, MG_EVENT_SIGNATURE, signature, STR("anthropic"));
}

static void call_emit(const decoder *d, const mg_json *call, int64_t index, mg_str input) {
    emit(d, (mg_event){.type = MG_EVENT_TOOL,
                       .index = index,
                       .id = member_text(d, call, "toolUseId"),
                       .name = member_text(d, call, "name"),
                       .text = input});
}

/* A call that is the client's to make, not one that Amazon has made itself. */
static bool is_call(const decoder *d, const mg_json *call) { return call && !member(d, call, "type"); }

/* ---- whole messages ---------------------------------------------------------------------------------------------- */

static void reasoning_emit(const decoder *d, const mg_json *reasoning) {
    const mg_json *shown = member(d, reasoning, "reasoningText");
    mg_str text = member_text(d, shown, "text"), signature = member_text(d, shown, "signature");
    if (!text.n && signature.n) emit(d, (mg_event){.type = MG_EVENT_REASONING}); /* a thought that is not shown */
    emit_text(d, MG_EVENT_REASONING, text);
    signature_emit(d, signature);
    emit_named(d, MG_EVENT_REDACTED, member_text(d, reasoning, "redactedContent"), STR("bedrock"));
}

static void cited_emit(const decoder *d, const mg_json *cited) {
    const mg_json *v = d->h->json_child(member(d, cited, "content"));
    for (; v; v = d->h->json_next(v)) emit_text(d, MG_EVENT_TEXT, member_text(d, v, "text"));
    for (v = d->h->json_child(member(d, cited, "citations")); v; v = d->h->json_next(v)) citation_emit(d, v);
}

/* False: its bytes stand elsewhere (in Amazon S3), or it could not be made. */
static bool media_emit(const decoder *d, const mg_json *media, const char *kind) {
    char mime[48];
    mg_str bytes = member_text(d, member(d, media, "source"), "bytes"), format = member_text(d, media, "format");
    if (!bytes.n || !format.n || format.n > 20) return false;
    snprintf(mime, sizeof mime, "%s/%.*s", kind, (int)format.n, format.p);
    emit(d, (mg_event){.type = MG_EVENT_MEDIA, .name = str_of(mime), .text = bytes});
    return true;
}

static void block_emit(const decoder *d, const mg_json *b) {
    const mg_json *call = member(d, b, "toolUse"), *text = member(d, b, "text"),
                  *reasoning = member(d, b, "reasoningContent");
    const mg_json *cited = member(d, b, "citationsContent"), *image = member(d, b, "image"),
                  *audio = member(d, b, "audio");
    if (text) {
        emit_text(d, MG_EVENT_TEXT, d->h->json_str(text));
    } else if (is_call(d, call)) {
        mg_str input = source(d, member(d, call, "input"));
        call_emit(d, call, d->state->n_calls++, input.n ? input : STR("{}"));
    } else if (reasoning) {
        reasoning_emit(d, reasoning);
    } else if (cited) {
        cited_emit(d, cited);
    } else if (!(image && media_emit(d, image, "image")) && !(audio && media_emit(d, audio, "audio"))) {
        emit_named(d, MG_EVENT_OTHER, source(d, b), STR("bedrock"));
    }
}

static bool message_emit(const decoder *d) {
    const mg_json *root = d->frame->json, *message = member(d, member(d, root, "output"), "message");
    if (!message) return false;
    const mg_json *b = d->h->json_child(member(d, message, "content"));
    for (; b; b = d->h->json_next(b)) block_emit(d, b);
    finish_emit(d, root);
    usage_emit(d, member(d, root, "usage"));
    return true;
}

/* ---- streams ----------------------------------------------------------------------------------------------------- */

static bedrock_call *call_find(bedrock_state *s, int64_t block) {
    for (size_t i = 0; i < BEDROCK_BLOCKS; i++)
        if (s->calls[i].open && s->calls[i].block == block) return &s->calls[i];
    return NULL;
}

/* Takes the place of one with the same number, a free one, or else one of those in use in turn. */
static bedrock_call *call_take(bedrock_state *s, int64_t block) {
    bedrock_call *c = call_find(s, block);
    for (size_t i = 0; i < BEDROCK_BLOCKS && !c; i++)
        if (!s->calls[i].open) c = &s->calls[i];
    if (!c) c = &s->calls[s->next++ % BEDROCK_BLOCKS];
    *c = (bedrock_call){.block = block, .index = s->n_calls++, .open = true};
    return c;
}

static void stream_begin(const decoder *d, const mg_json *start, int64_t block) {
    const mg_json *call = member(d, start, "toolUse");
    if (is_call(d, call))
        call_emit(d, call, call_take(d->state, block)->index, STR(""));
    else if (start && d->h->json_child(start))
        emit_named(d, MG_EVENT_OTHER, source(d, start), STR("bedrock"));
}

static void call_add(const decoder *d, const mg_json *delta, int64_t block) {
    bedrock_call *c = call_find(d->state, block);
    mg_str input = member_text(d, member(d, delta, "toolUse"), "input");
    if (!c) {
        emit_named(d, MG_EVENT_OTHER, source(d, delta), STR("bedrock")); /* of a tool that Amazon runs */
    } else if (input.n) {
        c->said = true;
        emit(d, (mg_event){.type = MG_EVENT_TOOL, .index = c->index, .text = input});
    }
}

static void stream_add(const decoder *d, const mg_json *delta, int64_t block) {
    const mg_json *text = member(d, delta, "text"), *reasoning = member(d, delta, "reasoningContent");
    const mg_json *citation = member(d, delta, "citation");
    if (text) {
        emit_text(d, MG_EVENT_TEXT, d->h->json_str(text));
    } else if (reasoning) {
        emit_text(d, MG_EVENT_REASONING, member_text(d, reasoning, "text"));
        signature_emit(d, member_text(d, reasoning, "signature"));
        emit_named(d, MG_EVENT_REDACTED, member_text(d, reasoning, "redactedContent"), STR("bedrock"));
    } else if (member(d, delta, "toolUse")) {
        call_add(d, delta, block);
    } else if (citation) {
        citation_emit(d, citation);
    } else if (delta && d->h->json_child(delta)) {
        emit_named(d, MG_EVENT_OTHER, source(d, delta), STR("bedrock"));
    }
}

/* A call without arguments: its callers want an object all the same. */
static void stream_end(const decoder *d, int64_t block) {
    bedrock_call *c = call_find(d->state, block);
    if (c && !c->said) emit(d, (mg_event){.type = MG_EVENT_TOOL, .index = c->index, .text = STR("{}")});
    if (c) c->open = false;
}

/* Names of exceptions and error codes, which are no closed list. */
static bool is_failure(mg_str event) {
    return bedrock_says(event, "Exception") || bedrock_says(event, "Error") || bedrock_says(event, "Failure");
}

static void event_emit(const decoder *d) {
    const mg_json *root = d->frame->json;
    mg_str event = d->frame->event;
    int64_t block = d->h->json_int(member(d, root, "contentBlockIndex"), -1);
    if (str_is(event, "contentBlockDelta")) {
        stream_add(d, member(d, root, "delta"), block);
    } else if (str_is(event, "contentBlockStart")) {
        stream_begin(d, member(d, root, "start"), block);
    } else if (str_is(event, "contentBlockStop")) {
        stream_end(d, block);
    } else if (str_is(event, "messageStop")) {
        finish_emit(d, root);
    } else if (str_is(event, "metadata")) {
        usage_emit(d, member(d, root, "usage"));
    } else if (is_failure(event) || member_text(d, root, "message").n) {
        mg_str text = member_text(d, root, "message");
        if (!text.n) text = STR("the provider reported an error without a message");
        emit(d, (mg_event){.type = MG_EVENT_ERROR, .text = text, .name = event});
    }
}

/* ---- frames ------------------------------------------------------------------------------------------------------ */

static void count_emit(const decoder *d) {
    mg_usage u = {.size = sizeof u, .input = count(d, d->frame->json, "inputTokens")};
    emit(d, (mg_event){.type = MG_EVENT_USAGE, .usage = &u});
}

mg_status bedrock_decode(const mg_host *h, const mg_frame *frame, const mg_sink *sink, mg_error *error) {
    bedrock_state once = {0}; /* of a frame that is the whole answer */
    decoder d = {h, frame, sink, frame->stream && frame->state ? frame->state : &once};
    if (!bedrock_is(h, frame->json, MG_JSON_OBJECT))
        return bedrock_fail(error, 502, "bad_answer", "the provider's answer is not a JSON object");
    if (frame->operation == MG_OP_COUNT_TOKENS)
        count_emit(&d);
    else if (frame->stream)
        event_emit(&d);
    else if (!message_emit(&d))
        return bedrock_fail(error, 502, "bad_answer", "the provider's answer holds no output.message");
    return MG_OK;
}
