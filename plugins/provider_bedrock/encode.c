/* Requests in the canonical form: the members other than messages and tools. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "encoder.h"

/* ---- what all files use ------------------------------------------------------------------------------------------ */

bool refuse(const bedrock_encoder *e, const char *format, ...) {
    va_list args;
    e->error->http = 400;
    snprintf(e->error->code, sizeof e->error->code, "unsupported");
    va_start(args, format);
    vsnprintf(e->error->text, sizeof e->error->text, format, args);
    va_end(args);
    return false;
}

void drop(const bedrock_encoder *e, const char *format, ...) {
    char text[256];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (n > 0) e->out->drop(e->out->ctx, (mg_str){text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1});
}

static bool is_word_of(mg_str word, const char *words) {
    for (const char *w = words; *w;) {
        size_t n = strcspn(w, " ");
        if (str_eq(word, (mg_str){w, n})) return true;
        w += n + (w[n] == ' ');
    }
    return false;
}

static bool holds_nothing(const bedrock_encoder *e, const mg_json *v) {
    switch (e->h->json_type(v)) {
    case MG_JSON_NULL: return true;
    case MG_JSON_STRING: return e->h->json_str(v).n == 0;
    case MG_JSON_ARRAY:
    case MG_JSON_OBJECT: return !e->h->json_child(v);
    default: return false;
    }
}

void drop_others(const bedrock_encoder *e, const mg_json *object, const char *place, const char *known) {
    if (!is(e, object, MG_JSON_OBJECT)) return;
    for (const mg_json *m = e->h->json_child(object); m; m = e->h->json_next(m)) {
        mg_str key = e->h->json_key(m);
        if (is_word_of(key, known) || holds_nothing(e, m)) continue;
        drop(e, "%s%s%.*s", place, *place ? "." : "", (int)(key.n > 100 ? 100 : key.n), key.n ? key.p : "");
    }
}

mg_str source_of(const bedrock_encoder *e, const mg_json *v) {
    size_t start, end;
    if (!e->h->json_span(v, &start, &end) || end > e->request->body.n) return (mg_str){NULL, 0};
    return (mg_str){e->request->body.p + start, end - start};
}

void put_source(const bedrock_encoder *e, const mg_json *v) { put_str(e, source_of(e, v)); }

void put_int(const bedrock_encoder *e, int64_t n) {
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)n);
    put(e, text);
}

static bool is_dropped(const bedrock_encoder *e, const char *name) {
    for (size_t i = 0; i < e->quirks->n_drop; i++)
        if (str_is(e->quirks->drop[i], name)) return true;
    return false;
}

static void member_begin(bedrock_encoder *e, const char *name) {
    put(e, e->any_member ? ",\"" : "\"");
    put(e, name);
    put(e, "\":");
    e->any_member = true;
}

bool put_member(bedrock_encoder *e, const char *name) {
    bool dropped = is_dropped(e, name);
    if (dropped)
        drop(e, "%s", name);
    else
        member_begin(e, name);
    return !dropped;
}

bool put_inner(bedrock_encoder *e, bedrock_object *o, const char *member) {
    char path[96];
    snprintf(path, sizeof path, "%s.%s", o->name, member);
    if (is_dropped(e, o->name) || is_dropped(e, path)) {
        drop(e, "%s", path);
        return false;
    }
    if (!o->open) member_begin(e, o->name);
    put(e, o->open ? ",\"" : "{\"");
    put(e, member);
    put(e, "\":");
    o->open = true;
    return true;
}

void object_end(const bedrock_encoder *e, const bedrock_object *o) {
    if (o->open) put(e, "}");
}

/* ---- what can't be expressed ------------------------------------------------------------------------------------- */

static bool only_text_asked(const bedrock_encoder *e) {
    for (const mg_json *m = e->h->json_child(top(e, "modalities")); m; m = e->h->json_next(m))
        if (!str_is(e->h->json_str(m), "text")) return false;
    return true;
}

static bool expressible(const bedrock_encoder *e) {
    if (e->h->json_int(top(e, "n"), 1) != 1) return refuse(e, "n: Bedrock gives one answer a request");
    if (e->h->json_bool(top(e, "logprobs"), false) || e->h->json_int(top(e, "top_logprobs"), 0) > 0)
        return refuse(e, "logprobs: Bedrock's Converse does not tell probabilities");
    if (top(e, "audio") || !only_text_asked(e)) return refuse(e, "modalities: Bedrock's Converse answers in text only");
    if (top(e, "prediction")) return refuse(e, "prediction: Bedrock takes no predicted output");
    if (top(e, "web_search_options")) return refuse(e, "web_search_options: Bedrock's Converse has no web search");
    if (top(e, "functions") || top(e, "function_call"))
        return refuse(e, "functions and function_call are OpenAI's old form: send tools and tool_choice");
    return true;
}

/* ---- inferenceConfig --------------------------------------------------------------------------------------------- */

/* The number's value by its source text; `otherwise` if it is none. */
static double number_of(const bedrock_encoder *e, const mg_json *v, double otherwise) {
    char text[64], *end;
    mg_str source = source_of(e, v);
    if (!is(e, v, MG_JSON_NUMBER) || source.n >= sizeof text) return otherwise;
    memcpy(text, source.p, source.n);
    text[source.n] = 0;
    double value = strtod(text, &end);
    return end == text + source.n ? value : otherwise;
}

/* Why this request's temperature, top_p and top_k can't be sent; NULL if they can. */
static const char *sampling_fault(const bedrock_encoder *e) {
    if (e->plan.bare) return "not together with this much reasoning";
    if (e->model.maker != MAKER_CLAUDE) return NULL;
    return !e->model.claude.sampling ? "this model takes none" : e->plan.thinking ? "not together with thinking" : NULL;
}

/* Bedrock's temperature ends at 1, OpenAI's at 2; 1 is the default of both. */
static void temperature_put(bedrock_encoder *e, bedrock_object *config) {
    const mg_json *v = top(e, "temperature");
    const char *fault = sampling_fault(e);
    double value = number_of(e, v, 1.0);
    if (!v || (fault && value == 1.0)) return;
    if (fault) {
        drop(e, "temperature (%s)", fault);
        return;
    }
    if (value > 1.0) drop(e, "temperature (above 1)");
    if (!put_inner(e, config, "temperature")) return;
    if (value > 1.0)
        put(e, "1");
    else
        put_source(e, v);
}

static void top_p_put(bedrock_encoder *e, bedrock_object *config) {
    const mg_json *v = top(e, "top_p");
    const char *fault = sampling_fault(e);
    const anthropic_model *claude = e->model.maker == MAKER_CLAUDE ? &e->model.claude : NULL;
    if (!v) return;
    if (claude && claude->sampling && e->plan.thinking)
        fault = number_of(e, v, 1.0) < 0.95 ? "not below 0.95 together with thinking" : NULL;
    else if (claude && claude->one_sampler && top(e, "temperature") && !fault)
        fault = "this model takes temperature or top_p, not both";
    if (fault)
        drop(e, "top_p (%s)", fault);
    else if (put_inner(e, config, "topP"))
        put_source(e, v);
}

static void stop_put(bedrock_encoder *e, bedrock_object *config) {
    const mg_json *stop = top(e, "stop"), *s = is(e, stop, MG_JSON_ARRAY) ? e->h->json_child(stop) : stop;
    size_t n = 0;
    for (; s; s = s == stop ? NULL : e->h->json_next(s)) {
        mg_str text = e->h->json_str(s);
        if (anthropic_blank(text)) {
            drop(e, "stop (a sequence of white space)");
            continue;
        }
        if (n == 0 && !put_inner(e, config, "stopSequences")) return;
        put(e, n++ ? "," : "[");
        put_text(e, text);
    }
    if (n) put(e, "]");
}

static bool inference_put(bedrock_encoder *e) {
    static const char *const numbers[] = {"temperature", "top_p", "top_k"};
    bedrock_object config = {.name = "inferenceConfig"};
    for (size_t i = 0; i < COUNT(numbers); i++)
        if (top(e, numbers[i]) && !is(e, top(e, numbers[i]), MG_JSON_NUMBER))
            return refuse(e, "%s has to be a number", numbers[i]);
    if (e->plan.max_tokens > 0 && e->plan.bare)
        drop(e, "max_tokens (not together with this much reasoning)");
    else if (e->plan.max_tokens > 0 && put_inner(e, &config, "maxTokens"))
        put_int(e, e->plan.max_tokens);
    temperature_put(e, &config);
    top_p_put(e, &config);
    stop_put(e, &config);
    object_end(e, &config);
    return true;
}

/* ---- additionalModelRequestFields -------------------------------------------------------------------------------- */

static void top_k_put(bedrock_encoder *e, bedrock_object *more) {
    const mg_json *v = top(e, "top_k");
    const char *fault = sampling_fault(e), *name = NULL, *end = "";
    switch (e->model.maker) {
    case MAKER_CLAUDE:
    case MAKER_MISTRAL: name = "top_k"; break;
    case MAKER_COHERE: name = "k"; break;
    case MAKER_NOVA:
    case MAKER_NOVA_2: name = "inferenceConfig"; break;
    default: break;
    }
    if (!v) return;
    if (fault || !name) {
        drop(e, "top_k (%s)", fault ? fault : "this model has none, or its name does not say whose it is");
        return;
    }
    if (!put_inner(e, more, name)) return;
    if (str_is(str_of(name), "inferenceConfig")) {
        put(e, "{\"topK\":");
        end = "}";
    }
    put_source(e, v);
    put(e, end);
}

static void claude_thinking_put(bedrock_encoder *e, bedrock_object *more) {
    if (!e->plan.type || !put_inner(e, more, "thinking")) return;
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

static void reasoning_put(bedrock_encoder *e, bedrock_object *more) {
    const bedrock_plan *p = &e->plan;
    if (e->model.maker == MAKER_CLAUDE) {
        claude_thinking_put(e, more);
    } else if (e->model.maker == MAKER_NOVA_2 && p->type && put_inner(e, more, "reasoningConfig")) {
        put(e, "{\"type\":");
        put_text(e, str_of(p->type));
        put(e, ",\"maxReasoningEffort\":");
        put_text(e, str_of(p->effort));
        put(e, "}");
    } else if (e->model.maker == MAKER_OPENAI && p->effort && put_inner(e, more, "reasoning_effort")) {
        put_text(e, str_of(p->effort));
    }
}

/* Which stop sequence was met is told by Claude alone, and only to who asks for it. */
static void response_fields_put(bedrock_encoder *e) {
    if (e->model.maker == MAKER_CLAUDE && top(e, "stop") && put_member(e, "additionalModelResponseFieldPaths"))
        put(e, "[\"/stop_sequence\"]");
}

/* ---- response_format --------------------------------------------------------------------------------------------- */

/* There is no JSON mode without a schema: asked for in the system prompt, as OpenAI's callers have to ask too. */
#define JSON_NOTE "Answer with one JSON object and nothing else: no text around it and no code fence."

typedef struct answer_form {
    const mg_json *named; /* response_format.json_schema, or NULL */
    mg_str note; /* for the system prompt, or "" */
} answer_form;

static bool form_read(bedrock_encoder *e, answer_form *form) {
    const mg_json *format = top(e, "response_format"), *named = get(e, format, "json_schema");
    mg_str type = get_text(e, format, "type");
    *form = (answer_form){NULL, {NULL, 0}};
    if (!format || str_is(type, "text")) return true;
    if (str_is(type, "json_object")) {
        drop(e, "response_format (json_object: asked for in the system prompt)");
        form->note = STR(JSON_NOTE);
        return true;
    }
    if (!str_is(type, "json_schema") || !is(e, get(e, named, "schema"), MG_JSON_OBJECT))
        return refuse(e, "response_format has to be text, json_object, or json_schema with a json_schema.schema");
    if (e->model.maker == MAKER_CLAUDE && !e->model.claude.structured)
        return refuse(e, "response_format: this model takes no JSON schema");
    drop_others(e, named, "response_format.json_schema", "name description schema strict");
    form->named = named;
    return true;
}

/* The schema travels as text inside a string. */
static void schema_text_put(bedrock_encoder *e, const mg_json *named) {
    mg_str name = get_text(e, named, "name"), description = get_text(e, named, "description");
    put(e, "{\"type\":\"json_schema\",\"structure\":{\"jsonSchema\":{\"schema\":");
    put_text(e, source_of(e, get(e, named, "schema")));
    if (name.n) {
        put(e, ",\"name\":");
        put_text(e, name);
    }
    if (description.n) {
        put(e, ",\"description\":");
        put_text(e, description);
    }
    put(e, "}}}");
}

static void output_put(bedrock_encoder *e, const answer_form *form) {
    bedrock_object config = {.name = "outputConfig"};
    bool effort = e->plan.effort && e->model.maker == MAKER_CLAUDE;
    if (form->named && put_inner(e, &config, "textFormat")) schema_text_put(e, form->named);
    if (effort && put_inner(e, &config, "effort")) put_text(e, str_of(e->plan.effort));
    object_end(e, &config);
}

/* ---- serviceTier, requestMetadata -------------------------------------------------------------------------------- */

static void tier_put(bedrock_encoder *e) {
    mg_str tier = e->h->json_str(top(e, "service_tier"));
    if (str_is(tier, "standard_only")) tier = STR("default");
    bool known = str_is(tier, "default") || str_is(tier, "flex") || str_is(tier, "priority");
    if (!top(e, "service_tier") || str_is(tier, "auto")) return; /* Bedrock decides unasked */
    if (!known) {
        drop(e, "service_tier");
    } else if (put_member(e, "serviceTier")) {
        put(e, "{\"type\":");
        put_text(e, tier);
        put(e, "}");
    }
}

/* Letters, digits, spaces and :_@$#=/+,-. up to 256: what needs no escape in JSON either. */
static bool is_metadata(mg_str s) {
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!plain && (!c || !strchr(" :_@$#=/+,-.", c))) return false;
    }
    return s.n <= 256;
}

static void metadata_put(bedrock_encoder *e) {
    bedrock_object metadata = {.name = "requestMetadata"};
    const mg_json *m = is(e, top(e, "metadata"), MG_JSON_OBJECT) ? e->h->json_child(top(e, "metadata")) : NULL;
    for (size_t n = 0; m; m = e->h->json_next(m)) {
        char name[257];
        mg_str key = e->h->json_key(m), value = e->h->json_str(m);
        if (!key.n || !is_metadata(key) || !is_metadata(value) || !is(e, m, MG_JSON_STRING) || n == 16) {
            drop(e, "metadata.%.*s", SHOWN(key));
            continue;
        }
        memcpy(name, key.p, key.n);
        name[key.n] = 0;
        if (!put_inner(e, &metadata, name)) continue;
        put_text(e, value);
        n++;
    }
    object_end(e, &metadata);
}

/* ---- the canonical form ------------------------------------------------------------------------------------------ */

/* Members that are read somewhere, or whose default is meant. The rest is reported. */
#define KNOWN                                                                                                          \
    "model messages stream stream_options n logprobs top_logprobs audio modalities prediction web_search_options "     \
    "functions function_call max_tokens max_completion_tokens temperature top_p top_k stop metadata service_tier "     \
    "thinking reasoning_effort response_format tools tool_choice parallel_tool_calls"

/* Counting takes only what is part of the input. */
static bool generation_put(bedrock_encoder *e, const answer_form *form) {
    if (e->request->operation != MG_OP_CHAT) return true;
    if (!inference_put(e)) return false;
    response_fields_put(e);
    output_put(e, form);
    tier_put(e);
    metadata_put(e);
    if (!e->h->json_bool(top(e, "parallel_tool_calls"), true)) drop(e, "parallel_tool_calls");
    return true;
}

static bool body_put(bedrock_encoder *e) {
    answer_form form;
    bedrock_object more = {.name = "additionalModelRequestFields"};
    bool count = e->request->operation == MG_OP_COUNT_TOKENS;
    if (!expressible(e) || !plan_make(e) || !form_read(e, &form)) return false;
    put(e, count ? "{\"input\":{\"converse\":{" : "{");
    if (!messages_put(e, form.note) || !tools_put(e) || !generation_put(e, &form)) return false;
    reasoning_put(e, &more);
    if (!count) top_k_put(e, &more);
    object_end(e, &more);
    put(e, count ? "}}}" : "}");
    drop_others(e, e->request->root, "", KNOWN);
    return true;
}

/* ---- the path ---------------------------------------------------------------------------------------------------- */

/* All but unreserved bytes are escaped, slashes of an ARN too. */
static bool path_put(const bedrock_encoder *e) {
    char path[16 + 3 * 2048 + 32];
    size_t n = (size_t)snprintf(path, sizeof path, "/model/");
    mg_str id = e->request->model;
    bool dots = id.n <= 2 && id.n > 0 && id.p[0] == '.' && id.p[id.n - 1] == '.';
    if (id.n == 0 || id.n > 2048 || dots)
        return refuse(e, "model: '%.*s' is no id of a model, an inference profile or an ARN", SHOWN(id));
    for (size_t i = 0; i < id.n; i++) {
        char c = id.p[i];
        bool plain =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("-._~", c));
        n += (size_t)snprintf(path + n, sizeof path - n, plain ? "%c" : "%%%02X", (unsigned char)c);
    }
    n += (size_t)snprintf(path + n, sizeof path - n, "/%s",
                          e->request->operation == MG_OP_COUNT_TOKENS ? "count-tokens"
                          : e->request->stream                        ? "converse-stream"
                                                                      : "converse");
    e->out->path(e->out->ctx, (mg_str){path, n});
    return true;
}

mg_status bedrock_encode(const mg_host *h, const bedrock_quirks *quirks, const mg_provider_request *request,
                         const mg_provider_out *out, mg_error *error) {
    bedrock_encoder e = {.h = h, .quirks = quirks, .request = request, .out = out, .error = error};
    if (!bedrock_is(h, request->root, MG_JSON_OBJECT))
        return bedrock_fail(error, 400, "invalid_json", "the request's body has to be a JSON object");
    e.model = bedrock_model_of(request->model);
    return path_put(&e) && body_put(&e) ? MG_OK : MG_ERROR;
}
