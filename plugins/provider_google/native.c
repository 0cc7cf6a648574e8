/* Requests in Gemini's own form: they go on as they came, but for what depends on where they go. */
#include "google.h"

static void splice(const google_encoder *e, size_t start, size_t end, mg_str text) {
    e->out->splice(e->out->ctx, start, end, text);
}

/* A member by its name in JSON, or by the field's own, which the API takes as well. */
static const mg_json *either(const google_encoder *e, const mg_json *object, const char *camel, const char *snake) {
    const mg_json *v = google_get(e->h, object, camel);
    return v ? v : google_get(e->h, object, snake);
}

/* Puts a member before all others of the object. */
static void insert(const google_encoder *e, const mg_json *object, mg_str member) {
    size_t start, end;
    google_buf b = {0};
    if (!e->h->json_span(object, &start, &end)) return;
    google_buf_add(&b, member);
    if (e->h->json_child(object)) google_buf_add(&b, STR(","));
    if (!b.failed) splice(e, start + 1, start + 1, google_buf_view(&b));
    google_buf_finish(&b);
}

typedef bool keeps(mg_str key);

/* Takes the members out that `keep` does not want, each with one comma: the one before it, or, for those that open the
 * object, the one behind. */
static void filter(const google_encoder *e, const mg_json *object, keeps *keep) {
    size_t kept = 0, open_start = 0, previous_end = 0, start, end;
    bool opening = false;
    for (const mg_json *m = e->h->json_child(object); m; m = e->h->json_next(m)) {
        if (!e->h->json_member_span(m, &start, &end)) continue;
        if (keep(e->h->json_key(m))) {
            if (opening) splice(e, open_start, start, STR(""));
            opening = false;
            kept++;
        } else if (kept) {
            splice(e, previous_end, end, STR(""));
        } else if (!opening) {
            opening = true;
            open_start = start;
        }
        previous_end = end;
    }
    if (opening) splice(e, open_start, previous_end, STR(""));
}

/* ---- what differs between the Gemini API and Vertex AI ----------------------------------------------------------- */

static bool is_no_model(mg_str key) { return !str_is(key, "model"); }
static bool is_no_id(mg_str key) { return !str_is(key, "id"); }

/* What Vertex AI's countTokens has in common with a request. */
static bool is_counted(mg_str key) {
    static const char *const names[] = {
        "contents", "tools", "systemInstruction", "system_instruction", "generationConfig", "generation_config"};
    for (size_t i = 0; i < COUNT(names); i++)
        if (str_is(key, names[i])) return true;
    return false;
}

/* The Gemini API wants the model's name again in some bodies; Vertex AI knows it from the path. */
static void model_adapt(const google_encoder *e, const mg_json *object, bool needed) {
    char name[GOOGLE_MODEL_MAX + 8];
    size_t start, end;
    google_buf b = {0};
    const mg_json *have = e->h->json_get(object, STR("model"));
    mg_str model = google_model_resource(e->target, e->r->model, name);
    if (e->target->vertex) {
        if (have) filter(e, object, is_no_model);
        return;
    }
    if (have ? str_eq(e->h->json_str(have), model) : !needed) return;
    if (!have) google_buf_add(&b, STR("\"model\":"));
    google_buf_json(&b, model);
    if (!b.failed && !have) insert(e, object, google_buf_view(&b));
    if (!b.failed && have && e->h->json_span(have, &start, &end)) splice(e, start, end, google_buf_view(&b));
    google_buf_finish(&b);
}

static void part_adapt(const google_encoder *e, const mg_json *part) {
    const mg_json *call = either(e, part, "functionCall", "function_call");
    if (!call) call = either(e, part, "functionResponse", "function_response");
    if (call && google_is(e->h, call, MG_JSON_OBJECT) && e->h->json_get(call, STR("id"))) filter(e, call, is_no_id);
}

/* Gemini 3 wants the first call of a step signed. Calls of another vendor's are not (calls.c). */
static void calls_sign(const google_encoder *e, const mg_json *content) {
    const mg_json *first = NULL;
    size_t start, end;
    for (const mg_json *p = e->h->json_child(google_get(e->h, content, "parts")); p; p = e->h->json_next(p)) {
        if (!google_is(e->h, p, MG_JSON_OBJECT) || !either(e, p, "functionCall", "function_call")) continue;
        if (either(e, p, "thoughtSignature", "thought_signature")) return;
        if (!first) first = p;
    }
    if (first && e->h->json_span(first, &start, &end))
        splice(e, end - 1, end - 1, STR(",\"thoughtSignature\":\"" GOOGLE_NO_SIGNATURE "\""));
}

static void signatures_adapt(const google_encoder *e) {
    if (google_model_thinking(e->r->model) != GOOGLE_THINKS_LEVEL) return;
    for (const mg_json *c = e->h->json_child(google_get(e->h, e->r->root, "contents")); c; c = e->h->json_next(c))
        calls_sign(e, c);
}

/* Vertex AI wants a role with each content, and its v1 knows no ids of calls. */
static void contents_adapt(const google_encoder *e, const mg_json *object) {
    if (!e->target->vertex) return;
    for (const mg_json *c = e->h->json_child(google_get(e->h, object, "contents")); c; c = e->h->json_next(c)) {
        if (!google_is(e->h, c, MG_JSON_OBJECT)) continue;
        if (!e->h->json_get(c, STR("role"))) insert(e, c, STR("\"role\":\"user\""));
        if (e->target->call_ids) continue;
        for (const mg_json *p = e->h->json_child(google_get(e->h, c, "parts")); p; p = e->h->json_next(p))
            part_adapt(e, p);
    }
}

/* The settings' own safety, for requests that say none; last, since others insert in front of the first member. */
static void safety_adapt(const google_encoder *e) {
    google_buf b = {0};
    size_t start, end;
    if (e->target->n_safety == 0 || either(e, e->r->root, "safetySettings", "safety_settings")) return;
    if (!e->h->json_span(e->r->root, &start, &end)) return;
    if (e->h->json_child(e->r->root)) google_buf_add(&b, STR(","));
    google_safety(e->target, &b);
    if (!b.failed) splice(e, end - 1, end - 1, google_buf_view(&b));
    google_buf_finish(&b);
}

/* ---- operations -------------------------------------------------------------------------------------------------- */

static mg_status path(const google_encoder *e, const char *method) {
    return google_model_path(e->target, e->r->model, method, e->out, e->error);
}

static mg_status chat_adapt(const google_encoder *e) {
    mg_status status = path(e, e->r->stream ? ":streamGenerateContent?alt=sse" : ":generateContent");
    if (status != MG_OK) return status;
    model_adapt(e, e->r->root, false);
    contents_adapt(e, e->r->root);
    signatures_adapt(e);
    safety_adapt(e);
    return MG_OK;
}

/* Vertex AI counts what stands at the top; there the inner request has to come out of its wrapping. */
static mg_status count_adapt(const google_encoder *e) {
    size_t start, end, inner_start, inner_end;
    const mg_json *inner = either(e, e->r->root, "generateContentRequest", "generate_content_request");
    mg_status status = path(e, ":countTokens");
    if (status != MG_OK) return status;
    if (!google_is(e->h, inner, MG_JSON_OBJECT)) {
        model_adapt(e, e->r->root, false);
        contents_adapt(e, e->r->root);
        return MG_OK;
    }
    if (!e->target->vertex) {
        model_adapt(e, inner, true);
        return MG_OK;
    }
    if (!e->h->json_span(e->r->root, &start, &end) || !e->h->json_span(inner, &inner_start, &inner_end)) return MG_OK;
    splice(e, start, inner_start, STR(""));
    splice(e, inner_end, end, STR(""));
    filter(e, inner, is_counted);
    contents_adapt(e, inner);
    return MG_OK;
}

/* Which of the two methods it was, the body tells: a batch has `requests`. */
static mg_status embeddings_adapt(const google_encoder *e) {
    if (e->target->vertex) return BAD(e->error, "Vertex AI has no such method for embeddings");
    const mg_json *batch = google_get(e->h, e->r->root, "requests");
    mg_status status = path(e, batch ? ":batchEmbedContents" : ":embedContent");
    if (status != MG_OK) return status;
    for (const mg_json *r = e->h->json_child(batch); r; r = e->h->json_next(r))
        if (google_is(e->h, r, MG_JSON_OBJECT)) model_adapt(e, r, true);
    if (!batch) model_adapt(e, e->r->root, false);
    return MG_OK;
}

mg_status google_native(const google_encoder *e) {
    if (!google_is(e->h, e->r->root, MG_JSON_OBJECT))
        return BAD(e->error, "the request's body has to be a JSON object");
    switch (e->r->operation) {
    case MG_OP_CHAT: return chat_adapt(e);
    case MG_OP_COUNT_TOKENS: return count_adapt(e);
    case MG_OP_EMBEDDINGS: return embeddings_adapt(e);
    default: return MG_DECLINED;
    }
}
