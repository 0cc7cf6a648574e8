/* Every recorded answer of every vendor in each of the four formats, plain and as a stream: what a client of that format reads in
 * it (read here by the plugin that speaks the format) is what the vendor said. */
#include "said.h"

#include "net/sse.h"

typedef enum writer { PLAIN, STREAM, ARRAY, WRITERS } writer;
static const char *const writer_names[WRITERS] = {"plain", "stream", "array"};

/* What can differ, a bit each. */
enum {
    TEXT = 1 << 0,
    REASONING = 1 << 1,
    REFUSAL = 1 << 2,
    CALLS = 1 << 3,
    FINISH = 1 << 4,
    INPUT = 1 << 5,
    OUTPUT = 1 << 6,
    CACHED = 1 << 7,
    CACHE_WRITE = 1 << 8,
    REASONING_TOKENS = 1 << 9,
    CHOICES = 1 << 10,
    CITATIONS = 1 << 11,
    SIGNATURES = 1 << 12,
    REDACTED = 1 << 13,
    MEDIA = 1 << 14,
    LOGPROBS = 1 << 15,
    OTHERS = 1 << 16,
    VENDOR_CITATIONS = 1 << 17,
    N_BITS = 18
};
static const char *const bit_names[N_BITS] = {"text",         "reasoning",
                                              "refusal",      "calls",
                                              "finish",       "input",
                                              "output",       "cached",
                                              "cache write",  "reasoning tokens",
                                              "choices",      "citations",
                                              "signatures",   "redacted",
                                              "media",        "logprobs",
                                              "other blocks", "citations in a vendor's form"};

/* What a format can't hold, by rule: docs/formats.md has the list. */
static const uint32_t losses[FORMATS] = {
    [MG_FORMAT_OPENAI] = OTHERS | VENDOR_CITATIONS,
    [MG_FORMAT_RESPONSES] = OTHERS | VENDOR_CITATIONS | CHOICES,
    [MG_FORMAT_ANTHROPIC] = OTHERS | VENDOR_CITATIONS | CHOICES | LOGPROBS,
    [MG_FORMAT_GEMINI] = OTHERS | VENDOR_CITATIONS | CACHE_WRITE,
};

typedef struct totals {
    mg_buf table;
    int answers, written, failed;
} totals;

typedef struct answer {
    totals *sum;
    const char *vendor;
    char id[32];
    bool stream;
    said *first;
    mg_arena *arena;
} answer;

/* ---- comparing --------------------------------------------------------------------------------------------------- */

static uint32_t compare_buffers(mg_buf *a, mg_buf *b, uint32_t bit) {
    uint32_t differs = mg_str_eq(mg_buf_view(a), mg_buf_view(b)) ? 0 : bit;
    if (differs && getenv("TRANSLATE_VERBOSE"))
        print_message("<<%.*s>>\n<<%.*s>>\n", MG_STR_ARG(mg_buf_view(a)), MG_STR_ARG(mg_buf_view(b)));
    return differs;
}

static uint32_t compare_choice(const said *a, const said *b, int64_t choice) {
    static const struct {
        mg_event_type type;
        uint32_t bit;
    } texts[] = {{MG_EVENT_TEXT, TEXT}, {MG_EVENT_REASONING, REASONING}, {MG_EVENT_REFUSAL, REFUSAL}};
    mg_buf x = {0}, y = {0};
    uint32_t found = 0;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        said_text(a, texts[i].type, choice, &x);
        said_text(b, texts[i].type, choice, &y);
        found |= compare_buffers(&x, &y, texts[i].bit);
    }
    said_calls(a, choice, &x);
    said_calls(b, choice, &y);
    found |= compare_buffers(&x, &y, CALLS);
    mg_buf_finish(&x);
    mg_buf_finish(&y);
    mg_str reason = said_finish(a, choice); /* none: a background response, which has only been queued */
    if (reason.n && !mg_str_eq(reason, said_finish(b, choice))) found |= FINISH;
    return found;
}

static uint32_t compare_usage(const mg_usage *a, const mg_usage *b) {
    static const mg_usage none;
    if (!a) return 0; /* the vendor did not say */
    if (!b) b = &none;
    return (a->input != b->input ? INPUT : 0) | (a->output != b->output ? OUTPUT : 0) |
           (a->cached != b->cached ? CACHED : 0) | (a->cache_write != b->cache_write ? CACHE_WRITE : 0) |
           (a->reasoning != b->reasoning ? REASONING_TOKENS : 0);
}

static int citations(const said *s, bool of_vendor) {
    int n = 0;
    for (size_t i = 0; i < s->n; i++)
        if (s->v[i].type == MG_EVENT_CITATION)
            n += of_vendor == (memmem(s->v[i].text.p, s->v[i].text.n, "vendor_citation", 15) != NULL);
    return n;
}

/* Opaque bytes for the vendor to have back: where exactly they stand, each format has its own way. */
static uint32_t compare_opaque(const said *a, mg_str body) {
    uint32_t lost = 0;
    for (size_t i = 0; i < a->n; i++) {
        const mg_event *e = &a->v[i];
        if (e->type != MG_EVENT_SIGNATURE && e->type != MG_EVENT_REDACTED) continue;
        if (!memmem(body.p, body.n, e->text.p, e->text.n))
            lost |= e->type == MG_EVENT_SIGNATURE ? SIGNATURES : REDACTED;
    }
    return lost;
}

static uint32_t compare(const said *a, const said *b, mg_str body) {
    static const struct {
        mg_event_type type;
        uint32_t bit;
    } counted[] = {{MG_EVENT_SIGNATURE, SIGNATURES},
                   {MG_EVENT_REDACTED, REDACTED},
                   {MG_EVENT_MEDIA, MEDIA},
                   {MG_EVENT_OTHER, OTHERS}};
    uint32_t found = compare_usage(said_usage(a), said_usage(b));
    int64_t n = said_choices(a);
    if (said_choices(b) != n) found |= CHOICES;
    for (int64_t i = 0; i < n && i < said_choices(b); i++) found |= compare_choice(a, b, i);
    for (size_t i = 0; i < sizeof counted / sizeof counted[0]; i++)
        if (said_count(a, counted[i].type) > said_count(b, counted[i].type)) found |= counted[i].bit;
    if (citations(a, false) > said_count(b, MG_EVENT_CITATION)) found |= CITATIONS; /* some change their form */
    if (said_count(a, MG_EVENT_CITATION) > said_count(b, MG_EVENT_CITATION)) found |= VENDOR_CITATIONS;
    if (found & (SIGNATURES | REDACTED)) found = (found & ~(uint32_t)(SIGNATURES | REDACTED)) | compare_opaque(a, body);
    if (said_count(a, MG_EVENT_LOGPROBS) && !said_count(b, MG_EVENT_LOGPROBS)) found |= LOGPROBS;
    return found;
}

/* Gemini signs texts as well; messages of OpenAI's have no place for that. */
static bool signs_text(const said *s) {
    mg_event_type last = MG_EVENT_META;
    for (size_t i = 0; i < s->n; i++) {
        mg_event_type type = s->v[i].type;
        if (type == MG_EVENT_SIGNATURE && last == MG_EVENT_TEXT) return true;
        if (type != MG_EVENT_USAGE && type != MG_EVENT_META && type != MG_EVENT_FINISH) last = type;
    }
    return false;
}

/* What an answer itself excuses. */
static uint32_t excuses(const said *s, mg_format_id target, writer kind) {
    const mg_usage *u = said_usage(s);
    mg_buf calls = {0};
    uint32_t found = 0;
    if (target == MG_FORMAT_OPENAI && signs_text(s)) found |= SIGNATURES;
    /* Sound: Gemini has a place for it but none for its transcript, the others have only the transcript. */
    if (said_count(s, MG_EVENT_MEDIA) && target != MG_FORMAT_OPENAI)
        found |= target == MG_FORMAT_GEMINI ? TEXT : TEXT | MEDIA;
    /* Custom tools of OpenAI take any text, tools of other vendors an object. */
    said_calls(s, 0, &calls);
    for (mg_str rest = mg_buf_view(&calls); rest.n; rest = mg_str_skip(rest, mg_str_find(rest, '\n') + 1)) {
        mg_str arguments = mg_str_skip(rest, mg_str_find(rest, '('));
        if (arguments.n > 1 && arguments.p[1] == '{') continue;
        if (target == MG_FORMAT_ANTHROPIC) found |= CALLS;
        if (target == MG_FORMAT_GEMINI) found |= CALLS | FINISH;
    }
    mg_buf_finish(&calls);
    /* Streams begin with an estimate of what is not cached, and the plugin takes a 0 at the end for an unknown number. */
    if (target == MG_FORMAT_ANTHROPIC && kind == STREAM && u && u->input == u->cached + u->cache_write) found |= INPUT;
    return found;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static void reply_begin(const answer *a, mg_reply *r) {
    mg_reply_init(r, a->arena, MG_OP_CHAT, 1 << 26);
    snprintf(r->id, sizeof r->id, "0123456789abcdef0123456789abcdef");
    r->created_s = 1700000000;
    r->model = MG_STR("m");
}

static void write_plain(const answer *a, const mg_format *f, mg_buf *out) {
    mg_reply r;
    reply_begin(a, &r);
    for (size_t i = 0; i < a->first->n; i++) mg_reply_event(&r, &a->first->v[i]);
    f->plain(&r, out);
    mg_reply_finish(&r);
}

/* As host/gateway/answer.c does it. */
static void write_stream(const answer *a, const mg_format *f, bool array, mg_buf *out) {
    mg_reply r;
    reply_begin(a, &r);
    mg_stream s = {.reply = &r,
                   .state = mg_arena_zalloc(a->arena, f->stream_state + 1),
                   .arena = a->arena,
                   .usage_asked = true,
                   .array = array,
                   .input_estimate = 7,
                   .out = out};
    bool opened = false;
    for (size_t i = 0; i < a->first->n; i++) {
        const mg_event *e = &a->first->v[i];
        bool bookkeeping = e->type == MG_EVENT_META || e->type == MG_EVENT_USAGE || e->type == MG_EVENT_ERROR ||
                           e->type == MG_EVENT_DONE;
        if (bookkeeping || e->type == MG_EVENT_FINISH) mg_reply_event(&r, e);
        if (bookkeeping) continue;
        if (!opened) f->open(&s);
        opened = true;
        f->event(&s, e);
    }
    if (!opened) f->open(&s);
    f->close(&s);
    mg_reply_finish(&r);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

typedef struct reader {
    provider *p;
    said *out;
} reader;

static void read_frame(reader *r, bool stream, mg_str event, mg_str data) {
    char name[64];
    mg_error error;
    snprintf(name, sizeof name, MG_STR_FMT, MG_STR_ARG(event));
    if (provider_decode(r->p, MG_OP_CHAT, stream, name, data, said_event, r->out, &error) != MG_OK)
        fail_msg("%s: %.*s", error.text, (int)(data.n < 500 ? data.n : 500), data.p);
}

static bool on_sse(void *arg, const mg_sse_event *e) {
    if (e->has_data) read_frame(arg, true, e->event, e->data);
    return true;
}

static void read_array(reader *r, mg_str body) {
    const mg_json *root = provider_json(r->p, body);
    assert_int_equal(mg_json_kind(root), MG_JSON_ARRAY);
    for (const mg_json *e = root->child; e; e = e->next)
        read_frame(r, true, (mg_str){0}, mg_str_from(body.p + e->src, e->src_end - e->src));
}

static void read_body(provider *p, mg_format_id format, writer kind, mg_str body, said *out) {
    reader r = {p, out};
    mg_error error;
    p->format = format;
    provider_begin(p);
    if (kind == PLAIN) {
        read_frame(&r, false, (mg_str){0}, body);
    } else if (kind == ARRAY) {
        read_array(&r, body);
    } else {
        mg_sse sse;
        mg_sse_init(&sse, 1 << 26);
        if (mg_sse_feed(&sse, body, on_sse, &r, &error) != MG_OK) fail_msg("%s", error.text);
        assert_int_equal(mg_sse_waiting(&sse), 0);
        mg_sse_finish(&sse);
    }
}

/* ---- one answer -------------------------------------------------------------------------------------------------- */

static void names_of(uint32_t bits, char *out, size_t cap) {
    size_t n = 0;
    out[0] = 0;
    for (int i = 0; i < N_BITS; i++)
        if (bits & 1u << i && n < cap) n += (size_t)snprintf(out + n, cap - n, "%s%s", n ? ", " : "", bit_names[i]);
}

static void translate(const answer *a, mg_format_id target, writer kind) {
    const mg_format *f = formats[target];
    provider *p = vendor_of_format(target);
    said second = {.arena = a->arena};
    mg_buf body = {0};
    char names[300];
    if (kind == PLAIN)
        write_plain(a, f, &body);
    else
        write_stream(a, f, kind == ARRAY, &body);
    read_body(p, target, kind, mg_buf_view(&body), &second);
    uint32_t differs = compare(a->first, &second, mg_buf_view(&body));
    uint32_t allowed = losses[target] | excuses(a->first, target, kind);
    names_of(differs, names, sizeof names);
    if (differs & ~allowed) {
        print_message("%s %s: %s %s differs in %s\n", a->vendor, a->id, f->name, writer_names[kind], names);
        if (getenv("TRANSLATE_VERBOSE")) print_message("%.*s\n", (int)(body.n < 4000 ? body.n : 4000), body.p);
        a->sum->failed++;
    }
    if (kind == STREAM && target != MG_FORMAT_GEMINI) assert_true(said_count(&second, MG_EVENT_DONE) > 0);
    a->sum->written++;
    table_count(&a->sum->table, "%-10s %-6s as %-10s %-6s %s%s", a->vendor, a->stream ? "stream" : "plain", f->name,
                writer_names[kind], differs ? "without " : "whole", names);
    mg_buf_finish(&body);
    mg_arena_reset(p->arena);
}

static void check_row(const mg_json *row, mg_str line, void *arg) {
    (void)line;
    mg_format_id format;
    mg_str body = recordings_text(row, "body");
    answer a = {.sum = arg, .vendor = NULL, .stream = mg_json_bool(mg_json_get(row, MG_STR("stream")), false)};
    if (!translate_route(recordings_text(row, "path"), &format)) return;
    if (mg_json_int(mg_json_get(row, MG_STR("status")), 0) != 200) return;
    snprintf(a.id, sizeof a.id, MG_STR_FMT, MG_STR_ARG(recordings_text(row, "id")));
    a.arena = mg_arena_create(1 << 16);
    said first = {.arena = a.arena};
    a.first = &first;
    mg_str vendor = recordings_text(row, "provider");
    a.vendor = mg_arena_join(a.arena, (const mg_str[]){vendor, {"", 1}}, 2).p;
    bool array = a.stream && body.n && body.p[0] == '[';
    read_body(vendor_of_format(format), format, !a.stream ? PLAIN : array ? ARRAY : STREAM, body, &first);
    a.sum->answers++;
    if (said_count(&first, MG_EVENT_ERROR)) {
        table_count(&a.sum->table, "%-10s %-6s an error", a.vendor, a.stream ? "stream" : "plain");
    } else {
        for (mg_format_id target = MG_FORMAT_OPENAI; target <= MG_FORMAT_GEMINI; target++)
            for (writer kind = PLAIN; kind <= (target == MG_FORMAT_GEMINI ? ARRAY : STREAM); kind++)
                translate(&a, target, kind);
    }
    mg_arena_destroy(a.arena);
}

static void translates_recorded_answers(void **state) {
    (void)state;
    totals sum = {0};
    provider walker = {.parser = mg_json_parser_create(), .arena = mg_arena_create(1 << 16)};
    bool any = false;
    for (int i = 0; i < VENDORS; i++) any |= recordings_walk(&walker, vendor_files[i], check_row, &sum);
    mg_json_parser_destroy(walker.parser);
    mg_arena_destroy(walker.arena);
    if (!any) recordings_skip();
    table_print(&sum.table, "answers, by vendor, as they came, and as written");
    print_message("%d answers, written %d times\n", sum.answers, sum.written);
    assert_int_equal(sum.failed, 0);
    assert_true(sum.answers > 100);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(translates_recorded_answers),
    };
    return cmocka_run_group_tests(tests, translate_setup, translate_teardown);
}
