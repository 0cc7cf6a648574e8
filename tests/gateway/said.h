/* Events that are kept, and what an answer said in them, for comparing two answers. */
#ifndef TESTS_GATEWAY_SAID_H
#define TESTS_GATEWAY_SAID_H

#include "translate.h"

typedef struct said {
    mg_arena *arena;
    mg_event *v;
    size_t n, cap;
} said;

static inline mg_str kept(said *s, mg_str text) { return text.n ? mg_arena_dup(s->arena, text) : (mg_str){0}; }

static inline void said_event(void *ctx, const mg_event *e) {
    said *s = ctx;
    assert_int_equal(e->size, sizeof *e);
    if (s->n == s->cap) {
        size_t cap = s->cap ? 2 * s->cap : 64;
        mg_event *v = mg_arena_alloc(s->arena, cap * sizeof *v);
        if (s->n) memcpy(v, s->v, s->n * sizeof *v);
        s->v = v;
        s->cap = cap;
    }
    mg_event *own = &s->v[s->n++];
    *own = *e;
    own->text = kept(s, e->text);
    own->name = kept(s, e->name);
    own->id = kept(s, e->id);
    if (e->usage) own->usage = memcpy(MG_ARENA_NEW(s->arena, mg_usage), e->usage, sizeof *e->usage);
}

static inline int said_count(const said *s, mg_event_type type) {
    int n = 0;
    for (size_t i = 0; i < s->n; i++) n += s->v[i].type == type && (type != MG_EVENT_TEXT || s->v[i].text.n);
    return n;
}

static inline int64_t said_choices(const said *s) {
    int64_t n = 0;
    for (size_t i = 0; i < s->n; i++)
        if (s->v[i].choice >= n) n = s->v[i].choice + 1;
    return n;
}

static inline const mg_usage *said_usage(const said *s) {
    const mg_usage *u = NULL;
    for (size_t i = 0; i < s->n; i++)
        if (s->v[i].type == MG_EVENT_USAGE) u = s->v[i].usage;
    return u;
}

static inline mg_str said_finish(const said *s, int64_t choice) {
    mg_str reason = {0};
    for (size_t i = 0; i < s->n; i++)
        if (s->v[i].type == MG_EVENT_FINISH && s->v[i].choice == choice) reason = s->v[i].text;
    return reason;
}

/* All pieces of a kind, joined. */
static inline void said_text(const said *s, mg_event_type type, int64_t choice, mg_buf *out) {
    mg_buf_clear(out);
    for (size_t i = 0; i < s->n; i++)
        if (s->v[i].type == type && s->v[i].choice == choice) mg_buf_str(out, s->v[i].text);
}

/* A value without its spaces; texts and numbers as they are. */
static inline void json_compact(const mg_json *v, mg_buf *out) {
    bool object = v->type == MG_JSON_OBJECT, list = v->type == MG_JSON_ARRAY;
    if (v->type == MG_JSON_STRING) mg_buf_json(out, v->str);
    if (v->type == MG_JSON_NUMBER) mg_buf_str(out, v->str);
    if (v->type == MG_JSON_BOOL) mg_buf_str(out, v->truth ? MG_STR("true") : MG_STR("false"));
    if (v->type == MG_JSON_NULL) mg_buf_str(out, MG_STR("null"));
    if (!object && !list) return;
    mg_buf_add(out, object ? "{" : "[", 1);
    for (const mg_json *c = v->child; c; c = c->next) {
        if (c != v->child) mg_buf_str(out, MG_STR(","));
        if (object) mg_buf_json(out, c->key);
        if (object) mg_buf_str(out, MG_STR(":"));
        json_compact(c, out);
    }
    mg_buf_add(out, object ? "}" : "]", 1);
}

/* Arguments that are no JSON stay what they are; none are an empty object. */
static inline void call_close(mg_buf *arguments, mg_buf *out) {
    provider *p = &vendors[0];
    mg_str text = mg_str_trim(mg_buf_view(arguments));
    const mg_json *v = provider_json(p, text);
    if (v)
        json_compact(v, out);
    else
        mg_buf_str(out, text.n ? text : MG_STR("{}"));
    mg_buf_str(out, MG_STR(")\n"));
    mg_buf_clear(arguments);
}

static inline bool is_first_piece(const said *s, size_t i) {
    for (size_t j = 0; j < i; j++)
        if (s->v[j].type == MG_EVENT_TOOL && s->v[j].index == s->v[i].index && s->v[j].choice == s->v[i].choice)
            return false;
    return true;
}

/* "name(arguments)" of each call, a line each. */
static inline void said_calls(const said *s, int64_t choice, mg_buf *out) {
    mg_buf arguments = {0};
    mg_buf_clear(out);
    for (size_t i = 0; i < s->n; i++) {
        if (s->v[i].type != MG_EVENT_TOOL || s->v[i].choice != choice || !is_first_piece(s, i)) continue;
        mg_str name = {0};
        for (size_t j = i; j < s->n; j++) {
            if (s->v[j].type != MG_EVENT_TOOL || s->v[j].choice != choice || s->v[j].index != s->v[i].index) continue;
            if (!name.n) name = s->v[j].name;
            mg_buf_str(&arguments, s->v[j].text);
        }
        mg_buf_str(out, name);
        mg_buf_str(out, MG_STR("("));
        call_close(&arguments, out);
    }
    mg_buf_finish(&arguments);
}

#endif
