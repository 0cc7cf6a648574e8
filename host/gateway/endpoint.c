#include "gateway/endpoint.h"

#include "base/hash.h"

/* ---- OpenAI, Azure OpenAI ---------------------------------------------------------------------------------------- */

/* What follows /v1, or a deployment. */
static bool openai_route(mg_str path, mg_endpoint *out) {
    static const struct {
        const char *path;
        const mg_format *format;
        mg_operation operation;
        bool get;
    } routes[] = {{"/chat/completions", &mg_format_openai, MG_OP_CHAT, false},
                  {"/responses", &mg_format_responses, MG_OP_CHAT, false},
                  {"/responses/input_tokens", &mg_format_responses, MG_OP_COUNT_TOKENS, false},
                  {"/embeddings", &mg_format_openai, MG_OP_EMBEDDINGS, false},
                  {"/moderations", &mg_format_openai, MG_OP_MODERATIONS, false},
                  {"/models", &mg_format_openai, MG_OP_MODELS, true}};
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++)
        if (mg_str_is(path, routes[i].path)) {
            *out = (mg_endpoint){
                .format = routes[i].format, .operation = routes[i].operation, .get = routes[i].get, .known = true};
            return true;
        }
    if (!mg_str_starts(path, MG_STR("/models/")) || path.n == 8) return false;
    *out = (mg_endpoint){.format = &mg_format_openai,
                         .operation = MG_OP_MODELS,
                         .get = true,
                         .known = true,
                         .model = mg_str_skip(path, 8)};
    return true;
}

/* /deployments/NAME/chat/completions, /v1/…: what follows /openai. */
static bool azure_route(mg_str path, mg_endpoint *out) {
    if (mg_str_starts(path, MG_STR("/v1/"))) return openai_route(mg_str_skip(path, 3), out);
    if (!mg_str_starts(path, MG_STR("/deployments/"))) return openai_route(path, out);
    mg_str rest = mg_str_skip(path, 13);
    for (size_t n = 1; n < rest.n; n++) { /* clients do not escape the slashes of a name such as "anthropic/claude" */
        if (rest.p[n] != '/' || !openai_route(mg_str_skip(rest, n), out)) continue;
        if (out->get) return false;
        out->model = mg_str_from(rest.p, n);
        return true;
    }
    return false;
}

/* ---- Anthropic --------------------------------------------------------------------------------------------------- */

static bool anthropic_route(const mg_exchange *x, mg_str path, mg_endpoint *out) {
    bool messages = mg_str_is(path, "/messages"), count = mg_str_is(path, "/messages/count_tokens");
    if (messages || count) {
        *out = (mg_endpoint){
            .format = &mg_format_anthropic, .operation = count ? MG_OP_COUNT_TOKENS : MG_OP_CHAT, .known = true};
        return true;
    }
    if (!mg_str_starts(path, MG_STR("/models")) || !mg_exchange_header(x, MG_STR("anthropic-version")).n) return false;
    if (!openai_route(path, out)) return false;
    out->format = &mg_format_anthropic;
    return true;
}

/* ---- Gemini ------------------------------------------------------------------------------------------------------ */

/* models, models/ID, models/ID:ACTION: what follows the version; the id may hold slashes. Vercel's AI SDK leaves "models/" out
 * before a name that has a slash, so it may be missing before an action. */
static bool gemini_route(const mg_exchange *x, mg_str path, mg_endpoint *out) {
    static const struct {
        const char *name;
        mg_operation operation;
        bool stream;
    } actions[] = {{"generateContent", MG_OP_CHAT, false},
                   {"streamGenerateContent", MG_OP_CHAT, true},
                   {"countTokens", MG_OP_COUNT_TOKENS, false},
                   {"embedContent", MG_OP_EMBEDDINGS, false},
                   {"batchEmbedContents", MG_OP_EMBEDDINGS, false}};
    *out = (mg_endpoint){.format = &mg_format_gemini, .operation = MG_OP_MODELS, .get = true, .known = true};
    if (mg_str_is(path, "/models")) return true;
    bool listed = mg_str_starts(path, MG_STR("/models/"));
    if (!path.n || (listed && path.n == 8)) return false;
    out->model = mg_str_skip(path, listed ? 8 : 1);
    const char *colon = memrchr(out->model.p, ':', out->model.n);
    if (!colon) return listed;
    mg_str action = mg_str_skip(out->model, (size_t)(colon - out->model.p) + 1);
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
        if (!mg_str_is(action, actions[i].name)) continue;
        out->get = false;
        out->operation = actions[i].operation;
        out->stream = actions[i].stream;
        out->array = out->stream && !mg_str_is(mg_exchange_query(x, MG_STR("alt")), "sse");
        out->model.n = (size_t)(colon - out->model.p);
        return out->model.n > 0;
    }
    return false;
}

/* ---- all --------------------------------------------------------------------------------------------------------- */

mg_endpoint mg_endpoint_of(const mg_exchange *x) {
    mg_endpoint out = {.format = &mg_format_openai};
    mg_str path = x->path;
    if (mg_str_starts(path, MG_STR("/v1beta/"))) {
        out.known = gemini_route(x, mg_str_skip(path, 7), &out);
        return out;
    }
    if (mg_str_starts(path, MG_STR("/openai/"))) {
        out.known = azure_route(mg_str_skip(path, 7), &out);
        if (!out.format) out.format = &mg_format_openai;
        return out;
    }
    if (mg_str_starts(path, MG_STR("/v1/"))) path = mg_str_skip(path, 3);
    if (mg_str_starts(path, MG_STR("/models/")) && mg_str_is(x->method, "POST")) { /* Gemini's under /v1 */
        out.known = gemini_route(x, path, &out);
        return out;
    }
    if (anthropic_route(x, path, &out) || openai_route(path, &out)) return out;
    if (mg_str_starts(path, MG_STR("/messages"))) out.format = &mg_format_anthropic;
    out.known = false;
    return out;
}

mg_str mg_endpoint_unescape(mg_arena *arena, mg_str s) {
    if (mg_str_find(s, '%') == s.n) return s;
    char *p = mg_arena_alloc(arena, s.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        uint8_t byte;
        if (s.p[i] == '%' && i + 2 < s.n && mg_unhex(mg_str_from(s.p + i + 1, 2), &byte, 1)) {
            p[n++] = (char)byte;
            i += 2;
        } else {
            p[n++] = s.p[i];
        }
    }
    return mg_str_from(p, n);
}
