/* What the tests of the responses format share: requests through it, and answers out of it. */
#ifndef TESTS_FORMAT_RESPONSES_FIXTURE_H
#define TESTS_FORMAT_RESPONSES_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "format/format.h"

typedef struct fixture {
    mg_arena *arena;
    mg_json_parser *parser;
    mg_error error;
    mg_buf drops; /* "a b c" */
} fixture;

static fixture fx;

static inline int fixture_setup(void **state) {
    (void)state;
    fx = (fixture){.arena = mg_arena_create(1 << 16), .parser = mg_json_parser_create()};
    return 0;
}

static inline int fixture_teardown(void **state) {
    (void)state;
    mg_arena_destroy(fx.arena);
    mg_json_parser_destroy(fx.parser);
    mg_buf_finish(&fx.drops);
    return 0;
}

static inline const mg_json *fixture_json(mg_str text) {
    const mg_json *root;
    if (mg_json_parse_copy(fx.parser, fx.arena, text, &root, &fx.error) != MG_OK)
        fail_msg("%s in " MG_STR_FMT, fx.error.text, MG_STR_ARG(text));
    return root;
}

static inline const mg_json *fixture_z(const char *text) { return fixture_json(mg_str_of(text)); }

static inline void fixture_drop(void *arg, mg_str member) {
    (void)arg;
    if (fx.drops.n) mg_buf_str(&fx.drops, MG_STR(" "));
    mg_buf_str(&fx.drops, member);
}

/* The canonical form; NULL, and fx.error, if it is refused. What was left out is in fx.drops. */
static inline const char *fixture_canonical(mg_str body, bool stream) {
    mg_buf out = {0};
    mg_buf_clear(&fx.drops);
    const mg_json *root = fixture_json(body);
    mg_status st =
        mg_format_responses.canonical(MG_OP_CHAT, root, body, MG_STR("m"), stream, &out, fixture_drop, NULL, &fx.error);
    const char *text = mg_arena_dup(fx.arena, mg_buf_view(&out)).p;
    mg_buf_finish(&out);
    if (st != MG_OK) {
        assert_int_equal(fx.error.http, 400);
        assert_true(strlen(fx.error.text) > 20);
        return NULL;
    }
    fixture_z(text); /* is JSON */
    return text;
}

/* ---- answers ----------------------------------------------------------------------------------------------------- */

static inline mg_event text_event(mg_event_type type, const char *text) {
    return (mg_event){.size = sizeof(mg_event), .type = type, .text = mg_str_of(text)};
}
static inline mg_event sealed_event(mg_event_type type, const char *text, const char *vendor) {
    return (mg_event){.size = sizeof(mg_event), .type = type, .text = mg_str_of(text), .name = mg_str_of(vendor)};
}
static inline mg_event tool_event(int64_t index, const char *name, const char *id, const char *text) {
    return (mg_event){.size = sizeof(mg_event),
                      .type = MG_EVENT_TOOL,
                      .index = index,
                      .text = mg_str_of(text),
                      .name = mg_str_of(name),
                      .id = mg_str_of(id)};
}

static inline void reply_head(mg_reply *r, const mg_json *request) {
    memcpy(r->id, "0123456789abcdef0123456789abcdef", 33);
    r->created_s = 1750000000;
    r->model = MG_STR("vendor-model");
    r->usage = (mg_usage){.size = sizeof r->usage, .input = 20, .output = 30, .cached = 5, .reasoning = 7};
    r->usage_known = true;
    r->request = request;
}

static inline mg_str fixture_plain(const mg_event *events, size_t n, const mg_json *request) {
    mg_reply r;
    mg_buf out = {0};
    mg_reply_init(&r, fx.arena, MG_OP_CHAT, 1 << 20);
    for (size_t i = 0; i < n; i++) mg_reply_event(&r, &events[i]);
    reply_head(&r, request);
    mg_format_responses.plain(&r, &out);
    mg_str text = mg_arena_dup(fx.arena, mg_buf_view(&out));
    mg_buf_finish(&out);
    mg_reply_finish(&r);
    return text;
}

/* The frames; ends with `fault` if there is one. */
static inline mg_str fixture_stream(const mg_event *events, size_t n, const mg_json *request, const mg_fault *fault) {
    mg_buf out = {0};
    mg_reply head;
    mg_reply_init(&head, fx.arena, MG_OP_CHAT, 1 << 20);
    reply_head(&head, request);
    mg_stream s = {.reply = &head, .arena = fx.arena, .usage_asked = true, .out = &out};
    s.state = mg_arena_zalloc(fx.arena, mg_format_responses.stream_state);
    mg_format_responses.open(&s);
    for (size_t i = 0; i < n; i++) mg_format_responses.event(&s, &events[i]);
    if (fault)
        mg_format_responses.error_frames(&s, fault);
    else
        mg_format_responses.close(&s);
    mg_str text = mg_arena_dup(fx.arena, mg_buf_view(&out));
    mg_buf_finish(&out);
    return text;
}

/* The next frame's name and payload; false at the end. */
static inline bool fixture_frame(mg_str *rest, mg_str *name, mg_str *data) {
    if (!rest->n) return false;
    assert_true(mg_str_starts(*rest, MG_STR("event: ")));
    *name = mg_str_skip(*rest, 7);
    name->n = mg_str_find(*name, '\n');
    *rest = mg_str_skip(*rest, 7 + name->n + 1);
    assert_true(mg_str_starts(*rest, MG_STR("data: ")));
    *data = mg_str_skip(*rest, 6);
    data->n = mg_str_find(*data, '\n');
    *rest = mg_str_skip(*rest, 6 + data->n);
    assert_true(mg_str_starts(*rest, MG_STR("\n\n")));
    *rest = mg_str_skip(*rest, 2);
    return true;
}

static inline const char *data_folder(void) {
    const char *folder = getenv("MOONGATE_DATA");
    return folder ? folder : "../shared/data";
}

#endif
