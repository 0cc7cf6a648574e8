/* A provider without a vendor, so that a fresh gateway answers its first request: it says what it is, repeats the start
 * of the last user message, and counts a token for every four bytes. It takes neither tools nor formats for its
 * answer. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "provider_demo/demo.h"
#include "provider_openai/openai.h"

enum { ECHO_MAX = 200, TEXT_MAX = 1024, PIECE = 24, CHOICES_MAX = 16, GROWN_MAX = 16 << 20 };

typedef struct demo {
    const mg_host *host;
} demo;

/* ---- text -------------------------------------------------------------------------------------------------------- */

void demo_add(demo_text *t, const char *p, size_t n) {
    if (t->failed) return;
    if (t->n + n > t->cap) {
        size_t cap = t->cap ? t->cap * 2 : 1024;
        while (cap < t->n + n) cap *= 2;
        char *grown = cap <= GROWN_MAX ? realloc(t->p, cap) : NULL;
        if (!grown) {
            t->failed = true;
            return;
        }
        t->p = grown;
        t->cap = cap;
    }
    memcpy(t->p + t->n, p, n);
    t->n += n;
}

void demo_printf(demo_text *t, const char *format, ...) {
    char line[1024];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof line)
        t->failed = true;
    else
        demo_add(t, line, (size_t)n);
}

void demo_quote(demo_text *t, mg_str s) {
    demo_add(t, "\"", 1);
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c < 0x20) {
            demo_printf(t, "\\u%04x", c);
        } else {
            if (c == '"' || c == '\\') demo_add(t, "\\", 1);
            demo_add(t, s.p + i, 1);
        }
    }
    demo_add(t, "\"", 1);
}

/* The longest start of at most `max` bytes that ends between two characters of UTF-8. */
static size_t cut(mg_str s, size_t max) {
    if (s.n <= max) return s.n;
    while (max && ((unsigned char)s.p[max] & 0xc0) == 0x80) max--;
    return max;
}

/* ---- reading the request ----------------------------------------------------------------------------------------- */

typedef struct chat {
    char text[TEXT_MAX];
    size_t n;
    const char *finish;
    int64_t prompt_tokens, completion_tokens; /* of all choices */
    int64_t choices;
    bool usage_asked; /* by the client */
    bool usage; /* a chunk of usage is to be sent */
    char id[48];
    long long created;
} chat;

/* Calls `each` for every text of a message. */
static void texts_walk(const mg_host *h, const mg_json *message, void (*each)(void *arg, mg_str text), void *arg) {
    const mg_json *content = openai_get(h, message, "content");
    if (h->json_str(content).n) each(arg, h->json_str(content));
    for (const mg_json *part = h->json_child(content); part; part = h->json_next(part)) {
        mg_str text = openai_text(h, part, "text");
        if (text.n) each(arg, text);
    }
}

static void add_length(void *arg, mg_str text) { *(size_t *)arg += text.n; }

typedef struct echo {
    char text[ECHO_MAX];
    size_t n;
    bool whole;
} echo;

static void add_echo(void *arg, mg_str text) {
    echo *e = arg;
    size_t n = e->whole ? cut(text, sizeof e->text - e->n) : 0;
    memcpy(e->text + e->n, text.p, n);
    e->n += n;
    e->whole = e->whole && n == text.n;
}

static void text_write(chat *c, const echo *e) {
    int n = snprintf(c->text, sizeof c->text, "This is the demo provider of this gateway. No model was asked. ");
    if (e->n == 0)
        n += snprintf(c->text + n, sizeof c->text - (size_t)n, "There was no text of a user to repeat.");
    else
        n += snprintf(c->text + n, sizeof c->text - (size_t)n, "Your last message %s: %.*s", e->whole ? "was" : "began",
                      (int)e->n, e->text);
    c->n = (size_t)n;
}

/* Shortens the answer to the limit that the request sets, if it sets one. */
static mg_status limit_apply(const mg_host *h, const mg_json *root, chat *c, mg_error *error) {
    const mg_json *limit = openai_get(h, root, "max_completion_tokens");
    if (!limit || h->json_type(limit) == MG_JSON_NULL) limit = openai_get(h, root, "max_tokens");
    c->finish = "stop";
    if (!limit || h->json_type(limit) == MG_JSON_NULL) return MG_OK;
    int64_t tokens = h->json_int(limit, 0);
    if (tokens < 1) return openai_fail(error, 400, "invalid_max_tokens", "max_tokens has to be an integer above 0");
    if (tokens < demo_tokens(c->n)) {
        c->n = cut((mg_str){c->text, c->n}, (size_t)tokens * 4);
        c->finish = "length";
    }
    return MG_OK;
}

static mg_status choices_read(const mg_host *h, const mg_json *root, chat *c, mg_error *error) {
    const mg_json *n = openai_get(h, root, "n");
    c->choices = n && h->json_type(n) != MG_JSON_NULL ? h->json_int(n, 0) : 1;
    if (c->choices >= 1 && c->choices <= CHOICES_MAX) return MG_OK;
    return openai_fail(error, 400, "invalid_n", "the demo provider gives 1 to %d choices", CHOICES_MAX);
}

static mg_status identify(chat *c, mg_error *error) {
    unsigned char random[12];
    if (getrandom(random, sizeof random, 0) != sizeof random)
        return openai_fail(error, 500, "no_random", "the kernel gave no random bytes for an id");
    int n = snprintf(c->id, sizeof c->id, "chatcmpl-demo-");
    for (size_t i = 0; i < sizeof random; i++) n += snprintf(c->id + n, sizeof c->id - (size_t)n, "%02x", random[i]);
    c->created = time(NULL);
    return MG_OK;
}

static mg_status chat_read(const mg_host *h, const mg_provider_request *r, chat *c, mg_error *error) {
    const mg_json *last = NULL, *messages = openai_get(h, r->root, "messages");
    size_t bytes = 0;
    echo e = {.whole = true};
    if (!messages || h->json_type(messages) != MG_JSON_ARRAY)
        return openai_fail(error, 400, "invalid_messages", "messages has to be a list");
    for (const mg_json *m = h->json_child(messages); m; m = h->json_next(m)) {
        texts_walk(h, m, add_length, &bytes);
        if (str_eq(openai_text(h, m, "role"), STR("user"))) last = m;
    }
    texts_walk(h, last, add_echo, &e);
    text_write(c, &e);
    mg_status status = choices_read(h, r->root, c, error);
    if (status == MG_OK) status = limit_apply(h, r->root, c, error);
    if (status == MG_OK) status = identify(c, error);
    c->prompt_tokens = demo_tokens(bytes);
    c->completion_tokens = demo_tokens(c->n) * c->choices;
    const mg_json *options = openai_get(h, r->root, "stream_options");
    c->usage_asked = h->json_bool(openai_get(h, options, "include_usage"), false);
    c->usage = c->usage_asked || r->want_usage;
    return status;
}

/* ---- writing the answer ------------------------------------------------------------------------------------------ */

static mg_status frame_emit(demo_text *t, const mg_sink *frames, mg_error *error) {
    if (t->failed) return openai_fail(error, 500, "out_of_memory", "the demo provider ran out of memory");
    mg_event event = {.size = sizeof event, .type = MG_EVENT_TEXT, .text = {t->p, t->n}};
    frames->emit(frames->ctx, &event);
    t->n = 0;
    return MG_OK;
}

static void head_write(demo_text *t, const chat *c, const char *object) {
    demo_printf(t, "{\"id\":\"%s\",\"object\":\"%s\",\"created\":%lld,\"model\":\"demo\",\"choices\":[", c->id, object,
                c->created);
}

static void usage_write(demo_text *t, const chat *c) {
    demo_printf(t, "\"usage\":{\"prompt_tokens\":%lld,\"completion_tokens\":%lld,\"total_tokens\":%lld}",
                (long long)c->prompt_tokens, (long long)c->completion_tokens,
                (long long)(c->prompt_tokens + c->completion_tokens));
}

static void plain_write(demo_text *t, const chat *c) {
    head_write(t, c, "chat.completion");
    for (int64_t i = 0; i < c->choices; i++) {
        demo_printf(t, "%s{\"index\":%lld,\"message\":{\"role\":\"assistant\",\"content\":", i ? "," : "",
                    (long long)i);
        demo_quote(t, (mg_str){c->text, c->n});
        demo_printf(t, ",\"refusal\":null},\"logprobs\":null,\"finish_reason\":\"%s\"}", c->finish);
    }
    demo_add(t, "],", 2);
    usage_write(t, c);
    demo_add(t, "}", 1);
}

/* One chunk of one choice; the first has the role, the last a finish reason and no text. */
static mg_status chunk_emit(demo_text *t, const chat *c, int64_t choice, mg_str piece, bool first, const char *finish,
                            const mg_sink *frames, mg_error *error) {
    head_write(t, c, "chat.completion.chunk");
    demo_printf(t, "{\"index\":%lld,\"delta\":{%s", (long long)choice, first ? "\"role\":\"assistant\"," : "");
    if (!finish) {
        demo_add(t, "\"content\":", 10);
        demo_quote(t, piece);
    }
    demo_printf(t, "},\"finish_reason\":%s%s%s}]%s}", finish ? "\"" : "", finish ? finish : "null", finish ? "\"" : "",
                c->usage_asked ? ",\"usage\":null" : "");
    return frame_emit(t, frames, error);
}

static mg_status choice_stream(demo_text *t, const chat *c, int64_t choice, const mg_sink *frames, mg_error *error) {
    mg_status status = chunk_emit(t, c, choice, STR(""), true, NULL, frames, error);
    mg_str rest = {c->text, c->n};
    while (status == MG_OK && rest.n) {
        size_t n = cut(rest, PIECE);
        status = chunk_emit(t, c, choice, (mg_str){rest.p, n}, false, NULL, frames, error);
        rest = (mg_str){rest.p + n, rest.n - n};
    }
    return status == MG_OK ? chunk_emit(t, c, choice, STR(""), false, c->finish, frames, error) : status;
}

static mg_status chat_stream(demo_text *t, const chat *c, const mg_sink *frames, mg_error *error) {
    mg_status status = MG_OK;
    for (int64_t i = 0; status == MG_OK && i < c->choices; i++) status = choice_stream(t, c, i, frames, error);
    if (status == MG_OK && c->usage) {
        head_write(t, c, "chat.completion.chunk");
        demo_add(t, "],", 2);
        usage_write(t, c);
        demo_add(t, "}", 1);
        status = frame_emit(t, frames, error);
    }
    if (status != MG_OK) return status;
    demo_add(t, "[DONE]", 6);
    return frame_emit(t, frames, error);
}

static mg_status chat_answer(const mg_host *h, const mg_provider_request *r, demo_text *t, const mg_sink *frames,
                             mg_error *error) {
    chat c = {.n = 0};
    mg_status status = chat_read(h, r, &c, error);
    if (status != MG_OK) return status;
    if (r->stream) return chat_stream(t, &c, frames, error);
    plain_write(t, &c);
    return frame_emit(t, frames, error);
}

/* ---- operations -------------------------------------------------------------------------------------------------- */

static mg_status demo_answer(void *self, const mg_provider_request *r, const mg_sink *frames, mg_error *error) {
    const mg_host *h = ((const demo *)self)->host;
    demo_text t = {NULL, 0, 0, false};
    mg_status status;
    switch (r->operation) {
    case MG_OP_CHAT: status = chat_answer(h, r, &t, frames, error); break;
    case MG_OP_EMBEDDINGS:
        status = demo_embeddings(h, r, &t, error);
        if (status == MG_OK) status = frame_emit(&t, frames, error);
        break;
    case MG_OP_MODELS:
        demo_printf(&t, "{\"object\":\"list\",\"data\":[{\"id\":\"demo\",\"object\":\"model\",\"created\":0,"
                        "\"owned_by\":\"moongate\"}]}");
        status = frame_emit(&t, frames, error);
        break;
    default:
        status = openai_fail(error, 400, "unsupported", "the demo provider only chats, embeds and lists its model");
    }
    free(t.p);
    return status;
}

static mg_status demo_encode(void *self, const mg_provider_request *r, const mg_provider_out *out, mg_error *error) {
    (void)self, (void)r, (void)out;
    return openai_fail(error, 500, "no_vendor", "the demo provider has no vendor to send a request to");
}

static mg_status demo_decode(void *self, const mg_frame *frame, const mg_sink *sink, mg_error *error) {
    return openai_decode(((const demo *)self)->host, frame, sink, error);
}

static void demo_classify(void *self, const mg_frame *frame, const mg_header *headers, size_t n_headers,
                          mg_classification *out) {
    openai_classify(((const demo *)self)->host, frame, headers, n_headers, out);
}

static void *demo_open(const mg_host *host, const mg_settings *settings, mg_error *error) {
    (void)settings, (void)error;
    demo *d = calloc(1, sizeof *d);
    if (d) d->host = host;
    return d;
}

static void demo_close(void *shared) { free(shared); }

static bool native(void *self, mg_operation operation, mg_format_id format) {
    (void)self, (void)operation;
    return format == MG_FORMAT_OPENAI;
}

/* ---- descriptor -------------------------------------------------------------------------------------------------- */

static const mg_provider operations = {
    .size = sizeof operations,
    .framing = MG_FRAMING_SSE,
    .capabilities = MG_CAP_STREAM | MG_CAP_EMBEDDINGS,
    .native = native,
    .encode = demo_encode,
    .decode = demo_decode,
    .classify = demo_classify,
    .answer = demo_answer,
};

static const mg_plugin plugin = {
    .abi = MG_PLUGIN_ABI,
    .kind = MG_KIND_PROVIDER,
    .size = sizeof plugin,
    .name = "demo",
    .version = "1.0.0",
    .doc = "answers by itself, without any vendor or model, to try the gateway out",
    .ops = &operations,
    .open = demo_open,
    .close = demo_close,
};

MG_PLUGIN_EXPORT const mg_plugin *moongate_plugin(void);
MG_PLUGIN_EXPORT const mg_plugin *moongate_plugin(void) { return &plugin; }
