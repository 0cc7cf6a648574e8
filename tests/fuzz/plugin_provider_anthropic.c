/* Whatever comes: the anthropic provider never reads or writes out of bounds, its requests are JSON, and what it
 * reports lies within bounds too. The first byte says what the rest is: a request (of its own format, canonical, or
 * canonical to be counted), a plain answer or the data of a stream's events, one a line; each answer is also
 * classified.
 *
 * The plugin's sources are included: a plugin is loaded from a file and exports only its descriptor, so this is how
 * its code gets into the fuzzer, with coverage and sanitizers. */
#include "../../plugins/provider_anthropic.c"
#include "../../plugins/provider_anthropic/classify.c"
#include "../../plugins/provider_anthropic/content.c"
#include "../../plugins/provider_anthropic/decode.c"
#include "../../plugins/provider_anthropic/encode.c"
#include "../../plugins/provider_anthropic/messages.c"
#include "../../plugins/provider_anthropic/model.c"
#include "../../plugins/provider_anthropic/native.c"
#include "../../plugins/provider_anthropic/schema.c"
#include "../../plugins/provider_anthropic/text.c"
#include "../../plugins/provider_anthropic/thinking.c"
#include "../../plugins/provider_anthropic/tools.c"
#undef STR

#include "base/buf.h"
#include "base/edits.h"
#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok) {
    if (!ok) abort();
}

typedef struct output {
    mg_arena *arena;
    mg_buf written;
    struct {
        size_t start, end;
    } splices[64];
    size_t n_splices;
    size_t body_n;
} output;

static void on_name(void *ctx, mg_str s) { (void)ctx, require(s.n > 0); }
static void on_header(void *ctx, mg_str name, mg_str value) { (void)ctx, require(name.n > 0 && value.n > 0); }
static void on_write(void *ctx, mg_str bytes) { mg_buf_str(&((output *)ctx)->written, bytes); }
static void on_text(void *ctx, mg_str text) { mg_buf_json(&((output *)ctx)->written, text); }
static void on_drop(void *ctx, mg_str member) { (void)ctx, require(member.n > 0 && member.n < 256); }

static void on_splice(void *ctx, size_t start, size_t end, mg_str text) {
    output *o = ctx;
    (void)text;
    require(start <= end && end <= o->body_n);
    for (size_t i = 0; i < o->n_splices; i++) require(end <= o->splices[i].start || start >= o->splices[i].end);
    if (o->n_splices < 64) {
        o->splices[o->n_splices].start = start;
        o->splices[o->n_splices++].end = end;
    }
}

static void on_event(void *ctx, const mg_event *e) {
    (void)ctx;
    require(e->size == sizeof *e && e->type <= MG_EVENT_OTHER);
    require(e->type != MG_EVENT_USAGE || (e->usage && e->usage->input >= 0 && e->usage->cached <= e->usage->input));
    volatile char sum = 0; /* touch every byte */
    for (size_t i = 0; i < e->text.n; i++) sum = (char)(sum + e->text.p[i]);
    for (size_t i = 0; i < e->name.n; i++) sum = (char)(sum + e->name.p[i]);
}

static void try_request(const mg_host *host, mg_json_parser *parser, mg_arena *arena, mg_str body, unsigned how) {
    static const char *const models[] = {"claude-sonnet-4-5", "claude-opus-4-8", "claude-3-haiku-20240307", "other"};
    static const mg_str dropped[] = {MG_STR_INIT("stop"), MG_STR_INIT("x")};
    const anthropic_quirks quirks = {how & 8 ? dropped : NULL, how & 8 ? 2 : 0, 4096};
    output o = {.arena = arena, .body_n = body.n};
    const mg_provider_out out = {sizeof out, &o, on_name, on_name, on_header, on_splice, on_write, on_text, on_drop};
    mg_provider_request r = {.size = sizeof r, .operation = how & 4 ? MG_OP_COUNT_TOKENS : MG_OP_CHAT, .body = body};
    const mg_json *again;
    mg_error error = {0};
    r.model = mg_str_of(models[how & 3]);
    r.format = how & 16 ? MG_FORMAT_ANTHROPIC : MG_FORMAT_OPENAI;
    r.stream = (how & 32) != 0;
    if (mg_json_parse_copy(parser, arena, body, &r.root, &error) != MG_OK) return;
    mg_status status = anthropic_encode_body(host, &quirks, &r, &out, &error);
    require(status == MG_OK || (status == MG_ERROR && error.http == 400 && error.text[0]));
    require(!o.written.n || !o.n_splices);
    /* A tree of the greatest depth gets deeper by being wrapped, which the parser then refuses. */
    if (status == MG_OK && o.written.n &&
        mg_json_parse_copy(parser, arena, mg_buf_view(&o.written), &again, &error) != MG_OK)
        require(strstr(error.text, "deep") != NULL || strstr(error.code, "duplicate") != NULL);
    mg_buf_finish(&o.written);
}

static void try_frame(const mg_host *host, mg_json_parser *parser, mg_arena *arena, mg_frame *f) {
    const mg_sink sink = {sizeof sink, NULL, on_event};
    mg_classification c = {.size = sizeof c};
    mg_error error = {0};
    const mg_header header = {MG_STR("retry-after"), f->data};
    if (mg_json_parse_copy(parser, arena, f->data, &f->json, &error) != MG_OK) f->json = NULL;
    anthropic_decode(host, f, &sink, &error);
    anthropic_classify(host, f, &header, 1, &c);
    require(c.failure != MG_FAIL_NONE && c.retry_after_ms >= -1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static mg_json_parser *parser; /* kept over the runs, as a worker keeps them */
    static mg_arena *arena;
    static mg_host host;
    char state[ANTHROPIC_STATE_SIZE] __attribute__((aligned(16))) = {0};
    if (!parser) {
        parser = mg_json_parser_create();
        arena = mg_arena_create(4096);
        mg_json_host(&host);
    }
    if (size < 2) return 0;
    char *text = mg_malloc(size - 1); /* of its own, so that a read beyond it is seen */
    memcpy(text, data + 1, size - 1);
    mg_str rest = mg_str_from(text, size - 1);
    mg_frame f = {.size = sizeof f, .stream = data[0] & 1, .status = 200 + (data[0] >> 1 & 1) * 200, .state = state};
    f.operation = data[0] & 4 ? MG_OP_COUNT_TOKENS : MG_OP_CHAT;
    if (data[0] & 128) {
        try_request(&host, parser, arena, rest, data[0] & 127);
    } else if (!f.stream) {
        f.data = rest;
        try_frame(&host, parser, arena, &f);
    } else {
        while (rest.n) {
            f.data = mg_str_from(rest.p, mg_str_find(rest, '\n'));
            rest = mg_str_skip(rest, f.data.n + 1);
            try_frame(&host, parser, arena, &f);
        }
    }
    mg_arena_reset(arena);
    free(text);
    return 0;
}
