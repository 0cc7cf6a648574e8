/* Schemas of answers. Anthropic takes only objects that are closed; other vendors' clients (Gemini's have no such member)
 * leave that unsaid. */
#include "encoder.h"

typedef struct closer {
    const anthropic_encoder *e;
    size_t at; /* the body's bytes before it are written */
} closer;

static bool named(mg_str key, const char *const *names) {
    for (; *names; names++)
        if (str_is(key, *names)) return true;
    return false;
}

static bool is_object(const closer *c, const mg_json *schema) {
    const mg_host *h = c->e->h;
    const mg_json *type = anthropic_get(h, schema, "type");
    if (anthropic_void(h, type)) return anthropic_is(h, anthropic_get(h, schema, "properties"), MG_JSON_OBJECT);
    if (str_is(h->json_str(type), "object")) return true;
    if (!anthropic_is(h, type, MG_JSON_ARRAY)) return false;
    for (const mg_json *v = h->json_child(type); v; v = h->json_next(v))
        if (str_is(h->json_str(v), "object")) return true;
    return false;
}

static void upto(closer *c, size_t end) {
    put_str(c->e, (mg_str){c->e->request->body.p + c->at, end - c->at});
    c->at = end;
}

static void schema_close(closer *c, const mg_json *schema) {
    static const char *const one[] = {"items", "additionalProperties", NULL};
    static const char *const many[] = {"properties", "$defs", "definitions", "anyOf", "oneOf", "allOf", "prefixItems",
                                       NULL};
    const mg_host *h = c->e->h;
    size_t start, end;
    if (!anthropic_is(h, schema, MG_JSON_OBJECT)) return;
    for (const mg_json *v = h->json_child(schema); v; v = h->json_next(v)) {
        mg_str key = h->json_key(v);
        if (named(key, one)) schema_close(c, v);
        if (!named(key, many)) continue;
        for (const mg_json *inner = h->json_child(v); inner; inner = h->json_next(inner)) schema_close(c, inner);
    }
    if (!is_object(c, schema) || anthropic_get(h, schema, "additionalProperties")) return;
    if (!h->json_span(schema, &start, &end) || end > c->e->request->body.n || end - 1 < c->at) return;
    upto(c, end - 1);
    put(c->e, ",\"additionalProperties\":false");
}

void closed_schema_put(const anthropic_encoder *e, const mg_json *schema) {
    closer c = {.e = e};
    size_t end;
    if (!e->h->json_span(schema, &c.at, &end) || end > e->request->body.n) return;
    schema_close(&c, schema);
    upto(&c, end);
}
