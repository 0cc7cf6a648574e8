/* Tools: functions that the client runs, and those that Gemini runs itself. */
#include <stdio.h>

#include "google.h"

/* `parametersJsonSchema` takes JSON Schema as OpenAI's clients write it ($ref, additionalProperties, …), which
 * `parameters`, an OpenAPI subset, refuses. */
static mg_status function_put(const google_encoder *e, const mg_json *f, const char *where) {
    static const char *const known[] = {"name", "description", "parameters", "strict", NULL};
    const mg_json *parameters = google_get(e->h, f, "parameters");
    mg_str name = google_text(e->h, f, "name"), description = google_text(e->h, f, "description");
    if (!name.n) return BAD(e->error, "%s: a function has to have a name", where);
    google_drop_others(e, f, known, where);
    if (e->h->json_bool(google_get(e->h, f, "strict"), false)) google_drop(e, "%s.strict", where);
    PUT(e, "{\"name\":");
    put_text(e, name);
    if (description.n) {
        PUT(e, ",\"description\":");
        put_text(e, description);
    }
    if (parameters) {
        PUT(e, ",\"parametersJsonSchema\":");
        put_raw(e, parameters);
    }
    PUT(e, "}");
    return MG_OK;
}

static bool is_function(const google_encoder *e, const mg_json *tool) {
    return str_is(google_text(e->h, tool, "type"), "function");
}

/* Separates the elements of one declaration list: `n` counts them. */
static void declaration_begin(const google_encoder *e, size_t *n) {
    if ((*n)++)
        PUT(e, ",");
    else
        PUT(e, ",\"tools\":[{\"functionDeclarations\":[");
}

/* The functions of `tools`, and those of the older `functions`. */
static mg_status functions_put(const google_encoder *e, size_t *n) {
    static const char *const known[] = {"type", "function", NULL};
    char where[48];
    size_t i = 0;
    mg_status status = MG_OK;
    const mg_json *t = e->h->json_child(google_get(e->h, e->r->root, "tools"));
    for (; t && status == MG_OK; t = e->h->json_next(t), i++) {
        if (!is_function(e, t)) continue;
        snprintf(where, sizeof where, "tools[%zu]", i);
        google_drop_others(e, t, known, where);
        snprintf(where, sizeof where, "tools[%zu].function", i);
        declaration_begin(e, n);
        status = function_put(e, google_get(e->h, t, "function"), where);
    }
    i = 0;
    t = e->h->json_child(google_get(e->h, e->r->root, "functions"));
    for (; t && status == MG_OK; t = e->h->json_next(t), i++) {
        snprintf(where, sizeof where, "functions[%zu]", i);
        declaration_begin(e, n);
        status = function_put(e, t, where);
    }
    if (*n) PUT(e, "]}");
    return status;
}

/* {"type": "vendor_tool", "vendor": "gemini", "tool": {"googleSearch": {}}}: an element of Gemini's own list. */
static mg_status vendor_tools_put(const google_encoder *e, size_t n) {
    size_t i = 0;
    const mg_json *t = e->h->json_child(google_get(e->h, e->r->root, "tools"));
    for (; t; t = e->h->json_next(t), i++) {
        mg_str type = google_text(e->h, t, "type"), vendor = google_text(e->h, t, "vendor");
        const mg_json *tool = google_get(e->h, t, "tool");
        if (is_function(e, t)) continue;
        if (!str_is(type, "vendor_tool"))
            return BAD(e->error, "tools[%zu]: Gemini has no tools of type '%.*s'; it takes functions", i,
                       (int)(type.n > 40 ? 40 : type.n), type.p);
        if (!str_is(vendor, "gemini") || !google_is(e->h, tool, MG_JSON_OBJECT))
            return BAD(e->error, "tools[%zu] is a tool that only another vendor, '%.*s', runs", i,
                       (int)(vendor.n > 40 ? 40 : vendor.n), vendor.p);
        if (n++)
            PUT(e, ",");
        else
            PUT(e, ",\"tools\":[");
        put_raw(e, tool);
    }
    if (n) PUT(e, "]");
    return MG_OK;
}

/* ---- which tool to take ------------------------------------------------------------------------------------------ */

static void config_put(const google_encoder *e, mg_str mode) {
    PUT(e, ",\"toolConfig\":{\"functionCallingConfig\":{\"mode\":");
    put_text(e, mode);
}

static mg_status one_function(const google_encoder *e, mg_str name) {
    if (!name.n) return BAD(e->error, "tool_choice has to name a function");
    config_put(e, STR("ANY"));
    PUT(e, ",\"allowedFunctionNames\":[");
    put_text(e, name);
    PUT(e, "]}}");
    return MG_OK;
}

/* Some of the functions. Gemini knows a list together with ANY, a call for certain, and with VALIDATED, a call or
 * text. */
static mg_status some_functions(const google_encoder *e, const mg_json *allowed) {
    bool first = true;
    config_put(e, str_is(google_text(e->h, allowed, "mode"), "required") ? STR("ANY") : STR("VALIDATED"));
    PUT(e, ",\"allowedFunctionNames\":[");
    for (const mg_json *t = e->h->json_child(google_get(e->h, allowed, "tools")); t; t = e->h->json_next(t)) {
        mg_str name = google_text(e->h, google_get(e->h, t, "function"), "name");
        if (!name.n) return BAD(e->error, "tool_choice.allowed_tools: Gemini can be told to take functions only");
        if (!first) PUT(e, ",");
        put_text(e, name);
        first = false;
    }
    PUT(e, "]}}");
    return MG_OK;
}

static mg_status choice_put(const google_encoder *e, const mg_json *choice) {
    mg_str word = e->h->json_str(choice), type = google_text(e->h, choice, "type");
    if (str_is(type, "allowed_tools")) {
        const mg_json *allowed = google_get(e->h, choice, "allowed_tools");
        return some_functions(e, allowed ? allowed : choice);
    }
    const mg_json *function = google_get(e->h, choice, "function");
    /* function_call names it without the object around. */
    if (google_is(e->h, choice, MG_JSON_OBJECT))
        return one_function(e, google_text(e->h, function ? function : choice, "name"));
    if (str_is(word, "required"))
        config_put(e, STR("ANY"));
    else if (str_is(word, "none"))
        config_put(e, STR("NONE"));
    else if (str_is(word, "auto"))
        config_put(e, STR("AUTO"));
    else
        return BAD(e->error, "tool_choice has to be auto, none, required, or an object that names a function");
    PUT(e, "}}");
    return MG_OK;
}

mg_status google_tools(const google_encoder *e) {
    size_t n = 0;
    const char *key = google_get(e->h, e->r->root, "tool_choice") ? "tool_choice" : "function_call";
    const mg_json *choice = google_get(e->h, e->r->root, key);
    mg_status status = functions_put(e, &n);
    if (status == MG_OK) status = vendor_tools_put(e, n ? 1 : 0);
    if (status != MG_OK || !choice) return status;
    /* Vertex AI's countTokens has no place for it, and without functions the API refuses it. */
    if (e->target->vertex && e->r->operation == MG_OP_COUNT_TOKENS) return MG_OK;
    if (n) return choice_put(e, choice);
    google_drop(e, "%s", key);
    return MG_OK;
}
