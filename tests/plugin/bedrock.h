/* Requests to the bedrock provider, and what becomes of them. In tests that use this, ' stands for " in JSON. */
#ifndef TESTS_PLUGIN_BEDROCK_H
#define TESTS_PLUGIN_BEDROCK_H

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
    const char *model;
    mg_operation op;
    bool stream;
} ask;

static const ask sonnet = {&plain, "us.anthropic.claude-sonnet-4-5-20250929-v1:0", MG_OP_CHAT, false};
static const ask old = {&plain, "anthropic.claude-3-haiku-20240307-v1:0", MG_OP_CHAT, false};
static const ask both = {&plain, "anthropic.claude-sonnet-4-6", MG_OP_CHAT, false};
static const ask opus = {&plain, "global.anthropic.claude-opus-4-8", MG_OP_CHAT, false};
static const ask fable = {&plain, "anthropic.claude-fable-5", MG_OP_CHAT, false};
static const ask nova = {&plain, "amazon.nova-pro-v1:0", MG_OP_CHAT, false};
static const ask nova2 = {&plain, "us.amazon.nova-2-lite-v1:0", MG_OP_CHAT, false};
static const ask oss = {&plain, "openai.gpt-oss-120b-1:0", MG_OP_CHAT, false};
static const ask llama = {&plain, "us.meta.llama4-scout-17b-instruct-v1:0", MG_OP_CHAT, false};
static const ask counting = {&plain, "anthropic.claude-sonnet-4-5", MG_OP_COUNT_TOKENS, false};

static inline mg_status send(const ask *a, const char *body, sent *s, mg_buf *out, mg_error *error) {
    mg_provider_request r = {.operation = a->op, .stream = a->stream, .want_usage = a->stream};
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

#define HI "'messages':[{'role':'user','content':[{'text':'hi'}]}]"
#define ASK "'messages':[{'role':'user','content':'hi'}]"

/* The request is ASK and `more`, and becomes HI and `added`. */
static inline void adds(const ask *a, const char *more, const char *added, const char *dropped) {
    char body[2048], expected[2048];
    snprintf(body, sizeof body, "{" ASK ",%s}", more);
    snprintf(expected, sizeof expected, "{" HI "%s%s}", *added ? "," : "", added);
    becomes(a, body, expected, dropped);
}

static inline void refuses_with(const ask *a, const char *more, const char *says) {
    char body[2048];
    snprintf(body, sizeof body, "{" ASK ",%s}", more);
    refuses(a, body, says);
}

/* `from` are canonical messages, `to` all that is sent. */
static inline void talks(const ask *a, const char *from, const char *to, const char *dropped) {
    char body[4096], expected[4096];
    snprintf(body, sizeof body, "{'messages':[%s]}", from);
    snprintf(expected, sizeof expected, "{%s}", to);
    becomes(a, body, expected, dropped);
}

static inline void refuses_talk(const ask *a, const char *from, const char *says) {
    char body[4096];
    snprintf(body, sizeof body, "{'messages':[%s]}", from);
    refuses(a, body, says);
}

/* ---- settings ---------------------------------------------------------------------------------------------------- */

static inline void set_string(mg_setting_values *v, const char *key, const char *text) {
    mg_error error = {0};
    if (mg_setting_set(v, mg_str_of(key), mg_str_of(text), &error) != MG_OK) fail_msg("%s: %s", key, error.text);
}

static inline void set_keys(mg_setting_values *v) {
    set_string(v, "region", "us-east-1");
    set_string(v, "access_key_id", "AKIDEXAMPLE");
    set_string(v, "secret_access_key", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
}

#endif
