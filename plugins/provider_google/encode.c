/* Requests from the canonical form. */
#include <stdarg.h>
#include <stdio.h>

#include "google.h"

void put_raw(const google_encoder *e, const mg_json *v) {
    size_t start, end;
    if (e->h->json_span(v, &start, &end) && end <= e->r->body.n) put(e, (mg_str){e->r->body.p + start, end - start});
}

void google_drop(const google_encoder *e, const char *format, ...) {
    char name[256];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(name, sizeof name, format, args);
    va_end(args);
    e->out->drop(e->out->ctx, (mg_str){name, n < (int)sizeof name ? (size_t)n : sizeof name - 1});
}

void google_drop_others(const google_encoder *e, const mg_json *object, const char *const *known, const char *where) {
    for (const mg_json *m = e->h->json_child(object); m; m = e->h->json_next(m)) {
        mg_str key = e->h->json_key(m);
        const char *const *k = known;
        while (*k && !str_is(key, *k)) k++;
        if (*k || e->h->json_type(m) == MG_JSON_NULL) continue;
        if (!key.n) key = STR("\"\"");
        google_drop(e, "%s%s%.*s", where, *where ? "." : "", (int)(key.n > 100 ? 100 : key.n), key.p);
    }
}

/* ---- chat -------------------------------------------------------------------------------------------------------- */

/* What the other files take up. stream_options is moot: Gemini's streams always carry their usage. */
static const char *const taken[] = {
    "model",
    "messages",
    "stream",
    "stream_options",
    "temperature",
    "top_p",
    "top_k",
    "max_tokens",
    "n",
    "stop",
    "seed",
    "presence_penalty",
    "logprobs",
    "frequency_penalty",
    "top_logprobs",
    "response_format",
    "tools",
    "tool_choice",
    "functions",
    "function_call",
    "modalities",
    "reasoning_effort",
    "thinking",
    "safety_settings",
    "audio",
    "max_completion_tokens",
    "parallel_tool_calls",
    NULL,
};

void google_safety(const google_target *t, google_buf *out) {
    for (size_t i = 0; i < t->n_safety; i++) {
        google_buf_add(out, i ? STR(",{\"category\":") : STR("\"safetySettings\":[{\"category\":"));
        google_buf_json(out, t->safety[i].name);
        google_buf_add(out, STR(",\"threshold\":"));
        google_buf_json(out, t->safety[i].value);
        google_buf_add(out, STR("}"));
    }
    if (t->n_safety) google_buf_add(out, STR("]"));
}

static void safety(const google_encoder *e) {
    const mg_json *asked = google_get(e->h, e->r->root, "safety_settings");
    if (asked) {
        PUT(e, ",\"safetySettings\":");
        put_raw(e, asked);
        return;
    }
    google_buf b = {0};
    google_safety(e->target, &b);
    if (b.n && !b.failed) {
        PUT(e, ",");
        put(e, google_buf_view(&b));
    }
    google_buf_finish(&b);
}

/* The members of a request behind its opening brace. Vertex AI's countTokens takes fewer of them. */
static mg_status members(const google_encoder *e, bool all) {
    bool parallel = e->h->json_bool(google_get(e->h, e->r->root, "parallel_tool_calls"), true);
    google_drop_others(e, e->r->root, taken, "");
    if (!parallel)
        google_drop(e, "parallel_tool_calls"); /* Gemini has no such switch; the client may well get several */
    mg_status status = google_contents(e);
    if (status == MG_OK) status = google_tools(e);
    if (status == MG_OK && all) safety(e);
    if (status == MG_OK) status = google_generation(e);
    return status;
}

static mg_status chat_put(const google_encoder *e) {
    PUT(e, "{");
    mg_status status = members(e, true);
    PUT(e, "}");
    return status;
}

/* The Gemini API counts a whole request only inside another one, which has to name the model again. */
static mg_status count_put(const google_encoder *e) {
    char model[GOOGLE_MODEL_MAX + 8];
    if (e->target->vertex) {
        PUT(e, "{");
    } else {
        PUT(e, "{\"generateContentRequest\":{\"model\":");
        put_text(e, google_model_resource(e->target, e->r->model, model));
        PUT(e, ",");
    }
    mg_status status = members(e, !e->target->vertex);
    if (e->target->vertex)
        PUT(e, "}");
    else
        PUT(e, "}}");
    return status;
}

mg_status google_encode(const google_encoder *e) {
    bool count = e->r->operation == MG_OP_COUNT_TOKENS;
    const char *chat_method = e->r->stream ? ":streamGenerateContent?alt=sse" : ":generateContent";
    if (!google_is(e->h, e->r->root, MG_JSON_OBJECT))
        return BAD(e->error, "the request's body has to be a JSON object");
    if (e->r->operation == MG_OP_EMBEDDINGS) return google_embeddings(e);
    mg_status status =
        google_model_path(e->target, e->r->model, count ? ":countTokens" : chat_method, e->out, e->error);
    if (status != MG_OK) return status;
    return count ? count_put(e) : chat_put(e);
}
