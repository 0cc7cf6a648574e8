/* What the tests of the gemini format share: requests as text, and answers put together again from a stream. */
#ifndef TESTS_FORMAT_GEMINI_FIXTURE_H
#define TESTS_FORMAT_GEMINI_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "format/format.h"

static mg_json_parser *parser;
static mg_arena *arena;
static const mg_format *const F = &mg_format_gemini;

static inline int fixture_setup(void **state) {
    (void)state;
    parser = mg_json_parser_create();
    arena = mg_arena_create(1 << 16);
    return 0;
}

static inline int fixture_teardown(void **state) {
    (void)state;
    mg_json_parser_destroy(parser);
    mg_arena_destroy(arena);
    return 0;
}

/* JSON in C strings is written with ' for ". */
static inline mg_str json(const char *text) {
    mg_str s = mg_arena_dup(arena, mg_str_of(text));
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '\'') ((char *)(uintptr_t)s.p)[i] = '"';
    return s;
}

static inline const mg_json *parse(mg_str text, mg_str *source) {
    const mg_json *root;
    mg_error error;
    char *copy = mg_arena_zalloc(arena, text.n + MG_JSON_PADDING);
    if (text.n) memcpy(copy, text.p, text.n);
    if (mg_json_parse(parser, arena, copy, text.n, &root, &error) != MG_OK)
        fail_msg("%s: " MG_STR_FMT, error.text, MG_STR_ARG(text));
    if (source) *source = mg_str_from(copy, text.n);
    return root;
}

static inline void expect(mg_str got, mg_str wanted) {
    if (!mg_str_eq(got, wanted))
        fail_msg("\n   got " MG_STR_FMT "\nwanted " MG_STR_FMT, MG_STR_ARG(got), MG_STR_ARG(wanted));
}

static inline mg_str slice(mg_str source, const mg_json *v) {
    return v ? mg_str_from(source.p + v->src, v->src_end - v->src) : MG_STR("");
}

/* ---- an answer, put together from chunks ----------------------------------------------------------------------------- */

enum { TOLD_CHOICES = 8 };

/* A candidate as lines; texts that belong together are one. */
typedef struct told_candidate {
    mg_buf lines, text, ending, tokens;
    mg_str signature;
    bool open, thought, seen;
} told_candidate;

typedef struct told {
    told_candidate candidates[TOLD_CHOICES];
    mg_buf whole;
    int chunks;
} told;

static inline void told_close(told_candidate *c) {
    if (c->open && (c->text.n || c->signature.n))
        mg_buf_printf(&c->lines, "%s <%.*s> [%.*s]\n", c->thought ? "thought" : "text", (int)c->text.n,
                      c->text.p ? c->text.p : "", MG_STR_ARG(c->signature));
    mg_buf_clear(&c->text);
    c->signature = (mg_str){0};
    c->open = false;
}

static inline void told_part(told_candidate *c, mg_str source, const mg_json *part) {
    const mg_json *text = mg_json_get(part, MG_STR("text"));
    bool thought = mg_json_bool(mg_json_get(part, MG_STR("thought")), false);
    mg_str signature = mg_json_text(mg_json_get(part, MG_STR("thoughtSignature")));
    if (!text) {
        told_close(c);
        mg_buf_printf(&c->lines, "part %.*s\n", MG_STR_ARG(slice(source, part)));
        return;
    }
    if (!text->str.n && !signature.n) return;
    if (c->open && (c->thought != thought || c->signature.n)) told_close(c);
    c->open = true;
    c->thought = thought;
    mg_buf_str(&c->text, text->str);
    c->signature = signature;
}

static inline void told_rest(told_candidate *c, mg_str source, const mg_json *candidate) {
    static const char *const names[] = {"finishReason",     "finishMessage",      "groundingMetadata",
                                        "citationMetadata", "urlContextMetadata", "avgLogprobs"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const mg_json *v = mg_json_get(candidate, mg_str_of(names[i]));
        if (v) mg_buf_printf(&c->ending, "%s %.*s\n", names[i], MG_STR_ARG(slice(source, v)));
    }
    const mg_json *t = mg_json_path(candidate, "logprobsResult.chosenCandidates");
    const mg_json *top = mg_json_path(candidate, "logprobsResult.topCandidates");
    for (t = t ? t->child : NULL, top = top ? top->child : NULL; t; t = t->next, top = top->next) {
        assert_non_null(top); /* both lists have as many */
        mg_buf_printf(&c->tokens, "%.*s %.*s\n", MG_STR_ARG(slice(source, t)), MG_STR_ARG(slice(source, top)));
    }
}

static inline void told_chunk(told *t, mg_str text) {
    mg_str source;
    const mg_json *root = parse(text, &source), *list = mg_json_get(root, MG_STR("candidates"));
    static const char *const names[] = {"promptFeedback", "usageMetadata"};
    t->chunks++;
    for (const mg_json *c = list ? list->child : NULL; c; c = c->next) {
        int64_t index = mg_json_int(mg_json_get(c, MG_STR("index")), -1);
        assert_in_range(index, 0, TOLD_CHOICES - 1);
        told_candidate *k = &t->candidates[index];
        k->seen = true;
        const mg_json *content = mg_json_get(c, MG_STR("content")), *parts = mg_json_get(content, MG_STR("parts"));
        if (content) assert_true(mg_str_is(mg_json_text(mg_json_get(content, MG_STR("role"))), "model"));
        if (content) assert_true(parts && parts->count);
        for (const mg_json *p = parts ? parts->child : NULL; p; p = p->next) told_part(k, source, p);
        told_rest(k, source, c);
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const mg_json *v = mg_json_get(root, mg_str_of(names[i]));
        if (v) mg_buf_printf(&t->whole, "%s %.*s\n", names[i], MG_STR_ARG(slice(source, v)));
    }
    const mg_json *id = mg_json_get(root, MG_STR("responseId"));
    assert_true(mg_json_text(id).n > 0);
}

static inline mg_str told_end(told *t) {
    mg_buf all = {0};
    for (int i = 0; i < TOLD_CHOICES; i++) {
        told_candidate *c = &t->candidates[i];
        told_close(c);
        if (c->seen)
            mg_buf_printf(&all, "%d\n%.*s%.*s%.*s", i, MG_STR_ARG(mg_buf_view(&c->lines)),
                          MG_STR_ARG(mg_buf_view(&c->tokens)), MG_STR_ARG(mg_buf_view(&c->ending)));
        mg_buf_finish(&c->lines);
        mg_buf_finish(&c->text);
        mg_buf_finish(&c->tokens);
        mg_buf_finish(&c->ending);
    }
    mg_buf_str(&all, mg_buf_view(&t->whole));
    mg_buf_finish(&t->whole);
    mg_str text = mg_arena_dup(arena, mg_buf_view(&all));
    mg_buf_finish(&all);
    return text;
}

/* Each event of a stream, as SDKs cut it; fails on what is no event. */
static inline void told_events(told *t, mg_str stream) {
    while (stream.n) {
        assert_true(mg_str_starts(stream, MG_STR("data: ")));
        stream = mg_str_skip(stream, 6);
        const char *end = memmem(stream.p, stream.n, "\r\n\r\n", 4);
        assert_non_null(end);
        mg_str data = mg_str_from(stream.p, (size_t)(end - stream.p));
        assert_null(memchr(data.p, '\n', data.n));
        told_chunk(t, data);
        stream = mg_str_skip(stream, data.n + 4);
    }
}

static inline void told_array(told *t, mg_str text) {
    mg_str source;
    const mg_json *root = parse(text, &source);
    assert_int_equal(mg_json_kind(root), MG_JSON_ARRAY);
    for (const mg_json *c = root->child; c; c = c->next) told_chunk(t, slice(source, c));
}

/* ---- answers from events ------------------------------------------------------------------------------------------------ */

static inline mg_reply *new_reply(mg_operation op) {
    mg_reply *r = MG_ARENA_NEW(arena, mg_reply);
    mg_reply_init(r, arena, op, 1 << 20);
    snprintf(r->id, sizeof r->id, "0123456789abcdef0123456789abcdef");
    r->model = MG_STR("gpt-4o");
    return r;
}

static inline mg_str plain_of(const mg_event *events, size_t n) {
    mg_reply *r = new_reply(MG_OP_CHAT);
    mg_buf out = {0};
    for (size_t i = 0; i < n; i++) mg_reply_event(r, &events[i]);
    F->plain(r, &out);
    mg_reply_finish(r);
    mg_str text = mg_arena_dup(arena, mg_buf_view(&out));
    mg_buf_finish(&out);
    return text;
}

/* `upto` events go in; the stream is closed if `whole`, else ended by `fault`, if any. */
static inline mg_str stream_of(const mg_event *events, size_t n, bool array, bool whole, const mg_fault *fault) {
    mg_reply *r = new_reply(MG_OP_CHAT);
    mg_buf out = {0};
    mg_arena *own = mg_arena_create(1024);
    mg_stream s = {.reply = r, .arena = own, .array = array, .out = &out, .usage_asked = true};
    s.state = mg_arena_zalloc(arena, F->stream_state);
    F->open(&s);
    for (size_t i = 0; i < n; i++) {
        if (events[i].type == MG_EVENT_USAGE)
            mg_reply_event(r, &events[i]);
        else
            F->event(&s, &events[i]);
    }
    if (whole) F->close(&s);
    if (fault) F->error_frames(&s, fault);
    mg_arena_destroy(own);
    mg_reply_finish(r);
    mg_str text = mg_arena_dup(arena, mg_buf_view(&out));
    mg_buf_finish(&out);
    return text;
}

#endif
