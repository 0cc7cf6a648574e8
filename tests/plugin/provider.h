/* Drives one built provider plugin: requests in, splices applied, frames in, events out as lines of text. */
#ifndef TESTS_PLUGIN_PROVIDER_H
#define TESTS_PLUGIN_PROVIDER_H

#include "fixture.h"

#include "base/buf.h"
#include "plugin/registry.h"
#include "plugin/settings.h"

typedef struct provider {
    mg_host host;
    mg_registry *registry;
    const mg_plugin *plugin;
    mg_use *use;
    const mg_provider *ops;
    void *self;
    mg_json_parser *parser;
    mg_arena *arena;
    mg_format_id format; /* of the frames; canonical unless a test says otherwise */
    void *state; /* of the answer being decoded; provider_begin zeroes it */
} provider;

/* Loads provider `name`; `set` puts settings in, and may be NULL. */
static inline void provider_open(provider *p, const char *name, void (*set)(mg_setting_values *v)) {
    mg_error error = {0};
    *p = (provider){.host = fixture_host(), .parser = mg_json_parser_create(), .arena = mg_arena_create(4096)};
    p->registry = mg_registry_create(&p->host);
    mg_registry_load(p->registry, MG_STR(TEST_BINARY_DIR "/plugins"), &error);
    p->plugin = mg_registry_find(p->registry, MG_KIND_PROVIDER, mg_str_of(name));
    if (!p->plugin) fail_msg("no provider %s in " TEST_BINARY_DIR "/plugins", name);
    mg_setting_values *v = mg_setting_values_create(p->plugin->settings, MG_STR(""));
    if (set) set(v);
    p->use = mg_use_open(&p->host, p->plugin, v, 1, &error);
    if (!p->use) fail_msg("%s", error.text);
    p->ops = mg_use_ops(p->use);
    p->self = mg_use_self(p->use, 0, NULL, &error);
    p->state = calloc(1, p->ops->state_size + 1);
}

/* A new answer begins. */
static inline void provider_begin(provider *p) { memset(p->state, 0, p->ops->state_size + 1); }

static inline void provider_close(provider *p) {
    free(p->state);
    mg_use_unref(p->use);
    mg_registry_destroy(p->registry);
    mg_json_parser_destroy(p->parser);
    mg_arena_destroy(p->arena);
}

/* NULL if the text is not JSON. The value lives until the arena is reset, and so does its text. */
static inline const mg_json *provider_json(provider *p, mg_str text) {
    const mg_json *root = NULL;
    mg_error error;
    return mg_json_parse_copy(p->parser, p->arena, text, &root, &error) == MG_OK ? root : NULL;
}

/* ---- encode ------------------------------------------------------------------------------------------------------ */

typedef struct edit {
    size_t start, end;
    char *text;
} edit;

/* What `encode` said, as text. */
typedef struct sent {
    char method[16];
    char path[128];
    char headers[8192]; /* "name: value\n" each */
    edit edits[256];
    size_t n;
    mg_buf written; /* a body of its own */
    char dropped[2048]; /* "member\n" each */
} sent;

static inline void on_method(void *ctx, mg_str s) { snprintf(((sent *)ctx)->method, 16, MG_STR_FMT, MG_STR_ARG(s)); }
static inline void on_path(void *ctx, mg_str s) { snprintf(((sent *)ctx)->path, 128, MG_STR_FMT, MG_STR_ARG(s)); }
static inline void on_header(void *ctx, mg_str name, mg_str value) {
    char *all = ((sent *)ctx)->headers;
    size_t n = strlen(all);
    snprintf(all + n, 8192 - n, MG_STR_FMT ": " MG_STR_FMT "\n", MG_STR_ARG(name), MG_STR_ARG(value));
}
static inline void on_splice(void *ctx, size_t start, size_t end, mg_str text) {
    sent *s = ctx;
    assert_true(s->n < sizeof s->edits / sizeof s->edits[0] && start <= end);
    size_t i = s->n++;
    /* As the host does: equal places in the order of calls, insertions before a replacement. */
    while (i > 0 && (s->edits[i - 1].start > start ||
                     (s->edits[i - 1].start == start && start == end && s->edits[i - 1].end > start))) {
        s->edits[i] = s->edits[i - 1];
        i--;
    }
    s->edits[i] = (edit){start, end, mg_strndup(text.p, text.n)};
}
static inline void on_write(void *ctx, mg_str bytes) { mg_buf_str(&((sent *)ctx)->written, bytes); }
static inline void on_out_text(void *ctx, mg_str text) { mg_buf_json(&((sent *)ctx)->written, text); }
static inline void on_drop(void *ctx, mg_str member) {
    char *all = ((sent *)ctx)->dropped;
    size_t n = strlen(all);
    snprintf(all + n, 2048 - n, MG_STR_FMT "\n", MG_STR_ARG(member));
}

/* The body with all splices applied, in `out`; fails where two overlap or the result is no JSON. */
static inline void sent_body(provider *p, sent *s, mg_str body, mg_buf *out) {
    size_t at = 0;
    mg_buf_clear(out);
    if (s->written.n) {
        assert_int_equal(s->n, 0); /* splices or a body of its own, never both */
        body = mg_buf_view(&s->written);
    }
    for (size_t i = 0; i < s->n; i++) {
        assert_true(s->edits[i].start >= at && s->edits[i].end <= body.n);
        mg_buf_add(out, body.p + at, s->edits[i].start - at);
        mg_buf_str(out, mg_str_of(s->edits[i].text));
        at = s->edits[i].end;
        free(s->edits[i].text);
    }
    mg_buf_add(out, body.p + at, body.n - at);
    mg_buf_add(out, "", 1);
    out->n--;
    mg_buf_finish(&s->written);
    if (out->n && !provider_json(p, mg_buf_view(out))) fail_msg("no JSON: %s", out->p);
}

static inline mg_status provider_encode(provider *p, mg_provider_request *r, sent *s, mg_buf *out, mg_error *error) {
    *s = (sent){.n = 0};
    mg_provider_out sink = {sizeof sink, s, on_method, on_path, on_header, on_splice, on_write, on_out_text, on_drop};
    r->size = sizeof *r;
    r->root = r->body.n ? provider_json(p, r->body) : NULL;
    mg_status status = p->ops->encode(p->self, r, &sink, error);
    if (status == MG_OK)
        sent_body(p, s, r->body, out);
    else
        for (size_t i = 0; i < s->n; i++) free(s->edits[i].text);
    mg_buf_finish(&s->written);
    return status;
}

/* ---- decode ------------------------------------------------------------------------------------------------------ */

/* Writes an event as one line, such as "TEXT 0 hello". */
static inline void on_event(void *ctx, const mg_event *e) {
    static const char *const names[] = {"META", "TEXT", "REASONING", "TOOL", "FINISH", "USAGE", "ERROR", "DONE",
                                        "REFUSAL", "SIGNATURE", "REDACTED", "CITATION", "LOGPROBS", "MEDIA", "EMBEDDING",
                                        "OTHER"};
    mg_buf *b = ctx;
    assert_int_equal(e->size, sizeof *e);
    assert_in_range(e->type, MG_EVENT_META, MG_EVENT_OTHER);
    mg_buf_printf(b, "%s", names[e->type]);
    if (e->type != MG_EVENT_META && e->type != MG_EVENT_DONE && e->type != MG_EVENT_USAGE && e->type != MG_EVENT_ERROR)
        mg_buf_printf(b, " %lld",
                      (long long)(e->type == MG_EVENT_TOOL || e->type == MG_EVENT_EMBEDDING ? e->index : e->choice));
    if (e->id.n) mg_buf_printf(b, " id=" MG_STR_FMT, MG_STR_ARG(e->id));
    if (e->name.n) mg_buf_printf(b, " name=" MG_STR_FMT, MG_STR_ARG(e->name));
    if (e->text.n) mg_buf_printf(b, " " MG_STR_FMT, MG_STR_ARG(e->text));
    if (e->usage)
        mg_buf_printf(b, " in=%lld out=%lld cached=%lld write=%lld reasoning=%lld audio=%lld/%lld",
                      (long long)e->usage->input, (long long)e->usage->output, (long long)e->usage->cached,
                      (long long)e->usage->cache_write, (long long)e->usage->reasoning,
                      (long long)e->usage->audio_input, (long long)e->usage->audio_output);
    mg_buf_printf(b, "%s\n", e->alone ? " alone" : "");
}

static inline mg_status provider_decode(provider *p, mg_operation op, bool stream, const char *event, mg_str data,
                                        void (*emit)(void *ctx, const mg_event *e), void *ctx, mg_error *error) {
    mg_sink sink = {sizeof sink, ctx, emit};
    mg_frame frame = {sizeof frame, op,   stream, 200, mg_str_of(event), data, provider_json(p, data),
                      p->format,    p->state};
    return p->ops->decode(p->self, &frame, &sink, error);
}

/* Decodes one frame, and fails unless its events are these lines. */
static inline void provider_says(provider *p, mg_operation op, bool stream, const char *data, const char *lines) {
    mg_buf b = {0};
    mg_error error;
    assert_int_equal(provider_decode(p, op, stream, "", mg_str_of(data), on_event, &b, &error), MG_OK);
    mg_buf_add(&b, "", 1);
    assert_string_equal(b.p, lines);
    mg_buf_finish(&b);
    mg_arena_reset(p->arena);
}

#endif
