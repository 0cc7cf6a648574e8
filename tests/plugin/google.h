/* Requests to the google provider, as its tests ask for them. */
#ifndef TESTS_PLUGIN_GOOGLE_H
#define TESTS_PLUGIN_GOOGLE_H

#include "provider.h"

static provider gemini; /* the Gemini API */
static provider vertex; /* Vertex AI, v1 */

static inline void set(mg_setting_values *v, const char *key, const char *value) {
    mg_error error;
    if (mg_setting_set(v, mg_str_of(key), mg_str_of(value), &error) != MG_OK) fail_msg("%s", error.text);
}

static inline void vertex_set(mg_setting_values *v) {
    mg_error error;
    set(v, "project", "p-1");
    set(v, "location", "us-central1");
    mg_setting_add(v, MG_STR("safety_settings"), MG_STR("HARM_CATEGORY_HARASSMENT"), MG_STR("OFF"), &error);
    mg_setting_add(v, MG_STR("safety_settings"), MG_STR("HARM_CATEGORY_HATE_SPEECH"), MG_STR("BLOCK_NONE"), &error);
}

static inline int setup(void **state) {
    (void)state;
    provider_open(&gemini, "google", NULL);
    provider_open(&vertex, "google", vertex_set);
    return 0;
}

static inline int teardown(void **state) {
    (void)state;
    provider_close(&gemini);
    provider_close(&vertex);
    return 0;
}

typedef struct ask {
    provider *p;
    mg_operation op;
    mg_format_id format;
    const char *model;
    bool stream;
    sent sent;
    mg_buf out;
    mg_error error;
} ask;

static inline mg_status asked(ask *a, const char *body) {
    mg_provider_request r = {
        .operation = a->op, .format = a->format, .model = mg_str_of(a->model), .stream = a->stream};
    r.body = mg_str_of(body);
    mg_status status = provider_encode(a->p, &r, &a->sent, &a->out, &a->error);
    mg_arena_reset(a->p->arena);
    return status;
}

static inline void becomes(ask a, const char *body, const char *expected, const char *dropped) {
    if (asked(&a, body) != MG_OK) fail_msg("%s: %s", body, a.error.text);
    assert_string_equal(a.out.p, expected);
    assert_string_equal(a.sent.dropped, dropped);
    mg_buf_finish(&a.out);
}

/* Chat in the canonical form; gemini-2.5-flash unless said. */
static inline ask chat(const char *model) { return (ask){.p = &gemini, .model = model ? model : "gemini-2.5-flash"}; }

static inline void refused(ask a, const char *body, const char *part) {
    assert_int_equal(asked(&a, body), MG_ERROR);
    assert_int_equal(a.error.http, 400);
    if (!strstr(a.error.text, part)) fail_msg("%s lacks: %s", a.error.text, part);
    mg_buf_finish(&a.out);
}

#define HI "{\"role\":\"user\",\"content\":\"Hi\"}"
#define HI_OUT "{\"role\":\"user\",\"parts\":[{\"text\":\"Hi\"}]}"
#define ASK(more) "{\"model\":\"x\",\"messages\":[" HI "]" more "}"
#define GETS(more) "{\"contents\":[" HI_OUT "]" more "}"

static inline void path_is(ask a, const char *body, const char *path) {
    if (asked(&a, body) != MG_OK) fail_msg("%s", a.error.text);
    assert_string_equal(a.sent.method, "POST");
    assert_string_equal(a.sent.path, path);
    mg_buf_finish(&a.out);
}

#endif
