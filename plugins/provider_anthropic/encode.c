/* Requests in the canonical form: the members other than messages and tools. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "encoder.h"

/* ---- what all files use ------------------------------------------------------------------------------------------ */

bool refuse(const anthropic_encoder *e, const char *format, ...) {
    va_list args;
    e->error->http = 400;
    snprintf(e->error->code, sizeof e->error->code, "unsupported");
    va_start(args, format);
    vsnprintf(e->error->text, sizeof e->error->text, format, args);
    va_end(args);
    return false;
}

void drop(const anthropic_encoder *e, const char *format, ...) {
    char text[256];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (n > 0) e->out->drop(e->out->ctx, (mg_str){text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1});
}

/* True if `words`, separated by spaces, hold the word. */
static bool is_word_of(mg_str word, const char *words) {
    for (const char *w = words; *w;) {
        size_t n = strcspn(w, " ");
        if (str_eq(word, (mg_str){w, n})) return true;
        w += n + (w[n] == ' ');
    }
    return false;
}

static bool holds_nothing(const anthropic_encoder *e, const mg_json *v) {
    switch (e->h->json_type(v)) {
    case MG_JSON_NULL: return true;
    case MG_JSON_STRING: return e->h->json_str(v).n == 0;
    case MG_JSON_ARRAY:
    case MG_JSON_OBJECT: return !e->h->json_child(v);
    default: return false;
    }
}

void drop_others(const anthropic_encoder *e, const mg_json *object, const char *place, const char *known) {
    if (!anthropic_is(e->h, object, MG_JSON_OBJECT)) return;
    for (const mg_json *m = e->h->json_child(object); m; m = e->h->json_next(m)) {
        mg_str key = e->h->json_key(m);
        if (is_word_of(key, known) || holds_nothing(e, m)) continue;
        drop(e, "%s%s%.*s", place, *place ? "." : "", (int)(key.n > 100 ? 100 : key.n), key.n ? key.p : "");
    }
}

mg_str source_of(const anthropic_encoder *e, const mg_json *v) {
    size_t start, end;
    if (!e->h->json_span(v, &start, &end) || end > e->request->body.n) return (mg_str){NULL, 0};
    return (mg_str){e->request->body.p + start, end - start};
}

void put_source(const anthropic_encoder *e, const mg_json *v) { put_str(e, source_of(e, v)); }

void put_int(const anthropic_encoder *e, int64_t n) {
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)n);
    put(e, text);
}

bool is_dropped(const anthropic_encoder *e, mg_str name) {
    for (size_t i = 0; i < e->quirks->n_drop; i++)
        if (str_eq(e->quirks->drop[i], name)) return true;
    return false;
}

bool put_member(anthropic_encoder *e, const char *name) {
    if (is_dropped(e, str_of(name))) {
        drop(e, "%s", name);
        return false;
    }
    put(e, e->any_member ? ",\"" : "{\"");
    put(e, name);
    put(e, "\":");
    e->any_member = true;
    return true;
}

static const mg_json *top(const anthropic_encoder *e, const char *key) {
    return anthropic_get(e->h, e->request->root, key);
}
static bool has(const anthropic_encoder *e, const char *key) { return !anthropic_void(e->h, top(e, key)); }

/* ---- what can't be expressed ------------------------------------------------------------------------------------- */

static bool only_text_asked(const anthropic_encoder *e) {
    for (const mg_json *m = e->h->json_child(top(e, "modalities")); m; m = e->h->json_next(m))
        if (!str_is(e->h->json_str(m), "text")) return false;
    return true;
}

static bool expressible(const anthropic_encoder *e) {
    if (has(e, "n") && e->h->json_int(top(e, "n"), 0) != 1) return refuse(e, "n: Anthropic gives one answer a request");
    if (e->h->json_bool(top(e, "logprobs"), false) || e->h->json_int(top(e, "top_logprobs"), 0) > 0)
        return refuse(e, "logprobs: Anthropic does not tell probabilities");
    if (has(e, "audio") || !only_text_asked(e)) return refuse(e, "modalities: Anthropic's models answer in text only");
    if (has(e, "prediction")) return refuse(e, "prediction: Anthropic takes no predicted output");
    if (has(e, "web_search_options"))
        return refuse(e, "web_search_options: Anthropic's web search is a tool; send it in tools, as a vendor_tool");
    if (has(e, "functions") || has(e, "function_call"))
        return refuse(e, "functions and function_call are OpenAI's old form: send tools and tool_choice");
    return true;
}

/* ---- sampling ---------------------------------------------------------------------------------------------------- */

/* The number's value by its source text; `otherwise` if it is none. */
static double number_of(const anthropic_encoder *e, const mg_json *v, double otherwise) {
    char text[64], *end;
    mg_str source = source_of(e, v);
    if (!anthropic_is(e->h, v, MG_JSON_NUMBER) || source.n >= sizeof text) return otherwise;
    memcpy(text, source.p, source.n);
    text[source.n] = 0;
    double value = strtod(text, &end);
    return end == text + source.n ? value : otherwise;
}

static void number_put(anthropic_encoder *e, const char *name) {
    if (put_member(e, name)) put_source(e, top(e, name));
}

/* OpenAI's temperature goes to 2, Anthropic's to 1, which both mean as the default. */
static void temperature_put(anthropic_encoder *e) {
    double value = number_of(e, top(e, "temperature"), 1.0);
    if (!has(e, "temperature")) return;
    if (e->plan.thinking || !e->model.sampling) {
        if (value != 1.0)
            drop(e, "temperature (%s)", e->model.sampling ? "not together with thinking" : "this model takes none");
    } else if (value > 1.0) {
        drop(e, "temperature (above 1)");
        if (put_member(e, "temperature")) put(e, "1");
    } else {
        number_put(e, "temperature");
    }
}

static void top_p_put(anthropic_encoder *e) {
    double value = number_of(e, top(e, "top_p"), 1.0);
    if (!has(e, "top_p")) return;
    if (!e->model.sampling)
        drop(e, "top_p (this model takes none)");
    else if (e->plan.thinking && value < 0.95)
        drop(e, "top_p (not below 0.95 together with thinking)");
    else if (!e->plan.thinking && e->model.one_sampler && has(e, "temperature"))
        drop(e, "top_p (this model takes temperature or top_p, not both)");
    else
        number_put(e, "top_p");
}

static void top_k_put(anthropic_encoder *e) {
    if (!has(e, "top_k")) return;
    if (e->plan.thinking || !e->model.sampling)
        drop(e, "top_k (%s)", e->model.sampling ? "not together with thinking" : "this model takes none");
    else
        number_put(e, "top_k");
}

static bool sampling_put(anthropic_encoder *e) {
    static const char *const names[] = {"temperature", "top_p", "top_k"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (has(e, names[i]) && !anthropic_is(e->h, top(e, names[i]), MG_JSON_NUMBER))
            return refuse(e, "%s has to be a number", names[i]);
    temperature_put(e);
    top_p_put(e);
    top_k_put(e);
    return true;
}

/* ---- other members ----------------------------------------------------------------------------------------------- */

static void stop_one(anthropic_encoder *e, const mg_json *v, size_t *n) {
    if (anthropic_blank(e->h->json_str(v))) {
        drop(e, "stop (a sequence of white space)");
        return;
    }
    if (*n == 0 && !put_member(e, "stop_sequences")) return;
    put(e, *n ? "," : "[");
    put_text(e, e->h->json_str(v));
    ++*n;
}

static void stop_put(anthropic_encoder *e) {
    const mg_json *stop = top(e, "stop");
    size_t n = 0;
    if (anthropic_is(e->h, stop, MG_JSON_STRING)) stop_one(e, stop, &n);
    for (const mg_json *s = e->h->json_child(stop); s; s = e->h->json_next(s)) stop_one(e, s, &n);
    if (n) put(e, "]");
}

static void user_put(anthropic_encoder *e) {
    mg_str user = e->h->json_str(top(e, "user"));
    if (!user.n) user = e->h->json_str(top(e, "safety_identifier"));
    if (!user.n) user = anthropic_text(e->h, top(e, "metadata"), "user_id");
    if (user.n > 256) {
        drop(e, "user (longer than 256 bytes)");
    } else if (user.n && put_member(e, "metadata")) {
        put(e, "{\"user_id\":");
        put_text(e, user);
        put(e, "}");
    }
    drop_others(e, top(e, "metadata"), "metadata", "user_id");
}

/* auto and priority may use the priority capacity that was bought; default uses none. */
static void tier_put(anthropic_encoder *e) {
    mg_str tier = e->h->json_str(top(e, "service_tier"));
    bool standard = str_is(tier, "default") || str_is(tier, "standard_only");
    if (!has(e, "service_tier")) return;
    if (!standard && !str_is(tier, "auto") && !str_is(tier, "priority"))
        drop(e, "service_tier");
    else if (put_member(e, "service_tier"))
        put(e, standard ? "\"standard_only\"" : "\"auto\"");
}

static void thinking_put(anthropic_encoder *e) {
    if (!e->plan.type || !put_member(e, "thinking")) return;
    put(e, "{\"type\":");
    put_text(e, str_of(e->plan.type));
    if (e->plan.budget > 0) {
        put(e, ",\"budget_tokens\":");
        put_int(e, e->plan.budget);
    }
    if (e->plan.display) {
        put(e, ",\"display\":");
        put_text(e, str_of(e->plan.display));
    }
    put(e, "}");
}

/* ---- response_format --------------------------------------------------------------------------------------------- */

/* Anthropic has no JSON mode without a schema: asked for in the system prompt, as OpenAI's callers have to ask too. */
#define JSON_NOTE "Answer with one JSON object and nothing else: no text around it and no code fence."

typedef struct answer_form {
    const mg_json *schema; /* or NULL */
    mg_str note; /* for the system prompt, or "" */
} answer_form;

static bool form_read(anthropic_encoder *e, answer_form *form) {
    const mg_json *format = top(e, "response_format"), *named = anthropic_get(e->h, format, "json_schema");
    mg_str type = anthropic_text(e->h, format, "type");
    *form = (answer_form){NULL, {NULL, 0}};
    if (anthropic_void(e->h, format) || str_is(type, "text")) return true;
    if (str_is(type, "json_object")) {
        drop(e, "response_format (json_object: asked for in the system prompt)");
        form->note = STR(JSON_NOTE);
        return true;
    }
    form->schema = anthropic_get(e->h, named, "schema");
    if (!str_is(type, "json_schema") || !anthropic_is(e->h, form->schema, MG_JSON_OBJECT))
        return refuse(e, "response_format has to be text, json_object, or json_schema with a json_schema.schema");
    if (!e->model.structured) return refuse(e, "response_format: this model of Anthropic's takes no JSON schema");
    drop_others(e, named, "response_format.json_schema", "name schema strict");
    return true;
}

static void output_put(anthropic_encoder *e, const answer_form *form) {
    if ((!form->schema && !e->plan.effort) || !put_member(e, "output_config")) return;
    put(e, "{");
    if (e->plan.effort) {
        put(e, "\"effort\":");
        put_text(e, str_of(e->plan.effort));
    }
    if (form->schema) {
        put(e, e->plan.effort ? "," : "");
        put(e, "\"format\":{\"type\":\"json_schema\",\"schema\":");
        closed_schema_put(e, form->schema);
        put(e, "}");
    }
    put(e, "}");
}

/* ---- the canonical form ------------------------------------------------------------------------------------------ */

/* Members that are read somewhere, or whose default is meant. The rest is reported. */
#define KNOWN                                                                                                          \
    "model messages stream stream_options n logprobs top_logprobs audio modalities prediction web_search_options "     \
    "functions function_call max_tokens max_completion_tokens temperature top_p top_k stop user safety_identifier "    \
    "metadata service_tier thinking reasoning_effort response_format tools tool_choice parallel_tool_calls"

/* Counting takes only what is part of the input. */
static bool generation_put(anthropic_encoder *e) {
    if (e->request->operation != MG_OP_CHAT) return true;
    if (put_member(e, "max_tokens")) put_int(e, e->plan.max_tokens);
    if (!sampling_put(e)) return false;
    stop_put(e);
    user_put(e);
    tier_put(e);
    if (e->request->stream && put_member(e, "stream")) put(e, "true");
    return true;
}

static mg_status canonical_encode(anthropic_encoder *e) {
    answer_form form;
    e->model = anthropic_model_of(e->request->model.n ? e->request->model : e->h->json_str(top(e, "model")));
    if (!expressible(e) || !plan_make(e) || !form_read(e, &form)) return MG_ERROR;
    mg_str model = e->request->model.n ? e->request->model : e->h->json_str(top(e, "model"));
    if (put_member(e, "model")) put_text(e, model);
    if (!generation_put(e)) return MG_ERROR;
    thinking_put(e);
    output_put(e, &form);
    if (!tools_put(e) || !messages_put(e, form.note)) return MG_ERROR;
    put(e, "}");
    drop_others(e, e->request->root, "", KNOWN);
    return MG_OK;
}

mg_status anthropic_encode_body(const mg_host *h, const anthropic_quirks *quirks, const mg_provider_request *request,
                                const mg_provider_out *out, mg_error *error) {
    anthropic_encoder e = {.h = h, .quirks = quirks, .request = request, .out = out, .error = error};
    if (!anthropic_is(h, request->root, MG_JSON_OBJECT))
        return anthropic_fail(error, 400, "invalid_json", "the request's body has to be a JSON object");
    return request->format == MG_FORMAT_ANTHROPIC ? native_encode(&e) : canonical_encode(&e);
}
