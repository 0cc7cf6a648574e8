/* Gemini's requests in the canonical form: the frame, the generation config, and embeddings. */
#include "format/gemini.h"
#include <stdio.h>

void mg_gemini_drop(const mg_gemini_canon *c, const char *format, ...) {
    char name[160];
    va_list args;
    if (!c->drop) return;
    va_start(args, format);
    int n = vsnprintf(name, sizeof name, format, args);
    va_end(args);
    if (n > 0) c->drop(c->arg, mg_str_of(name));
}

static void raw_pair(const mg_gemini_canon *c, const char *name, const mg_json *v) {
    mg_gemini_key(c->out, name);
    mg_gemini_raw(c->out, mg_gemini_source(c->source, v));
}

/* ---- generationConfig ------------------------------------------------------------------------------------------------------ */

static mg_status response_format(const mg_gemini_canon *c, const mg_json *config) {
    const mg_json *schema = mg_gemini_get(config, "responseSchema");
    const mg_json *json_schema = mg_gemini_get(config, "responseJsonSchema");
    if (!json_schema) json_schema = mg_gemini_get(config, "_responseJsonSchema");
    mg_str mime = mg_gemini_text(config, "responseMimeType");
    bool json = mg_str_is(mime, "application/json") || (!mime.n && (schema || json_schema));
    if (!json && mime.n && !mg_str_is(mime, "text/plain"))
        return mg_fail(c->error, 400, "unsupported_parameter",
                       "'generationConfig.responseMimeType' is '%.*s': only text/plain and application/json can be "
                       "asked of a model that is not Gemini's.",
                       (int)(mime.n < 60 ? mime.n : 60), mime.p);
    if (!json) return MG_OK;
    mg_gemini_key(c->out, "response_format");
    if (!schema && !json_schema) {
        mg_buf_str(c->out, MG_STR("{\"type\":\"json_object\"}"));
        return MG_OK;
    }
    mg_buf_str(c->out, MG_STR("{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"response\",\"schema\":"));
    if (json_schema)
        mg_gemini_raw(c->out, mg_gemini_source(c->source, json_schema));
    else
        mg_gemini_schema(c, c->out, schema);
    mg_buf_str(c->out, MG_STR("}}"));
    return MG_OK;
}

/* A budget of 0 turns thinking off, -1 leaves it to the model. Thoughts are only shown if asked for, so a request for them
 * alone means thinking as the model sees fit. */
static void thinking(const mg_gemini_canon *c, const mg_json *config) {
    static const char *const levels[] = {"", "LOW", "MEDIUM", "HIGH", "MINIMAL"};
    static const char *const efforts[][2] = {
        {"MINIMAL", "minimal"}, {"LOW", "low"}, {"MEDIUM", "medium"}, {"HIGH", "high"}};
    const mg_json *budget = mg_gemini_get(config, "thinkingBudget"),
                  *include = mg_gemini_get(config, "includeThoughts");
    mg_str level = mg_gemini_enum(mg_gemini_get(config, "thinkingLevel"), levels, 5);
    const char *effort = NULL;
    for (size_t i = 0; i < sizeof efforts / sizeof efforts[0]; i++)
        if (mg_str_ieq(level, mg_str_of(efforts[i][0]))) effort = efforts[i][1];
    if (effort) mg_gemini_pair(c->out, "reasoning_effort", mg_str_of(effort));
    if (!budget && !include) return;
    int64_t tokens = mg_gemini_int(budget, -1);
    mg_gemini_key(c->out, "thinking");
    mg_buf_str(c->out, MG_STR("{"));
    if (budget && tokens == 0)
        mg_gemini_pair(c->out, "type", MG_STR("disabled"));
    else if (budget && tokens > 0)
        mg_gemini_pair(c->out, "type", MG_STR("enabled"));
    else if (budget || (!effort && mg_json_bool(include, false)))
        mg_gemini_pair(c->out, "type", MG_STR("adaptive"));
    if (tokens > 0) mg_gemini_pair_int(c->out, "budget_tokens", tokens);
    if (include) raw_pair(c, "include", include);
    mg_buf_str(c->out, MG_STR("}"));
}

/* Text alone is what every model answers with, and not worth a word. */
static void modalities(const mg_gemini_canon *c, const mg_json *list) {
    static const char *const names[] = {"", "TEXT", "IMAGE", "AUDIO"};
    bool more = false;
    for (const mg_json *m = mg_gemini_first(list); m; m = mg_gemini_next(list, m))
        more = more || !mg_str_ieq(mg_gemini_enum(m, names, 4), MG_STR("TEXT"));
    if (!more) return;
    mg_gemini_key(c->out, "modalities");
    mg_buf_str(c->out, MG_STR("["));
    for (const mg_json *m = mg_gemini_first(list); m; m = mg_gemini_next(list, m)) {
        mg_str name = mg_gemini_enum(m, names, 4);
        mg_gemini_comma(c->out);
        mg_buf_str(c->out, MG_STR("\""));
        for (size_t i = 0; i < name.n; i++) {
            char letter = name.p[i] >= 'A' && name.p[i] <= 'Z' ? (char)(name.p[i] + 32) : name.p[i];
            mg_buf_json_raw(c->out, mg_str_from(&letter, 1));
        }
        mg_buf_str(c->out, MG_STR("\""));
    }
    mg_buf_str(c->out, MG_STR("]"));
}

static void strings(const mg_gemini_canon *c, const char *name, const mg_json *list) {
    if (!mg_gemini_first(list)) return;
    mg_gemini_key(c->out, name);
    mg_buf_str(c->out, MG_STR("["));
    for (const mg_json *v = mg_gemini_first(list); v; v = mg_gemini_next(list, v)) {
        mg_gemini_comma(c->out);
        mg_buf_json(c->out, mg_json_text(v));
    }
    mg_buf_str(c->out, MG_STR("]"));
}

/* Integers may stand in strings here, but not in OpenAI's form. */
static void number(const mg_gemini_canon *c, const char *name, const mg_json *v) {
    if (v->type == MG_JSON_STRING)
        mg_gemini_pair_int(c->out, name, mg_gemini_int(v, 0));
    else
        raw_pair(c, name, v);
}

static bool simple_setting(const mg_gemini_canon *c, const mg_json *m) {
    static const struct {
        const char *gemini, *openai;
    } names[] = {{"temperature", "temperature"},
                 {"topP", "top_p"},
                 {"topK", "top_k"},
                 {"seed", "seed"},
                 {"candidateCount", "n"},
                 {"maxOutputTokens", "max_completion_tokens"},
                 {"presencePenalty", "presence_penalty"},
                 {"frequencyPenalty", "frequency_penalty"}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (!mg_gemini_named(m->key, names[i].gemini)) continue;
        number(c, names[i].openai, m);
        return true;
    }
    return false;
}

static void setting(const mg_gemini_canon *c, const mg_json *m) {
    if (simple_setting(c, m)) return;
    if (mg_gemini_named(m->key, "stopSequences")) {
        strings(c, "stop", m);
    } else if (mg_gemini_named(m->key, "responseLogprobs")) {
        raw_pair(c, "logprobs", m);
    } else if (mg_gemini_named(m->key, "logprobs")) {
        number(c, "top_logprobs", m);
    } else if (mg_gemini_named(m->key, "responseModalities")) {
        modalities(c, m);
    } else if (mg_gemini_named(m->key, "thinkingConfig")) {
        thinking(c, m);
    } else if (!mg_gemini_named(m->key, "responseMimeType") && !mg_gemini_named(m->key, "responseSchema") &&
               !mg_gemini_named(m->key, "responseJsonSchema") && !mg_str_is(m->key, "_responseJsonSchema")) {
        mg_gemini_drop(c, "generationConfig.%.*s", (int)(m->key.n < 100 ? m->key.n : 100), m->key.p);
    }
}

mg_status mg_gemini_config(const mg_gemini_canon *c, const mg_json *config) {
    for (const mg_json *m = mg_json_kind(config) == MG_JSON_OBJECT ? config->child : NULL; m; m = m->next)
        if (m->type != MG_JSON_NULL) setting(c, m);
    return response_format(c, config);
}

/* ---- generateContent --------------------------------------------------------------------------------------------------------- */

static void service_tier(const mg_gemini_canon *c, const mg_json *v) {
    mg_str tier = mg_json_text(v);
    mg_str name = mg_str_ieq(tier, MG_STR("flex"))       ? MG_STR("flex")
                  : mg_str_ieq(tier, MG_STR("priority")) ? MG_STR("priority")
                  : mg_str_ieq(tier, MG_STR("standard")) ? MG_STR("default")
                                                         : MG_STR("");
    if (name.n)
        mg_gemini_pair(c->out, "service_tier", name);
    else
        mg_gemini_drop(c, "serviceTier");
}

static bool handled_elsewhere(mg_str key) {
    static const char *const names[] = {"model", "contents",   "systemInstruction",
                                        "tools", "toolConfig", "generationConfig"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (mg_gemini_named(key, names[i])) return true;
    return false;
}

/* A cache and a screening template live at Google: without them the answer would be another. */
static mg_status root_member(const mg_gemini_canon *c, const mg_json *m) {
    if (handled_elsewhere(m->key)) return MG_OK;
    if (mg_gemini_named(m->key, "cachedContent"))
        return mg_fail(c->error, 400, "unsupported_parameter",
                       "'cachedContent' names a cache at Google, which only Gemini's models can read: send the "
                       "content itself.");
    if (mg_gemini_named(m->key, "modelArmorConfig"))
        return mg_fail(c->error, 400, "unsupported_parameter",
                       "'modelArmorConfig' asks for a screening by Google, which only Gemini's models go through.");
    if (mg_gemini_named(m->key, "safetySettings") && m->type == MG_JSON_ARRAY)
        raw_pair(c, "safety_settings", m);
    else if (mg_gemini_named(m->key, "labels"))
        raw_pair(c, "metadata", m);
    else if (mg_gemini_named(m->key, "serviceTier"))
        service_tier(c, m);
    else
        mg_gemini_drop(c, "%.*s", (int)(m->key.n < 100 ? m->key.n : 100), m->key.p);
    return MG_OK;
}

static mg_status chat(const mg_gemini_canon *c, const mg_json *request) {
    if (mg_gemini_messages(c, request) != MG_OK || mg_gemini_tools(c, request) != MG_OK) return MG_ERROR;
    for (const mg_json *m = request->child; m; m = m->next)
        if (m->type != MG_JSON_NULL && root_member(c, m) != MG_OK) return MG_ERROR;
    return mg_gemini_config(c, mg_gemini_get(request, "generationConfig"));
}

/* ---- embeddings ---------------------------------------------------------------------------------------------------------------- */

/* The texts of a content become one input, as the API embeds them as one. */
static mg_status input(const mg_gemini_canon *c, const mg_json *request) {
    const mg_json *parts = mg_gemini_get(mg_gemini_get(request, "content"), "parts");
    bool first = true;
    mg_gemini_comma(c->out);
    mg_buf_str(c->out, MG_STR("\""));
    for (const mg_json *p = mg_gemini_first(parts); p; p = mg_gemini_next(parts, p), first = false) {
        const mg_json *text = mg_gemini_get(p, "text");
        if (mg_json_kind(text) != MG_JSON_STRING)
            return mg_fail(c->error, 400, "unsupported_parameter",
                           "'content.parts' holds something else than text, which only Gemini's models embed.");
        if (!first) mg_buf_str(c->out, MG_STR("\\n"));
        mg_buf_json_raw(c->out, text->str);
    }
    mg_buf_str(c->out, MG_STR("\""));
    return MG_OK;
}

static const char *const hints[] = {"taskType", "title"};

static mg_status embeddings(const mg_gemini_canon *c, const mg_json *root) {
    const mg_json *requests = mg_gemini_get(root, "requests"), *list = requests ? requests : root;
    int64_t dimensions = -2;
    mg_gemini_key(c->out, "input");
    mg_buf_str(c->out, MG_STR("["));
    for (const mg_json *r = mg_gemini_first(list); r; r = mg_gemini_next(list, r)) {
        int64_t wanted = mg_gemini_int(mg_gemini_get(r, "outputDimensionality"), -1);
        if (dimensions != -2 && wanted != dimensions)
            return mg_fail(c->error, 400, "unsupported_parameter",
                           "'requests' ask for different values of outputDimensionality, which only Gemini's models "
                           "answer at once: send them apart.");
        dimensions = wanted;
        for (size_t i = 0; i < sizeof hints / sizeof hints[0]; i++)
            if (mg_gemini_get(r, hints[i])) mg_gemini_drop(c, "%s%s", requests ? "requests." : "", hints[i]);
        if (input(c, r) != MG_OK) return MG_ERROR;
    }
    mg_buf_str(c->out, MG_STR("]"));
    if (dimensions > 0) mg_gemini_pair_int(c->out, "dimensions", dimensions);
    return MG_OK;
}

/* ---- the whole ------------------------------------------------------------------------------------------------------------------- */

mg_status mg_gemini_canonical(mg_operation op, const mg_json *root, mg_str source, mg_str model, bool stream,
                              mg_buf *out, void (*drop)(void *arg, mg_str member), void *arg, mg_error *error) {
    const mg_gemini_canon c = {mg_arena_create(4096), source, out, drop, arg, error};
    size_t before = out->n;
    mg_buf_str(out, MG_STR("{"));
    mg_gemini_pair(out, "model", model);
    if (stream) mg_buf_str(out, MG_STR(",\"stream\":true"));
    mg_status st = op == MG_OP_EMBEDDINGS ? embeddings(&c, root) : chat(&c, mg_gemini_request(op, root));
    mg_buf_str(out, MG_STR("}"));
    mg_arena_destroy(c.arena);
    if (st == MG_OK && out->over)
        st = mg_fail(error, 413, "request_too_large", "The request is too large for this gateway.");
    if (st != MG_OK) out->n = before;
    return st;
}
