/* Requests to the anthropic provider, and what becomes of them. In tests that use this, ' stands for " in JSON. */
#ifndef TESTS_PLUGIN_ANTHROPIC_H
#define TESTS_PLUGIN_ANTHROPIC_H

#include "provider.h"

static provider plain;

static inline mg_str quoted(provider *p, const char *text) {
    mg_str s = mg_arena_dup(p->arena, mg_str_of(text));
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '\'') ((char *)s.p)[i] = '"';
    return s;
}

typedef struct ask {
    provider *p;
    mg_operation op;
    mg_format_id format;
    bool stream;
    const char *model;
} ask;

static const ask sonnet = {&plain, MG_OP_CHAT, MG_FORMAT_OPENAI, false, "claude-sonnet-4-5"};
static const ask old = {&plain, MG_OP_CHAT, MG_FORMAT_OPENAI, false, "claude-3-5-haiku-20241022"};
static const ask both = {&plain, MG_OP_CHAT, MG_FORMAT_OPENAI, false, "claude-sonnet-4-6"};
static const ask opus = {&plain, MG_OP_CHAT, MG_FORMAT_OPENAI, false, "claude-opus-4-8"};
static const ask fable = {&plain, MG_OP_CHAT, MG_FORMAT_OPENAI, false, "claude-fable-5"};
static const ask counting = {&plain, MG_OP_COUNT_TOKENS, MG_FORMAT_OPENAI, false, "claude-sonnet-4-5"};
static const ask native = {&plain, MG_OP_CHAT, MG_FORMAT_ANTHROPIC, false, "m"};

static inline mg_status send(const ask *a, const char *body, sent *s, mg_buf *out, mg_error *error) {
    mg_provider_request r = {.operation = a->op, .format = a->format, .stream = a->stream, .want_usage = a->stream};
    r.model = mg_str_of(a->model);
    r.body = quoted(a->p, body);
    return provider_encode(a->p, &r, s, out, error);
}

/* Fails unless the body becomes `expected`, and these members, one a line, are reported as left out. */
static inline void becomes(const ask *a, const char *body, const char *expected, const char *dropped) {
    sent s;
    mg_buf out = {0};
    mg_error error = {0};
    if (send(a, body, &s, &out, &error) != MG_OK) fail_msg("%s: %s", body, error.text);
    mg_str want = quoted(a->p, expected);
    if (!mg_str_eq(mg_buf_view(&out), want))
        fail_msg("%s\nbecame %s\nnot    " MG_STR_FMT, body, out.p, MG_STR_ARG(want));
    assert_string_equal(s.dropped, dropped);
    mg_buf_finish(&out);
    mg_arena_reset(a->p->arena);
}

static inline void refuses(const ask *a, const char *body, const char *says) {
    sent s;
    mg_buf out = {0};
    mg_error error = {0};
    assert_int_equal(send(a, body, &s, &out, &error), MG_ERROR);
    assert_int_equal(error.http, 400);
    if (!strstr(error.text, says)) fail_msg("%s: '%s' does not say '%s'", body, error.text, says);
    mg_buf_finish(&out);
    mg_arena_reset(a->p->arena);
}

#define HEAD(model, max) "{'model':'" model "','max_tokens':" max ","
#define SONNET HEAD("claude-sonnet-4-5", "4096")
#define HI "'messages':[{'role':'user','content':[{'type':'text','text':'hi'}]}]"
#define ASK "'messages':[{'role':'user','content':'hi'}]"

/* What stands in for members: the request is ASK and `more`. */
static inline void adds(const ask *a, const char *more, const char *expected, const char *dropped) {
    char body[2048];
    snprintf(body, sizeof body, "{" ASK ",%s}", more);
    becomes(a, body, expected, dropped);
}

static inline void refuses_with(const ask *a, const char *more, const char *says) {
    char body[2048];
    snprintf(body, sizeof body, "{" ASK ",%s}", more);
    refuses(a, body, says);
}

/* `from` are canonical messages, `to` what stands between the head and the end. */
static inline void talks(const ask *a, const char *from, const char *to, const char *dropped) {
    char body[4096], expected[4096];
    snprintf(body, sizeof body, "{'messages':[%s]}", from);
    snprintf(expected, sizeof expected, HEAD("%s", "4096") "%s}", a->model, to);
    becomes(a, body, expected, dropped);
}

#endif
