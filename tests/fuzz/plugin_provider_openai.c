/* The openai provider on arbitrary bytes: as a request's body, as frames of an answer, as the body of a failure. No read out
 * of bounds; changes to a body never overlap and leave it JSON; what a frame reports lies in memory that is there.
 *
 * The plugin's files are included, because a fuzzer links the layers only, and a plugin that is loaded would hide from the
 * sanitizer where its memory ends. */
#include <stdlib.h>

#include "base/buf.h"
#include "base/edits.h"
#include "base/json.h"

#include "../../plugins/provider_openai/classify.c"
#include "../../plugins/provider_openai/classify_wait.c"
#include "../../plugins/provider_openai/decode.c"
#include "../../plugins/provider_openai/decode_chat.c"
#include "../../plugins/provider_openai/decode_item.c"
#include "../../plugins/provider_openai/decode_message.c"
#include "../../plugins/provider_openai/decode_responses.c"
#include "../../plugins/provider_openai/encode.c"
#include "../../plugins/provider_openai/encode_clean.c"
#include "../../plugins/provider_openai/encode_effort.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

typedef struct fuzz {
    mg_host host;
    mg_json_parser *parser;
    mg_arena *arena;
    mg_edits edits;
    size_t starts[4096], ends[4096], n;
    unsigned sum;
} fuzz;

static void read_all(fuzz *f, mg_str s) {
    for (size_t i = 0; i < s.n; i++) f->sum += (unsigned char)s.p[i];
}

static const mg_json *parse(fuzz *f, mg_str text) {
    const mg_json *root = NULL;
    mg_error error;
    return mg_json_parse_copy(f->parser, f->arena, text, &root, &error) == MG_OK ? root : NULL;
}

/* ---- requests ------------------------------------------------------------------------------------------------------ */

static void on_splice(void *ctx, size_t start, size_t end, mg_str replacement) {
    fuzz *f = ctx;
    if (start > end) abort();
    for (size_t i = 0; i < f->n; i++)
        if (start < f->ends[i] && f->starts[i] < end) abort(); /* overlaps */
    if (f->n < sizeof f->starts / sizeof f->starts[0]) {
        f->starts[f->n] = start;
        f->ends[f->n++] = end;
    }
    mg_edits_replace(&f->edits, start, end, mg_arena_dup(f->arena, replacement));
}

static void on_drop(void *ctx, mg_str member) { read_all(ctx, member); }

static void fuzz_request(fuzz *f, uint8_t choice, mg_str body) {
    static const char *const models[] = {"m", "gpt-5", "o3", "gpt-4o"};
    static const mg_str dropped[] = {{"seed", 4}, {"n", 1}};
    static const openai_pair renamed[] = {{{"max_tokens", 10}, {"max_completion_tokens", 21}}, {{"a", 1}, {"b", 1}}};
    openai_quirks quirks = {.strict = choice & 1};
    if (choice & 2) quirks = (openai_quirks){dropped, 2, renamed, 2, choice & 1};
    mg_provider_request r = {.size = sizeof r,
                             .operation = choice & 4 ? MG_OP_EMBEDDINGS : MG_OP_CHAT,
                             .format = choice & 8 ? MG_FORMAT_RESPONSES : MG_FORMAT_OPENAI,
                             .model = str_of(models[choice >> 6]),
                             .stream = choice & 16,
                             .want_usage = choice & 16,
                             .translated = choice & 32,
                             .body = body,
                             .root = parse(f, body)};
    mg_provider_out out = {.size = sizeof out, .ctx = f, .splice = on_splice, .drop = on_drop};
    mg_error error;
    mg_edits_init(&f->edits, f->arena);
    f->n = 0;
    if (!r.root || openai_encode_body(&f->host, &quirks, &r, r.model, &out, &error) != MG_OK) return;
    mg_str sent = f->edits.n ? mg_edits_render(&f->edits, body) : body;
    if (!parse(f, sent)) abort();
}

/* ---- answers --------------------------------------------------------------------------------------------------------- */

static void on_fuzz_event(void *ctx, const mg_event *e) {
    read_all(ctx, e->text);
    read_all(ctx, e->name);
    read_all(ctx, e->id);
    if (e->size != sizeof *e || (e->type == MG_EVENT_USAGE && !e->usage)) abort();
    if (e->type == MG_EVENT_USAGE && (e->usage->cached > e->usage->input || e->usage->input < 0)) abort();
    if (e->type == MG_EVENT_CITATION || e->type == MG_EVENT_OTHER || e->type == MG_EVENT_LOGPROBS)
        if (!parse(ctx, e->text)) abort();
}

/* Lines are the frames of one answer. */
static void fuzz_answer(fuzz *f, uint8_t choice, mg_str text) {
    void *state = calloc(1, sizeof(openai_state)); /* of its own, so that the sanitizer sees its end */
    bool stream = choice & 8;
    mg_sink sink = {sizeof sink, f, on_fuzz_event};
    mg_error error;
    while (text.n) {
        mg_str line = {text.p, stream ? mg_str_find(text, '\n') : text.n};
        char *copy = malloc(line.n + 1);
        if (line.n) memcpy(copy, line.p, line.n);
        mg_frame frame = {.size = sizeof frame,
                          .operation = (mg_operation)(choice & 3),
                          .stream = stream,
                          .status = 200,
                          .event = choice & 16 ? MG_STR("error") : MG_STR(""),
                          .data = {copy, line.n},
                          .json = parse(f, line),
                          .format = choice & 32 ? MG_FORMAT_RESPONSES : MG_FORMAT_OPENAI,
                          .state = choice & 64 ? NULL : state};
        openai_decode(&f->host, &frame, &sink, &error);
        free(copy);
        text = mg_str_skip(text, line.n + 1);
    }
    free(state);
}

static void fuzz_failure(fuzz *f, uint8_t choice, mg_str body) {
    mg_header headers[2] = {{MG_STR_INIT("retry-after"), body}, {MG_STR_INIT("date"), body}};
    mg_classification c = {.size = sizeof c};
    mg_frame frame = {.size = sizeof frame, .status = 400 + choice, .data = body, .json = parse(f, body)};
    openai_classify(&f->host, &frame, headers, choice & 1 ? 2 : 0, &c);
    read_all(f, c.message);
    read_all(f, c.code);
    if (c.failure == MG_FAIL_NONE || c.retry_after_ms < -1) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    static fuzz f; /* the parser is expensive to make */
    if (n < 2 || n > 16384) return 0;
    if (!f.parser) {
        f = (fuzz){.parser = mg_json_parser_create(), .arena = mg_arena_create(1 << 16)};
        f.host.size = sizeof f.host;
        mg_json_host(&f.host);
    }
    mg_str body = {(const char *)data + 2, n - 2};
    switch (data[0] % 4) {
    case 0: fuzz_request(&f, data[1], body); break;
    case 1:
    case 2: fuzz_answer(&f, data[1], body); break;
    default: fuzz_failure(&f, data[1], body);
    }
    mg_arena_reset(f.arena);
    return 0;
}
