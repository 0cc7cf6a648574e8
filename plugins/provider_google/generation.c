/* generationConfig: how the answer is made. */
#include "google.h"

typedef struct config {
    const google_encoder *e;
    bool open;
} config;

static const mg_json *root_get(const config *c, const char *key) { return google_get(c->e->h, c->e->r->root, key); }

/* Opens the object with its first member, so that an empty one is not sent. */
static void member_put(config *c, const char *key) {
    if (c->open)
        PUT(c->e, ",");
    else
        PUT(c->e, ",\"generationConfig\":{");
    c->open = true;
    put_text(c->e, str_of(key));
    PUT(c->e, ":");
}

/* ---- members that only have another name ------------------------------------------------------------------------- */

static void copies_put(config *c) {
    static const char *const names[][2] = {
        {"temperature", "temperature"},
        {"top_p", "topP"},
        {"top_k", "topK"},
        {"n", "candidateCount"},
        {"seed", "seed"},
        {"presence_penalty", "presencePenalty"},
        {"frequency_penalty", "frequencyPenalty"},
        {"logprobs", "responseLogprobs"},
        {"top_logprobs", "logprobs"},
    };
    for (size_t i = 0; i < COUNT(names); i++) {
        const mg_json *v = root_get(c, names[i][0]);
        if (!v) continue;
        member_put(c, names[i][1]);
        put_raw(c->e, v);
    }
    const mg_json *most = root_get(c, "max_completion_tokens");
    if (!most) most = root_get(c, "max_tokens");
    if (!most) return;
    member_put(c, "maxOutputTokens");
    put_raw(c->e, most);
}

static void stop_put(config *c) {
    const mg_json *stop = root_get(c, "stop");
    if (!stop || (google_is(c->e->h, stop, MG_JSON_ARRAY) && !c->e->h->json_child(stop))) return;
    bool one = google_is(c->e->h, stop, MG_JSON_STRING);
    member_put(c, "stopSequences");
    if (one) PUT(c->e, "[");
    put_raw(c->e, stop);
    if (one) PUT(c->e, "]");
}

/* ---- the answer's form ------------------------------------------------------------------------------------------- */

/* `responseJsonSchema` takes JSON Schema; `responseSchema` only a subset of OpenAPI's. */
static mg_status format_put(config *c) {
    const mg_json *format = root_get(c, "response_format");
    mg_str type = google_text(c->e->h, format, "type");
    if (!format || str_is(type, "text")) return MG_OK;
    bool schema = str_is(type, "json_schema");
    if (!schema && !str_is(type, "json_object"))
        return BAD(c->e->error, "response_format.type has to be text, json_object or json_schema for Gemini");
    member_put(c, "responseMimeType");
    PUT(c->e, "\"application/json\"");
    const mg_json *wanted = google_get(c->e->h, google_get(c->e->h, format, "json_schema"), "schema");
    if (schema && wanted) {
        member_put(c, "responseJsonSchema");
        put_raw(c->e, wanted);
    }
    return MG_OK;
}

static mg_status modalities_put(config *c) {
    static const char *const names[][2] = {
        {"text", "TEXT"}, {"audio", "AUDIO"}, {"image", "IMAGE"}, {"video", "VIDEO"}};
    const mg_json *list = root_get(c, "modalities");
    if (!list || !c->e->h->json_child(list)) return MG_OK;
    member_put(c, "responseModalities");
    for (const mg_json *m = c->e->h->json_child(list); m; m = c->e->h->json_next(m)) {
        size_t i = 0;
        while (i < COUNT(names) && !str_is(c->e->h->json_str(m), names[i][0])) i++;
        if (i == COUNT(names)) return BAD(c->e->error, "modalities: Gemini answers with text, audio, image or video");
        put(c->e, m == c->e->h->json_child(list) ? STR("[") : STR(","));
        put_text(c->e, str_of(names[i][1]));
    }
    PUT(c->e, "]");
    return MG_OK;
}

/* Voices are Gemini's own: a name that it does not know, it refuses. Its sound has one format only. */
static void voice_put(config *c) {
    const mg_json *audio = root_get(c, "audio");
    mg_str voice = google_text(c->e->h, audio, "voice");
    static const char *const known[] = {"voice", NULL};
    google_drop_others(c->e, audio, known, "audio");
    if (!voice.n) return;
    member_put(c, "speechConfig");
    PUT(c->e, "{\"voiceConfig\":{\"prebuiltVoiceConfig\":{\"voiceName\":");
    put_text(c->e, voice);
    PUT(c->e, "}}}");
}

/* ---- thinking ---------------------------------------------------------------------------------------------------- */

/* How much to think: a budget (tokens; -1: as the model likes), a level, or neither. */
typedef struct depth {
    bool has_budget;
    int64_t budget;
    const char *level;
} depth;

/* Gemini 2.5 has budgets; those for efforts are what Google's own OpenAI endpoint takes. Pro can't stop thinking:
 * 128 is its least. */
static depth budget_of(mg_str effort, bool pro) {
    static const struct {
        const char *effort;
        int64_t budget;
    } budgets[] = {{"minimal", 1024}, {"low", 1024}, {"medium", 8192}, {"high", 24576}, {"xhigh", 24576}};
    for (size_t i = 0; i < COUNT(budgets); i++)
        if (str_is(effort, budgets[i].effort)) return (depth){true, budgets[i].budget, NULL};
    if (str_is(effort, "none")) return (depth){true, pro ? 128 : 0, NULL};
    return (depth){false, 0, NULL};
}

/* Gemini 3 has levels, and always thinks a little. Pro has no MINIMAL, and the first Pro no MEDIUM. */
static depth level_of(mg_str effort, bool pro, bool first_pro) {
    if (str_is(effort, "none") || str_is(effort, "minimal")) return (depth){false, 0, pro ? "LOW" : "MINIMAL"};
    if (str_is(effort, "low")) return (depth){false, 0, "LOW"};
    if (str_is(effort, "medium")) return (depth){false, 0, first_pro ? "HIGH" : "MEDIUM"};
    if (str_is(effort, "high") || str_is(effort, "xhigh")) return (depth){false, 0, "HIGH"};
    return (depth){false, 0, NULL};
}

/* The budget holds where both are given: it is the more exact one. */
static depth depth_of(const config *c, const mg_json *thinking, mg_str effort) {
    mg_str type = google_text(c->e->h, thinking, "type"), model = c->e->r->model;
    int64_t budget = c->e->h->json_int(google_get(c->e->h, thinking, "budget_tokens"), -1);
    bool levels = c->e->thinking == GOOGLE_THINKS_LEVEL, pro = google_model_is_pro(model);
    if (str_is(type, "disabled"))
        effort = STR("none");
    else if (budget >= 0)
        return (depth){true, budget, NULL};
    if (levels) return level_of(effort, pro, str_says(model, "gemini-3-pro"));
    if (!effort.n && (str_is(type, "enabled") || str_is(type, "adaptive"))) return (depth){true, -1, NULL};
    return budget_of(effort, pro);
}

static void depth_put(config *c) {
    const mg_json *thinking = root_get(c, "thinking"), *shown = google_get(c->e->h, thinking, "include");
    mg_str effort = c->e->h->json_str(root_get(c, "reasoning_effort"));
    static const char *const known[] = {"type", "budget_tokens", "include", NULL};
    if (c->e->thinking == GOOGLE_THINKS_NOT) {
        if (thinking && !str_is(google_text(c->e->h, thinking, "type"), "disabled")) google_drop(c->e, "thinking");
        if (effort.n && !str_is(effort, "none")) google_drop(c->e, "reasoning_effort");
        return;
    }
    google_drop_others(c->e, thinking, known, "thinking");
    depth d = depth_of(c, thinking, effort);
    if (effort.n && !d.has_budget && !d.level) google_drop(c->e, "reasoning_effort");
    if (!d.has_budget && !d.level && !shown) return;
    member_put(c, "thinkingConfig");
    google_buf b = {0};
    if (d.level) {
        google_buf_add(&b, STR(",\"thinkingLevel\":"));
        google_buf_json(&b, str_of(d.level));
    }
    if (d.has_budget) google_buf_number(&b, ",\"thinkingBudget\":", d.budget);
    if (shown)
        google_buf_add(&b, c->e->h->json_bool(shown, false) ? STR(",\"includeThoughts\":true")
                                                            : STR(",\"includeThoughts\":false"));
    PUT(c->e, "{");
    put(c->e, str_skip(google_buf_view(&b), 1));
    PUT(c->e, "}");
    google_buf_finish(&b);
}

mg_status google_generation(const google_encoder *e) {
    config c = {e, false};
    copies_put(&c);
    stop_put(&c);
    mg_status status = format_put(&c);
    if (status == MG_OK) status = modalities_put(&c);
    if (status != MG_OK) return status;
    voice_put(&c);
    depth_put(&c);
    if (c.open) PUT(e, "}");
    return MG_OK;
}
