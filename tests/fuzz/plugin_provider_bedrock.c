/* Whatever comes: the bedrock provider never reads or writes out of bounds, its requests are JSON, its paths are escaped, and
 * what it reports lies within bounds too. The first byte says what the rest is: a request (to be answered or counted, to a
 * model of one maker or another), a plain answer, the events of a stream, one a line (its first letter says which event), or
 * the path and headers of a request to be signed; each answer is also classified.
 *
 * The plugin's sources are included: a plugin is loaded from a file and exports only its descriptor, so this is how its code
 * gets into the fuzzer, with coverage and sanitizers. */
#include "../../plugins/provider_anthropic/model.c"
#include "../../plugins/provider_anthropic/text.c"
#include "../../plugins/provider_bedrock/classify.c"
#include "../../plugins/provider_bedrock/model.c"
#include "../../plugins/provider_bedrock/content.c"
#include "../../plugins/provider_bedrock/encode.c"
#include "../../plugins/provider_bedrock/messages.c"
#include "../../plugins/provider_bedrock/thinking.c"
#include "../../plugins/provider_bedrock/tools.c"
#include "../../plugins/provider_bedrock/decode.c"
#include "../../plugins/provider_bedrock/sigv4.c"
#undef STR

#include "base/buf.h"
#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok) {
    if (!ok) abort();
}

/* ---- requests ---------------------------------------------------------------------------------------------------- */

static void on_method(void *ctx, mg_str s) { (void)ctx, require(s.n > 0); }
static void on_header(void *ctx, mg_str name, mg_str value) { (void)ctx, require(name.n > 0 && value.n > 0); }
static void on_write(void *ctx, mg_str bytes) { mg_buf_str(ctx, bytes); }
static void on_text(void *ctx, mg_str text) { mg_buf_json(ctx, text); }
static void on_drop(void *ctx, mg_str member) { (void)ctx, require(member.n > 0 && member.n < 256); }

static void on_path(void *ctx, mg_str path) {
    (void)ctx;
    require(path.n > 7 && memcmp(path.p, "/model/", 7) == 0);
    for (size_t i = 0; i < path.n; i++)
        require(path.p[i] > ' ' && path.p[i] < 0x7f && path.p[i] != '?' && path.p[i] != ':');
}

static void try_request(const mg_host *host, mg_json_parser *parser, mg_arena *arena, mg_str body, unsigned how) {
    static const char *const models[] = {"us.anthropic.claude-sonnet-4-5-20250929-v1:0",
                                         "anthropic.claude-opus-4-8",
                                         "anthropic.claude-3-haiku-20240307-v1:0",
                                         "anthropic.claude-fable-5",
                                         "amazon.nova-pro-v1:0",
                                         "us.amazon.nova-2-lite-v1:0",
                                         "openai.gpt-oss-120b-1:0",
                                         "arn:aws:bedrock:x::y/other ?"};
    static const mg_str dropped[] = {MG_STR_INIT("serviceTier"), MG_STR_INIT("inferenceConfig.topP"),
                                     MG_STR_INIT("toolConfig")};
    const bedrock_quirks quirks = {dropped, how & 16 ? 3 : 0};
    mg_buf written = {0};
    const mg_provider_out out = {sizeof out, &written, on_method, on_path, on_header, NULL, on_write, on_text, on_drop};
    mg_provider_request r = {.size = sizeof r, .operation = how & 8 ? MG_OP_COUNT_TOKENS : MG_OP_CHAT, .body = body};
    const mg_json *again;
    mg_error error = {0};
    r.model = mg_str_of(models[how & 7]);
    r.stream = (how & 32) != 0;
    if (mg_json_parse_copy(parser, arena, body, &r.root, &error) != MG_OK) return;
    mg_status status = bedrock_encode(host, &quirks, &r, &out, &error);
    require(status == MG_OK || (status == MG_ERROR && error.http == 400 && error.text[0]));
    /* A tree of the greatest depth gets deeper by being wrapped, which the parser then refuses; arguments and metadata may
     * hold a key twice. */
    if (status == MG_OK && mg_json_parse_copy(parser, arena, mg_buf_view(&written), &again, &error) != MG_OK)
        require(strstr(error.text, "deep") != NULL || strstr(error.code, "duplicate") != NULL);
    mg_buf_finish(&written);
}

/* ---- answers ----------------------------------------------------------------------------------------------------- */

static void on_event(void *ctx, const mg_event *e) {
    (void)ctx;
    require(e->size == sizeof *e && e->type <= MG_EVENT_OTHER);
    require(e->type != MG_EVENT_USAGE || (e->usage && e->usage->input >= 0 && e->usage->cached <= e->usage->input));
    volatile char sum = 0; /* touch every byte */
    for (size_t i = 0; i < e->text.n; i++) sum = (char)(sum + e->text.p[i]);
    for (size_t i = 0; i < e->name.n; i++) sum = (char)(sum + e->name.p[i]);
}

static void try_frame(const mg_host *host, mg_json_parser *parser, mg_arena *arena, mg_frame *f) {
    const mg_sink sink = {sizeof sink, NULL, on_event};
    mg_classification c = {.size = sizeof c};
    mg_error error = {0};
    const mg_header headers[] = {{MG_STR("retry-after"), f->data}, {MG_STR("x-amzn-errortype"), f->data}};
    if (mg_json_parse_copy(parser, arena, f->data, &f->json, &error) != MG_OK) f->json = NULL;
    bedrock_decode(host, f, &sink, &error);
    for (size_t n = 0; n <= 2; n++) {
        bedrock_classify(host, f, headers, n, &c);
        require(c.failure != MG_FAIL_NONE && c.retry_after_ms >= -1);
    }
}

static mg_str event_of(char letter) {
    static const char *const names[] = {"messageStart", "contentBlockStart", "contentBlockDelta",   "contentBlockStop",
                                        "messageStop",  "metadata",          "throttlingException", ""};
    return mg_str_of(names[letter & 7]);
}

static void try_stream(const mg_host *host, mg_json_parser *parser, mg_arena *arena, mg_frame *f, mg_str rest) {
    while (rest.n) {
        f->event = event_of(rest.p[0]);
        rest = mg_str_skip(rest, 1);
        f->data = mg_str_from(rest.p, mg_str_find(rest, '\n'));
        rest = mg_str_skip(rest, f->data.n + 1);
        try_frame(host, parser, arena, f);
    }
}

/* ---- signatures -------------------------------------------------------------------------------------------------- */

/* The first line is the path, the next are names and values of headers by turns. */
static void try_signature(mg_str rest) {
    const sigv4_keys keys = {MG_STR("AKID"), MG_STR("secret"), MG_STR("token"), MG_STR("us-east-1"), MG_STR("bedrock")};
    mg_str lines[64];
    mg_header headers[32];
    size_t n = 0;
    sigv4_signature s;
    while (rest.n && n < 64) {
        lines[n] = mg_str_from(rest.p, mg_str_find(rest, '\n'));
        rest = mg_str_skip(rest, lines[n++].n + 1);
    }
    for (size_t i = 0; 2 * i + 2 < n; i++) headers[i] = (mg_header){lines[2 * i + 1], lines[2 * i + 2]};
    const mg_signing r = {sizeof r, MG_STR("POST"),          MG_STR("host"), n ? lines[0] : MG_STR(""),
                          headers,  n > 2 ? (n - 1) / 2 : 0, rest,           1772348889};
    if (sigv4_sign(&keys, &r, &s)) require(strlen(s.date) == 16 && strlen(s.authorization) < sizeof s.authorization);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static mg_json_parser *parser; /* kept over the runs, as a worker keeps them */
    static mg_arena *arena;
    static mg_host host;
    bedrock_state state = {0};
    if (!parser) {
        parser = mg_json_parser_create();
        arena = mg_arena_create(4096);
        mg_json_host(&host);
    }
    if (size < 2) return 0;
    char *text = mg_malloc(size - 1); /* of its own, so that a read beyond it is seen */
    memcpy(text, data + 1, size - 1);
    mg_str rest = mg_str_from(text, size - 1);
    mg_frame f = {.size = sizeof f, .stream = data[0] & 1, .status = 200 + (data[0] >> 1 & 1) * 200, .state = &state};
    f.operation = data[0] & 4 ? MG_OP_COUNT_TOKENS : MG_OP_CHAT;
    if (data[0] & 128) {
        try_request(&host, parser, arena, rest, data[0] & 127);
    } else if (data[0] & 64) {
        try_signature(rest);
    } else if (!f.stream) {
        f.data = rest;
        try_frame(&host, parser, arena, &f);
    } else {
        try_stream(&host, parser, arena, &f, rest);
    }
    mg_arena_reset(arena);
    free(text);
    return 0;
}
