/* Whatever comes: the google provider never reads or writes out of bounds, its requests are JSON, what it makes of
 * answers is within bounds and JSON where it has to be, and its own reading of JSON agrees with the host's. The first
 * byte says what the rest is: a request, a plain answer, the data of a stream's events, one a line, or a JSON text; the
 * second one how it is meant.
 *
 * The plugin's sources are included: a plugin is loaded from a file and exports only its descriptor, so this is how its
 * code gets into the fuzzer, with coverage and sanitizers. Credentials stay out but for their JSON: no input finds a
 * key. */
#include "../../plugins/provider_google/calls.c"
#include "../../plugins/provider_google/citation.c"
#include "../../plugins/provider_google/classify.c"
#include "../../plugins/provider_google/contents.c"
#include "../../plugins/provider_google/decode.c"
#include "../../plugins/provider_google/embeddings.c"
#include "../../plugins/provider_google/encode.c"
#include "../../plugins/provider_google/generation.c"
#include "../../plugins/provider_google/logprobs.c"
#include "../../plugins/provider_google/media.c"
#include "../../plugins/provider_google/model.c"
#include "../../plugins/provider_google/native.c"
#include "../../plugins/provider_google/partial.c"
#include "../../plugins/provider_google/results.c"
#include "../../plugins/provider_google/text.c"
#include "../../plugins/provider_google/tools.c"
#include "../../plugins/provider_google/usage.c"
#undef STR

#include "base/buf.h"
#include "base/edits.h"
#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The plugin's own is in the file with the descriptor. */
mg_status google_fail(mg_error *error, int http, const char *code, const char *format, ...) {
    va_list args;
    *error = (mg_error){.http = http};
    snprintf(error->code, sizeof error->code, "%s", code);
    va_start(args, format);
    vsnprintf(error->text, sizeof error->text, format, args);
    va_end(args);
    return MG_ERROR;
}

static void require(bool ok) {
    if (!ok) abort();
}

static struct {
    mg_host host;
    mg_json_parser *parser; /* kept over the runs, as a worker keeps them */
    mg_arena *arena;
} here;

/* Nesting gets deeper by being wrapped, and arguments may hold a key twice: the host's parser refuses both. */
static void require_json(mg_str text) {
    const mg_json *root;
    mg_error error = {0};
    if (mg_json_parse_copy(here.parser, here.arena, text, &root, &error) == MG_OK) return;
    require(strstr(error.text, "deep") || strstr(error.code, "duplicate"));
}

/* ---- requests ---------------------------------------------------------------------------------------------------- */

typedef struct output {
    mg_buf written;
    mg_edits edits;
    size_t last_end, n_body;
} output;

static void on_name(void *ctx, mg_str s) { (void)ctx, require(s.n > 0); }
static void on_header(void *ctx, mg_str name, mg_str value) { (void)ctx, require(name.n > 0 && value.n > 0); }
static void on_write(void *ctx, mg_str bytes) { mg_buf_str(&((output *)ctx)->written, bytes); }
static void on_text(void *ctx, mg_str text) { mg_buf_json(&((output *)ctx)->written, text); }
static void on_drop(void *ctx, mg_str member) { (void)ctx, require(member.n > 0 && member.n < 256); }

/* None may overlap one before it, and so be dropped. */
static void on_splice(void *ctx, size_t start, size_t end, mg_str text) {
    output *o = ctx;
    require(start <= end && end <= o->n_body);
    for (const mg_edit *e = o->edits.first; e; e = e->next) require(end <= e->start || start >= e->end);
    mg_edits_replace(&o->edits, start, end, mg_arena_dup(here.arena, text));
}

static void try_request(mg_str body, unsigned how) {
    static const char *const models[] = {"gemini-2.5-flash", "gemini-3-pro", "gemini-embedding-2", "gemma-3"};
    static const mg_operation operations[] = {MG_OP_CHAT, MG_OP_CHAT, MG_OP_COUNT_TOKENS, MG_OP_EMBEDDINGS};
    static const google_pair safety[] = {{MG_STR_INIT("HARM_CATEGORY_X"), MG_STR_INIT("OFF")}};
    const google_target target = {how & 1, how & 2, safety, how & 4 ? 1 : 0};
    output o = {.n_body = body.n};
    const mg_provider_out out = {sizeof out, &o, on_name, on_name, on_header, on_splice, on_write, on_text, on_drop};
    mg_provider_request r = {
        .size = sizeof r, .operation = operations[how >> 3 & 3], .body = body, .stream = how & 128};
    mg_error error = {0};
    r.model = mg_str_of(models[how >> 5 & 3]);
    r.format = how & 128 ? MG_FORMAT_GEMINI : MG_FORMAT_OPENAI;
    mg_edits_init(&o.edits, here.arena);
    if (mg_json_parse_copy(here.parser, here.arena, body, &r.root, &error) != MG_OK) return;
    const google_encoder e = {&here.host, &target, &r, &out, &error, google_model_thinking(r.model)};
    mg_status status = r.format == MG_FORMAT_GEMINI ? google_native(&e) : google_encode(&e);
    require(status == MG_OK || (status == MG_ERROR && error.http == 400 && error.text[0]));
    if (status == MG_OK && o.written.n) {
        require(o.edits.n == 0);
        require_json(mg_buf_view(&o.written));
    } else if (status == MG_OK) {
        require_json(mg_edits_render(&o.edits, body));
    }
    mg_buf_finish(&o.written);
}

/* ---- answers ----------------------------------------------------------------------------------------------------- */

typedef struct pieces {
    mg_buf args;
    int64_t index;
} pieces;

/* What one call's arguments came to; a client's own partial ones may hold a key twice, and a stream may end in their
 * middle. */
static void on_event(void *ctx, const mg_event *e) {
    pieces *p = ctx;
    require(e->size == sizeof *e && e->type <= MG_EVENT_OTHER);
    require(e->type != MG_EVENT_USAGE || (e->usage && e->usage->input >= 0 && e->usage->cached <= e->usage->input &&
                                          e->usage->reasoning <= e->usage->output));
    bool json = e->type == MG_EVENT_CITATION || e->type == MG_EVENT_LOGPROBS || e->type == MG_EVENT_OTHER ||
                e->type == MG_EVENT_EMBEDDING;
    if (json) require_json(e->text);
    if (e->type == MG_EVENT_TOOL && e->name.n) {
        require(e->id.n > 0);
        mg_buf_clear(&p->args);
    }
    if (e->type == MG_EVENT_TOOL) mg_buf_str(&p->args, e->text);
    if (e->type == MG_EVENT_FINISH && p->args.n) require_json(mg_buf_view(&p->args));
    volatile char sum = 0; /* touch every byte */
    for (size_t i = 0; i < e->text.n; i++) sum = (char)(sum + e->text.p[i]);
    for (size_t i = 0; i < e->name.n; i++) sum = (char)(sum + e->name.p[i]);
}

static void try_frame(mg_frame *f, pieces *p) {
    const mg_sink sink = {sizeof sink, p, on_event};
    mg_classification c = {.size = sizeof c};
    mg_error error = {0};
    const mg_header header = {MG_STR("retry-after"), f->data};
    if (mg_json_parse_copy(here.parser, here.arena, f->data, &f->json, &error) != MG_OK) f->json = NULL;
    google_decode(&here.host, f, &sink, &error);
    google_classify(&here.host, f, &header, 1, &c);
    require(c.failure != MG_FAIL_NONE && c.retry_after_ms >= -1);
}

static void try_answer(mg_str rest, unsigned how) {
    google_state state = {0};
    pieces p = {{0}, 0};
    static const mg_operation operations[] = {MG_OP_CHAT, MG_OP_CHAT, MG_OP_COUNT_TOKENS, MG_OP_EMBEDDINGS};
    mg_frame f = {.size = sizeof f, .stream = how & 1, .status = how & 2 ? 429 : 200, .state = &state};
    f.operation = operations[how >> 2 & 3];
    f.format = how & 16 ? MG_FORMAT_GEMINI : MG_FORMAT_OPENAI;
    while (rest.n) {
        f.data = f.stream ? mg_str_from(rest.p, mg_str_find(rest, '\n')) : rest;
        rest = mg_str_skip(rest, f.data.n + 1);
        try_frame(&f, &p);
    }
    mg_buf_finish(&p.args);
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

/* Ours does not look for a key that comes twice, nor at bytes of characters, and has a depth of its own. */
static void try_json(mg_str text) {
    const mg_json *root = NULL;
    mg_error error = {0};
    mg_status status = mg_json_parse_copy(here.parser, here.arena, text, &root, &error);
    google_buf ours = {0};
    bool found = google_json_string(text, "k", &ours);
    if (status == MG_OK) {
        mg_str theirs = mg_json_text(mg_json_get(root, MG_STR("k")));
        bool object = mg_json_kind(root) == MG_JSON_OBJECT;
        require(google_json_object(text) ? object : !object || text.n > 100);
        /* A key that is written with escapes is none of those that are looked for. */
        if (found) require(mg_str_eq(google_buf_view(&ours), theirs));
    }
    google_buf_finish(&ours);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!here.parser) {
        here.parser = mg_json_parser_create();
        here.arena = mg_arena_create(4096);
        mg_json_host(&here.host);
    }
    if (size < 3) return 0;
    char *text = mg_malloc(size - 2); /* of its own, so that a read beyond it is seen */
    memcpy(text, data + 2, size - 2);
    mg_str rest = mg_str_from(text, size - 2);
    switch (data[0] % 3) {
    case 0: try_request(rest, data[1]); break;
    case 1: try_answer(rest, data[1]); break;
    default: try_json(rest); break;
    }
    mg_arena_reset(here.arena);
    free(text);
    return 0;
}
