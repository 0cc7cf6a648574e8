/* What the tests of the anthropic format share: requests as text, and answers put together again from a stream as the
 * vendor's SDKs do it. */
#ifndef TESTS_FORMAT_ANTHROPIC_FIXTURE_H
#define TESTS_FORMAT_ANTHROPIC_FIXTURE_H

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
static const mg_format *const F = &mg_format_anthropic;

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

/* The tree of a text, whose copy *source is what it points into. */
static inline const mg_json *fixture_parse(mg_str text, mg_str *source) {
    const mg_json *root;
    mg_error error;
    char *copy = mg_arena_zalloc(arena, text.n + MG_JSON_PADDING);
    if (text.n) memcpy(copy, text.p, text.n);
    if (mg_json_parse(parser, arena, copy, text.n, &root, &error) != MG_OK)
        fail_msg("%s: " MG_STR_FMT, error.text, MG_STR_ARG(text));
    if (source) *source = mg_str_from(copy, text.n);
    return root;
}

static inline mg_str fixture_slice(mg_str source, const mg_json *v) {
    return mg_str_from(source.p + v->src, v->src_end - v->src);
}

/* ---- a message, put together from frames --------------------------------------------------------------------------- */

/* Blocks as lines, so that a plain answer and a stream can be compared. */
typedef struct told {
    mg_buf blocks;
    mg_buf text, input, citations; /* of the open block */
    mg_str signature, type, id, name;
    int64_t n;
    bool started, open, stopped;
    bool recorded; /* from the vendor: pings, and blocks that have no form in events */
    mg_str stop_reason, stop_sequence, message_id;
    int64_t input_tokens, cached, written, output_tokens;
} told;

static inline void told_finish(told *t) {
    mg_buf_finish(&t->blocks);
    mg_buf_finish(&t->text);
    mg_buf_finish(&t->input);
    mg_buf_finish(&t->citations);
}

static inline bool told_is_object(mg_str text) {
    const mg_json *root;
    mg_error error;
    return mg_json_parse_copy(parser, arena, text, &root, &error) == MG_OK && mg_json_kind(root) == MG_JSON_OBJECT;
}

static inline void told_line(told *t, mg_str type, mg_str text, mg_str signature, mg_str citations) {
    mg_buf_printf(&t->blocks, MG_STR_FMT " " MG_STR_FMT " [" MG_STR_FMT "] [" MG_STR_FMT "]\n", MG_STR_ARG(type),
                  MG_STR_ARG(text), MG_STR_ARG(signature), MG_STR_ARG(citations));
}

static inline void told_tool(told *t, mg_str id, mg_str name, mg_str input) {
    mg_buf_printf(&t->blocks, "tool_use " MG_STR_FMT " " MG_STR_FMT " " MG_STR_FMT "\n", MG_STR_ARG(id),
                  MG_STR_ARG(name), MG_STR_ARG(input));
}

static inline mg_str told_text(const mg_json *v, const char *key) {
    return mg_json_text(mg_json_get(v, mg_str_of(key)));
}

static inline void told_usage(told *t, const mg_json *u) {
    t->input_tokens = mg_json_int(mg_json_get(u, MG_STR("input_tokens")), -1);
    t->cached = mg_json_int(mg_json_get(u, MG_STR("cache_read_input_tokens")), -1);
    t->written = mg_json_int(mg_json_get(u, MG_STR("cache_creation_input_tokens")), -1);
    t->output_tokens = mg_json_int(mg_json_get(u, MG_STR("output_tokens")), -1);
}

/* The blocks of a plain message. */
static inline void told_plain(told *t, mg_str body) {
    mg_str source;
    const mg_json *root = fixture_parse(body, &source), *content = mg_json_get(root, MG_STR("content"));
    assert_true(mg_str_is(told_text(root, "type"), "message") && mg_str_is(told_text(root, "role"), "assistant"));
    assert_int_equal(mg_json_kind(content), MG_JSON_ARRAY);
    for (const mg_json *b = content->child; b; b = b->next) {
        mg_str type = told_text(b, "type");
        const mg_json *citations = mg_json_get(b, MG_STR("citations"));
        if (mg_str_is(type, "text")) {
            mg_str inner = {NULL, 0};
            if (mg_json_kind(citations) == MG_JSON_ARRAY) inner = fixture_slice(source, citations);
            if (inner.n) inner = mg_str_from(inner.p + 1, inner.n - 2);
            told_line(t, type, told_text(b, "text"), (mg_str){NULL, 0}, inner);
        } else if (mg_str_is(type, "thinking")) {
            assert_non_null(mg_json_get(b, MG_STR("signature")));
            told_line(t, type, told_text(b, "thinking"), told_text(b, "signature"), (mg_str){NULL, 0});
        } else if (mg_str_is(type, "tool_use")) {
            told_tool(t, told_text(b, "id"), told_text(b, "name"),
                      fixture_slice(source, mg_json_get(b, MG_STR("input"))));
        } else {
            told_line(t, type, fixture_slice(source, b), (mg_str){NULL, 0}, (mg_str){NULL, 0});
        }
        t->n++;
    }
    t->stop_reason = told_text(root, "stop_reason");
    t->stop_sequence = told_text(root, "stop_sequence");
    t->message_id = told_text(root, "id");
    told_usage(t, mg_json_get(root, MG_STR("usage")));
}

static inline void told_start(told *t, mg_str source, const mg_json *event) {
    const mg_json *b = mg_json_get(event, MG_STR("content_block"));
    assert_false(t->open);
    assert_int_equal(mg_json_int(mg_json_get(event, MG_STR("index")), -1), t->n);
    t->open = true;
    t->type = told_text(b, "type");
    t->id = told_text(b, "id");
    t->name = told_text(b, "name");
    t->signature = (mg_str){NULL, 0};
    mg_buf_clear(&t->text);
    mg_buf_clear(&t->input);
    mg_buf_clear(&t->citations);
    if (!mg_str_is(t->type, "text") && !mg_str_is(t->type, "thinking") && !mg_str_is(t->type, "tool_use"))
        mg_buf_str(&t->text, fixture_slice(source, b));
}

static inline void told_delta(told *t, mg_str source, const mg_json *event) {
    const mg_json *d = mg_json_get(event, MG_STR("delta"));
    mg_str type = told_text(d, "type");
    assert_true(t->open);
    assert_int_equal(mg_json_int(mg_json_get(event, MG_STR("index")), -1), t->n);
    if (mg_str_is(type, "text_delta") && mg_str_is(t->type, "text")) {
        mg_buf_str(&t->text, told_text(d, "text"));
    } else if (mg_str_is(type, "citations_delta") && mg_str_is(t->type, "text")) {
        if (t->citations.n) mg_buf_str(&t->citations, MG_STR(","));
        mg_buf_str(&t->citations, fixture_slice(source, mg_json_get(d, MG_STR("citation"))));
    } else if (mg_str_is(type, "thinking_delta") && mg_str_is(t->type, "thinking")) {
        mg_buf_str(&t->text, told_text(d, "thinking"));
    } else if (mg_str_is(type, "signature_delta") && mg_str_is(t->type, "thinking")) {
        t->signature = told_text(d, "signature");
    } else if (mg_str_is(type, "input_json_delta") && mg_str_is(t->type, "tool_use")) {
        mg_buf_str(&t->input, told_text(d, "partial_json"));
    } else if (!t->recorded || !mg_str_is(type, "input_json_delta")) {
        fail_msg("a " MG_STR_FMT " in a block of type " MG_STR_FMT, MG_STR_ARG(type), MG_STR_ARG(t->type));
    }
}

static inline void told_stop(told *t, const mg_json *event) {
    assert_true(t->open);
    assert_int_equal(mg_json_int(mg_json_get(event, MG_STR("index")), -1), t->n);
    t->open = false;
    t->n++;
    if (mg_str_is(t->type, "tool_use"))
        told_tool(t, t->id, t->name, told_is_object(mg_buf_view(&t->input)) ? mg_buf_view(&t->input) : MG_STR("{}"));
    else
        told_line(t, t->type, mg_buf_view(&t->text), t->signature, mg_buf_view(&t->citations));
}

static inline void told_event(told *t, mg_str name, mg_str data) {
    mg_str source;
    const mg_json *e = fixture_parse(data, &source);
    assert_true(mg_str_eq(told_text(e, "type"), name));
    assert_false(t->stopped);
    assert_true(t->started || mg_str_is(name, "message_start"));
    if (mg_str_is(name, "message_start")) {
        assert_false(t->started);
        t->started = true;
        t->message_id = mg_json_text(mg_json_path(e, "message.id"));
        told_usage(t, mg_json_path(e, "message.usage"));
    } else if (mg_str_is(name, "content_block_start")) {
        told_start(t, source, e);
    } else if (mg_str_is(name, "content_block_delta")) {
        told_delta(t, source, e);
    } else if (mg_str_is(name, "content_block_stop")) {
        told_stop(t, e);
    } else if (mg_str_is(name, "message_delta")) {
        assert_false(t->open);
        t->stop_reason = mg_json_text(mg_json_path(e, "delta.stop_reason"));
        t->stop_sequence = mg_json_text(mg_json_path(e, "delta.stop_sequence"));
        assert_true(t->stop_reason.n > 0);
        told_usage(t, mg_json_get(e, MG_STR("usage")));
    } else if (mg_str_is(name, "message_stop")) {
        assert_true(t->stop_reason.n > 0);
        t->stopped = true;
    } else if (!t->recorded || !mg_str_is(name, "ping")) {
        fail_msg("an event " MG_STR_FMT, MG_STR_ARG(name));
    }
}

/* Every frame: an event line, a data line, an empty line. */
static inline void told_stream(told *t, mg_str frames) {
    while (frames.n) {
        mg_str event = mg_str_from(frames.p, mg_str_find(frames, '\n'));
        frames = mg_str_skip(frames, event.n + 1);
        mg_str data = mg_str_from(frames.p, mg_str_find(frames, '\n'));
        frames = mg_str_skip(frames, data.n + 1);
        assert_true(mg_str_starts(event, MG_STR("event: ")) && mg_str_starts(data, MG_STR("data: ")));
        assert_true(frames.n && frames.p[0] == '\n');
        frames = mg_str_skip(frames, 1);
        told_event(t, mg_str_skip(event, 7), mg_str_skip(data, 6));
    }
}

/* ---- both writers over the same events ----------------------------------------------------------------------------- */

typedef struct answer {
    mg_reply reply, head;
    mg_stream stream;
    mg_buf frames, plain;
} answer;

static inline void answer_open(answer *a) {
    *a = (answer){.frames = {0}};
    mg_reply_init(&a->reply, arena, MG_OP_CHAT, 1 << 24);
    snprintf(a->reply.id, sizeof a->reply.id, "0123456789abcdef0123456789abcdef");
    a->reply.model = MG_STR("claude-test");
    a->head = a->reply;
    a->stream = (mg_stream){.reply = &a->head, .arena = arena, .input_estimate = 7, .out = &a->frames};
    a->stream.state = mg_arena_zalloc(arena, F->stream_state);
    F->open(&a->stream);
}

static inline void answer_event(answer *a, const mg_event *e) {
    mg_reply_event(&a->reply, e);
    if (e->type == MG_EVENT_USAGE) {
        a->head.usage = *e->usage;
        a->head.usage_known = true;
    } else if (e->type != MG_EVENT_META && e->type != MG_EVENT_ERROR && e->type != MG_EVENT_DONE) {
        F->event(&a->stream, e);
    }
}

static inline void answer_close(answer *a) {
    F->close(&a->stream);
    F->plain(&a->reply, &a->plain);
}

static inline void answer_finish(answer *a) {
    mg_reply_finish(&a->reply);
    mg_buf_finish(&a->frames);
    mg_buf_finish(&a->plain);
}

/* Both tell the same. */
static inline void answer_compare(const answer *a, const char *what) {
    told plain = {.n = 0}, stream = {.n = 0};
    told_plain(&plain, mg_buf_view(&a->plain));
    told_stream(&stream, mg_buf_view(&a->frames));
    assert_true(stream.stopped);
    if (!mg_str_eq(mg_buf_view(&plain.blocks), mg_buf_view(&stream.blocks)))
        fail_msg("%s:\nplain\n" MG_STR_FMT "stream\n" MG_STR_FMT "\n" MG_STR_FMT, what,
                 MG_STR_ARG(mg_buf_view(&plain.blocks)), MG_STR_ARG(mg_buf_view(&stream.blocks)),
                 MG_STR_ARG(mg_buf_view(&a->frames)));
    assert_true(mg_str_eq(plain.stop_reason, stream.stop_reason));
    assert_true(mg_str_eq(plain.stop_sequence, stream.stop_sequence));
    assert_true(mg_str_eq(plain.message_id, stream.message_id));
    if (a->head.usage_known) {
        assert_int_equal(plain.input_tokens, stream.input_tokens);
        assert_int_equal(plain.cached, stream.cached);
        assert_int_equal(plain.written, stream.written);
        assert_int_equal(plain.output_tokens, stream.output_tokens);
    }
    told_finish(&plain);
    told_finish(&stream);
}

#endif
